# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# What is charged, to whom, and until when: known workloads (helpers/workload.c), and the figures that they must show. That the
# kernel's own controller shows the same is measured by bench/run accuracy; with MEMCGFS_TEST_TREE these are asked of it, too.

SLACK=$((512 * 1024)) # the kernel's usage is ahead by up to 64 pages a CPU

setup() {
	start_daemon
	[ -n "${MEMCGFS_TEST_TREE:-}" ] || SERVER_MAY_CHANGE=1
}

work() { # NAME GROUP WORKLOAD [ARGUMENT]...: until it stands still
	GROUP=$M/$2/tasks OTHER=$M/b/tasks talk "$1" "$HELPERS/workload" "${@:3}"
	expect "$1" ready 60
}

on() { # NAME
	tell "$1"
	expect "$1" ready 60
}

end_work() { # NAME
	tell "$1"
	finish "$1"
	eq "exit status" 0 "$STATUS"
}

near() { # BYTES BYTES
	local differ=$(($1 > $2 ? $1 - $2 : $2 - $1))
	[ $differ -le "${FILES_MAY_GO:-$SLACK}" ] || [ $differ -le $(($2 / 100)) ]
}

charged() { # GROUP KEY MIB: soon, of memory.stat; usage: memory.usage_in_bytes without kernel memory
	local want=$(($3 * MIB))
	until_true 5 near_now "$1" "$2" "$want" || fail "$2 of $1: want $want, got $(figure "$1" "$2")"
}

figure() { # GROUP KEY
	if [ "$2" = usage ]; then
		echo $(($(usage "$1") - ${KMEM:-0}))
	else
		key "$1/memory.stat" "$2"
	fi
}

near_now() { # GROUP KEY BYTES
	near "$(figure "$1" "$2")" "$3"
}

test_after_it_joined() {
	group a
	work one a late
	charged a rss 50
	charged a usage 50
	end_work one
	charged a rss 0
}

test_exact() {
	group a
	work one a exact
	on one
	until_true 5 eval '[ "$(figure a rss)" = 266240 ]' || fail "65 pages are $(figure a rss)"
	on one
	until_true 5 eval '[ "$(figure a rss)" = 0 ]' || fail "none are $(figure a rss)"
	end_work one
}

test_moves() {
	group a
	group b
	work one a move
	charged a rss 100
	charged b rss 50
	charged b usage 50
	# What it left behind is its parent's when the group goes.
	until_true 5 rmdir "$M/a"
	charged b rss 50
	group a
	charged a usage 0
	end_work one
	charged b usage 0
}

# Of a process that nobody limits any more, too: what it gives back.
test_moves_to_the_root() {
	group a
	group b
	work one a split
	lists a "${TALK_PID[one]}" || fail "it is not in a"
	put tasks "${TALK_PID[one]}"
	charged a rss 100
	on one # unmaps
	charged a rss 50 # a child in b has those
	end_work one
	charged a usage 0
}

test_left_to_a_parent() {
	group p
	group p/a
	group b
	GROUP=$M/p/a/tasks OTHER=$M/b/tasks talk one "$HELPERS/workload" move
	expect one ready 60
	charged p/a rss 100
	charged p usage 100
	until_true 5 rmdir "$M/p/a"
	charged p usage 100
	end_work one
	charged p usage 0
}

# What it left is its first group's to get back, wherever the task is, and what it took since the second's.
test_left_and_reclaimed() {
	swap 512
	group a
	group b
	work one a move
	charged a rss 100
	put a/memory.limit_in_bytes 32M
	le "usage of a" "$(usage a)" $((32 * MIB + SLACK))
	charged b rss 50
	charged b swap 0
	put b/memory.limit_in_bytes 16M
	le "usage of b" "$(usage b)" $((16 * MIB + SLACK))
	gt "usage of a" "$(usage a)" $((28 * MIB))
	# Whoever is there has all the room.
	talk_in two a "$HELPERS/touch" -h -r 100
	expect two "done 1" 60
	eq "oom_kill of a" 0 "$(key a/memory.oom_control oom_kill)"
	gt "usage of b" "$(usage b)" $((12 * MIB))
	end_work two
	end_work one
	charged a usage 0
}

