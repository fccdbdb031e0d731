# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# The section "accuracy": what the kernel's own v1 memory controller and memcgfs charge to the same processes at the same time,
# which are in a group of each. Sets OFF, the number of figures that differ.

ACCURACY_CASES=${ACCURACY_CASES:-anon fork_read fork_write shared huge mlock populate zero advise exact late move split nested \
swap_zram swap_file disk drop_caches cold_read warm_read cold_map private_map two_readers reader_mapper unlinked tmpfs allocated \
memfd sysv python compile}
FIGURES='usage rss cache mapped_file shmem swap'
SLACK=$((512 << 10)) # bytes, or 1 %
STOCK=$(($(nproc) * 64 * $(getconf PAGE_SIZE))) # the kernel's usage holds up to 64 pages a CPU that nobody uses yet
REST=1               # before ours is read
FLUSH=2              # the kernel adds up its CPUs' figures every 2 s, and when it is asked for them only if many pages changed

OFF=0 JUDGED=0

# Groups, in both ------------------------------------------------------------------------------------------------------

in_fresh_groups() { # COMMAND...
	local dir
	mkdir "$K/a" "$K/b" "$M/a" "$M/b"
	"$@"
	for dir in "$K/a" "$K/b" "$M/a" "$M/b"; do
		until_true 10 rmdir "$dir" 2>/dev/null
	done
}

tasks() { # GROUP
	echo "$K/$1/tasks:$M/$1/tasks"
}

in_both() { # NAME: the process that talk started is in the same group of both hierarchies
	local kernel ours
	kernel=$(sed -n 's/^[0-9]*:memory:.*\///p' "/proc/${TALK_PID[$1]}/cgroup")
	ours=$(sed -n "s/^[0-9]*:name=$NAME:.*\///p" "/proc/${TALK_PID[$1]}/cgroup")
	[ -n "$kernel" ] || fail "$1 is in no group of the kernel's"
	eq "the group of $1" "$kernel" "$ours"
}

# Workloads -------------------------------------------------------------------------------------------------------------

start() { # NAME GROUP WORKLOAD [ARGUMENT]...
	GROUP=$(tasks "$2") OTHER=$(tasks b) talk "$1" "$HELPERS/workload" "${@:3}"
}

work() { # NAME GROUP WORKLOAD [ARGUMENT]...: until it stands still
	start "$@"
	expect "$1" ready 120
	in_both "$1"
}

on() { # NAME: until it stands still again
	tell "$1"
	expect "$1" ready 120
	in_both "$1"
}

end_work() { # NAME
	tell "$1"
	finish "$1"
	eq "exit status of $1" 0 "$STATUS"
}

# The table -------------------------------------------------------------------------------------------------------------

# In the order of FIGURES, bytes; usage without kernel memory, which memcgfs counts apart. Then what of usage is in no other figure.
figures() { # DIR
	local usage kmem=0
	usage=$(cat "$1/memory.usage_in_bytes")
	[ "${1#"$K"}" = "$1" ] || kmem=$(cat "$1/memory.kmem.usage_in_bytes")
	awk -v usage=$((usage - kmem)) -v names="$FIGURES" '{ v[$1] = $2 }
		END {
			v["usage"] = usage; n = split(names, name); for (i = 1; i <= n; i++) printf "%s ", v[name[i]]
			print usage - v["total_rss"] - v["total_cache"] - v["total_swapcached"]
		}' "$1/memory.stat"
}

