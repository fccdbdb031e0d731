# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# The benchmarks, each a function section_NAME that prints Markdown. Written with tests/integration/lib.sh: a daemon runs, its
# tree is $M; $K is the kernel's own v1 memory controller, empty where there is none.

LIMIT=$((16 * MIB))
RUNS=${RUNS:-5}          # of what takes a second
LOOP_RUNS=${LOOP_RUNS:-11} # of what is compared within two percent

# Numbers ---------------------------------------------------------------------------------------------------------------

median() { # of the lines of a file
	sort -n "$1" | awk '{ v[NR] = $1 } END { if (!NR) print "–"; else print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

ratio() { # A B
	awk -v a="$1" -v b="$2" 'BEGIN { if (b + 0 == 0) print "–"; else printf "%.3f\n", a / b }'
}

over() { # PEAK LIMIT: percent over the limit, or under it
	awk -v p="$1" -v l="$2" 'BEGIN { printf "%+.2f %%\n", (p - l) * 100 / l }'
}

thousandths() { # SECONDS
	if [ "$1" = – ]; then echo –; else printf '%.3f\n' "$1"; fi
}

# One run ---------------------------------------------------------------------------------------------------------------

# The kernel's group, ours, or none: kernel, ours and none below. off: ours without background reclaim.
tree() { # WHICH
	case $1 in
	kernel) echo "$K" ;;
	ours | off) echo "$M" ;;
	esac
}

contenders() {
	[ -z "$K" ] || echo kernel
	echo ours
}

# Run COMMAND in a fresh group and append what it took to WHICH.wall, .cpu, .failcnt and .peak.
run_in() { # WHICH LIMIT COMMAND...
	local which=$1 limit=$2 group
	shift 2
	if [ "$which" = none ]; then
		"$BENCH/stopwatch" "$T/time" "$@"
	else
		group=$(tree "$which")/bench
		mkdir "$group"
		echo "$limit" >"$group/memory.limit_in_bytes"
		[ "$which" != off ] || echo 0 0 >"$group/memory.watermarks"
		"$HELPERS/enter" "$group/tasks" "$BENCH/stopwatch" "$T/time" "$@"
		cat "$group/memory.failcnt" >>"$T/$which.failcnt"
		cat "$group/memory.max_usage_in_bytes" >>"$T/$which.peak"
		until_true 5 rmdir "$group" 2>/dev/null
	fi >/dev/null
	cut -d' ' -f1 "$T/time" >>"$T/$which.wall"
	cut -d' ' -f2 "$T/time" >>"$T/$which.cpu"
}

forget() {
	rm -f "$T"/{none,kernel,ours,off}.{wall,cpu,failcnt,peak}
	touch "$T"/{none,kernel,ours,off}.{wall,cpu,failcnt,peak}
}

# Swap that is used before any other, for one section.
use_swap() { # KIND MIB
	"swap_$1" "$2"
}

drop_swap() {
	swapoff "$SWAP"
}

# Fill and re-read ------------------------------------------------------------------------------------------------------

fill_row() { # KIND
	local i which kernel ours
	use_swap "$1" 640 || {
		echo "| $1 | cannot be set up | | | | | |"
		return
	}
	forget
	for ((i = 0; i < RUNS; i++)); do
		for which in $(contenders); do
			run_in "$which" $LIMIT "$BENCH/fill" 300
		done
	done
	drop_swap
	kernel=$(median "$T/kernel.wall") ours=$(median "$T/ours.wall")
	echo "| $1 | $(thousandths "$kernel") | $(thousandths "$ours") | $(ratio "$ours" "$kernel") |" \
		"$(median "$T/kernel.failcnt") | $(median "$T/ours.failcnt") | $(over "$(sort -n "$T/ours.peak" | tail -n 1)" $LIMIT) |"
}

section_fill() {
	echo "## Filling and re-reading 300 MiB in 16 MiB"
	echo "\`fill 300\` with memory.limit_in_bytes 16M, $RUNS runs each, alternating; medians. Greatest peak of all runs."
	echo
	echo "| swap on | kernel, s | memcgfs, s | ratio | kernel's failcnt | memcgfs's failcnt | memcgfs's peak over the limit |"
	echo "|---|---|---|---|---|---|---|"
	fill_row zram
	fill_row file
	echo
}

# Peaks -----------------------------------------------------------------------------------------------------------------

