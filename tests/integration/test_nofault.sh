# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# Memory that a program gets without a page fault per page is seen within a second while the program goes on using the CPU.

noticed() { # MODE [FILE]: 64 MiB in a group with room for them
	group a 256M
	talk_in user a "$HELPERS/nofault" "$1" 64 "${@:2}"
	expect user "done"
	until_true "${WITHIN:-1}" eval '[ "$(max_usage a)" -ge $((64 * MIB)) ]' || fail "max_usage after $1 is $(max_usage a)"
	gt "usage" "$(usage a)" $((64 * MIB - 1))
	eq "failcnt" 0 "$(failcnt a)"
	tell user
	finish user
	eq "exit status" 0 "$STATUS"
}

test_huge_pages() {
	[ -e /sys/kernel/mm/transparent_hugepage/enabled ] || skip "no transparent huge pages"
	grep -q '\[never\]' /sys/kernel/mm/transparent_hugepage/enabled && skip "transparent huge pages are off"
	noticed thp
}

test_populate() { noticed populate; }
test_mlock() { noticed mlock; }
test_memfd() { noticed memfd; }
test_leaderless() { noticed leaderless; }

# What writes nothing is looked for once a second.
test_fallocate() {
	WITHIN=3
	noticed fallocate
}

tmpfs() {
	mkdir "$T/tmpfs"
	mount -t tmpfs -o size=128M tmpfs "$T/tmpfs"
}

test_tmpfs() {
	tmpfs
	noticed tmpfs "$T/tmpfs/file"
}

test_read() {
	tmpfs
	dd if=/dev/zero of="$T/tmpfs/file" bs=1M count=64 status=none
	noticed read "$T/tmpfs/file"
}

# And it is held: above the limit the rest is paged out, within the same second.
pushed_back() { # MODE [FILE]
	swap 256
	group a 16M
	talk_in user a "$HELPERS/nofault" "$1" 48 "${@:2}"
	expect user "done" 60
	until_true 1 eval '[ "$(usage a)" -le $((16 * MIB + 16 * MIB / 100)) ]' || fail "usage after $1 is $(usage a)"
	gt "failcnt" "$(failcnt a)" 0
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
	tell user
	finish user
	eq "exit status" 0 "$STATUS"
}

test_huge_pages_at_the_limit() {
	grep -q '\[never\]' /sys/kernel/mm/transparent_hugepage/enabled && skip "transparent huge pages are off"
	pushed_back thp
}

# The kernel's own controller kills here: what MAP_POPULATE has just got, it cannot reclaim.
test_populate_at_the_limit() {
	need_daemon
	pushed_back populate
}

test_read_at_the_limit() {
	tmpfs
	dd if=/dev/zero of="$T/tmpfs/file" bs=1M count=48 status=none
	pushed_back read "$T/tmpfs/file"
}

# What is locked cannot be paged out: the program goes.
test_mlock_at_the_limit() {
	group a 16M
	talk_in user a "$HELPERS/nofault" mlock 48
	until_true 10 gone "${TALK_PID[user]}" || fail "a program with 48 MiB locked in 16 MiB lives on"
	finish user
	eq "exit status" 137 "$STATUS"
	eq "oom_kill" 1 "$(key a/memory.oom_control oom_kill)"
}
