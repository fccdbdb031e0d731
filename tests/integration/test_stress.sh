# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# The stress test that came with the 2013 patch for mempressure.shrinker, taken out of the patch and compiled as it is. The
# patch is not part of this project: MEMCGFS_SEEDS, by default shared/seeds beside the source tree.

# The file that the patch adds.
extract() {
	local dir=${MEMCGFS_SEEDS:-$HERE/../../../shared/seeds} patch
	patch=$(grep -ls '^+++ b/Documentation/cgroups/mempressure_test\.c$' "$dir"/* | head -n 1) || :
	[ -n "$patch" ] || skip "the 2013 patch is not in $dir"
	need cc
	sed -n '/^+++ .*\/mempressure_test\.c$/,/^diff --git/{s/^+\([^+].*\|\)$/\1/p}' "$patch" >"$T/mempressure_test.c"
	cc -pthread -o "$T/mempressure_test" "$T/mempressure_test.c" 2>/dev/null || fail "it does not compile"
}

# It expects the group where the patch mounts it.
stress() {
	# shellcheck disable=SC2016 # the inner shell's
	in_group stress unshare -m --propagation private bash -c '
		mount -t tmpfs tmpfs /sys/fs/cgroup
		mkdir /sys/fs/cgroup/mempressure
		mount --bind "$1" /sys/fs/cgroup/mempressure
		exec timeout -s INT "$2" "$3"
	' - "$M/stress" "$1" "$T/mempressure_test" >"$T/stress.out" 2>"$T/stress.err"
}

# chunks_freed: what it says in the end that it freed; twice, if the SIGINT that ends it finds it saying so
chunks_freed() {
	sed -n 's/^TOTAL: helped to reclaim \([0-9]*\) chunks .*/\1/p' "$T/stress.out" | tail -n 1
}

test_stress() {
	local status=0 seconds=${STRESS_SECONDS:-60}
	need_daemon
	slow
	extract
	swap 8192
	group stress 4G
	put stress/memory.watermarks '75 50'
	sampler_start stress
	stress "$seconds" || status=$?
	sampler_stop
	echo "exit $status peak $PEAK max_usage $(max_usage stress) freed $(chunks_freed)"
	tr '\n' ' ' <"$M/stress/memory.events"
	eq "killed" 0 "$(event stress oom_kill)"
	eq "exit status after SIGINT" 124 "$status"
	check_peak stress $((4096 * MIB))
	gt "chunks asked for" "$(event stress shrink_chunks)" 1000
	gt "chunks freed" "$(chunks_freed)" 1000
}
