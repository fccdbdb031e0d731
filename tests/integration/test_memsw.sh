# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# Memory and swap together.

memsw() { # GROUP FILE
	get "$1/memory.memsw.$2"
}

limits() { # GROUP LIMIT MEMSW
	group "$1" "$2"
	put "$1/memory.memsw.limit_in_bytes" "$3"
}

test_usage_has_both() {
	local pid sum
	swap 256
	limits a 16M 64M
	talk_in one a "$HELPERS/touch" -h 32
	expect one "done 1"
	pid=${TALK_PID[one]}
	sum=$(($(awk '/^RssAnon|^VmSwap/ { n += $2 } END { print n }' "/proc/$pid/status") * 1024))
	gt "memory and swap" "$(memsw a usage_in_bytes)" $((31 * MIB))
	gt "memory and swap" $((sum + MIB)) "$(memsw a usage_in_bytes)"
	gt "memory and swap" "$(memsw a usage_in_bytes)" $((sum - MIB))
	le "memory" "$(usage a)" $((16 * MIB))
	gt "memory and swap of the parent" "$(memsw . usage_in_bytes)" "$(get memory.usage_in_bytes)"
	put a/memory.memsw.max_usage_in_bytes 0
	tell one
	finish one
	le "memory and swap when it has gone" "$(memsw a usage_in_bytes)" 4096
	gt "most memory and swap" "$(memsw a max_usage_in_bytes)" $((31 * MIB))
}

test_limit_holds() {
	local status=0
	swap 256
	limits a 16M 32M
	in_group a "$HELPERS/touch" 24
	gt "paged out" "$(event a paged_out)" 1024
	eq "oom_kill before" 0 "$(key a/memory.oom_control oom_kill)"
	in_group a "$HELPERS/touch" 64 || status=$?
	eq "exit status over both" 137 $status
	gt "memory.memsw.failcnt" "$(memsw a failcnt)" 0
	le "most memory and swap" "$(memsw a max_usage_in_bytes)" $((32 * MIB + 32 * MIB / 100))
	le "most memory" "$(max_usage a)" $((16 * MIB + 16 * MIB / 100))
}

# With the same limit for both there is no way out by swap, and none is taken.
test_no_swap_at_all() {
	local status=0
	swap 256
	limits a 16M 16M
	in_group a "$HELPERS/touch" 24 || status=$?
	eq "exit status" 137 $status
	eq "paged out" 0 "$(event a paged_out)"
}

# Only page cache can be given back then.
test_page_cache_goes() {
	swap 256
	grep -q 'page cache is charged' "$T/daemon.log" 2>/dev/null || skip "page cache is not charged"
	limits a 16M 16M
	head -c 32M /dev/zero >"$T/file"
	dd of="$T/file" oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null
	in_group a sh -c 'cat "$1" >/dev/null; exec "$2" 12' sh "$T/file" "$HELPERS/touch"
	gt "dropped" "$(event a cache_dropped)" 1024
	eq "paged out" 0 "$(event a paged_out)"
}

# runc writes the two in the order that the present limit asks for; crun -1 to all, whatever comes of it.
test_as_runtimes_write() {
	group a
	put a/memory.limit_in_bytes 100000000
	put a/memory.memsw.limit_in_bytes 200000000
	eq "both" "99999744 199999488" "$(get a/memory.limit_in_bytes) $(memsw a limit_in_bytes)"
	put a/memory.memsw.limit_in_bytes 400000000 # up: this one first
	put a/memory.limit_in_bytes 300000000
	eq "both" "299999232 399998976" "$(get a/memory.limit_in_bytes) $(memsw a limit_in_bytes)"
	! put a/memory.limit_in_bytes -1 2>/dev/null || fail "memory is allowed more than both"
	put a/memory.memsw.limit_in_bytes -1
	put a/memory.limit_in_bytes -1
	eq "both" "$UNLIMITED $UNLIMITED" "$(get a/memory.limit_in_bytes) $(memsw a limit_in_bytes)"
}
