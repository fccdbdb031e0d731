# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# Background reclaim: a group that passes its high mark is brought down to the low one while its members run.

WATERMARKS='75 50'

pages() { # MIB
	echo $(($1 * MIB / 4096))
}

below_low() { # GROUP LIMIT-MIB
	[ "$(usage "$1")" -le $(($2 * MIB / 2)) ]
}

test_file() {
	mkdir "$M/new"
	eq "a new group's marks" "75 50" "$(get new/memory.watermarks)"
	put new/memory.watermarks " 90	10 
"
	eq "what was written" "90 10" "$(get new/memory.watermarks)"
	local bad
	for bad in 75 '75 ' '75 76' '101 50' '50 0' '0 50' '75 50 25' '75,50' 'x y' '-1 -1' '75% 50%' ''; do
		! put new/memory.watermarks "$bad" 2>/dev/null || [ -z "$bad" ] || fail "'$bad' was taken"
	done
	eq "after what was refused" "90 10" "$(get new/memory.watermarks)"
	put new/memory.watermarks "0 0"
	eq "turned off" "0 0" "$(get new/memory.watermarks)"
	eq "the root's marks" "0 0" "$(get memory.watermarks)"
	! put memory.watermarks "75 50" 2>/dev/null || fail "the root took marks"
}

# A program that passes the mark and then stands still is below the low one soon, and was never stopped for it.
test_from_high_to_low() {
	swap 64
	group a 64M
	talk_in one a "$HELPERS/touch" -h 52
	expect one "done 1"
	until_true 10 below_low a 64 || fail "usage stays at $(usage a)"
	gt "usage" "$(usage a)" $((24 * MIB))
	eq "failcnt" 0 "$(failcnt a)"
	eq "events: high" 1 "$(event a high)"
	eq "events: reclaim_direct" 0 "$(event a reclaim_direct)"
	gt "events: reclaim_background" "$(event a reclaim_background)" "$(pages 16)"
	tell one
	finish one
	eq "exit status" 0 "$STATUS"
}
