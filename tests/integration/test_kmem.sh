# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# What the kernel uses for members: page tables and kernel stacks.

KIB=1024 STACK=16384

kmem() { # GROUP FILE
	get "$1/memory.kmem.$2"
}

tables() { # PID: bytes of its page tables
	awk -v kib="$KIB" '$1 == "VmPTE:" { print $2 * kib }' "/proc/$1/status"
}

threads() { # PID
	awk '$1 == "Threads:" { print $2 }' "/proc/$1/status"
}

expected() { # PID: bytes
	echo $(($(tables "$1") + $(threads "$1") * STACK))
}

spread() { # NAME GROUP [-c] THREADS TABLES
	talk_in "$1" "$2" "$HELPERS/spread" "${@:3}"
	expect "$1" ready
}

is_kmem() { # WHAT BYTES GROUP: the clone's last moments, or those of a reader, may be in the first look
	until_true 2 eval '[ "$(kmem '"$3"' usage_in_bytes)" = '"$2"' ]' ||
		eq "$1" "$2" "$(kmem "$3" usage_in_bytes)"
}

# One with threads, one with page tables, in two groups, of which one has the other in it.
check_usage() {
	local one two most
	group a
	group a/b
	eq "all of an empty group" "0 0 0 $UNLIMITED" \
		"$(kmem a usage_in_bytes) $(kmem a max_usage_in_bytes) $(kmem a failcnt) $(kmem a limit_in_bytes)"
	spread one a 100 0
	spread two a/b 0 1000
	one=$(expected "${TALK_PID[one]}") two=$(expected "${TALK_PID[two]}")
	gt "kernel memory of 101 threads" "$one" $((101 * STACK))
	le "kernel memory of 101 threads" "$one" $((101 * STACK + 512 * KIB))
	gt "kernel memory of 1000 page tables" "$two" $((4000 * KIB))
	le "kernel memory of 1000 page tables" "$two" $((4000 * KIB + 256 * KIB))
	is_kmem "usage of the child" "$two" a/b
	is_kmem "usage of the parent" $((one + two)) a
	tell one
	finish one
	is_kmem "usage without the threads" "$two" a
	tell two
	finish two
	is_kmem "usage of nobody" 0 a
	most=$(kmem a max_usage_in_bytes)
	le "the sum" $((one + two)) "$most"
	le "the most of the child" "$two" "$(kmem a/b max_usage_in_bytes)"
	put a/memory.kmem.max_usage_in_bytes 0
	eq "the most after a reset" 0 "$(kmem a max_usage_in_bytes)"
	le "the most of the child, still" "$two" "$(kmem a/b max_usage_in_bytes)"
}

test_usage() { check_usage; }

test_over() {
	need_daemon
	stop_daemon
	memory_mount
	start_daemon --hierarchy=over
	check_usage
}

# It is in no other figure: 1000 page tables are as much as the pages they are for.
test_not_in_usage() {
	group a
	spread one a 0 1000
	is_kmem "usage" "$(expected "${TALK_PID[one]}")" a
	gt "memory.usage_in_bytes" "$(usage a)" $((4000 * KIB))
	le "memory.usage_in_bytes" "$(usage a)" $((5000 * KIB))
	tell one
	finish one
}

test_shared_memory_counts_once() {
	local pid
	group a
	spread one a -c 0 500
	pid=${TALK_PID[one]}
	is_kmem "usage" $(($(expected "$pid") + STACK)) a
	tell one
	finish one
}

# Touching so much takes longer than the 10 ms of CPU time after which a member is counted.
test_peak_without_a_look() {
	need_daemon
	group a
	in_group a "$HELPERS/spread" 200 16000 </dev/null >/dev/null
	gt "the most" "$(kmem a max_usage_in_bytes)" $((16000 * KIB))
	eq "usage" 0 "$(kmem a usage_in_bytes)"
}

# What parses is taken and has no effect; the root takes none.
test_limit() {
	group a
	put a/memory.kmem.limit_in_bytes 8192
	eq "limit" "$UNLIMITED" "$(kmem a limit_in_bytes)"
	eq "junk" EINVAL "$("$HELPERS/try" write "$M/a/memory.kmem.limit_in_bytes" 8192x)"
	eq "limit of the root" EINVAL "$("$HELPERS/try" write "$M/memory.kmem.limit_in_bytes" -1)"
	spread one a 20 100
	eq "failcnt" 0 "$(kmem a failcnt)"
	put a/memory.kmem.failcnt 0
	eq "writing usage" EINVAL "$("$HELPERS/try" write "$M/a/memory.kmem.usage_in_bytes" 0)"
	tell one
	finish one
}

test_root() {
	local machine
	need_daemon
	machine=$(awk '$1 ~ /^(PageTables|KernelStack):/ { n += $2 } END { print n * 1024 }' /proc/meminfo)
	gt "the root's" "$(kmem . usage_in_bytes)" $((machine / 2))
	le "the root's" "$(kmem . usage_in_bytes)" $((machine * 2))
	gt "the root's most" "$(kmem . max_usage_in_bytes)" 0
}

test_outlives_the_server() {
	local most
	need_daemon
	group a
	spread one a 50 500
	is_kmem "usage" "$(expected "${TALK_PID[one]}")" a
	tell one
	finish one
	most=$(kmem a max_usage_in_bytes)
	SERVER_MAY_CHANGE=1
	kill -KILL "$SERVER"
	until_true 10 eval '[ -n "$(server)" ] && [ "$(server)" != "$SERVER" ]' || fail "no other server comes"
	gt "the most before" "$most" $((2000 * KIB))
	eq "the most after" "$most" "$(kmem a max_usage_in_bytes)"
}

test_no_thresholds() {
	local c
	group a
	talk listener "$HELPERS/eventfd" "$M/a"
	for c in '' 4096 -1 x; do
		tell listener "reg memory.kmem.usage_in_bytes $c"
		expect listener EINVAL
	done
	kill "${TALK_PID[listener]}"
	finish listener
}
