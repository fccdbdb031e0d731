# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# memcgctl against a running daemon, and without one.

setup() {
	need_daemon
	PATH=$(dirname "$MEMCGFS"):$PATH # where memcgctl run finds its own
}

with_daemon() {
	start_daemon
	export MEMCGFS_MOUNT=$M
}

ctl() {
	"$MEMCGCTL" "$@"
}

exits() { # STATUS ARGUMENT...
	local status=0
	ctl "${@:2}" >"$T/out" 2>"$T/err" || status=$?
	eq "exit status of memcgctl ${*:2} ($(cat "$T/err"))" "$1" "$status"
}

json() { # PYTHON-EXPRESSION over d, the document on stdin
	python3 -c 'import json, sys; d = json.load(sys.stdin); print(eval(sys.argv[1]))' "$1"
}

test_get_and_set() {
	with_daemon
	group a
	exits 0 set a memory.limit_in_bytes=32M memory.swappiness=10
	eq "limit in the tree" $((32 * MIB)) "$(get a/memory.limit_in_bytes)"
	eq "swappiness in the tree" 10 "$(get a/memory.swappiness)"
	exits 0 get a memory.limit_in_bytes
	eq "get" $((32 * MIB)) "$(cat "$T/out")"
	exits 0 get a limit_in_bytes
	eq "get of the short name" $((32 * MIB)) "$(cat "$T/out")"
	exits 0 get a
	grep -q '^memory.failcnt: 0$' "$T/out" || fail "get of all: $(cat "$T/out")"
}

test_refused_settings() {
	with_daemon
	group a 32M
	exits 1 set a memory.limit_in_bytes=junk
	gt "length of the message" "$(wc -c <"$T/err")" 10
	exits 1 set a memory.swappiness=201
	exits 1 set a memory.none=1
	exits 1 set none memory.limit_in_bytes=1M
	exits 1 get none memory.limit_in_bytes
	exits 1 get a memory.none
	exits 2 set a
	exits 2 junk
	exits 2
	eq "limit after that" $((32 * MIB)) "$(get a/memory.limit_in_bytes)"
}

test_status() {
	with_daemon
	group a 32M
	group a/b 16M
	talk_in one a/b "$HELPERS/touch" -h 8
	expect one "done 1"
	exits 0 status
	grep -q '/a/b' "$T/out" || fail "the group is not in the table: $(cat "$T/out")"
	eq "greatest usage of the root" - "$(awk '$1 == "/" { print $4 }' "$T/out")"
	exits 0 status --bytes
	gt "greatest usage of the group" "$(awk '$1 == "/a/b" { print $4 }' "$T/out")" $((8 * MIB - 1))
	exits 0 status a
	eq "rows of a and the one below" 2 "$(grep -c /a "$T/out")"
}

test_json() {
	need python3
	with_daemon
	group a 32M
	group $'a/odd "name"' 16M
	exits 0 status --json
	eq "groups" 3 "$(json 'len(next(iter(d.values())))' <"$T/out")"
	grep -q 33554432 "$T/out" || fail "no limit in: $(cat "$T/out")"
	exits 0 get --json a memory.limit_in_bytes memory.oom_control memory.stat
	json 'sorted(str(d))[0]' <"$T/out" >/dev/null || fail "not JSON: $(cat "$T/out")"
	grep -q 33554432 "$T/out" || fail "no limit in: $(cat "$T/out")"
	exits 0 get --json a
	json 'len(str(d))' <"$T/out" >/dev/null || fail "not JSON: $(cat "$T/out")"
}

test_run() {
	with_daemon
	exits 0 run --name g --limit 16M -- sh -c 'cat "$0/g/memory.limit_in_bytes"; grep -qx $$ "$0/g/tasks"' "$M"
	eq "limit inside" $((16 * MIB)) "$(cat "$T/out")"
	[ ! -e "$M/g" ] || fail "the group was not removed"
	exits 0 run --limit 32M --set memory.swappiness=0 -- "$HELPERS/touch" 16
	eq "groups left" "" "$(find "$M" -mindepth 1 -type d)"
}

test_run_passes_the_status_on() {
	with_daemon
	exits 7 run -- sh -c 'exit 7'
	exits 143 run -- sh -c 'kill -TERM $$'
	exits 127 run -- /none
	exits 126 run -- /etc/passwd
	exits 137 run --limit 16M --set memory.swappiness=0 -- "$HELPERS/touch" 64
	gt "word about the kill" "$(grep -c memory "$T/err")" 0
	eq "groups left" "" "$(find "$M" -mindepth 1 -type d)"
}

test_run_refuses() {
	with_daemon
	group g
	exits 1 run --name g -- true
	exits 1 run --set memory.swappiness=300 -- touch "$T/ran"
	exits 2 run
	exits 2 run --limit junk -- true
	[ ! -e "$T/ran" ] || fail "the command ran though a setting was refused"
	eq "groups left" "$M/g" "$(find "$M" -mindepth 1 -type d)"
}

test_run_is_limited() {
	with_daemon
	swap 256
	talk runner "$MEMCGCTL" run --name g --limit 16M -- "$HELPERS/touch" -r -h 100
	expect runner "done 1" 60
	le "max_usage" "$(max_usage g)" $((16 * MIB + 16 * MIB / 100))
	gt "failcnt" "$(failcnt g)" 0
	tell runner
	finish runner
	eq "exit status" 0 "$STATUS"
}

test_run_ends_on_a_signal() {
	with_daemon
	talk runner "$MEMCGCTL" run --name g -- sleep 1000
	until_true 10 eval '[ -n "$(get g/tasks 2>/dev/null)" ]'
	kill -TERM "${TALK_PID[runner]}"
	finish runner
	eq "exit status" 143 "$STATUS"
	eq "groups left" "" "$(find "$M" -mindepth 1 -type d)"
}

# Without a daemon run starts one of its own, and nothing of it stays.
alone() {
	unset MEMCGFS_MOUNT
	! grep -q ' - fuse.memcgfs ' /proc/self/mountinfo || fail "a memcgfs is mounted already"
	MOUNTS=$(cut -d' ' -f5- /proc/self/mountinfo)
	RUNS=$(find /run/memcgfs -mindepth 1 2>/dev/null || :)
}

nothing_left() {
	eq "mounts" "$MOUNTS" "$(cut -d' ' -f5- /proc/self/mountinfo)"
	eq "files in /run/memcgfs" "$RUNS" "$(find /run/memcgfs -mindepth 1 2>/dev/null || :)"
	until_true 5 eval '! grep name=memcgfs-run- /proc/self/cgroup' || fail "left in the kernel: a named hierarchy"
	! grep -lsz -e '--name=memcgfs-run-' /proc/[0-9]*/cmdline || fail "a daemon is left"
}

test_run_without_a_daemon() {
	alone
	exits 0 run --limit 64M -- "$HELPERS/touch" 16
	nothing_left
	exits 137 run --limit 16M --set memory.swappiness=0 -- "$HELPERS/touch" 64
	nothing_left
	exits 7 run --limit 16M -- sh -c 'exit 7'
	nothing_left
}

test_run_without_a_daemon_interrupted() {
	alone
	talk runner "$MEMCGCTL" run --limit 64M -- "$HELPERS/touch" -h 8
	expect runner "done 1"
	kill -TERM "${TALK_PID[runner]}"
	finish runner
	eq "exit status" 143 "$STATUS"
	nothing_left
}

test_other_verbs_without_a_daemon() {
	alone
	exits 1 status
	eq "lines on stderr" 1 "$(wc -l <"$T/err")"
	exits 1 get / memory.usage_in_bytes
	nothing_left
}