# Prints how many figures are off, and the row.
judge() { # CASE KERNEL OURS EXACT
	awk -v title="$1" -v kernel="$2" -v ours="$3" -v exact="$4" -v names="$FIGURES" -v slack=$SLACK -v stock=$STOCK '
	function text(bytes, precise) { return precise ? bytes " B" : sprintf("%.1f", bytes / 1048576) }
	BEGIN {
		n = split(names, name); split(kernel, k); split(ours, o)
		unused = k[n + 1] < 0 ? 0 : k[n + 1] > stock ? stock : k[n + 1]
		for (i = 1; i <= n; i++) {
			precise = name[i] == exact
			differ = o[i] > k[i] ? o[i] - k[i] : k[i] - o[i]
			if (name[i] == "usage" && o[i] < k[i])
				differ = differ > unused ? differ - unused : 0
			off = precise ? differ : differ > slack && differ > k[i] / 100
			mark = off ? "**" : ""
			cells = cells " " mark text(k[i], precise) " / " text(o[i], precise) mark " |"
			if (off) { nr++; list = list (list ? ", " : "off: ") name[i] }
		}
		printf "%d | %s |%s %s |\n", nr, title, cells, list
	}'
}

cache_of() { # FIGURES
	# shellcheck disable=SC2086 # words
	set -- $1
	echo "$3"
}

