# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# What accounting costs: the sections "cost" (by members and by memory), "reads" (of control files) and "cold" (of a file that
# nobody has in memory).

COST_SECONDS=${COST_SECONDS:-20}
COLD_MIB=${COLD_MIB:-4096}
COLD_RUNS=${COLD_RUNS:-5}
READS=301 PAUSE=3000 # so that no text is one that was kept

# Members ---------------------------------------------------------------------------------------------------------------

cpu_ticks() { # of all the daemon's processes, so far
	local pid
	for pid in $(daemon_pids); do
		cat "/proc/$pid/stat"
	done | sed 's/.*) //' | awk '{ n += $12 + $13 } END { print n + 0 }'
}

daemon_fds() { # of the process that has most
	local pid
	for pid in $(daemon_pids); do
		find "/proc/$pid/fd" -mindepth 1 -maxdepth 1 | wc -l
	done | sort -n | tail -n 1
}

# NR programs of KIB each, as many in each of so many groups below $M/cost. Sets START, microseconds for each.
members_start() { # NR KIB GROUPS
	local g usec sum=0 each=$(($1 / $3))
	MEMBERS=()
	mkdir "$M/cost"
	for ((g = 0; g < $3; g++)); do
		mkdir "$M/cost/$g"
		talk "members$g" "$HELPERS/enter" "$M/cost/$g/cgroup.procs" setsid "$BENCH/members" "$each" "$2"
		MEMBERS+=("members$g")
		hear "members$g" 300
		usec=${HEARD#ready }
		sum=$((sum + usec))
	done
	START=$((sum / (each * $3)))
}

cost_groups_gone() {
	rmdir "$M"/cost/[0-9]* "$M/cost" 2>/dev/null
	[ ! -d "$M/cost" ]
}

members_end() {
	local name
	for name in "${MEMBERS[@]}"; do
		eval "exec ${TALK_IN[$name]}>&- ${TALK_OUT[$name]}>&-"
		kill -TERM -- "-${TALK_PID[$name]}"
		wait "${TALK_PID[$name]}" 2>/dev/null || :
		rm "$T/$name.in" "$T/$name.out"
	done
	until_true 60 cost_groups_gone
}

start_outside() { # KIB: microseconds for each of 200
	local usec
	talk outside setsid "$BENCH/members" 200 "$1"
	hear outside 60
	usec=${HEARD#ready }
	kill -TERM -- "-${TALK_PID[outside]}"
	wait "${TALK_PID[outside]}" 2>/dev/null || :
	eval "exec ${TALK_IN[outside]}>&- ${TALK_OUT[outside]}>&-"
	rm "$T/outside.in" "$T/outside.out"
	echo $((usec / 200))
}

cost_row() { # NR KIB GROUPS
	local fds kib before after usage stat per
	fds=$(daemon_fds)
	kib=$(memory_kib Pss)
	members_start "$@"
	nap 3 # what the starts still cause
	before=$(cpu_ticks)
	nap "$COST_SECONDS"
	after=$(cpu_ticks)
	usage=$("$BENCH/read_latency" 21 "$M/cost/memory.usage_in_bytes" $PAUSE)
	stat=$("$BENCH/read_latency" 21 "$M/cost/memory.stat" $PAUSE)
	per=$(awk -v n="$1" -v f="$(($(daemon_fds) - fds))" -v k="$(($(memory_kib Pss) - kib))" 'BEGIN { printf "%.2f | %.1f", f / n, k / n }')
	awk -v n="$1" -v kib="$2" -v g="$3" -v t=$((after - before)) -v s="$COST_SECONDS" -v hz="$(getconf CLK_TCK)" -v usage="${usage% *}" \
		-v stat="${stat% *}" -v start="$START" -v outside="$(start_outside "$2")" -v per="$per" 'BEGIN {
		printf "| %d of %s MiB in %d | %.2f %% | %.1f | %.1f | %d | %d | %s |\n", n, kib / 1024, g, t * 100 / hz / s, usage / n,
			stat / n, start, outside, per }'
	members_end
}

section_cost() {
	local nr
	echo "## What members cost"
	echo "Programs that have their memory and sleep (\`members\`). CPU time of all the daemon's processes in $COST_SECONDS s while nothing" \
		"changes; a read of memory.usage_in_bytes and of memory.stat of the group above them all, which counts every one of them anew," \
		"median of 21; starting one, until it has its memory; the daemon's descriptors, and memory of its own (PSS)."
	echo
	echo "| members, groups | CPU of the daemon | usage, us a member | stat, us a member | start, us | outside, us | descriptors each | KiB each |"
	echo "|---|---|---|---|---|---|---|---|"
	cost_row 500 20480 50
	for nr in 10 100 1000 5000; do
		cost_row $nr 1024 5
	done
	echo
	echo "Page tables of a process and a child that shares its memory, looked at as a sweep does it (\`recount\`), median of 7:"
	echo
	echo "| memory | ms for each GiB |"
	echo "|---|---|"
	for nr in 64 256 1024 4096; do
		echo "| $nr MiB | $("$LINKED/recount" $nr) |"
	done
	echo
}

# Reads -----------------------------------------------------------------------------------------------------------------

FILES_READ=(memory.limit_in_bytes memory.failcnt memory.swappiness memory.oom_control memory.events memory.watermarks
	memory.usage_in_bytes memory.memsw.usage_in_bytes memory.max_usage_in_bytes memory.kmem.usage_in_bytes memory.stat memory.numa_stat
	memory.source tasks cgroup.procs mempressure.level mempressure.shrinker)

# Median and 99th percentile of each file, idle and beside it with another group at its limit, into $T/reads.WHICH.FILE.
read_files() { # WHICH
	local file
	for file in "${FILES_READ[@]}"; do
		"$BENCH/read_latency" $READS "$M/quiet/$file" $PAUSE >"$T/reads.$1.$file"
	done
}

# At its limit all the time, with a family that goes on taking memory: reclaim, and sweeps.
heavy_start() {
	use_swap zram 1024 || use_swap file 1024
	group heavy 48M
	put heavy/memory.watermarks '0 0'
	talk_in heavy heavy setsid "$HELPERS/touch" -n 0 -r 64
	talk_in family heavy setsid "$HELPERS/touch" -n 0 -s 24 -p 2 4
	until_true 20 eval '[ "$(failcnt heavy)" -gt 4 ]'
}

heavy_end() {
	local name
	for name in heavy family; do
		kill -KILL -- "-${TALK_PID[$name]}"
		wait "${TALK_PID[$name]}" 2>/dev/null || :
		eval "exec ${TALK_IN[$name]}>&- ${TALK_OUT[$name]}>&-"
		rm "$T/$name.in" "$T/$name.out"
	done
	until_true 20 rmdir "$M/heavy" 2>/dev/null
	drop_swap
}

section_reads() {
	local file base idle busy
	mkdir "$T/smallest"
	"$LINKED/smallest_fuse" "$T/smallest" &
	until_true 5 test -e "$T/smallest/number"
	base=$("$BENCH/read_latency" $READS "$T/smallest/number" $PAUSE)
	umount "$T/smallest"
	wait $!
	group quiet 1G
	talk_in one quiet "$HELPERS/touch" -h 20
	hear one 10
	nap 1
	read_files idle
	heavy_start
	read_files busy
	heavy_end
	echo "## Reading control files"
	echo "open, read to the end, and close (\`read_latency\`), of a group with one member of 20 MiB: median of $READS, every 3 ms, as a multiple of the" \
		"same of the smallest server that libfuse's low-level interface can have (\`smallest_fuse\`: median ${base% *} us, 99 % ${base#* } us);" \
		"and the 99th percentile, alone and beside another group that is at its limit all the time, with a family that is swept."
	echo
	echo "| file | median, us | of the smallest server's | 99 %, us | 99 % beside heavy reclaim, us | ratio |"
	echo "|---|---|---|---|---|---|"
	for file in "${FILES_READ[@]}"; do
		idle=$(<"$T/reads.idle.$file")
		busy=$(<"$T/reads.busy.$file")
		echo "| $file | ${idle% *} | $(ratio "${idle% *}" "${base% *}") | ${idle#* } | ${busy#* } | $(ratio "${busy#* }" "${idle#* }") |"
	done
	echo
	tell one
	finish one
	until_true 5 rmdir "$M/quiet" 2>/dev/null
}

# Cold files ------------------------------------------------------------------------------------------------------------

read_cold() { # WHICH
	dd if="$T/cold" iflag=nocache count=0 status=none
	run_in "$1" 16G dd if="$T/cold" of=/dev/null bs=1M status=none
}

section_cold() {
	local i which none
	forget
	dd if=/dev/zero of="$T/cold" bs=1M count="$COLD_MIB" conv=fsync status=none
	read_cold none
	forget
	for ((i = 0; i < COLD_RUNS; i++)); do
		for which in none $(contenders); do
			read_cold "$which"
		done
	done
	rm "$T/cold"
	none=$(median "$T/none.wall")
	echo "## Reading $COLD_MIB MiB of a file that nobody has in memory"
	echo "\`dd bs=1M\` under a limit that it does not reach; $COLD_RUNS runs each, alternating; medians, as multiples of the time outside any group."
	echo
	echo "| no group, s | kernel, wall | memcgfs, wall | kernel, CPU | memcgfs, CPU |"
	echo "|---|---|---|---|---|"
	echo "| $(thousandths "$none") | $(ratio "$(median "$T/kernel.wall")" "$none") | $(ratio "$(median "$T/ours.wall")" "$none") |" \
		"$(ratio "$(median "$T/kernel.cpu")" "$(median "$T/none.cpu")") | $(ratio "$(median "$T/ours.cpu")" "$(median "$T/none.cpu")") |"
	echo
}