# The sampler reads the members from the kernel's hierarchy, without the daemon.
sampled() { # WHICH LIMIT COMMAND...: SAMPLED, PEAK and HITS of one run
	local which=$1 limit=$2 group list
	shift 2
	group=$(tree "$which")/bench
	list=$group/cgroup.procs
	mkdir "$group"
	echo "$limit" >"$group/memory.limit_in_bytes"
	if [ "$which" = ours ]; then
		hierarchy
		list=$H/bench/cgroup.procs
	fi
	talk sampler "$HELPERS/peak" -g "$list"
	hear sampler
	"$HELPERS/enter" ${ENTER:+"$ENTER"} "$group/tasks" "$@"
	tell sampler
	hear sampler
	SAMPLED=$HEARD
	finish sampler
	PEAK=$(cat "$group/memory.max_usage_in_bytes")
	HITS=$(cat "$group/memory.failcnt")
	until_true 5 rmdir "$group" 2>/dev/null
}

peak_row() { # WHAT LIMIT-MIB COMMAND...
	local what=$1 limit=$(($2 * MIB)) kernel='–'
	shift 2
	if [ -n "$K" ]; then
		sampled kernel $limit "$@"
		kernel="$(over "$PEAK" $limit) | $(over "$SAMPLED" $limit)"
	else
		kernel='– | –'
	fi
	sampled ours $limit "$@"
	echo "| $what | $((limit / MIB)) MiB | $kernel | $(over "$PEAK" $limit) | $(over "$SAMPLED" $limit) | $HITS |"
}

peak_rows() { # LIMIT-MIB TOUCHED-MIB
	peak_row "one process" "$1" "$HELPERS/touch" -r "$2"
	peak_row "8 processes" "$1" "$HELPERS/touch" -r -p 8 "$2"
	peak_row "8 threads" "$1" "$HELPERS/touch" -r -t 8 "$2"
	ENTER=-n peak_row "first process of a pid namespace" "$1" "$HELPERS/touch" -r "$2"
}

section_peaks() {
	echo "## Peak over the limit"
	echo "\`touch -r\` touches 240 MiB in 16 MiB and 1200 MiB in 1 GiB as fast as it can and reads them again, on zram."
	echo "Group: memory.max_usage_in_bytes; sampled: RssAnon + RssShmem of the members, by \`peak\`."
	echo
	echo "| | limit | kernel, group | kernel, sampled | memcgfs, group | memcgfs, sampled | memcgfs's failcnt |"
	echo "|---|---|---|---|---|---|---|"
	use_swap zram 1024 || use_swap file 1024
	peak_rows 16 240
	peak_rows 1024 1200
	drop_swap
	echo
}

# Below the limit -------------------------------------------------------------------------------------------------------

below_row() { # WHAT COMMAND...
	local what=$1 i which none
	shift
	forget
	for ((i = 0; i < LOOP_RUNS; i++)); do
		for which in none $(contenders); do
			run_in "$which" 1G "$@"
		done
	done
	none=$(median "$T/none.wall")
	echo "| $what | $(thousandths "$none") | $(ratio "$(median "$T/kernel.wall")" "$none") |" \
		"$(ratio "$(median "$T/ours.wall")" "$none") | $(ratio "$(median "$T/kernel.cpu")" "$(median "$T/none.cpu")") |" \
		"$(ratio "$(median "$T/ours.cpu")" "$(median "$T/none.cpu")") | $(median "$T/ours.failcnt") |"
}

section_below() {
	local compile="for i in 1 2 3 4 5 6 7 8 9 10; do ${CC:-cc} -O2 -c -o '$T/o' '$HERE/helpers/touch.c' -D_GNU_SOURCE; done"
	echo "## A program that stays under its limit"
	echo "Limit 1 GiB, $LOOP_RUNS runs each, alternating; medians, as multiples of the time outside any group."
	echo
	echo "| program | no group, s | kernel, wall | memcgfs, wall | kernel, CPU | memcgfs, CPU | memcgfs's failcnt |"
	echo "|---|---|---|---|---|---|---|"
	below_row "touching 512 MiB of fresh memory, nothing else (\`touch 512\`)" "$HELPERS/touch" 512
	below_row "compiling a C file ten times (\`cc -O2 -c touch.c\`)" sh -c "$compile"
	below_row "starting 300 programs that do nothing (\`sh\`)" sh -c 'i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i + 1)); done'
	if command -v python3 >/dev/null; then
		below_row "a dictionary of 600,000 strings in Python" python3 -c 'd = {str(i): i for i in range(600000)}; sum(d[str(i)] for i in range(600000))'
	fi
	echo
}

# Idle ------------------------------------------------------------------------------------------------------------------

