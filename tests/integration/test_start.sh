# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh disable=SC2119,SC2120,SC2317
# Starting and not starting: what is refused is refused in one line, with nothing mounted, and the machine's gaps are met.

setup() {
	need_daemon
	M=$T/mnt
	NAME=memcgfs-test-$$
	mkdir "$M"
	register hierarchy "$NAME"
}

# COMMAND must fail by itself, with one line on stderr, and leave neither mount nor process.
refused() { # WHAT COMMAND...
	local what=$1 status=0 mounts
	shift
	mounts=$(cut -d' ' -f5- /proc/self/mountinfo)
	timeout 20 "$@" >"$T/out" 2>"$T/err" || status=$?
	echo "$what: status $status, $(cat "$T/err")"
	gt "$what: exit status" "$status" 0
	le "$what: exit status" "$status" 123
	eq "$what: lines on stderr" 1 "$(wc -l <"$T/err")"
	gt "$what: length of the message" "$(wc -c <"$T/err")" 20
	eq "$what: mounts" "$mounts" "$(cut -d' ' -f5- /proc/self/mountinfo)"
	until_true 2 no_daemon || fail "$what: left running: $(daemon_pids)"
}

# The command line of a daemon that would start.
memcgfs() { # [OPTION]... MOUNTPOINT
	echo "$MEMCGFS" --name="$NAME" --state-dir="$T/state" "$@"
}

limit_holds() { # anonymous memory, without swap
	group h 16M
	put h/memory.swappiness 0
	STATUS=0
	in_group h "$HELPERS/touch" 64 || STATUS=$?
	eq "exit status of 64 MiB in 16 MiB" 137 "$STATUS"
	le "max_usage" "$(max_usage h)" $((16 * MIB + 16 * MIB / 100))
	in_group h "$HELPERS/touch" 8 || fail "8 MiB in 16 MiB: exit status $?"
	rmdir "$M/h"
}

test_background() {
	# shellcheck disable=SC2046 # words
	timeout 20 $(memcgfs "$M") 2>"$T/err" || fail "exit status $?: $(cat "$T/err")"
	eq "errors" "" "$(cat "$T/err")"
	answers || fail "it went to the background, but the mount does not answer"
	limit_holds
	gt "daemon's processes" "$(daemon_pids | wc -l)" 1
	eq "processes with a terminal's or a test's descriptors" "" \
		"$(for pid in $(daemon_pids); do readlink "/proc/$pid/fd/1" "/proc/$pid/fd/2"; done | grep -vx /dev/null)"
	umount "$M"
	until_true 10 no_daemon || fail "it does not end"
	eq "mounts" "" "$(grep " $M " /proc/self/mountinfo)"
}

test_start_is_quick() {
	local begin
	begin=${EPOCHREALTIME/./}
	# shellcheck disable=SC2046 # words
	timeout 20 $(memcgfs "$M")
	le "microseconds to start" $((${EPOCHREALTIME/./} - begin)) 3000000
	umount "$M"
}

test_again_and_again() {
	local i
	for i in 1 2 3 4 5; do
		start_daemon
		group a 1G
		in_group a true
		rmdir "$M/a"
		stop_daemon
	done
	until_true 5 eval '! grep -q "name=$NAME:" /proc/self/cgroup' || fail "the hierarchy is still there"
}

# A member that ended, and that its parent has not reaped yet, keeps its removed group in the kernel, and so the hierarchy.
test_hierarchy_goes_though_a_zombie_stays() {
	need python3
	start_daemon
	group a
	talk parent python3 -c '
import os, sys
if not os.fork():
    open(sys.argv[1], "w").write("0")
    os._exit(0)
os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
print("zombie", flush=True)
input()
' "$M/a/tasks"
	expect parent zombie
	rmdir "$M/a"
	stop_daemon
	grep -q ":name=$NAME:" /proc/self/cgroup || fail "the zombie does not keep the hierarchy: nothing is tested"
	tell parent
	finish parent
	until_true 30 eval '! grep -q ":name=$NAME:" /proc/self/cgroup' || fail "the hierarchy stays"
	until_true 10 no_daemon || fail "left running: $(daemon_pids)"
}

