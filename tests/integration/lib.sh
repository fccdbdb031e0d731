# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the integration tests are written with. The runner gives, in the environment: T (this test's own directory), HELPERS,
# MEMCGFS and MEMCGCTL (the programs), QUICK. With MEMCGFS_TEST_TREE=DIR no daemon is started and the groups are made below
# DIR, some other v1 memory controller's directory: that tells a wrong test from a wrong daemon. MEMCGFS_TEST_OPTIONS: further
# options of every daemon, e.g. --config=FILE.

set -Eeuo pipefail
export LC_ALL=C
HERE=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=cleanup.sh
. "$HERE/cleanup.sh"

# shellcheck disable=SC2034 # for the tests
MIB=1048576 UNLIMITED=9223372036854771712

# Verdicts --------------------------------------------------------------------------------------------------------------

fail() {
	echo "FAILED: $*" >&2
	stack
	exit 1
}

skip() {
	echo "$*" >"$T/skip"
	exit 77
}

stack() {
	local i
	for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
		case ${FUNCNAME[i]} in test_*) echo "  in ${FUNCNAME[i]}, ${BASH_SOURCE[i]}:${BASH_LINENO[i - 1]}" >&2 ;; esac
	done
}

eq() { # WHAT WANT GOT
	[ "$2" = "$3" ] || fail "$1: want '$2', got '$3'"
}

le() { # WHAT NUMBER NUMBER
	[ "$2" -le "$3" ] || fail "$1: $2 is more than $3"
}

gt() { # WHAT NUMBER NUMBER
	[ "$2" -gt "$3" ] || fail "$1: $2 is not more than $3"
}

slow() {
	[ -z "${QUICK:-}" ] || skip "left out by --quick"
}

need() { # COMMAND...
	local c
	for c; do
		command -v "$c" >/dev/null || skip "no $c"
	done
}

need_daemon() {
	[ -z "${MEMCGFS_TEST_TREE:-}" ] || skip "needs the daemon"
}

# Waiting ---------------------------------------------------------------------------------------------------------------

mkfifo "$T/nap"
exec {NAP_FD}<>"$T/nap"

nap() { # SECONDS
	read -rt "$1" -u "$NAP_FD" || :
}

