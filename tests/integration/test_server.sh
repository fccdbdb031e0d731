# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# The daemon's own processes die, or are asked to end: the mount goes on, or ends cleanly, and nobody is left stopped.

setup() {
	need_daemon
	start_daemon
	SERVER_MAY_CHANGE=1
}

# kill -9, and wait until somebody else does its work.
kill_server() {
	local old
	old=$(server)
	kill -KILL "$old"
	until_true 10 eval '[ -n "$(server)" ] && [ "$(server)" != '"$old"' ]' || fail "no other server comes"
}

# A server that lives longer than this is not one that fails at its start (manager/keeper.c).
let_it_live() {
	nap 1.1
}

not_stopped() { # NAME...
	local name
	for name; do
		until_true 5 eval '! in_state "${TALK_PID['"$name"']}" T' || fail "$name is left stopped"
	done
}

nothing_mounted() {
	! grep -q " $M " /proc/self/mountinfo
}

# A member that stands still because there is no room: under OOM, not to be killed.
waiting() { # NAME GROUP
	group "$2" 16M
	put "$2/memory.swappiness" 0
	put "$2/memory.oom_control" 1
	talk_in "$1" "$2" "$HELPERS/touch" -r -h 40
	until_true 10 eval '[ "$(key '"$2"'/memory.oom_control under_oom)" = 1 ]' || fail "not under OOM"
}

test_server_killed_idle() {
	local before
	swap 256
	group a 16M
	group a/b 8M
	put a/b/memory.swappiness 17
	chmod 600 "$M/a/b/tasks"
	group c 64M
	talk_in member c "$HELPERS/touch" -h 4
	expect member "done 1"
	in_group a "$HELPERS/touch" 40
	before="$(failcnt a) $(max_usage a) $(event a max) $(event a paged_out) $(get a/memory.kmem.max_usage_in_bytes)"
	kill_server
	eq "figures" "$before" \
		"$(failcnt a) $(max_usage a) $(event a max) $(event a paged_out) $(get a/memory.kmem.max_usage_in_bytes)"
	eq "limits" "16777216 8388608" "$(get a/memory.limit_in_bytes) $(get a/b/memory.limit_in_bytes)"
	eq "swappiness" 17 "$(get a/b/memory.swappiness)"
	eq "mode" 600 "$(stat -c %a "$M/a/b/tasks")"
	lists c "${TALK_PID[member]}" || fail "the member is not listed any more"
	gt "usage" "$(usage c)" $((4 * MIB))
	put a/memory.swappiness 0
	STATUS=0
	in_group a "$HELPERS/touch" 40 || STATUS=$?
	eq "exit status of a new member over the limit" 137 "$STATUS"
	rmdir "$M/a/b"
}

# The members from before are limited by the new server, too.
test_old_members_after_a_kill() {
	group a 16M
	put a/memory.swappiness 0
	talk_in one a "$HELPERS/touch" -w 64
	talk_in forks a "$HELPERS/touch" -w -p 2 64
	expect one ready
	expect forks ready
	kill_server
	tell one
	finish one
	eq "exit status of the old member" 137 "$STATUS"
	tell forks
	finish forks
	eq "exit status of the old member's children" 137 "$STATUS"
}

stands_still() { # PID: all its threads; each stops when it comes to it
	! grep -L '^State:.T' "/proc/$1/task/"*/status | grep -q .
}

stop_server() {
	kill -STOP "$(server)"
	until_true 5 stands_still "$(server)" || fail "the server does not stop"
}

# Whoever waits for an answer when the server dies gets it from the next one.
test_blocked_read_is_answered() {
	local reader
	group a 16M
	stop_server
	cat "$M/a/memory.limit_in_bytes" >"$T/answer" &
	reader=$!
	nap 0.3
	eq "answer of a stopped server" "" "$(cat "$T/answer")"
	kill_server
	wait $reader || fail "the read failed"
	eq "answer" 16777216 "$(cat "$T/answer")"
}

test_blocked_write_is_done() {
	local writer
	group a 16M
	stop_server
	put a/memory.limit_in_bytes 32M &
	writer=$!
	nap 0.3
	kill_server
	wait $writer || fail "the write failed"
	eq "limit" $((32 * MIB)) "$(get a/memory.limit_in_bytes)"
}

test_server_killed_under_load() {
	local round
	swap 512
	group a 16M
	sampler_start a
	busy one a
	busy two a
	for ((round = 1; round <= ${ROUNDS:-4}; round++)); do
		hits_the_limit a
		let_it_live
		kill_server
		eq "limit after kill $round" 16777216 "$(get a/memory.limit_in_bytes)"
		goes_on "${TALK_PID[one]}"
		goes_on "${TALK_PID[two]}"
	done
	hits_the_limit a
	sampler_stop
	check_peak a $((16 * MIB))
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}

test_server_killed_while_a_member_waits() {
	waiting member a
	kill_server
	eq "under_oom" 1 "$(key a/memory.oom_control under_oom)"
	hear member 1 && fail "the member went on without room"
	le "max_usage" "$(max_usage a)" $((16 * MIB + 16 * MIB / 100))
	put a/memory.limit_in_bytes 64M
	expect member "done 1"
}