test_says_which_stop() {
	start_daemon
	grep -Eqw 'bpf|signal|freezer' "$T/daemon.log" || fail "not said: $(cat "$T/daemon.log")"
}

test_bad_mount_points() {
	# shellcheck disable=SC2046 # words
	{
		refused "no mount point" $(memcgfs)
		refused "mount point that is not there" $(memcgfs "$T/none")
		refused "mount point that is a file" $(memcgfs /etc/passwd)
		refused "two mount points" $(memcgfs "$M" "$T")
	}
}

test_bad_options() {
	echo '[no such section' >"$T/conf"
	# shellcheck disable=SC2046 # words
	{
		refused "unknown option" $(memcgfs --junk "$M")
		refused "unknown hierarchy" $(memcgfs --hierarchy=junk "$M")
		refused "hierarchy of another version" $(memcgfs --hierarchy=cgroup2 "$M")
		refused "name with a comma" $(memcgfs --name=a,b "$M")
		refused "empty name" $(memcgfs --name= "$M")
		refused "unknown mount option" $(memcgfs -o junk "$M")
		refused "config file that is not there" $(memcgfs --config="$T/none" "$M")
		refused "config file that is wrong" $(memcgfs --config="$T/conf" "$M")
		refused "state directory that cannot be" $(memcgfs --state-dir=/proc/none "$M")
		refused "state directory that is a file" $(memcgfs --state-dir=/etc/passwd "$M")
	}
}

test_help_and_version() {
	"$MEMCGFS" --help >"$T/out" 2>"$T/err"
	grep -q -e --state-dir "$T/out" || fail "--help does not tell of --state-dir"
	eq "stderr of --help" "" "$(cat "$T/err")"
	[[ $("$MEMCGFS" --version) =~ [0-9]+\.[0-9]+ ]] || fail "--version has no number"
}

test_check_config() {
	: >"$T/good"
	echo 'junk = 1' >"$T/bad"
	"$MEMCGFS" --check-config --config="$T/good"
	refused "a wrong configuration" "$MEMCGFS" --check-config --config="$T/bad"
}

test_second_daemon_of_that_name() {
	start_daemon
	group a 16M
	mkdir "$T/other"
	refused_beside "same name" "$MEMCGFS" --name="$NAME" --state-dir="$T/state" "$T/other"
	eq "limit in the first one" 16777216 "$(get a/memory.limit_in_bytes)"
	limit_holds
}

# As refused, with a daemon of ours running.
refused_beside() { # WHAT COMMAND...
	local before
	before=$(daemon_pids)
	no_daemon() { [ "$(daemon_pids)" = "$before" ]; }
	refused "$@"
}

# Not even with a state directory of its own: the hierarchy is one and the same.
test_second_daemon_of_that_name_elsewhere() {
	start_daemon
	group a 16M
	mkdir "$T/other"
	refused_beside "same name, other state directory" "$MEMCGFS" --name="$NAME" --state-dir="$T/state2" "$T/other"
	eq "limit in the first one" 16777216 "$(get a/memory.limit_in_bytes)"
	limit_holds
}

test_mount_point_busy() {
	start_daemon
	group a 16M
	register hierarchy "$NAME-2"
	refused_beside "busy mount point" "$MEMCGFS" --name="$NAME-2" --state-dir="$T/state2" "$M"
	eq "limit in the first one" 16777216 "$(get a/memory.limit_in_bytes)"
	limit_holds
}

test_two_daemons() {
	local first
	start_daemon
	group a 16M
	first=$M
	mkdir "$T/other"
	register hierarchy "$NAME-2"
	"$MEMCGFS" --name="$NAME-2" --state-dir="$T/state" "$T/other" # each name has its own state there
	M=$T/other
	answers || fail "the second one does not answer"
	limit_holds
	umount "$M"
	M=$first
	eq "limit in the first one" 16777216 "$(get a/memory.limit_in_bytes)"
	limit_holds
}

