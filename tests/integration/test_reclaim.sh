# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# Memory that somebody asks for: memory.reclaim, memory.force_empty, soft limits, a limit below usage.

holds() { # GROUP MIB: a member that has touched so much and waits
	talk_in "$1" "$1" "$HELPERS/touch" -r -h "$2"
	expect "$1" "done 1"
}

lets_go() { # GROUP: it reads all of it again, and ends
	tell "$1"
	finish "$1"
	eq "exit status" 0 "$STATUS"
}

test_reclaim() {
	local before
	swap 128
	group a
	holds a 64
	before=$(usage a)
	put a/memory.reclaim 24M
	le "usage" "$(usage a)" $((before - 24 * MIB + 2 * MIB))
	gt "usage" "$(usage a)" $((before - 24 * MIB - 4 * MIB))
	gt "events: reclaim_direct" "$(event a reclaim_direct)" $((24 * 256 - 1))
	eq "events: reclaim_background" 0 "$(event a reclaim_background)"
	eq "failcnt" 0 "$(failcnt a)"
	eq "reclaim of more than there is" "Resource temporarily unavailable" "$(error_of a/memory.reclaim 1G)"
	le "usage after that" "$(usage a)" $((2 * MIB))
	eq "junk" "Invalid argument" "$(error_of a/memory.reclaim 1x)"
	! cat "$M/a/memory.reclaim" >/dev/null 2>&1 || fail "memory.reclaim can be read"
	lets_go a
}

test_reclaim_without_swap() {
	need_no_swap
	group a
	holds a 16
	eq "anonymous memory without swap" "Resource temporarily unavailable" "$(error_of a/memory.reclaim 1M)"
	gt "usage" "$(usage a)" $((15 * MIB))
	lets_go a
}

# More than fits the swap there is: what fits goes.
test_reclaim_swap_full() {
	need_no_swap
	swap 16
	group a
	holds a 64
	eq "more than the swap holds" "Resource temporarily unavailable" "$(error_of a/memory.reclaim 48M)"
	le "usage" "$(usage a)" $((52 * MIB))
	gt "usage" "$(usage a)" $((44 * MIB))
	lets_go a
}

test_force_empty() {
	swap 64
	group a
	holds a 32
	dd if=/dev/zero of="$T/file" bs=1M count=8 conv=fsync status=none
	dd if="$T/file" iflag=nocache count=0 status=none
	in_group a cat "$T/file" >/dev/null
	gt "memory.stat: cache" "$(key a/memory.stat cache)" $((4 * MIB))
	put a/memory.force_empty 0
	le "usage" "$(usage a)" $((2 * MIB))
	lets_go a
	eq "the root" "Invalid argument" "$(error_of memory.force_empty 0)"
}

# Members work on while it goes on; what they hold is right in the end.
test_force_empty_while_busy() {
	local i
	swap 128
	group a 16M
	talk_in one a "$HELPERS/touch" -n 20 -r 12
	for i in 1 2 3 4 5 6 7 8; do
		put a/memory.force_empty 0
	done
	finish one
	eq "exit status" 0 "$STATUS"
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
	le "max_usage" "$(max_usage a)" $((16 * MIB + 16 * MIB / 100))
}

asks_for_all() { # GROUP
	printf 1G >"$M/$1/memory.reclaim"
}

# The group goes while somebody waits for its memory.
test_removed_while_reclaiming() {
	local i asker
	swap 512
	for i in 1 2 3; do
		group a
		holds a 256
		asks_for_all a 2>"$T/said" &
		asker=$!
		until_true 10 eval '[ "$(event a reclaim_direct)" -gt 0 ] || gone '"$asker" || fail "nothing is reclaimed"
		kill -KILL "${TALK_PID[a]}"
		finish a
		until_true 10 rmdir "$M/a" 2>/dev/null || fail "the group stays"
		! wait "$asker" || fail "reclaim of a group that goes succeeds"
		grep -q 'No such device\|temporarily unavailable' "$T/said" || fail "said: $(cat "$T/said")"
	done
}

test_lower_the_limit() {
	swap 64
	group a 64M
	holds a 32
	put a/memory.limit_in_bytes 8M
	eq "the limit" $((8 * MIB)) "$(get a/memory.limit_in_bytes)"
	le "usage" "$(usage a)" $((8 * MIB))
	lets_go a
}

# Nothing can be reclaimed, and members wait at the old limit: the new one is refused, and they wait on.
test_lower_the_limit_of_who_waits() {
	need_no_swap
	group a 16M
	put a/memory.oom_control 1
	talk_in one a "$HELPERS/touch" -h 20
	until_true 10 eval '[ "$(key a/memory.oom_control under_oom)" = 1 ]' || fail "it does not wait"
	eq "lowered" "Device or resource busy" "$(error_of a/memory.limit_in_bytes 8M)"
	eq "the limit" $((16 * MIB)) "$(get a/memory.limit_in_bytes)"
	eq "under_oom" 1 "$(key a/memory.oom_control under_oom)"
	put a/memory.limit_in_bytes 32M
	expect one "done 1"
	tell one
	finish one
	eq "exit status" 0 "$STATUS"
}

# Soft limits -----------------------------------------------------------------------------------------------------------

K=''

# A group of the kernel's controller whose member thrashes: tasks wait for memory, whatever the machine has.
stall() {
	K=$(awk '$(NF - 2) == "cgroup" && $NF ~ /(^|,)memory(,|$)/ { print $5; exit }' /proc/self/mountinfo)
	[ -n "$K" ] || skip "the kernel's memory controller is not mounted"
	K=$K/test.$$
	register groups "$K"
	mkdir "$K"
	echo 8M >"$K/memory.limit_in_bytes"
	talk stall "$HELPERS/enter" "$K/tasks" "$HELPERS/touch" -n 0 -r -t 4 64
}

meminfo_says() { # MemAvailable in kB
	sed "s/^MemAvailable:.*/MemAvailable: $1 kB/" /proc/meminfo >"$T/meminfo"
	register mount /proc/meminfo
	mount --bind "$T/meminfo" /proc/meminfo
}

at_soft_limit() { # GROUP MIB
	[ "$(usage "$1")" -le $(($2 * MIB)) ]
}

# Nothing here makes the machine itself short: the daemon is told so, and the waiting of tasks is real.
test_soft_limit() {
	[ -w /proc/pressure/memory ] || skip "the kernel tells nothing of pressure"
	swap 512
	meminfo_says 1000
	group a
	group b
	put a/memory.soft_limit_in_bytes 8M
	holds a 32
	holds b 32
	stall
	until_true 30 at_soft_limit a 8 || fail "usage of a stays at $(usage a); $(cat /proc/pressure/memory)"
	gt "usage of who has no soft limit" "$(usage b)" $((31 * MIB))
	gt "events: reclaim_background" "$(event a reclaim_background)" $((20 * 256))
	eq "events: high" 0 "$(event a high)"
	lets_go a
	lets_go b
	kill "${TALK_PID[stall]}"
	finish stall
}

# Tasks wait, but memory there is.
test_soft_limit_with_memory_left() {
	[ -w /proc/pressure/memory ] || skip "the kernel tells nothing of pressure"
	slow
	swap 512
	group a
	put a/memory.soft_limit_in_bytes 8M
	holds a 32
	stall
	nap 6 # three times as long as it takes to be told
	gt "usage" "$(usage a)" $((31 * MIB))
	lets_go a
	kill "${TALK_PID[stall]}"
	finish stall
}
