# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# Members that are stopped by others, die, move or are too many, while their group is at its limit.

# It stands still: 50 looks find it in the state, and it used no CPU in between.
stays() { # PID STATE
	local i before
	before=$(cpu_ticks "$1")
	for i in {1..50}; do
		in_state "$1" "$2" || fail "look $i: state $(state "$1"), not $2"
		nap 0.01
	done
	eq "CPU time of a process that is stopped" "$before" "$(cpu_ticks "$1")"
}

# Stopped by its owner, idle, while its group works at the limit around it.
test_users_stop_of_an_idle_member() {
	local pid
	swap 256
	group a 16M
	talk_in sleeper a "$HELPERS/touch" -h 8
	expect sleeper "done 1"
	pid=${TALK_PID[sleeper]}
	kill -STOP "$pid"
	until_true 5 in_state "$pid" T
	busy one a
	hits_the_limit a 20
	stays "$pid" T
	hits_the_limit a 20
	stays "$pid" T
	kill -CONT "$pid"
	tell sleeper
	finish sleeper
	eq "exit status" 0 "$STATUS"
}

# Stopped by its owner at any moment, also while it stands still at the limit.
users_stop() { # SIGNAL
	local pid round
	swap 256
	group a 16M
	busy one a
	pid=${TALK_PID[one]}
	for ((round = 0; round < ${ROUNDS:-10}; round++)); do
		hits_the_limit a
		kill -"$1" "$pid"
		until_true 5 in_state "$pid" T
		nap 0.1 # a stop of ours would be over by now
		stays "$pid" T
		kill -CONT "$pid"
		goes_on "$pid"
	done
}

test_users_stop_of_a_busy_member() { users_stop STOP; }

# ^Z stops a shell's job: TSTP does nothing to a process group without one.
test_control_z() {
	local pid
	swap 256
	group a 16M
	talk one "$HELPERS/enter" -g "$M/a/tasks" "$HELPERS/touch" -n 0 -r 60
	pid=${TALK_PID[one]}
	hits_the_limit a
	kill -TSTP "$pid"
	until_true 5 in_state "$pid" T
	nap 0.1 # a stop of ours would be over by now
	stays "$pid" T
	hits_the_limit_not a
	kill -CONT "$pid"
	goes_on "$pid"
}

# Its own stop must not look like one of ours to the group: nobody else works there, so nothing is hit.
hits_the_limit_not() { # GROUP
	local before
	before=$(failcnt "$1")
	nap 0.2
	eq "failcnt of a group whose only member is stopped" "$before" "$(failcnt "$1")"
}

test_debuggers_stop() {
	local pid round
	swap 256
	group a 16M
	busy one a
	busy two a
	pid=${TALK_PID[one]}
	for ((round = 0; round < ${ROUNDS:-3}; round++)); do
		hits_the_limit a
		talk debugger "$HELPERS/stopper" "$pid"
		expect debugger stopped
		hits_the_limit a 10
		stays "$pid" t
		tell debugger
		finish debugger
		eq "exit status of the debugger" 0 "$STATUS"
		goes_on "$pid"
	done
}

# A debugger that only watches must see its tracee run on.
test_traced_member() {
	need strace
	swap 256
	group a 16M
	timeout 60 "$HELPERS/enter" "$M/a/tasks" strace -f -o "$T/trace" "$HELPERS/touch" -r 60 || fail "exit status $?"
	gt "failcnt" "$(failcnt a)" 0
}

test_member_dies_in_reclaim() {
	local round
	swap 256
	group a 16M
	for round in {1..15}; do
		busy one a
		busy two a
		hits_the_limit a
		kill -KILL "${TALK_PID[one]}" "${TALK_PID[two]}"
		finish one
		finish two
	done
	until_true 5 eval '[ -z "$(get a/tasks)" ]' || fail "still listed: $(get a/tasks)"
	until_true 5 eval '[ "$(usage a)" -lt $MIB ]' || fail "usage of nobody is $(usage a)"
}

test_group_removed_in_reclaim() {
	local round r
	swap 256
	for round in {1..15}; do
		group a 16M
		exec {r}<"$M/a/memory.usage_in_bytes"
		busy one a
		hits_the_limit a
		kill -KILL "${TALK_PID[one]}"
		finish one
		until_true 5 rmdir "$M/a" 2>/dev/null || fail "rmdir: $(rmdir "$M/a" 2>&1)"
		eq "a descriptor of the removed group" ENODEV "$("$HELPERS/try" readfd "$r")"
		exec {r}<&-
	done
}

