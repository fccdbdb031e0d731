# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# A limit holds: at once, for every kind of program, and the program finishes its work.

# Run COMMAND in group a, whose limit is MIB MiB, with swap; its work must be done and the peak must be right.
held() { # MIB COMMAND...
	local limit=$(($1 * MIB))
	shift
	[ -e "$M/a" ] || group a $limit
	sampler_start a
	STATUS=0
	in_group a "$@" || STATUS=$?
	sampler_stop
	check_peak a $limit
	eq "exit status" 0 "$STATUS"
	gt "failcnt" "$(failcnt a)" 0
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}

test_one_process() {
	swap 512
	held 16 "$HELPERS/touch" -r 200
}

test_eight_processes() {
	swap 512
	held 16 "$HELPERS/touch" -r -p 8 240
}

test_eight_threads() {
	swap 512
	held 16 "$HELPERS/touch" -r -t 8 240
}

test_pid_namespace_init() {
	local limit=$((16 * MIB))
	swap 512
	group a $limit
	sampler_start a
	"$HELPERS/enter" -n "$M/a/tasks" "$HELPERS/touch" -r 200
	sampler_stop
	check_peak a $limit
	gt "failcnt" "$(failcnt a)" 0
}

test_rounds() {
	swap 512
	held 16 "$HELPERS/touch" -n 8 -r 40
}

# What was charged is mostly gone again when it stops, so each stop is answered as soon as it is told of, and some would be
# before the kernel has sent the signal. (With a record written ahead of it the program stood for ever after some 3,000.)
test_stops_that_find_room() {
	group a 4M
	put a/memory.watermarks "0 0"
	in_group a "$HELPERS/touch" -n 4000 3
	gt "stops" "$(key a/memory.events stop)" 2000
	eq "failcnt" 0 "$(failcnt a)"
}

test_set_uid_program() {
	swap 512
	cp "$HELPERS/touch" "$T/touch"
	chown nobody "$T/touch"
	chmod 4755 "$T/touch"
	held 16 "$T/touch" -r 100
}

# The usual direction: a user's program that becomes root.
test_set_uid_root_program() {
	swap 512
	cp "$HELPERS/touch" "$T/touch"
	chmod 4755 "$T/touch"
	group a 16M
	chmod 666 "$M/a/tasks"
	sampler_start a
	"$HELPERS/enter" -u 65534 "$M/a/tasks" "$T/touch" -r 100
	sampler_stop
	check_peak a $((16 * MIB))
	gt "failcnt" "$(failcnt a)" 0
}

test_1gib_one_process() {
	slow
	swap 1024
	held 1024 "$HELPERS/touch" -r 1200
}

test_1gib_eight_processes() {
	slow
	swap 1024
	held 1024 "$HELPERS/touch" -r -p 8 1200
}

test_1gib_eight_threads() {
	slow
	swap 1024
	held 1024 "$HELPERS/touch" -r -t 8 1200
}

# A program that stays below its limit never meets it, however much it allocates and frees.
test_below_the_limit() {
	group a 16M
	put a/memory.swappiness 0
	in_group a "$HELPERS/touch" -n 30 -r 12
	in_group a "$HELPERS/touch" -n 30 -r -t 4 12
	in_group a "$HELPERS/touch" -n 30 -r -p 3 9
	eq "failcnt" 0 "$(failcnt a)"
	eq "events: max" 0 "$(event a max)"
	eq "events: paged_out" 0 "$(event a paged_out)"
	le "max_usage" "$(max_usage a)" $((16 * MIB))
	gt "max_usage" "$(max_usage a)" $((9 * MIB))
}

# Up to the last percents of the limit: what is kept free for leases must not count as a hit.
test_just_below_the_limit() {
	group a 64M
	put a/memory.swappiness 0
	talk_in one a "$HELPERS/touch" -h 60
	expect one "done 1"
	eq "failcnt" 0 "$(failcnt a)"
	gt "usage" "$(usage a)" $((60 * MIB))
	tell one
	finish one
}

test_parent_limit() {
	local limit=$((16 * MIB)) first
	swap 512
	group p $limit
	group p/a
	group p/b 8M
	sampler_start p/a p/b
	in_group p/a "$HELPERS/touch" -r 100 &
	first=$!
	in_group p/b "$HELPERS/touch" -r 100
	wait $first
	sampler_stop
	check_peak p $limit
	le "max_usage of the child with 8 MiB" "$(max_usage p/b)" $((8 * MIB + 8 * MIB / 100))
	gt "failcnt of the parent" "$(failcnt p)" 0
	gt "failcnt of the child with 8 MiB" "$(failcnt p/b)" 0
	eq "failcnt of the child without" 0 "$(failcnt p/a)"
	eq "limit of the child without" "$UNLIMITED" "$(get p/a/memory.limit_in_bytes)"
}

# Groups do not pay for one another.
test_neighbours() {
	swap 512
	group a 16M
	group b 64M
	talk_in quiet b "$HELPERS/touch" -h 32
	expect quiet "done 1"
	in_group a "$HELPERS/touch" -r 100
	eq "failcnt of the neighbour" 0 "$(failcnt b)"
	eq "events: paged_out of the neighbour" 0 "$(event b paged_out)"
	gt "usage of the neighbour" "$(usage b)" $((32 * MIB))
	tell quiet
	finish quiet
	eq "exit status of the neighbour" 0 "$STATUS"
}

test_raise_while_at_the_limit() {
	swap 512
	group a 16M
	talk_in busy a "$HELPERS/touch" -n 0 -r 80
	until_true 20 eval '[ "$(failcnt a)" -gt 3 ]' || fail "the limit was never met"
	put a/memory.limit_in_bytes 128M
	until_true 20 eval '[ "$(usage a)" -gt $((60 * MIB)) ]' || fail "usage stays at $(usage a)"
	eq "limit" $((128 * MIB)) "$(get a/memory.limit_in_bytes)"
	kill "${TALK_PID[busy]}"
	finish busy
}