# A child that was forked in a and moved to b: what it copies is b's, what it shares a's, also when nobody in a has it any more.
test_child_elsewhere() {
	group a
	group b
	work one a split
	charged a rss 100
	charged b rss 50
	on one
	charged a rss 50
	charged b rss 50
	end_work one
	charged a rss 0
	charged b rss 0
}

test_children_read() {
	group a
	work one a fork_read
	charged a rss 200
	charged a usage 200
	end_work one
}

test_children_write() {
	group a
	work one a fork_write
	charged a rss 500
	charged a usage 500
	end_work one
	charged a usage 0
}

test_shared_anonymous() {
	group a
	work one a shared
	charged a shmem 200
	charged a cache 200
	charged a mapped_file 200
	charged a rss 0
	charged a usage 200
	end_work one
	charged a usage 0
}

own_tmpfs() {
	mkdir "$T/tmpfs"
	register mount "$T/tmpfs"
	mount -t tmpfs -o size=256M tmpfs "$T/tmpfs"
}

test_tmpfs() {
	own_tmpfs
	group a
	work one a write "$T/tmpfs/file" $((100 * MIB))
	charged a shmem 100
	on one
	charged a shmem 100 # closed
	end_work one
	charged a shmem 100 # its writer gone
	charged a usage 100
	truncate -s 50M "$T/tmpfs/file"
	charged a shmem 50
	rm "$T/tmpfs/file"
	charged a usage 0
}

test_tmpfs_allocated() {
	own_tmpfs
	group a
	work one a allocate "$T/tmpfs/file" $((100 * MIB))
	charged a shmem 100
	end_work one
}

# What was there before is nobody's, whoever maps it; and what a new one writes to it is the new one's.
test_tmpfs_of_others() {
	own_tmpfs
	head -c 64M /dev/zero >"$T/tmpfs/file"
	group a
	work one a map "$T/tmpfs/file" $((64 * MIB))
	charged a shmem 0
	charged a usage 0
	on one
	end_work one
}

# Charges stay where they are when the group of who uses it goes, and go with the file.
test_tmpfs_then_rmdir() {
	own_tmpfs
	group p
	group p/a
	GROUP=$M/p/a/tasks talk one "$HELPERS/workload" write "$T/tmpfs/file" $((64 * MIB))
	expect one ready 60
	charged p/a shmem 64
	on one
	end_work one
	until_true 5 rmdir "$M/p/a"
	charged p usage 64
	rm "$T/tmpfs/file"
	charged p usage 0
}

test_memfd() {
	group a
	work one a memfd
	charged a shmem 50
	end_work one
	charged a usage 0
}

test_sysv() {
	group a
	register shm 0x6d63
	work one a sysv $((0x6d63))
	charged a shmem 50
	on one
	charged a shmem 0
	end_work one
}

# The kernel gives up a folio of a file now and then, for whatever reason.
dropped_file() { # MIB
	FILES_MAY_GO=$((4 * MIB))
	"$HELPERS/workload" make "$T/file" $(($1 * MIB))
	until_true 30 "$HELPERS/workload" drop "$T/file" $(($1 * MIB)) || fail "the file stays in memory"
}

# A page of page cache is mapped for its owner, whoever maps it.
test_mapped_by_others() {
	dropped_file 100
	group a
	group b
	work reader a read "$T/file" $((100 * MIB))
	charged a cache 100
	charged a mapped_file 0
	work mapper b map "$T/file" $((100 * MIB))
	charged a mapped_file 100
	charged b mapped_file 0
	charged b cache 0
	on mapper
	charged a mapped_file 0
	end_work mapper
	end_work reader
}

