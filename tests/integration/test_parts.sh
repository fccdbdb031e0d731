# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# What counts against a limit: memory.control_type, and the limit on RSS alone beside the one on all of it.

LIMIT=$((16 * MIB))

rss() { # GROUP FILE
	get "$1/memory.rss.$2"
}

stat() { # GROUP KEY
	key "$1/memory.stat" "$2"
}

# A member with 8 MiB that has read 48 MiB of a file. Names the helper "one".
both() { # GROUP
	cold_file 48
	in_group "$1" cat "$FILE" >/dev/null
	talk_in one "$1" "$HELPERS/touch" -h 8
	expect one "done 1"
}

test_defaults() {
	group a
	eq "memory.control_type" all "$(get a/memory.control_type)"
	eq "memory.rss.limit_in_bytes" "$UNLIMITED" "$(rss a limit_in_bytes)"
	eq "memory.rss.failcnt" 0 "$(rss a failcnt)"
	eq "memory.rss.usage_in_bytes" 0 "$(rss a usage_in_bytes)"
	eq "a/memory.control_type" "Invalid argument" "$(error_of a/memory.control_type mapped)"
	eq "a/memory.control_type" "Invalid argument" "$(error_of a/memory.control_type ' ')"
	eq "memory.control_type" "Invalid argument" "$(error_of memory.control_type rss)"
	eq "memory.rss.limit_in_bytes" "Invalid argument" "$(error_of memory.rss.limit_in_bytes 1G)"
	eq "a/memory.rss.limit_in_bytes" "Invalid argument" "$(error_of a/memory.rss.limit_in_bytes much)"
	put a/memory.control_type cache
	eq "memory.control_type" cache "$(get a/memory.control_type)"
	gt "the root's RSS" "$(get memory.rss.usage_in_bytes)" "$MIB"
}

test_usage() {
	local all
	group p
	group p/a
	both p/a
	all=$(usage p/a)
	gt "usage" "$all" $((56 * MIB))
	gt "RSS" "$(rss p/a usage_in_bytes)" $((8 * MIB))
	le "RSS" "$(rss p/a usage_in_bytes)" $((9 * MIB))
	eq "RSS" "$(stat p/a rss)" "$(rss p/a usage_in_bytes)"
	eq "RSS of the parent" "$(stat p total_rss)" "$(rss p usage_in_bytes)"
	put p/a/memory.control_type rss
	eq "usage of type rss" "$(rss p/a usage_in_bytes)" "$(usage p/a)"
	gt "usage of the parent, which is of type all" "$(usage p)" $((56 * MIB))
	put p/a/memory.control_type cache
	eq "usage of type cache" "$(stat p/a cache)" "$(usage p/a)"
	gt "memory and swap" "$(get p/a/memory.memsw.usage_in_bytes)" $((56 * MIB))
	tell one
	finish one
}

# Page cache may have what it wants; what is anonymous may not.
only_rss_is_held() { # FAILCNT_FILE: of the limit that is set
	cold_file 64
	in_group a cat "$FILE" >/dev/null
	eq "$1 after 64 MiB of page cache" 0 "$(get "a/$1")"
	gt "page cache" "$(stat a cache)" $((60 * MIB))
	in_group a "$HELPERS/touch" -r 40
	gt "$1 after 40 MiB" "$(get "a/$1")" 0
	gt "pages paged out" "$(event a paged_out)" 1024
	eq "pages of page cache dropped" 0 "$(event a cache_dropped)"
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
	gt "page cache afterwards" "$(stat a cache)" $((60 * MIB))
}

test_type_rss() {
	swap 256
	group a $LIMIT
	put a/memory.control_type rss
	only_rss_is_held memory.failcnt
	le "max_usage" "$(max_usage a)" $((LIMIT + LIMIT / 100))
}

test_rss_limit() {
	swap 256
	group a
	put a/memory.rss.limit_in_bytes $LIMIT
	only_rss_is_held memory.rss.failcnt
	eq "memory.failcnt" 0 "$(failcnt a)"
}

# Shared memory is none of it, and stays.
test_shared_memory_is_not_rss() {
	local shown
	swap 512
	group a
	put a/memory.rss.limit_in_bytes $LIMIT
	GROUP=$M/a/tasks talk one "$HELPERS/workload" swap shared
	expect one ready 60
	shown=$(awk '/^RssShmem/ { print $2 }' "/proc/${TALK_PID[one]}/status")
	in_group a "$HELPERS/touch" -r 60
	gt "memory.rss.failcnt" "$(rss a failcnt)" 0
	eq "RssShmem of the one that has it" "$shown" "$(awk '/^RssShmem/ { print $2 }' "/proc/${TALK_PID[one]}/status")"
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
	kill -KILL "${TALK_PID[one]}"
	finish one
}

# Nothing of it can go, and the page cache that is there is no help.
test_out_of_rss() {
	local status=0
	group a
	put a/memory.rss.limit_in_bytes $LIMIT
	put a/memory.swappiness 0
	cold_file 32
	in_group a cat "$FILE" >/dev/null
	in_group a "$HELPERS/touch" 40 || status=$?
	eq "exit status" 137 $status
	eq "oom_kill" 1 "$(key a/memory.oom_control oom_kill)"
	gt "page cache" "$(stat a cache)" $((28 * MIB))
}