switches() { # of all threads of the daemon: voluntary and other context switches so far
	local pid
	for pid in $(daemon_pids); do
		cat "/proc/$pid"/task/*/status
	done | awk '/ctxt_switches/ { n += $2 } END { print n + 0 }'
}

memory_kib() { # Rss|Pss of all the daemon's processes
	local pid
	for pid in $(daemon_pids); do
		cat "/proc/$pid/smaps_rollup"
	done | awk -v k="$1:" '$1 == k { n += $2 } END { print n + 0 }'
}

idle_members() { # GROUPS MEMBERS-EACH
	local g i
	for ((g = 0; g < $1; g++)); do
		group "idle$g" 64M
		for ((i = 0; i < $2; i++)); do
			"$HELPERS/enter" "$M/idle$g/tasks" sleep 1000 &
			IDLE+=($!)
		done
	done
}

all_asleep() {
	local pid
	for pid in "${IDLE[@]}"; do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" = sleep ] && in_state "$pid" S || return 1
	done
}

section_idle() {
	local before after
	IDLE=()
	idle_members 100 5
	until_true 60 all_asleep
	nap 2 # what the starts still cause
	before=$(switches)
	nap 5
	after=$(switches)
	echo "## An idle daemon with 100 groups and 500 sleeping members"
	echo "Context switches of all its threads in 5 s (/proc/PID/task/\\*/status); memory of keeper and server (smaps_rollup)."
	echo
	echo "| wake-ups in 5 s | PSS, MiB | RSS, MiB | processes | threads |"
	echo "|---|---|---|---|---|"
	echo "| $((after - before)) | $(mib "$(memory_kib Pss)") | $(mib "$(memory_kib Rss)") | $(daemon_pids | wc -l) |" \
		"$(for pid in $(daemon_pids); do ls "/proc/$pid/task"; done | wc -l) |"
	echo
	kill "${IDLE[@]}"
	wait "${IDLE[@]}" 2>/dev/null || :
	until_true 10 rmdir "$M"/idle* 2>/dev/null
}

mib() { # KIB
	awk -v k="$1" 'BEGIN { printf "%.1f\n", k / 1024 }'
}

# dd | tail -------------------------------------------------------------------------------------------------------------

# tail keeps 300 MiB without a newline in memory; it alone is limited.
pipe_row() { # KIND
	local i which kernel ours
	use_swap "$1" 640 || return 0
	forget
	for ((i = 0; i < RUNS; i++)); do
		for which in none $(contenders); do
			dd if=/dev/zero bs=1M count=300 status=none | run_in "$which" $LIMIT tail
		done
	done
	drop_swap
	kernel=$(median "$T/kernel.wall") ours=$(median "$T/ours.wall")
	echo "| $1 | $(thousandths "$(median "$T/none.wall")") | $(thousandths "$kernel") | $(thousandths "$ours") | $(ratio "$ours" "$kernel") |" \
		"$(median "$T/kernel.failcnt") | $(median "$T/ours.failcnt") |"
}

section_pipe() {
	echo "## dd | tail"
	echo "\`dd if=/dev/zero bs=1M count=300 | tail\`, tail in 16 MiB, $RUNS runs each, alternating; medians."
	echo
	echo "| swap on | no limit, s | kernel, s | memcgfs, s | ratio | kernel's failcnt | memcgfs's failcnt |"
	echo "|---|---|---|---|---|---|---|"
	pipe_row zram
	pipe_row file
	echo
}

# Background reclaim ----------------------------------------------------------------------------------------------------

least() { # of the lines of a file
	sort -n "$1" | head -n 1
}

pipe_once() { # WHICH
	dd if=/dev/zero bs=1M count=300 status=none | run_in "$1" $LIMIT tail
}

fill_once() { # WHICH
	run_in "$1" $LIMIT "$BENCH/fill" 300
}

background_row() { # WHAT SWAP RUN-ONCE
	local i which on off
	use_swap "$2" 640 || return 0
	forget
	for ((i = 0; i < RUNS; i++)); do
		for which in off ours ${K:+kernel}; do
			"$3" "$which"
		done
	done
	drop_swap
	on=$(median "$T/ours.failcnt") off=$(median "$T/off.failcnt")
	echo "| $1, $2 | $(thousandths "$(median "$T/off.wall")") / $(thousandths "$(least "$T/off.wall")") |" \
		"$(thousandths "$(median "$T/ours.wall")") / $(thousandths "$(least "$T/ours.wall")") |" \
		"$(ratio "$(median "$T/ours.wall")" "$(median "$T/off.wall")") / $(ratio "$(least "$T/ours.wall")" "$(least "$T/off.wall")") |" \
		"$off | $on | $(ratio "$off" "$on") | $(median "$T/kernel.failcnt") |" \
		"$(over "$(sort -n "$T/ours.peak" | tail -n 1)" $LIMIT) |"
}