test_keeper_killed() {
	local old
	swap 256
	group a 16M
	busy one a
	old=$(keeper)
	DAEMON=''
	kill -KILL "$old"
	until_true 10 eval '[ -n "$(keeper)" ] && [ "$(keeper)" != '"$old"' ]' || fail "no other keeper comes"
	eq "limit" 16777216 "$(get a/memory.limit_in_bytes)"
	hits_the_limit a
	let_it_live
	kill_server
	eq "limit after both in turn" 16777216 "$(get a/memory.limit_in_bytes)"
	goes_on "${TALK_PID[one]}"
	hits_the_limit a
	umount "$M"
	until_true 10 no_daemon || fail "it does not end: $(daemon_pids)"
	not_stopped one
}

test_both_killed_while_members_are_stopped() {
	swap 256
	group b 16M
	busy runner b
	hits_the_limit b
	waiting member a
	kill_daemon
	not_stopped member runner
	goes_on "${TALK_PID[runner]}"
	expect member "done 1"
}

# Nobody acts on the stops of members who reach the limit in the meantime.
test_both_killed_while_they_do_not_respond() {
	local pid pids
	grep -q ' bpf_send_signal_task' /proc/kallsyms || skip "the kernel's programs cannot continue others (Linux 6.13)"
	grep -q 'stop bpf' "$T/daemon.log" || skip "the stop is not by BPF"
	swap 256
	group a 16M
	busy runner a
	hits_the_limit a
	pids=$(daemon_pids)
	# shellcheck disable=SC2086 # pids
	kill -STOP $pids
	until_true 10 in_state "${TALK_PID[runner]}" T || fail "it is not stopped at its limit"
	DAEMON=''
	# shellcheck disable=SC2086 # pids
	kill -KILL $pids
	for pid in $pids; do
		until_true 10 gone "$pid" || fail "pid $pid of the daemon does not end"
	done
	not_stopped runner
	goes_on "${TALK_PID[runner]}"
}

# The next daemon of that name finds the groups and their members, and holds them.
test_next_daemon_adopts() {
	local pid
	group a 16M
	put a/memory.swappiness 0
	group a/b 64M
	talk_in one a/b "$HELPERS/touch" -w 64
	expect one ready
	pid=${TALK_PID[one]}
	kill_daemon
	unmount_below "$T"
	start_daemon
	eq "limits" "16777216 67108864" "$(get a/memory.limit_in_bytes) $(get a/b/memory.limit_in_bytes)"
	lists a/b "$pid" || fail "the member is not listed"
	tell one
	finish one
	eq "exit status of the member over its limit" 137 "$STATUS"
}

# Groups without a state file, as after a reboot of /run: adopted all the same, without limits.
test_adopts_without_state() {
	group a 16M
	talk_in one a "$HELPERS/touch" -w -h 32
	expect one ready
	stop_daemon
	rm -rf "$T/state"
	start_daemon
	lists a "${TALK_PID[one]}" || fail "the member is not listed"
	eq "limit" "$UNLIMITED" "$(get a/memory.limit_in_bytes)"
	tell one
	expect one "done 1"
	gt "usage" "$(usage a)" $((32 * MIB))
}

ends_cleanly() { # COMMAND...: after it the daemon must be gone, with status 0, and so must its mounts
	local status=0
	"$@"
	wait "$DAEMON" || status=$?
	DAEMON=''
	eq "exit status" 0 "$status"
	no_daemon || fail "left running: $(daemon_pids)"
	nothing_mounted || fail "left mounted: $(grep " $M " /proc/self/mountinfo)"
}

test_sigterm() {
	swap 256
	waiting member a
	group b 16M
	busy runner b
	hits_the_limit b
	ends_cleanly kill -TERM "$DAEMON"
	not_stopped member runner
	goes_on "${TALK_PID[runner]}"
	expect member "done 1"
}

test_sigint() {
	ends_cleanly kill -INT "$DAEMON"
}

test_sigterm_to_the_server() {
	ends_cleanly kill -TERM "$(server)"
}

test_umount() {
	waiting member a
	ends_cleanly umount "$M"
	not_stopped member
	expect member "done 1"
}

# With nobody in the groups, nothing of the hierarchy may stay behind either.
test_umount_leaves_no_hierarchy() {
	group a
	rmdir "$M/a"
	ends_cleanly umount "$M"
	until_true 5 eval '! grep -q "name=$NAME:" /proc/self/cgroup' || fail "the hierarchy is still there"
}

# A server that dies again and again is given up, and then nothing stays behind.
test_given_up() {
	local old i
	waiting member a
	for i in {1..60}; do
		old=$(server)
		[ -z "$old" ] || kill -KILL "$old" || :
		until_true 5 eval 'no_daemon || { [ -n "$(server)" ] && [ "$(server)" != "'"$old"'" ]; }' || fail "no other server comes"
		no_daemon && break
	done
	DAEMON=''
	no_daemon || fail "killed $i times within their first second, servers still come"
	nothing_mounted || fail "left mounted: $(grep " $M " /proc/self/mountinfo)"
	not_stopped member
	expect member "done 1"
}