# The group goes while a write to its limit still waits for reclaim: the writer gets an answer.
test_group_removed_while_a_limit_is_set() {
	local round writer status
	for round in {1..5}; do
		group a
		in_group a dd if=/dev/urandom of="$T/file" bs=1M count=64 status=none
		"$HELPERS/try" write "$M/a/memory.limit_in_bytes" 1M >"$T/answer" &
		writer=$!
		rmdir "$M/a"
		status=0
		wait $writer || status=$?
		eq "exit status of the writer" 0 "$status"
		[[ $(cat "$T/answer") =~ ^(ok|ENODEV|open:ENOENT|open:ENODEV|EBUSY)$ ]] || fail "the writer got $(cat "$T/answer")"
	done
}

test_move_while_at_the_limit() {
	local round pid
	swap 256
	group a 16M
	group b 24M
	busy one a
	pid=${TALK_PID[one]}
	for round in {1..10}; do
		hits_the_limit a
		put b/cgroup.procs "$pid"
		hits_the_limit b
		put a/cgroup.procs "$pid"
	done
	goes_on "$pid"
	# What it touches between being counted and being charged there shows at its next stop.
	le "max_usage" "$(max_usage b)" $((24 * MIB + 24 * MIB / 20))
}

test_exec_again_and_again() {
	swap 256
	group a 16M
	in_group a bash -c 'for i in {1..60}; do "$0" 30 || exit; done' "$HELPERS/touch"
	gt "failcnt" "$(failcnt a)" 30
	le "max_usage" "$(max_usage a)" $((16 * MIB + 16 * MIB / 100))
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}

# Short-lived processes by the hundred: none may cost the daemon something that it does not get back.
test_many_short_processes() {
	local before
	need_daemon
	group a 64M
	in_group a bash -c 'for i in {1..50}; do /bin/true; done'
	before=$(descriptors)
	in_group a bash -c 'for i in {1..500}; do /bin/true; done'
	until_true 5 eval '[ "$(descriptors)" -le $(('"$before"' + 5)) ]' || fail "descriptors: $before before, $(descriptors) after"
	eq "failcnt" 0 "$(failcnt a)"
}

descriptors() { # of all the daemon's processes
	local pid n=0
	for pid in $(daemon_pids); do
		n=$((n + $(find "/proc/$pid/fd" -mindepth 1 | wc -l)))
	done
	echo $n
}

# An attach past the descriptor budget fails, changes nothing, and the daemon goes on.
test_descriptor_budget() {
	local i pid answer=ok first
	need_daemon
	stop_daemon
	WRAPPER='prlimit --nofile=160:160' start_daemon
	group a 64M
	for i in {1..300}; do
		sleep 1000 &
		pid=$!
		answer=$("$HELPERS/try" write "$M/a/cgroup.procs" "$pid")
		[ "$answer" = ok ] || break
		first=${first:-$pid}
	done
	eq "answer to the attach past the budget ($i)" ENOSPC "$answer"
	lists a "$pid" && fail "the refused process is listed"
	lists . "$pid" || fail "the refused process is not where it was"
	eq "members" $((i - 1)) "$(get a/tasks | wc -l)"
	eq "limit" $((64 * MIB)) "$(get a/memory.limit_in_bytes)"
	kill "$first"
	until_true 5 eval '! lists a "$first"'
	until_true 5 eval '[ "$("$HELPERS/try" write "$M/a/cgroup.procs" '"$pid"')" = ok ]' || fail "no attach works though a member has gone"
}

# A group's limits change under a program that works at them.
test_limit_changes_under_load() {
	local round
	swap 256
	group a 16M
	busy one a
	hits_the_limit a
	for round in {1..10}; do
		put a/memory.limit_in_bytes 32M
		put a/memory.limit_in_bytes 12M
		le "usage just after the limit was lowered" "$(usage a)" $((12 * MIB + 12 * MIB / 100))
	done
	hits_the_limit a
	goes_on "${TALK_PID[one]}"
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}

# While the server does not respond more happens than the ring has room for: programs that start and end, and a stop at the
# limit. Nobody is told of it, and all of it is found.
test_ring_full() {
	local server
	need_daemon
	swap 256
	group a 16M
	group b
	talk_in shell b sh
	talk_in toucher a "$HELPERS/touch" -w -h -r 40
	expect toucher ready
	server=$(server)
	kill -STOP "$server"
	tell shell "i=0; while [ \$i -lt 2500 ]; do /bin/true; i=\$((i + 1)); done; echo full"
	expect shell full 60
	tell toucher
	until_true 20 in_state "${TALK_PID[toucher]}" T
	kill -CONT "$server"
	expect toucher "done 1" 60
	grep -q "records of the kernel's were lost" "$T/daemon.log" || fail "the ring was not full"
	eq "members" "${TALK_PID[shell]}" "$(get b/cgroup.procs)"
	le "memory.max_usage_in_bytes" "$(max_usage a)" $((16 * MIB * 101 / 100))
	tell toucher
	finish toucher
	eq "exit status" 0 "$STATUS"
	tell shell exit
	finish shell
	until_true 5 rmdir "$M/a" "$M/b"
}