test_no_dev_fuse() {
	local change="mkdir '$T/dev'; mount --bind '$T/dev' /dev"
	# shellcheck disable=SC2046 # words
	refused "no /dev/fuse" unshare -m --propagation private bash -euc "$change"'; exec "$@"' - $(memcgfs "$M")
	grep -q fuse "$T/err" || fail "the message does not tell of /dev/fuse"
}

test_pid_namespace() {
	# shellcheck disable=SC2046 # words
	{
		refused "a pid namespace" unshare -p -f --mount-proc $(memcgfs "$M")
		grep -q 'pid namespace' "$T/err" || fail "the message does not tell of the pid namespace"
		refused "a pid namespace, in the foreground" unshare -p -f --mount-proc $(memcgfs -f "$M")
		refused "a pid namespace with the /proc of another" unshare -p -f $(memcgfs "$M")
	}
	[ ! -e "$T/state" ] || fail "there is a state directory"
}

test_no_perf_events() {
	# shellcheck disable=SC2046 # words
	refused "no perf events" "$HELPERS/deny" perf $(memcgfs "$M")
	grep -q perf "$T/err" || fail "the message does not tell of perf events"
}

# Without BPF the next rung of the ladder stops, and the limit holds; unless BPF was asked for.
test_no_bpf() {
	printf '[lease]\nstop = bpf\n' >"$T/conf"
	# shellcheck disable=SC2046 # words
	refused "no BPF" "$HELPERS/deny" bpf $(memcgfs --config="$T/conf" "$M")
	grep -q BPF "$T/err" || fail "the message does not tell of BPF"
	WRAPPER="$HELPERS/deny bpf" start_daemon
	grep -q 'stop signal, no BPF: ' "$T/daemon.log" || fail "the stop in use is not said: $(cat "$T/daemon.log")"
	limit_holds
}

test_no_freezer() {
	printf '[lease]\nstop = freezer\n' >"$T/conf"
	# shellcheck disable=SC2046 # words
	refused "the freezer" $(memcgfs --config="$T/conf" "$M")
	grep -q freezer "$T/err" || fail "the message does not tell of the freezer"
}

try_daemon() {
	run_daemon "$@" &
	DAEMON=$!
	until_true 15 daemon_decided
	if answers; then
		SERVER=$(server)
		return 0
	fi
	wait "$DAEMON" || DAEMON=''
	return 1
}

test_no_tracefs() {
	mkdir "$T/empty"
	mount --bind "$T/empty" /sys/kernel/tracing
	mount --bind "$T/empty" /sys/kernel/debug 2>/dev/null || :
	start_daemon
	grep -qi 'page cache' "$T/daemon.log" || fail "not said that page cache is not charged: $(cat "$T/daemon.log")"
	limit_holds
	umount /sys/kernel/tracing
}

# A state file that is not one is not overwritten, but refused; without it the groups are adopted.
test_state_file_is_junk() {
	start_daemon
	group a 16M
	kill_daemon
	unmount_below "$T"
	find "$T/state" -type f -exec truncate -s 100 {} +
	# shellcheck disable=SC2046 # words
	refused "a state file that was cut short" $(memcgfs "$M")
	find "$T/state" -type f -delete
	start_daemon
	[ -d "$M/a" ] || fail "the hierarchy's group was not adopted"
	limit_holds
}

# What a killed daemon leaves on the mount point must not stand in the way of the next one.
test_dead_mount() {
	start_daemon
	group a 16M
	kill_daemon
	if try_daemon; then
		eq "limit" 16777216 "$(get a/memory.limit_in_bytes)"
		limit_holds
	else
		eq "lines on stderr" 1 "$(tail -n 1 "$T/daemon.log" | grep -c "$M")"
	fi
}