# What a member has at its limit, from /proc while it runs.
test_rss_limit_holds() {
	local most=0 now pid
	swap 256
	group a
	put a/memory.rss.limit_in_bytes $LIMIT
	talk_in one a "$HELPERS/touch" -n 0 40
	pid=${TALK_PID[one]}
	until_true 20 eval '[ "$(rss a failcnt)" -gt 20 ]' || fail "the limit is not met"
	for _ in {1..200}; do
		now=$(awk '/^RssAnon/ { print $2 * 1024 }' "/proc/$pid/status")
		most=$((now > most ? now : most))
	done
	le "the most resident" "$most" $((LIMIT + LIMIT / 50))
	kill -KILL "$pid"
	finish one
}

# Both limits, each of its own.
test_both_limits() {
	swap 256
	group a 32M
	put a/memory.rss.limit_in_bytes $LIMIT
	put a/memory.watermarks '0 0'
	cold_file 64
	in_group a cat "$FILE" >/dev/null
	gt "memory.failcnt" "$(failcnt a)" 0
	eq "memory.rss.failcnt" 0 "$(rss a failcnt)"
	in_group a "$HELPERS/touch" -r 24
	gt "memory.rss.failcnt" "$(rss a failcnt)" 0
	le "max_usage" "$(max_usage a)" $((32 * MIB + $(read_ahead "$FILE")))
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}

test_type_cache() {
	swap 256
	group a $LIMIT
	put a/memory.control_type cache
	in_group a "$HELPERS/touch" 40
	eq "failcnt after 40 MiB" 0 "$(failcnt a)"
	eq "pages paged out" 0 "$(event a paged_out)"
	cold_file 64
	in_group a cat "$FILE" >/dev/null
	gt "pages of page cache dropped" "$(event a cache_dropped)" 1024
	le "page cache" "$(stat a cache)" $((LIMIT + LIMIT / 100))
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}

# What is mapped, and shared memory, are got back as well.
test_type_cache_mapped() {
	swap 512
	group a 64M
	put a/memory.control_type cache
	GROUP=$M/a/tasks talk one "$HELPERS/workload" swap shared
	expect one ready 60
	gt "failcnt" "$(failcnt a)" 0
	# Its faults bring this or that: it is looked at every 10 ms of its time.
	le "shared memory" "$(stat a shmem)" $((128 * MIB))
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
	kill -KILL "${TALK_PID[one]}"
	finish one
	cold_file 100
	GROUP=$M/a/tasks talk one "$HELPERS/workload" map_private "$FILE" $((100 * MIB))
	expect one ready 60
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
	kill -KILL "${TALK_PID[one]}"
	finish one
}

# Far from its limit a group is looked at by time, also for what no fault brings: nothing of a tmpfs that nobody maps can go.
test_type_cache_far() {
	local status=0 limit=$((512 * MIB))
	mkdir "$T/tmpfs"
	mount -t tmpfs tmpfs "$T/tmpfs"
	group a $limit
	put a/memory.control_type cache
	in_group a dd if=/dev/zero of="$T/tmpfs/file" bs=1M count=1500 status=none || status=$?
	eq "exit status" 137 $status
	le "bytes written" "$(stat_size "$T/tmpfs/file")" $((limit + limit / 4))
	rm "$T/tmpfs/file"
	umount "$T/tmpfs"
}

stat_size() { # FILE
	command stat -c %s "$1"
}

# A limit that is below what there is: got back, or refused.
test_limit_lowered() {
	swap 256
	group a
	both a
	put a/memory.rss.limit_in_bytes 4M
	le "RSS" "$(rss a usage_in_bytes)" $((4 * MIB))
	gt "page cache, which is not for it" "$(stat a cache)" $((44 * MIB))
	put a/memory.rss.limit_in_bytes -1
	eq "memory.rss.limit_in_bytes" "$UNLIMITED" "$(rss a limit_in_bytes)"
	put a/memory.swappiness 0
	eq "a/memory.rss.limit_in_bytes" "Device or resource busy" "$(error_of a/memory.rss.limit_in_bytes 0)"
	tell one
	finish one
}

# Whoever is over by the change goes on when there is room.
test_type_changes() {
	swap 256
	group a 32M
	put a/memory.control_type rss
	cold_file 64
	in_group a cat "$FILE" >/dev/null
	talk_in one a "$HELPERS/touch" -h -w 8
	expect one ready
	put a/memory.control_type all
	tell one
	expect one "done 1"
	le "usage" "$(usage a)" $((32 * MIB))
	gt "pages of page cache dropped" "$(event a cache_dropped)" 1024
	tell one
	finish one
}

test_server_dies() {
	need_daemon
	SERVER_MAY_CHANGE=1
	swap 256
	group a
	put a/memory.rss.limit_in_bytes $LIMIT
	put a/memory.control_type cache
	kill -KILL "$SERVER"
	until_true 15 eval '[ -n "$(server)" ] && [ "$(server)" != '"$SERVER"' ]' || fail "no other server"
	eq "memory.control_type" cache "$(get a/memory.control_type)"
	in_group a "$HELPERS/touch" 40
	gt "memory.rss.failcnt" "$(rss a failcnt)" 0
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}

# There all that is charged is charged by page faults.
test_second_rung() {
	need_daemon
	stop_daemon
	printf '[lease]\nstop = signal\n' >"$T/config"
	start_daemon --config="$T/config"
	swap 256
	group a
	put a/memory.rss.limit_in_bytes $LIMIT
	in_group a "$HELPERS/touch" -r 40
	gt "memory.rss.failcnt" "$(rss a failcnt)" 0
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}
