# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# Background reclaim: a group that passes its high mark is brought down to the low one while its members run.

WATERMARKS='75 50'

pages() { # MIB
	echo $(($1 * MIB / 4096))
}

below_low() { # GROUP LIMIT-MIB
	[ "$(usage "$1")" -le $(($2 * MIB / 2)) ]
}

test_file() {
	mkdir "$M/new"
	eq "a new group's marks" "75 50" "$(get new/memory.watermarks)"
	put new/memory.watermarks " 90	10 
"
	eq "what was written" "90 10" "$(get new/memory.watermarks)"
	local bad
	for bad in 75 '75 ' '75 76' '101 50' '50 0' '0 50' '75 50 25' '75,50' 'x y' '-1 -1' '75% 50%' ''; do
		! put new/memory.watermarks "$bad" 2>/dev/null || [ -z "$bad" ] || fail "'$bad' was taken"
	done
	eq "after what was refused" "90 10" "$(get new/memory.watermarks)"
	put new/memory.watermarks "0 0"
	eq "turned off" "0 0" "$(get new/memory.watermarks)"
	eq "the root's marks" "0 0" "$(get memory.watermarks)"
	! put memory.watermarks "75 50" 2>/dev/null || fail "the root took marks"
}

# A program that passes the mark and then stands still is below the low one soon, and was never stopped for it.
test_from_high_to_low() {
	swap 64
	group a 64M
	talk_in one a "$HELPERS/touch" -h 52
	expect one "done 1"
	until_true 10 below_low a 64 || fail "usage stays at $(usage a)"
	gt "usage" "$(usage a)" $((24 * MIB))
	eq "failcnt" 0 "$(failcnt a)"
	eq "events: high" 1 "$(event a high)"
	eq "events: reclaim_direct" 0 "$(event a reclaim_direct)"
	gt "events: reclaim_background" "$(event a reclaim_background)" "$(pages 16)"
	tell one
	finish one
	eq "exit status" 0 "$STATUS"
}

# The most telling tests of a limit, with a thread that pages out beside the members.
held() { # COMMAND...: in 16 MiB with swap
	group a 16M
	sampler_start a
	STATUS=0
	in_group a "$@" || STATUS=$?
	sampler_stop
	check_peak a $((16 * MIB))
	eq "exit status" 0 "$STATUS"
	gt "events: reclaim_background" "$(event a reclaim_background)" "$(pages 16)"
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}

test_one_process() {
	swap 512
	held "$HELPERS/touch" -r 200
}

test_eight_processes() {
	swap 512
	held "$HELPERS/touch" -r -p 8 240
}

test_eight_threads() {
	swap 512
	held "$HELPERS/touch" -r -t 8 240
}

# The mark of the group above, by members of two below it that are far from their own.
test_parent() {
	swap 128
	group p 64M
	group p/a 1G
	group p/b 1G
	talk_in one p/a "$HELPERS/touch" -h 26
	expect one "done 1"
	talk_in two p/b "$HELPERS/touch" -h 26
	expect two "done 1"
	until_true 10 below_low p 64 || fail "usage stays at $(usage p)"
	eq "events: high, of the parent" 1 "$(event p high)"
	eq "events: high, of the children" "0 0" "$(event p/a high) $(event p/b high)"
	tell one
	tell two
	finish one
	finish two
}

test_without_swap() {
	need_no_swap
	group a 64M
	talk_in one a "$HELPERS/touch" -h 60
	expect one "done 1"
	gt "usage" "$(usage a)" $((59 * MIB))
	eq "failcnt" 0 "$(failcnt a)"
	# Nothing but pages of its program, if it had to read them.
	le "events: reclaim_background" "$(event a reclaim_background)" 64
	le "events: high" "$(event a high)" 8
	tell one
	finish one
	eq "exit status" 0 "$STATUS"
}

test_swap_full() {
	need_no_swap
	swap 8
	group a 64M
	talk_in one a "$HELPERS/touch" -h 52
	expect one "done 1"
	until_true 10 eval '[ "$(event a reclaim_background)" -gt 1024 ]' || fail "nothing was paged out"
	le "usage" "$(usage a)" $((52 * MIB))
	gt "usage" "$(usage a)" $((40 * MIB))
	eq "failcnt" 0 "$(failcnt a)"
	tell one
	finish one
	eq "exit status" 0 "$STATUS"
}

# Groups come and go while what was begun for them is under way.
test_removed_meanwhile() {
	local i
	swap 256
	for i in 1 2 3 4 5 6; do
		group a 64M
		talk_in one a "$HELPERS/touch" -h 60
		expect one "done 1"
		kill -KILL "${TALK_PID[one]}"
		finish one
		until_true 10 rmdir "$M/a" 2>/dev/null || fail "the group stays"
	done
}

# A member that takes memory as fast as it can may be faster than the writer of a limit: that one is told, and nothing changes.
test_limit_changes_meanwhile() {
	local i before
	swap 512
	group a 32M
	talk_in one a "$HELPERS/touch" -n 12 -r 60
	for i in 16M 128M -1 24M 16M 48M -1 20M; do
		before=$(get a/memory.limit_in_bytes)
		put a/memory.limit_in_bytes "$i" 2>/dev/null || eq "the limit after $i was refused" "$before" "$(get a/memory.limit_in_bytes)"
		nap 0.1
	done
	finish one
	eq "exit status" 0 "$STATUS"
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}

# The server dies with a round under way; the mark works under the next one.
test_server_killed() {
	local before
	SERVER_MAY_CHANGE=1
	swap 512
	group a 64M
	talk_in one a "$HELPERS/touch" -n 0 -r 100
	until_true 10 eval '[ "$(event a reclaim_background)" -gt 4096 ]' || fail "no round began"
	kill -KILL "$SERVER"
	until_true 15 eval '[ -n "$(server)" ] && [ "$(server)" != '"$SERVER"' ]' || fail "no other server"
	before=$(event a reclaim_background)
	until_true 15 eval '[ "$(event a reclaim_background)" -gt '$((before + 16384))' ]' || fail "no round under the next server"
	goes_on "${TALK_PID[one]}"
	le "max_usage" "$(max_usage a)" $((64 * MIB + 64 * MIB / 100))
	kill "${TALK_PID[one]}"
	finish one
}