# What a group left behind is its parent's, and not that of the next group in its place.
test_mapped_then_rmdir() {
	dropped_file 64
	group p
	group p/a
	GROUP=$M/p/a/tasks talk reader "$HELPERS/workload" read "$T/file" $((64 * MIB))
	expect reader ready 60
	end_work reader
	until_true 5 rmdir "$M/p/a"
	group p/b
	group q
	work mapper q map "$T/file" $((64 * MIB))
	charged p mapped_file 64
	charged p/b mapped_file 0
	charged q mapped_file 0
	on mapper
	end_work mapper
}

test_private_file_pages() {
	dropped_file 64
	group a
	work one a map_private "$T/file" $((64 * MIB))
	charged a rss 64
	charged a cache 64
	charged a mapped_file 0
	end_work one
	charged a rss 0
	charged a cache 64
}

test_swapped() {
	swap 512
	group a
	work one a swap private
	charged a rss 100
	charged a swap 100
	on one
	charged a rss 100
	charged a swap 100
	end_work one
	charged a swap 0
}

test_swapped_shared() {
	swap 512
	group a
	work one a swap shared
	charged a shmem 100
	charged a swap 100
	on one
	end_work one
	charged a usage 0
}

# What goes to swap of a member that sleeps, for one that does not: nobody needs to ask for it to be seen.
test_swapped_of_a_sleeper() {
	local before shown
	swap 512
	group a 180M
	put a/memory.watermarks '0 0'
	work one a swap shared
	charged a shmem 100
	before=$(event a paged_out)
	in_group a "$HELPERS/touch" -r 140
	gt "pages paged out" "$(event a paged_out)" $((before + 40 * 256))
	shown=$(awk '/^RssShmem/ { print $2 * 1024 }' "/proc/${TALK_PID[one]}/status")
	until_true 5 near_now a shmem "$shown" || fail "shmem: want $shown, got $(figure a shmem)"
	le "shared memory afterwards" "$(figure a shmem)" $((90 * MIB))
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
	on one
	end_work one
}

test_huge() {
	group a
	work one a huge
	charged a rss 200
	end_work one
}

# What groups were charged for is known to the server after the next one; what a member had borrowed is not, and is its own.
test_server_dies() {
	need_daemon
	own_tmpfs
	dropped_file 32
	group a
	work one a write "$T/tmpfs/file" $((64 * MIB))
	work two a map "$T/file" $((32 * MIB))
	charged a shmem 64
	charged a mapped_file 32
	kill -KILL "$(server)"
	until_true 10 answers || fail "the mount does not answer"
	charged a shmem 64
	charged a mapped_file 32
	charged a cache 96
	rm "$T/tmpfs/file"
	on one
	charged a shmem 0
	end_work one
	on two
	end_work two
}

test_source() {
	need_daemon
	group a
	get a/memory.source | grep -q '^rss, swap: exact, ' || fail "rss: $(get a/memory.source)"
	get a/memory.source | grep -q '^cache: exact, ' || fail "cache: $(get a/memory.source)"
	get a/memory.source | grep -q '^mapped_file: exact, ' || fail "mapped_file: $(get a/memory.source)"
	# Every figure of memory.stat is in it.
	local name
	for name in $(get a/memory.stat | sed -n 's/ .*//; /^total_\|^hierarchical/d; p'); do
		get a/memory.source | sed 's/:.*//; s/, /\n/g' | grep -qx "$name" || fail "no source of $name"
	done
}

# Without programs in the kernel pages are told apart all the same, and shared memory by who shows it.
test_second_rung() {
	need_daemon
	stop_daemon
	printf '[lease]\nstop = signal\n' >"$T/config"
	start_daemon --config="$T/config"
	group a
	group b
	work one a move
	charged a rss 100
	charged b rss 50
	end_work one
	work one a fork_write
	charged a rss 500
	end_work one
	work one a shared
	charged a shmem 200
	end_work one
	get a/memory.source | grep -q '^cache: approximate, ' || fail "cache: $(get a/memory.source)"
}
