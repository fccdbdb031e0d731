# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# When nothing can be got back: who is killed, who waits, and who goes on. With memory.swappiness 0 that is the same with and
# without swap.

oom_group() { # NAME LIMIT
	group "$1" "$2"
	put "$1/memory.swappiness" 0
}

oom_kill() { # GROUP
	key "$1/memory.oom_control" oom_kill
}

under_oom() { # GROUP
	[ "$(key "$1/memory.oom_control" under_oom)" = 1 ]
}

still_there() { # NAME
	in_state "${TALK_PID[$1]}" RS || fail "$1 is gone or stopped: '$(state "${TALK_PID[$1]}")'"
}

test_killed_without_swap() {
	need_no_swap
	group a 16M
	STATUS=0
	in_group a "$HELPERS/touch" 64 || STATUS=$?
	eq "exit status" 137 "$STATUS"
	eq "oom_kill" 1 "$(oom_kill a)"
	gt "failcnt" "$(failcnt a)" 0
	le "max_usage" "$(max_usage a)" $((16 * MIB + 16 * MIB / 100))
}

test_killed_with_swappiness_0() {
	swap 256
	oom_group a 16M
	STATUS=0
	in_group a "$HELPERS/touch" 64 || STATUS=$?
	eq "exit status" 137 "$STATUS"
	eq "oom_kill" 1 "$(oom_kill a)"
	eq "events: oom_kill" "$([ -n "${MEMCGFS_TEST_TREE:-}" ] && echo 0 || echo 1)" "$(event a oom_kill)"
}

test_killed_when_swap_is_full() {
	need_no_swap
	swap 32
	group a 16M
	STATUS=0
	in_group a "$HELPERS/touch" -r 128 || STATUS=$?
	eq "exit status" 137 "$STATUS"
	eq "oom_kill" 1 "$(oom_kill a)"
}

# The reason is in the log, in one line with the victim's pid.
test_kill_is_logged() {
	need_daemon
	oom_group a 16M
	talk_in victim a "$HELPERS/touch" 64
	finish victim
	eq "exit status" 137 "$STATUS"
	grep -q "\b${TALK_PID[victim]}\b" "$T/daemon.log" || fail "no word about it: $(cat "$T/daemon.log")"
}

test_others_go_on() {
	oom_group a 32M
	talk_in small a "$HELPERS/touch" -h 4
	expect small "done 1"
	STATUS=0
	in_group a "$HELPERS/touch" 64 || STATUS=$?
	eq "exit status of the big one" 137 "$STATUS"
	still_there small
	eq "oom_kill" 1 "$(oom_kill a)"
	tell small
	finish small
	eq "exit status of the small one" 0 "$STATUS"
}

test_biggest_is_chosen() {
	oom_group a 48M
	talk_in big a "$HELPERS/touch" -h 30
	expect big "done 1"
	talk_in small a "$HELPERS/touch" -h 6
	expect small "done 1"
	in_group a "$HELPERS/touch" 24 || fail "the one that came last was killed, though it is not the biggest"
	finish big
	eq "exit status of the biggest" 137 "$STATUS"
	still_there small
	eq "oom_kill" 1 "$(oom_kill a)"
}

with_score() { # SCORE NAME GROUP COMMAND...
	talk_in "$2" "$3" bash -c 'echo "$0" >/proc/self/oom_score_adj; exec "$@"' "$1" "${@:4}"
}

test_oom_score_adj_first() {
	oom_group a 64M
	with_score 1000 first a "$HELPERS/touch" -h 8
	expect first "done 1"
	talk_in big a "$HELPERS/touch" -h 40
	expect big "done 1"
	in_group a "$HELPERS/touch" 18
	finish first
	eq "exit status of the one with oom_score_adj 1000" 137 "$STATUS"
	still_there big
	eq "oom_kill" 1 "$(oom_kill a)"
}

test_oom_score_adj_never() {
	(echo -1000 >/proc/$BASHPID/oom_score_adj) 2>/dev/null || skip "oom_score_adj cannot be lowered here"
	oom_group a 64M
	with_score -1000 never a "$HELPERS/touch" -h 40
	expect never "done 1"
	STATUS=0
	in_group a "$HELPERS/touch" 40 || STATUS=$?
	eq "exit status of the one without protection" 137 "$STATUS"
	still_there never
	tell never
	finish never
	eq "exit status of the protected one" 0 "$STATUS"
}