section_background() {
	echo "## Background reclaim"
	echo "memory.watermarks \`75 50\` against \`0 0\`, limit 16 MiB, $RUNS runs each, alternating; medians, and least after the slash."
	echo
	echo "| | off, s | on, s | on / off | failcnt, off | failcnt, on | off / on | kernel's failcnt | peak over the limit, on |"
	echo "|---|---|---|---|---|---|---|---|---|"
	background_row "dd \\| tail" file pipe_once
	background_row "fill and re-read" file fill_once
	background_row "dd \\| tail" zram pipe_once
	background_row "fill and re-read" zram fill_once
	echo
}

# Asking applications ---------------------------------------------------------------------------------------------------

cache_once() { # FILE [OPTION]: queries per second, and pages to swap, of the SQLite reader in 64 MiB
	# In page cache that nobody is charged for: the run before had its own dropped.
	cat "$T/database" >/dev/null
	mkdir "$M/bench"
	echo 64M >"$M/bench/memory.limit_in_bytes"
	MEMCGFS_MOUNT=$M "$HELPERS/enter" "$M/bench/tasks" "$EXAMPLE" "${@:2}" --cache 160 --seconds 4 "$T/database" |
		cut -d' ' -f1 >>"$T/$1.queries"
	awk '$1 == "paged_out" { print $2 }' "$M/bench/memory.events" >>"$T/$1.swapped"
	until_true 5 rmdir "$M/bench" 2>/dev/null
}

cache_row() { # NAME FILE
	echo "| $1 | $(median "$T/$2.queries") | $(median "$T/$2.swapped") |"
}

section_asks() {
	local i
	mkdir "$M/bench"
	echo 64M >"$M/bench/memory.limit_in_bytes"
	"$HELPERS/enter" "$M/bench/tasks" "$BENCH/ask_latency" "$M/bench" 48 101 | sort -n >"$T/asks"
	until_true 5 rmdir "$M/bench"
	echo "## Asking applications"
	echo "From the charge that passes the high mark to the eventfd readable in the application (\`ask_latency\`), 101 times: median" \
		"$(median "$T/asks") us, 10 % $(sed -n 11p "$T/asks") us, 90 % $(sed -n 91p "$T/asks") us."
	echo
	[ -x "$EXAMPLE" ] || return 0
	use_swap file 640 || return 0
	"$EXAMPLE" --make 128 "$T/database"
	for ((i = 0; i < RUNS; i++)); do
		cache_once with
		cache_once without --no-shrinker
	done
	drop_swap
	echo "\`examples/sqlite-cache\`: random reads of 128 MiB with 160 MiB of caches in 64 MiB, swap on a file, the database in page" \
		"cache that no group is charged for; $RUNS runs each, alternating; medians."
	echo
	echo "| caches are | queries per second | pages to swap |"
	echo "|---|---|---|"
	cache_row "given back when asked for" with
	cache_row "not" without
	echo
}

# The 2013 patch's own stress test ----------------------------------------------------------------------------------------

section_stress() {
	local seconds=${STRESS_SECONDS:-60} limit=$((4096 * MIB)) status=0
	# shellcheck source=../tests/integration/test_stress.sh
	. "$TESTS/test_stress.sh"
	echo "## The stress test of the 2013 patch"
	if ! (extract) >/dev/null 2>&1; then
		echo "Not run: the patch, or a compiler, is not here."
		echo
		return 0
	fi
	if ! use_swap zram 8192 && ! use_swap file 8192; then
		echo "Not run: 8 GiB of swap cannot be set up."
		echo
		return 0
	fi
	group stress $limit
	sampler_start stress
	stress "$seconds" || status=$?
	sampler_stop
	echo "\`mempressure_test\` as it stands in the patch, $seconds s, in 4 GiB; exit status $status (124: interrupted at the end of the time)."
	echo
	echo "| OOM kills | memory.failcnt | peak over the limit, group | sampled | chunks asked for | chunks freed |"
	echo "|---|---|---|---|---|---|"
	echo "| $(event stress oom_kill) | $(failcnt stress) | $(over "$(max_usage stress)" $limit) | $(over "$PEAK" $limit) |" \
		"$(event stress shrink_chunks) | $(chunks_freed) |"
	echo
	until_true 10 rmdir "$M/stress"
	drop_swap
}
