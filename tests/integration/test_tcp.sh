# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# What TCP sockets of members hold.

tcp() { # GROUP FILE
	get "$1/memory.kmem.tcp.$2"
}

holder() { # NAME GROUP [-c] [FILES]: how much it sent into SENT
	talk_in "$1" "$2" "$HELPERS/tcp" "${@:3}"
	hear "$1" || fail "$1 sent nothing"
	SENT=$HEARD
	gt "sent" "$SENT" 100000
}

# As much as was sent, in buffers that are not full of it.
holds() { # WHAT GROUP BYTES
	local now
	now=$(tcp "$2" usage_in_bytes)
	le "$1, at least what was sent" "$3" "$now"
	le "$1, at most" "$now" $((3 * $3))
	eq "$1, whole pages" 0 $((now % 4096))
}

close_it() { # NAME
	tell "$1"
	expect "$1" closed
}

end() { # NAME
	tell "$1"
	finish "$1"
}

need_tcp() {
	need_daemon
	grep -q 'stop bpf' "$T/daemon.log" || skip "no BPF here"
	[ "$(printf '%s\n' 5.17 "$(uname -r)" | sort -V | head -n 1)" = 5.17 ] || skip "the kernel has no bpf_loop()"
}

test_usage() {
	local one
	need_tcp
	group a
	group a/b
	group c
	eq "an empty group" "0 0 0 $UNLIMITED" \
		"$(tcp a usage_in_bytes) $(tcp a max_usage_in_bytes) $(tcp a failcnt) $(tcp a limit_in_bytes)"
	holder one a/b
	one=$SENT
	holds "the child's" a/b "$one"
	holds "the parent's" a "$one"
	eq "another group's" 0 "$(tcp c usage_in_bytes)"
	holder two a
	holds "both" a $((one + SENT))
	holds "the child's, still" a/b "$one"
	close_it one
	eq "when it is closed" 0 "$(tcp a/b usage_in_bytes)"
	le "the most" "$one" "$(tcp a/b max_usage_in_bytes)"
	put a/b/memory.kmem.tcp.max_usage_in_bytes 0
	eq "the most after a reset" 0 "$(tcp a/b max_usage_in_bytes)"
	holds "the other's" a "$SENT"
	end one
	close_it two
	eq "when both are closed" 0 "$(tcp a usage_in_bytes)"
	end two
}

test_shared_socket_counts_once() {
	need_tcp
	group a
	holder one a
	holds "one's" a "$SENT"
	put a/memory.kmem.tcp.max_usage_in_bytes 0
	close_it one
	end one
	group b
	holder two b -c
	holds "parent's and child's" b "$SENT"
	close_it two
	end two
}

test_usage_ends_with_the_process() {
	need_tcp
	group a
	holder one a
	kill -KILL "${TALK_PID[one]}"
	finish one || :
	until_true 2 eval '[ "$(tcp a usage_in_bytes)" = 0 ]' || fail "$(tcp a usage_in_bytes) bytes are left"
}

test_goes_with_the_member() {
	need_tcp
	group a
	group b
	holder one a
	put b/cgroup.procs "${TALK_PID[one]}"
	holds "in the new group" b "$SENT"
	eq "in the old" 0 "$(tcp a usage_in_bytes)"
	close_it one
	end one
}

# Of sockets among thousands of other descriptors, in a table with holes.
test_many_files() {
	need_tcp
	group a
	holder one a 5000
	holds "with 5000 files" a "$SENT"
	close_it one
	eq "when it is closed" 0 "$(tcp a usage_in_bytes)"
	end one
}

test_limit_is_kept() {
	need_daemon
	group a
	put a/memory.kmem.tcp.limit_in_bytes 4097
	eq "limit" 4096 "$(tcp a limit_in_bytes)"
	eq "junk" EINVAL "$("$HELPERS/try" write "$M/a/memory.kmem.tcp.limit_in_bytes" 8192x)"
	eq "limit of the root" EINVAL "$("$HELPERS/try" write "$M/memory.kmem.tcp.limit_in_bytes" -1)"
	holder one a
	eq "failcnt" 0 "$(tcp a failcnt)"
	put a/memory.kmem.tcp.failcnt 0
	close_it one
	end one
}

# The machine's is also what holders outside every group have.
test_root() {
	need_daemon
	talk one "$HELPERS/tcp"
	hear one
	le "the root's" "$HEARD" "$(tcp . usage_in_bytes)"
	close_it one
	end one
}

test_outlives_the_server() {
	need_tcp
	group a
	put a/memory.kmem.tcp.limit_in_bytes 1M
	holder one a
	holds "one's" a "$SENT"
	SERVER_MAY_CHANGE=1
	kill -KILL "$SERVER"
	until_true 10 eval '[ -n "$(server)" ] && [ "$(server)" != "$SERVER" ]' || fail "no other server comes"
	holds "the same" a "$SENT"
	eq "limit" $((1 << 20)) "$(tcp a limit_in_bytes)"
	close_it one
	le "the most" "$SENT" "$(tcp a max_usage_in_bytes)"
	end one
}

# Where programs cannot be loaded nothing tells whose sockets are whose.
test_second_rung() {
	need_daemon
	stop_daemon
	printf '[lease]\nstop = signal\n' >"$T/conf"
	start_daemon --config="$T/conf"
	group a
	holder one a
	eq "nothing is known" "0 0" "$(tcp a usage_in_bytes) $(tcp a max_usage_in_bytes)"
	close_it one
	end one
}