# The limit is the parent's, so the victim comes from its whole subtree and is counted where it was.
test_limit_of_the_parent() {
	oom_group p 32M
	oom_group p/a 1G
	oom_group p/b 1G
	talk_in small p/a "$HELPERS/touch" -h 4
	expect small "done 1"
	STATUS=0
	in_group p/b "$HELPERS/touch" 64 || STATUS=$?
	eq "exit status" 137 "$STATUS"
	still_there small
	eq "oom_kill of the victim's group" 1 "$(oom_kill p/b)"
	eq "oom_kill of the parent" 0 "$(oom_kill p)"
	gt "failcnt of the parent" "$(failcnt p)" 0
	eq "failcnt of the victim's group" 0 "$(failcnt p/b)"
}

test_other_groups_are_safe() {
	oom_group a 16M
	oom_group b 64M
	talk_in bystander b "$HELPERS/touch" -h 48
	expect bystander "done 1"
	STATUS=0
	in_group a "$HELPERS/touch" 64 || STATUS=$?
	eq "exit status" 137 "$STATUS"
	still_there bystander
	eq "oom_kill of the other group" 0 "$(oom_kill b)"
}

test_processes_and_threads() {
	oom_group a 16M
	STATUS=0
	in_group a "$HELPERS/touch" -t 8 64 || STATUS=$?
	eq "exit status of a process with threads" 137 "$STATUS"
	eq "oom_kill" 1 "$(oom_kill a)"
}

test_pid_namespace_init() {
	oom_group a 16M
	STATUS=0
	"$HELPERS/enter" -n "$M/a/tasks" "$HELPERS/touch" 64 || STATUS=$?
	eq "exit status" 137 "$STATUS"
}

test_limit_0() {
	oom_group a 0
	STATUS=0
	in_group a "$HELPERS/touch" 16 || STATUS=$?
	eq "exit status" 137 "$STATUS"
	eq "limit" 0 "$(get a/memory.limit_in_bytes)"
}

# memory.oom_control 1: the group waits --------------------------------------------------------------------------------

waiting() { # MIB: a member that wants MIB in 16 MiB
	oom_group a 16M
	put a/memory.oom_control 1
	talk_in member a "$HELPERS/touch" -r -h "$1"
	until_true 10 under_oom a || fail "not under OOM: $(get a/memory.oom_control)"
	hear member 1 && fail "the member went on"
	le "max_usage" "$(max_usage a)" $((16 * MIB + 16 * MIB / 100))
	eq "oom_kill while it waits" 0 "$(oom_kill a)"
}

test_waits_until_the_limit_is_raised() {
	waiting 40
	put a/memory.limit_in_bytes 64M
	expect member "done 1"
	under_oom a && fail "still under OOM"
	tell member
	finish member
	eq "exit status" 0 "$STATUS"
	eq "oom_kill" 0 "$(oom_kill a)"
}

# A limit that is still too small lets it go on, but not through.
test_waits_again_after_a_small_raise() {
	waiting 40
	put a/memory.limit_in_bytes 24M
	until_true 10 eval '[ "$(usage a)" -gt $((20 * MIB)) ]' || fail "it does not go on: usage $(usage a)"
	until_true 10 under_oom a || fail "not under OOM again"
	le "max_usage" "$(max_usage a)" $((24 * MIB + 24 * MIB / 100))
	put a/memory.limit_in_bytes 64M
	expect member "done 1"
}

test_waits_until_there_is_room() {
	oom_group a 32M
	put a/memory.oom_control 1
	talk_in holder a "$HELPERS/touch" -h 20
	expect holder "done 1"
	talk_in member a "$HELPERS/touch" -r -h 20
	until_true 10 under_oom a || fail "not under OOM"
	tell holder
	finish holder
	eq "exit status of the one that held the room" 0 "$STATUS"
	expect member "done 1"
	under_oom a && fail "still under OOM"
	eq "oom_kill" 0 "$(oom_kill a)"
}

test_waiting_then_killed() {
	waiting 40
	put a/memory.oom_control 0
	finish member
	eq "exit status" 137 "$STATUS"
	eq "oom_kill" 1 "$(oom_kill a)"
}

test_waiting_can_be_killed() {
	waiting 40
	kill -KILL "${TALK_PID[member]}"
	finish member
	eq "exit status" 137 "$STATUS"
	until_true 5 eval '! under_oom a' || fail "still under OOM"
	eq "oom_kill" 0 "$(oom_kill a)"
	rmdir "$M/a"
}

# The kernel's own controller leaves it waiting in the group it came from.
test_waiting_and_moved_out() {
	need_daemon
	waiting 40
	group b
	put b/cgroup.procs "${TALK_PID[member]}"
	expect member "done 1"
	tell member
	finish member
	eq "exit status" 0 "$STATUS"
}