# A row for each group, all of them read at the same standstill: ours soon, the kernel's when it has added up its own.
row() { # [-e FIGURE] CASE [GROUP]...; the FIGURE has to be the same to the byte
	local exact='' title group judged later
	local -A ours
	[ "$1" != -e ] || { exact=$2; shift 2; }
	title=$1
	shift
	[ $# -gt 0 ] || set -- a
	nap $REST
	for group; do
		ours[$group]=$(figures "$M/$group")
	done
	nap $FLUSH
	for group; do
		later=$(figures "$M/$group")
		# Page cache goes by itself now and then, for both: a page or a folio in some thousand.
		[ "$(cache_of "$later")" -ge "$(cache_of "${ours[$group]}")" ] || ours[$group]=$later
		judged=$(judge "$title$([ $# = 1 ] || echo ": $group")" "$(figures "$K/$group")" "${ours[$group]}" "$exact")
		OFF=$((OFF + ${judged%% *})) JUDGED=$((JUDGED + 6))
		echo "${judged#* }"
	done
}

left_out() { # CASE WHY
	echo "| $1 | left out: $2 | | | | | | |"
}

# Anonymous memory ------------------------------------------------------------------------------------------------------

case_anon() {
	work one a anon
	row "200 MiB anonymous"
	end_work one
}

case_fork_read() {
	work one a fork_read
	row "200 MiB anonymous, 3 children read all of it"
	end_work one
}

case_fork_write() {
	work one a fork_write
	row "200 MiB anonymous, 3 children write half of it each"
	end_work one
}

case_shared() {
	work one a shared
	row "200 MiB shared anonymous, touched by 3 processes"
	end_work one
}

case_huge() {
	work one a huge
	row "200 MiB anonymous in huge pages"
	end_work one
}

case_mlock() {
	work one a mlock
	row "100 MiB locked, not touched"
	end_work one
}

case_populate() {
	work one a populate
	row "100 MiB populated by mmap"
	end_work one
}

case_zero() {
	work one a zero
	row "100 MiB only read"
	end_work one
}

case_advise() {
	work one a advise
	row "200 MiB, a quarter of it given up with MADV_FREE"
	on one
	row "the same, another quarter with MADV_DONTNEED"
	end_work one
}

case_exact() {
	start one a exact
	expect one ready
	on one
	row -e rss "65 pages, touched"
	on one
	row -e rss "65 pages, unmapped again"
	end_work one
}

case_late() {
	work one a late
	row "100 MiB before it joins, 50 MiB after"
	end_work one
}

case_move() {
	work one a move
	row "100 MiB in a, moves to b, 50 MiB there" a b
	end_work one
}

case_split() {
	work one a split
	row "100 MiB in a, a child moves to b and writes half" a b
	on one
	row "the same, unmapped in a" a b
	end_work one
}

case_nested() {
	mkdir "$K/a/c" "$M/a/c"
	work one a/c anon
	row "200 MiB anonymous in a group of a group" a a/c
	end_work one
	until_true 10 rmdir "$K/a/c" 2>/dev/null
	until_true 10 rmdir "$M/a/c" 2>/dev/null
}

# What was paged out to a file stays in the swap cache until somebody reclaims it (zram takes it at once): until then the kernel
# has it in usage and swapcached, in neither rss, cache nor swap.
swap_rows() { # KIND
	use_swap "$1" 640 || {
		left_out "200 MiB anonymous, half of it swapped out, $1" "no such swap can be set up"
		return 0
	}
	work one a swap private
	row "200 MiB anonymous, half of it swapped out, $1"
	on one
	row "the same, with a child that shares all of it"
	end_work one
	work two b swap shared
	row "200 MiB shared anonymous, half of it swapped out, $1" b
	on two
	end_work two
	drop_swap
}

case_swap_zram() {
	swap_rows zram
}

case_swap_file() {
	swap_rows file
}

# Files -----------------------------------------------------------------------------------------------------------------

written_file() { # KIND FILE [DROP]: its whole life; DROP: with a row after drop_caches
	work one a write "$2" $((100 * MIB))
	row "$1, 100 MiB written, still open"
	on one
	row "$1, closed"
	end_work one
	row "$1, its writer gone"
	truncate -s 50M "$2"
	row "$1, truncated to 50 MiB"
	[ -z "${3:-}" ] || dropped_row "$1, after drop_caches"
	rm "$2"
	row "$1, removed"
}

# It drops clean pages only: of a file that was synced all, of a tmpfs none.
dropped_row() { # CASE
	if echo 1 2>/dev/null >/proc/sys/vm/drop_caches; then
		row "$1"
	else
		left_out "$1" "/proc/sys/vm/drop_caches cannot be written"
	fi
}

case_unlinked() {
	work one a write "$T/accuracy" $((100 * MIB))
	rm "$T/accuracy"
	row "file on disk, written and removed, still open"
	on one
	row "the same, closed"
	end_work one
}

case_disk() {
	written_file "file on disk" "$T/accuracy"
}

own_tmpfs() {
	mkdir -p "$T/tmpfs"
	register mount "$T/tmpfs"
	mount -t tmpfs -o size=256M tmpfs "$T/tmpfs"
}

case_tmpfs() {
	own_tmpfs
	written_file tmpfs "$T/tmpfs/accuracy" drop
	umount "$T/tmpfs"
}

case_allocated() {
	own_tmpfs
	work one a allocate "$T/tmpfs/accuracy" $((100 * MIB))
	row "tmpfs, 100 MiB by fallocate"
	end_work one
	umount "$T/tmpfs"
}

case_drop_caches() {
	work one a write "$T/accuracy" $((100 * MIB))
	on one
	end_work one
	sync "$T/accuracy"
	row "file on disk, written, synced, its writer gone"
	dropped_row "the same after drop_caches"
	rm "$T/accuracy"
}

cold_file() {
	"$HELPERS/workload" make "$T/accuracy" $((100 * MIB))
	until_true 30 "$HELPERS/workload" drop "$T/accuracy" $((100 * MIB)) || fail "the file stays in memory"
}

case_cold_read() {
	cold_file
	work one a read "$T/accuracy" $((100 * MIB))
	row "cold file of 100 MiB, read"
	end_work one
	rm "$T/accuracy"
}

case_cold_map() {
	cold_file
	work one a map "$T/accuracy" $((100 * MIB))
	row "cold file of 100 MiB, mapped and touched"
	on one
	row "the same, unmapped again"
	end_work one
	rm "$T/accuracy"
}

case_private_map() {
	cold_file
	work one a map_private "$T/accuracy" $((100 * MIB))
	row "cold file of 100 MiB, mapped MAP_PRIVATE and written"
	end_work one
	rm "$T/accuracy"
}

case_warm_read() {
	cold_file
	"$HELPERS/workload" read "$T/accuracy" $((50 * MIB)) >/dev/null </dev/null
	work one a read "$T/accuracy" $((100 * MIB))
	row "file of 100 MiB, 50 MiB read by an outsider before"
	end_work one
	rm "$T/accuracy"
}

shared_file() { # LABEL MIB WORKLOAD: a reads so much of it, then b all
	cold_file
	work one a read "$T/accuracy" $(($2 * MIB))
	work two b "$3" "$T/accuracy" $((100 * MIB))
	row "cold file of 100 MiB, $1" a b
	[ "$3" != map ] || on two
	end_work one
	end_work two
	rm "$T/accuracy"
}

case_reader_mapper() {
	shared_file "read by a, then mapped by b" 100 map
}

case_two_readers() {
	shared_file "a reads 60 MiB, then b all" 60 read
}

case_memfd() {
	work one a memfd
	row "memfd of 50 MiB, written"
	end_work one
}

case_sysv() {
	local key
	key=$(printf '0x%08x' $((0x6d000000 + $$)))
	register shm "$key"
	work one a sysv "$key"
	row "System V segment of 50 MiB, touched and detached"
	on one
	row "System V segment, removed"
	end_work one
}

# Programs --------------------------------------------------------------------------------------------------------------

case_python() {
	if ! command -v python3 >/dev/null; then
		left_out "Python interpreter" "no python3"
		return
	fi
	work one a run python3 -c 'import json, decimal, email, http.client
a = [bytes(1000) for i in range(50 * 1024)]
print("ready", flush=True)
input()'
	row "Python with 50 MiB of objects"
	end_work one
}

# Enough for the compiler to take some seconds.
source_to_compile() {
	local i
	for ((i = 0; i < 4000; i++)); do
		echo "int f$i(int *a, int n) { int s = $i; for (int i = 0; i < n; i++) { s += a[i] * $((i + 3));" \
			"if (s & 1) a[i] ^= s; else s -= a[n - i - 1] / (i + $((i % 7 + 1))); } return s; }"
	done
}

stop_all() { # GROUP: all that is in it, and all stand
	local pid
	# shellcheck disable=SC2046 # pids
	kill -STOP $(cat "$K/$1/cgroup.procs")
	while read -r pid; do
		in_state "$pid" T || return 1
	done <"$K/$1/cgroup.procs"
}

case_compile() {
	source_to_compile >"$T/accuracy.c"
	start one a run "${CC:-cc}" -O2 -c -o "$T/accuracy.o" "$T/accuracy.c"
	nap 1
	until_true 10 stop_all a
	gt "processes of a compiler at work" "$(wc -l <"$K/a/cgroup.procs")" 1
	row "compiler, stopped after a second"
	stop_all a || fail "somebody continued the compiler"
	# shellcheck disable=SC2046 # pids
	kill -CONT $(cat "$K/a/cgroup.procs")
	finish one
	eq "exit status of the compiler" 0 "$STATUS"
	row "compiler, ended"
	rm "$T/accuracy.c" "$T/accuracy.o"
}

# ----------------------------------------------------------------------------------------------------------------------

section_accuracy() {
	local name
	echo "## What is charged, by the kernel and by memcgfs"
	if [ -z "$K" ] || [ -n "${MEMCGFS_TEST_TREE:-}" ]; then
		echo "Not compared: that takes the kernel's own v1 memory controller beside the daemon."
		echo
		return
	fi
	echo "The same processes in a group of each at the same time. kernel / memcgfs, MiB; the kernel's usage without its" \
		"memory.kmem.usage_in_bytes. Off is what differs by more than 1 % and 512 KiB, or at all where bytes are given."
	echo
	echo "| case | usage | rss | cache | mapped_file | shmem | swap | |"
	echo "|---|---|---|---|---|---|---|---|"
	for name in $ACCURACY_CASES; do
		in_fresh_groups "case_$name"
	done
	echo
	echo "$OFF of $JUDGED figures are off."
	echo
}
