# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# memory.numa_stat: memory.stat's figures, in pages, by node.

numa() { # GROUP KEY: all together
	sed -n "s/^$2=\([0-9]*\) .*/\1/p" "$M/$1/memory.numa_stat"
}

# Each line's nodes add up to it, the lines to their totals, and the nodes are those that have memory.
check_sums() { # GROUP
	awk -F'[= ]' -v nodes="$(printf '%s\n' /sys/devices/system/node/node*/meminfo | wc -l)" '
		{ sum = 0; for (i = 4; i <= NF; i += 2) sum += $i; all[$1] = $2 }
		sum != $2 || NF != 2 + 2 * nodes { bad = bad "\n" $0 }
		END {
			if (NR != 8 || all["total"] != all["file"] + all["anon"] + all["unevictable"]) bad = bad "\nthe total"
			if (bad) { print "does not add up:" bad; exit 1 }
		}' "$M/$1/memory.numa_stat"
}

as_in_stat() { # GROUP [total_ hierarchical_]
	local g=$1 prefix=${2:-} h=${3:-}
	eq "$g ${h}anon" "$(($(key "$g/memory.stat" "${prefix}inactive_anon") + $(key "$g/memory.stat" "${prefix}active_anon")))" \
		$(($(numa "$g" "${h}anon") * 4096))
	eq "$g ${h}file" "$(($(key "$g/memory.stat" "${prefix}inactive_file") + $(key "$g/memory.stat" "${prefix}active_file")))" \
		$(($(numa "$g" "${h}file") * 4096))
}

test_figures() {
	need_daemon
	[ -e /sys/devices/system/node/has_memory ] || skip "the kernel tells of no nodes"
	group a
	group a/b
	eq "nothing" "0 0" "$(numa a total) $(numa a hierarchical_total)"
	talk_in one a/b "$HELPERS/touch" -h 16
	hear one
	check_sums a/b
	check_sums a
	check_sums .
	as_in_stat a/b
	as_in_stat a total_ hierarchical_
	gt "anonymous pages" "$(numa a/b anon)" 4095
	eq "the parent's own" 0 "$(numa a anon)"
	tell one
	finish one
}