until_true() { # SECONDS COMMAND...: 1 if it is still false then
	local end=$((SECONDS + $1 + 1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		nap 0.01
	done
}

gone() { # PID; a leader that has ended while other threads live has not
	local threads
	[ ! -e "/proc/$1" ] || [ "$(state "$1")" = Z ] || return 1
	threads=("/proc/$1/task/"*)
	[ ${#threads[@]} -le 1 ]
}

state() { # PID: the letter of /proc/PID/stat
	sed -n 's/.*) \(.\) .*/\1/p' "/proc/$1/stat" 2>/dev/null || :
}

in_state() { # PID LETTERS; false when it has gone
	local now
	now=$(state "$1")
	[[ -n $now && $2 == *"$now"* ]]
}

# Talking to helpers ----------------------------------------------------------------------------------------------------

declare -A TALK_PID TALK_IN TALK_OUT

talk() { # NAME COMMAND...: start COMMAND with stdin and stdout in our hands
	local name=$1 in out
	shift
	mkfifo "$T/$name.in" "$T/$name.out"
	exec {in}<>"$T/$name.in" {out}<>"$T/$name.out"
	"$@" <"$T/$name.in" >"$T/$name.out" {in}>&- {out}>&- &
	TALK_PID[$name]=$!
	TALK_IN[$name]=$in
	TALK_OUT[$name]=$out
}

tell() { # NAME [LINE]
	echo "${2:-}" >&"${TALK_IN[$1]}"
}

hear() { # NAME [SECONDS]: the next line into HEARD; 1 when it does not come, or the helper dies first
	local end=$((SECONDS + ${2:-30} + 1)) part last=''
	HEARD=
	until IFS= read -rt 0.02 -u "${TALK_OUT[$1]}" part; do
		HEARD+=$part # a line can come in pieces
		[ -z "$last" ] || return 1
		! gone "${TALK_PID[$1]}" || last=1 # what it said before it died is still to be read
		[ "$SECONDS" -lt "$end" ] || return 1
	done
	HEARD+=$part
}

expect() { # NAME LINE [SECONDS]
	hear "$1" "${3:-30}" || fail "$1 did not say '$2'"
	eq "$1 says" "$2" "$HEARD"
}

finish() { # NAME: wait for its end; its exit status into STATUS
	STATUS=0
	wait "${TALK_PID[$1]}" || STATUS=$?
	eval "exec ${TALK_IN[$1]}>&- ${TALK_OUT[$1]}>&-"
	rm "$T/$1.in" "$T/$1.out"
}

# The daemon ------------------------------------------------------------------------------------------------------------

DAEMON='' SERVER='' SERVER_MAY_CHANGE='' MOUNTPOINT=''

# shellcheck disable=SC2119
setup() { # a test file may have its own
	start_daemon
}

# shellcheck disable=SC2120
start_daemon() { # [OPTION]...
	M=${MOUNTPOINT:-$T/mnt}
	if [ -n "${MEMCGFS_TEST_TREE:-}" ]; then
		M=$MEMCGFS_TEST_TREE/test.$$
		register groups "$M"
		mkdir "$M"
		return
	fi
	NAME=memcgfs-test-$$
	mkdir -p "$M"
	register hierarchy "$NAME"
	run_daemon "$@" &
	DAEMON=$!
	until_true 15 daemon_decided
	answers || fail "the daemon did not start: $(cat "$T/daemon.log")"
	SERVER=$(server)
}

# A v1 memory mount of the test's own on $M, to start a daemon over: a group of the kernel's memory hierarchy, K, with nothing
# of anybody else's in it. With "found" it lies where clients find the memory controller, over the kernel's own mount, and K is
# to be seen below $T/kernel. With "whole" it is the kernel's own mount, which $T/kernel shows.
memory_mount() { # [found | whole]
	local kernel
	kernel=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' /proc/mounts)
	[ -n "$kernel" ] || skip "no cgroup v1 memory controller is mounted"
	K=$kernel/memcgfs-test-$$ MOUNTPOINT=$T/mnt
	register groups "$K"
	mkdir -p "$K" "$MOUNTPOINT" "$T/kernel"
	if [ -n "${1:-}" ]; then
		MOUNTPOINT=$kernel
		register covered "$kernel"
	fi
	if [ "${1:-}" = whole ]; then
		mount --bind "$kernel" "$T/kernel"
	else
		mount --bind "$K" "$T/kernel"
		mount --bind "$K" "$MOUNTPOINT"
	fi
}

run_daemon() {
	# shellcheck disable=SC2086 # WRAPPER is a command and its arguments
	exec ${WRAPPER:-} "$MEMCGFS" -f --name="$NAME" --state-dir="$T/state" ${MEMCGFS_TEST_OPTIONS:-} "$@" "$M" \
		>>"$T/daemon.log" 2>&1
}

daemon_decided() {
	answers || gone "$DAEMON"
}

mounted() {
	grep -q " $M .* - fuse.memcgfs " /proc/self/mountinfo
}

answers() {
	mounted && [ -e "$M/memory.limit_in_bytes" ]
}

role() { # server|keeper: its pid, now
	local pid
	for pid in $(daemon_pids); do
		[ "$(cat "/proc/$pid/comm")" != "memcgfs-$1" ] || echo "$pid"
	done
}

server() { role server; }
keeper() { role keeper; }

# Every process of this test's daemon, whoever forked it. The bracket keeps grep from finding itself.
daemon_pids() {
	local pid
	# shellcheck disable=SC2013 # pids
	for pid in $(grep -ls -e "[-]-state-dir=$T/state" /proc/[0-9]*/cmdline | cut -d/ -f3 || :); do
		gone "$pid" || echo "$pid"
	done
}

# Stopped first: else one of them has another of the others' kind ready before its own turn comes. Waits until they have been
# reaped: a process whose main thread is a zombie may still have threads, and descriptors.
kill_daemon() {
	local pid pids
	pids=$(daemon_pids)
	# shellcheck disable=SC2086 # pids
	kill -STOP $pids
	# shellcheck disable=SC2086 # pids
	kill -KILL $pids
	DAEMON=''
	for pid in $pids; do
		until_true 10 eval '[ ! -e /proc/'"$pid"' ]' || fail "pid $pid of the daemon does not end"
	done
	no_daemon || fail "somebody was left: $(daemon_pids)"
}

no_daemon() {
	[ -z "$(daemon_pids)" ]
}

stop_daemon() { # by umount; it must end by itself, with status 0
	local status=0
	[ -n "$DAEMON" ] || return 0
	umount "$M"
	wait "$DAEMON" || status=$?
	DAEMON=
	eq "the daemon's exit status after umount" 0 "$status"
}

# After each test that passed so far: the daemon must have come through it unharmed.
check_daemon() {
	[ -n "$DAEMON" ] || return 0
	answers || fail "the mount does not answer after the test"
	[ -n "$SERVER_MAY_CHANGE" ] || eq "the server's pid after the test" "$SERVER" "$(server)"
}

# Groups ----------------------------------------------------------------------------------------------------------------

# Without background reclaim, whose threads come in between where a test counts what happens at the limit.
WATERMARKS='0 0'

group() { # PATH [LIMIT]
	mkdir "$M/$1"
	[ -n "${MEMCGFS_TEST_TREE:-}" ] || put "$1/memory.watermarks" "$WATERMARKS"
	[ $# -lt 2 ] || put "$1/memory.limit_in_bytes" "$2"
}

put() { # FILE TEXT
	printf %s "$2" >"$M/$1"
}

get() { # FILE
	cat "$M/$1"
}

usage() { get "$1/memory.usage_in_bytes"; }
max_usage() { get "$1/memory.max_usage_in_bytes"; }
failcnt() { get "$1/memory.failcnt"; }

error_of() { # FILE TEXT: what writing it says; "" if that succeeds
	local said
	said=$(printf %s "$2" 2>&1 >"$M/$1") || :
	said=${said##*: }
	echo "$said"
}

key() { # FILE KEY: of a file of "key value" lines
	awk -v k="$2" '$1 == k { print $2; n++ } END { exit n != 1 }' "$M/$1" || fail "$1 has no single line '$2'"
}

event() { # GROUP KEY; 0 where there is no daemon
	[ -n "${MEMCGFS_TEST_TREE:-}" ] && echo 0 && return
	key "$1/memory.events" "$2"
}

in_group() { # GROUP COMMAND...
	local g=$1
	shift
	"$HELPERS/enter" "$M/$g/tasks" "$@"
}

talk_in() { # NAME GROUP COMMAND...: like talk, inside the group
	local name=$1 g=$2
	shift 2
	talk "$name" "$HELPERS/enter" "$M/$g/tasks" "$@"
}

lists() { # GROUP PID
	grep -qx "$2" "$M/$1/tasks"
}

# Memory ----------------------------------------------------------------------------------------------------------------

swap() { # MIB
	swap_zram "$1" || swap_file "$1" || skip "no swap can be set up"
}

need_no_swap() {
	[ "$(wc -l </proc/swaps)" = 1 ] || skip "the machine has swap"
}

cold_file() { # MIB: one that nobody has in memory: $FILE
	FILE=$T/file
	dd if=/dev/urandom of="$FILE" bs=1M count="$1" conv=fsync status=none
	dd if="$FILE" iflag=nocache count=0 status=none
	eq "cached pages of a file that was let go" 0 "$(fincore -nb -o RES "$FILE" | tr -d ' ')"
}

# A program that reads more than its limit gets through: the page cache it brought in goes again.
# A stop takes effect when read(2) returns: what it and the two read-ahead windows under way bring in comes on top.
read_ahead() { # FILE: bytes
	local dev
	dev=$(stat -c '%Hd:%Ld' "$1")
	echo $((2 * 1024 * $(cat "/sys/class/bdi/$dev/read_ahead_kb") + MIB))
}

# Where the kernel itself lists the members, so that a look at them does not ask the daemon.
hierarchy() {
	if [ -n "${MEMCGFS_TEST_TREE:-}" ]; then
		H=$M
	elif [ ! -d "$T/hierarchy" ]; then
		H=$T/hierarchy
		mkdir "$H"
		mount -t cgroup -o "none,name=$NAME" "$NAME" "$H"
	fi
}

sampler_start() { # GROUP...: measure their members' memory from outside until sampler_stop
	local g files=()
	hierarchy
	for g; do
		files+=("$H/$g/cgroup.procs")
	done
	talk sampler "$HELPERS/peak" -g "${files[@]}"
	expect sampler ready
}

sampler_stop() { # the maximum into PEAK, bytes
	tell sampler
	hear sampler || fail "the sampler died"
	PEAK=$HEARD
	finish sampler
	eq "the sampler's exit status" 0 "$STATUS"
}

# The limit held: at most 1 % over it, by the group's own figure and by the sampler's, and memory was really used.
check_peak() { # GROUP LIMIT
	local most=$(($2 + $2 / 100))
	echo "limit $2 max_usage $(max_usage "$1") sampled $PEAK failcnt $(failcnt "$1")"
	le "memory.max_usage_in_bytes" "$(max_usage "$1")" "$most"
	le "RssAnon + RssShmem, sampled" "$PEAK" "$most"
	gt "RssAnon + RssShmem, sampled" "$PEAK" $(($2 / 2))
}

# Members that work -----------------------------------------------------------------------------------------------------

busy() { # NAME GROUP: works at its group's limit for ever
	talk_in "$1" "$2" "$HELPERS/touch" -n 0 -r 60
}

hits_the_limit() { # GROUP [TIMES]: again from now on
	local end
	end=$(($(failcnt "$1") + ${2:-3}))
	until_true 15 eval '[ "$(failcnt '"$1"')" -ge '$end' ]' || fail "the limit of $1 is not met any more"
}

cpu_ticks() { # PID: user and system time
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

goes_on() { # PID: uses CPU; one look at its state would not do, since stops at the limit come and go
	local before
	before=$(cpu_ticks "$1")
	until_true 5 eval '[ "$(cpu_ticks '"$1"')" -gt '"$before"' ]' || fail "pid $1 does not go on, state $(state "$1")"
}