test_lower_below_usage() {
	swap 512
	group a
	talk_in one a "$HELPERS/touch" -h 32
	expect one "done 1"
	put a/memory.limit_in_bytes 8M
	eq "limit" $((8 * MIB)) "$(get a/memory.limit_in_bytes)"
	le "usage" "$(usage a)" $((8 * MIB))
	in_state "${TALK_PID[one]}" RS || fail "the member is in state $(state "${TALK_PID[one]}")"
	tell one
	finish one
	eq "exit status" 0 "$STATUS"
}

test_lower_below_what_must_stay() {
	group a 64M
	put a/memory.swappiness 0
	talk_in one a "$HELPERS/touch" -h 32
	expect one "done 1"
	eq "limit below what cannot be reclaimed" EBUSY "$("$HELPERS/try" write "$M/a/memory.limit_in_bytes" 8M)"
	eq "limit after that" $((64 * MIB)) "$(get a/memory.limit_in_bytes)"
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
	in_state "${TALK_PID[one]}" RS || fail "the member is in state $(state "${TALK_PID[one]}")"
	put a/memory.limit_in_bytes 48M
	eq "limit above usage" $((48 * MIB)) "$(get a/memory.limit_in_bytes)"
	tell one
	finish one
	eq "exit status" 0 "$STATUS"
}

test_page_cache() {
	local limit=$((16 * MIB)) most
	group a $limit
	cold_file 64
	most=$((limit + $(read_ahead "$FILE")))
	in_group a cat "$FILE" >/dev/null
	gt "max_usage" "$(max_usage a)" $((8 * MIB))
	le "max_usage" "$(max_usage a)" $most
	le "cached bytes of the file" "$(fincore -nb -o RES "$FILE")" $most
	gt "failcnt" "$(failcnt a)" 0
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
	gt "memory.stat: cache" "$(key a/memory.stat cache)" 0
	if [ -z "${MEMCGFS_TEST_TREE:-}" ]; then
		gt "events: cache_dropped" "$(event a cache_dropped)" $((48 * 256 / 2))
	fi
}

test_page_cache_of_written_files() {
	local limit=$((16 * MIB))
	group a $limit
	in_group a dd if=/dev/zero of="$T/file" bs=1M count=64 status=none
	eq "bytes written" $((64 * MIB)) "$(stat -c %s "$T/file")"
	le "usage" "$(usage a)" $((limit + limit / 100))
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}

# What somebody else cached is not the group's.
test_page_cache_of_others() {
	group a 16M
	cold_file 64
	cat "$FILE" >/dev/null
	in_group a cat "$FILE" >/dev/null
	eq "failcnt" 0 "$(failcnt a)"
	le "usage" "$(usage a)" $((4 * MIB))
	gt "cached bytes of the file" "$(fincore -nb -o RES "$FILE")" $((60 * MIB))
}

# Memory that a parent shares with its forks counts once: 8 MiB and three forks are far from 16 MiB.
test_shared_by_forks() {
	group a 16M
	put a/memory.swappiness 0
	talk_in family a "$HELPERS/touch" -s 8 -p 3 -h 3
	expect family "done 3"
	eq "failcnt" 0 "$(failcnt a)"
	le "usage" "$(usage a)" $((13 * MIB))
	# Their own, too, when it has been looked for.
	until_true 5 eval '[ "$(usage a)" -gt $((10 * MIB)) ]' || fail "usage: $(usage a)"
	tell family
	finish family
	eq "exit status" 0 "$STATUS"
}

# Pages that several processes map cannot all be paged out; the rest can, and the work gets done.
test_shared_by_forks_at_the_limit() {
	swap 512
	group a 16M
	in_group a "$HELPERS/touch" -s 8 -p 3 -r 60
	gt "failcnt" "$(failcnt a)" 0
	# While one of the four exits, its quarter of the 8 MiB may show twice: still in its RSS, and in the others' shares.
	le "max_usage" "$(max_usage a)" $((16 * MIB + 16 * MIB / 100 + 2 * MIB))
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}

# The kernel lets the clocks of parent and child change places.
test_turns_on_one_cpu() {
	local offset
	swap 1024
	for offset in 1 3 5 7 9; do
		group a 400M
		sampler_start a
		in_group a "$HELPERS/relay" $offset 600
		sampler_stop
		check_peak a $((400 * MIB))
		until_true 5 rmdir "$M/a" 2>/dev/null
	done
}

# Of a program that nobody looked at while it ran. What it got in its last 10 ms may be missing.
test_peak_is_remembered() {
	local limit
	for limit in $UNLIMITED 1G 512M; do
		group a "$limit"
		in_group a "$HELPERS/touch" 400
		gt "max_usage of a program of 400 MiB, limit $limit" "$(max_usage a)" $((320 * MIB))
		le "max_usage of a program of 400 MiB, limit $limit" "$(max_usage a)" $((402 * MIB))
		until_true 5 rmdir "$M/a" 2>/dev/null
	done
}

test_max_usage_reset() {
	group a 64M
	talk_in one a "$HELPERS/touch" -h 32
	expect one "done 1"
	gt "max_usage" "$(max_usage a)" $((32 * MIB))
	put a/memory.max_usage_in_bytes 0
	gt "max_usage after a reset while 32 MiB are used" "$(max_usage a)" $((32 * MIB))
	tell one
	finish one
	gt "max_usage after the exit" "$(max_usage a)" $((32 * MIB))
	put a/memory.max_usage_in_bytes 0
	le "max_usage after the reset" "$(max_usage a)" $((4 * MIB))
}
