# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# cgroup.event_control and mempressure.shrinker: whose eventfd is told of what, and what clients do wrong.

client() { # NAME GROUP
	talk "$1" "$HELPERS/eventfd" "$M/$2"
}

# ask NAME COMMAND...: what the client answers
ask() {
	tell "$1" "${*:2}"
	hear "$1" || fail "$1 did not answer '${*:2}'"
	echo "$HEARD"
}

shrinkers() { # GROUP: the file, but for pids and descriptors
	cut -d' ' -f3- "$M/$1/mempressure.shrinker"
}

# A listener whose eventfd is told when the group goes: it lives.
listens() { # NAME GROUP
	rmdir "$M/$2"
	[ "$(ask "$1" read 5000)" != none ] || fail "$1 is not told"
}

test_strings() {
	group a
	client c a
	eq "newline" ok "$(ask c reg memory.oom_control)"
	eq "the string of the 2013 program" ok "$(ask c raw 'E C 1048576\n\0')"
	eq "runc's string" ok "$(ask c raw 'E C ')"
	eq "no descriptors" EINVAL "$(ask c raw 'hello')"
	eq "one descriptor" EINVAL "$(ask c raw 'E')"
	eq "nothing before the NUL" EINVAL "$(ask c raw '\0E C')"
	eq "a descriptor that cannot be" EBADF "$(ask c raw 'E 99999999999999999999')"
	eq "an eventfd that cannot be" EBADF "$(ask c raw '4294967299 C')"
	eq "a page and more" E2BIG "$(ask c raw "E C $(head -c 4096 /dev/zero | tr '\0' x)")"
	eq "from another thread" ok "$(ask c from-thread memory.oom_control)"
	listens c a
}

test_wrong_descriptors() {
	group a
	group b
	client c a
	eq "another group's file" EINVAL "$(ask c reg "$M/b/memory.oom_control")"
	eq "a file of another file system" EINVAL "$(ask c reg /etc/passwd)"
	eq "a file of ours that has no events" EINVAL "$(ask c reg memory.stat)"
	eq "the group's directory" EINVAL "$(ask c reg "$M/a")"
	eq "no eventfd, but a file of ours" EINVAL "$(ask c raw 'C C')"
	eq "no eventfd, but a pipe" EINVAL "$(ask c raw '0 C')"
	ask c reg memory.oom_control
	ask c close
	eq "a closed eventfd" EBADF "$(ask c raw 'E C')"
	rmdir "$M/a"
}

test_somebody_elses_number() {
	local fd
	group a
	client one a
	client two a
	fd=$(ask one fd)
	ask one dup >/dev/null # now two has something at a number that is not open in one
	eq "that number in one" EBADF "$(ask one raw "$fd 0")"
	eq "in two" ok "$(ask two reg memory.oom_control)"
	eq "nothing" none "$(ask one read 0)"
	rmdir "$M/a"
	eq "two is told" 1 "$(ask two read 5000)"
	eq "one is not" none "$(ask one read 0)"
}

# What may be registered is bounded; what owners let go makes room.
test_bound() {
	local i
	group a
	client c a
	for ((i = 1; i <= 512; i++)); do
		ask c reg memory.usage_in_bytes "${i}G" >/dev/null
	done
	eq "the last one" ok "$HEARD"
	eq "one more" ENOSPC "$(ask c reg memory.usage_in_bytes 1T)"
	client d a
	eq "somebody else's" ENOSPC "$(ask d reg memory.usage_in_bytes 1T)"
	tell c close
	hear c
	eq "when that has been closed" ok "$(ask d reg memory.usage_in_bytes 1T)"
	listens d a
}

test_full_eventfd() {
	group a
	client c a
	eq "register" ok "$(ask c reg memory.oom_control)"
	ask c fill >/dev/null
	rmdir "$M/a"
	eq "what it holds" 18446744073709551614 "$(ask c read 0)"
	check_daemon
}

test_threshold_after_a_kill() {
	SERVER_MAY_CHANGE=1
	need_daemon
	group a
	client c a
	eq "register" ok "$(ask c reg memory.usage_in_bytes 8M)"
	kill -KILL "$SERVER"
	talk_in member a "$HELPERS/touch" -h 16
	expect member "done 1"
	eq "passed" 1 "$(ask c read 5000)"
	eq "once" none "$(ask c read 300)"
	tell member
	finish member
	eq "and back" 1 "$(ask c read 5000)"
	kill -KILL "$(server)"
	listens c a
}

test_group_gone_while_killed() {
	SERVER_MAY_CHANGE=1
	need_daemon
	local old=$SERVER
	group a
	client c a
	eq "register" ok "$(ask c reg memory.oom_control)"
	kill -STOP "$old"
	rmdir "$M/a" &
	nap 0.2
	kill -KILL "$old"
	wait $! || fail "the group cannot be removed"
	eq "told" 1 "$(ask c read 5000)"
}

# ---- shrinkers ----

test_shrinker() {
	need_daemon
	group a
	client c a
	eq "no chunks of nothing" EINVAL "$(ask c reg mempressure.shrinker 0)"
	eq "no size" EINVAL "$(ask c reg mempressure.shrinker)"
	eq "not registered" ENOENT "$(ask c add 1)"
	eq "register" ok "$(ask c reg mempressure.shrinker 1048576)"
	eq "again" EEXIST "$(ask c reg mempressure.shrinker 4096)"
	eq "under its other name" EEXIST "$(ask c reg memory.mempressure.shrinker 4096)"
	eq "listed" "1048576 0 0" "$(shrinkers a)"
	eq "add" ok "$(ask c add 10)"
	eq "take" ok "$(ask c add -3)"
	eq "7" "1048576 7 0" "$(shrinkers a)"
	eq "more than there are" ok "$(ask c add -100)"
	eq "not below none" "1048576 0 0" "$(shrinkers a)"
	eq "junk" EINVAL "$(ask c add x)"
	eq "no chunks" EINVAL "$(ask c add '')"
	eq "too many" ERANGE "$(ask c add 99999999999999999999)"
	ask c add 5 >/dev/null
	ask c dup >/dev/null
	eq "by another number it still is" "1048576 5 0" "$(shrinkers a)"
	eq "and is added to" ok "$(ask c add 1)"
	ask c close >/dev/null
	eq "closed" "" "$(shrinkers a)"
	eq "a closed one" EBADF "$(ask c add 1)"
	rmdir "$M/a"
}

test_shrinker_dies() {
	need_daemon
	group a
	client c a
	ask c reg mempressure.shrinker 4096 >/dev/null
	ask c add 5 >/dev/null
	ask c fork >/dev/null # who has it too did not register it
	kill -KILL "${TALK_PID[c]}"
	until_true 5 eval '[ -z "$(shrinkers a)" ]' || fail "the dead one's is still listed"
	kill -KILL "$HEARD"
	rmdir "$M/a"
}

test_shrinker_of_a_removed_group() {
	need_daemon
	group a
	client c a
	eq "register" ok "$(ask c reg mempressure.shrinker 4096)"
	rmdir "$M/a"
	eq "told" 1 "$(ask c read 5000)"
	mkdir "$M/a"
	eq "not of another of that name" ENOENT "$(ask c add 1)"
}

test_shrinker_after_a_kill() {
	SERVER_MAY_CHANGE=1
	need_daemon
	group a
	client c a
	ask c reg mempressure.shrinker 4096 >/dev/null
	ask c add 5 >/dev/null
	kill -KILL "$SERVER"
	eq "still there" "4096 5 0" "$(shrinkers a)"
	eq "still its" ok "$(ask c add 1)"
	eq "still one" EEXIST "$(ask c reg mempressure.shrinker 4096)"
}

# ---- levels ----

# told NAME...: each of these is told now
told() {
	local name
	for name; do
		[ "$(ask "$name" read 5000)" != none ] || fail "$name is not told"
	done
}

# What is paged out is got back: low. What may not be is not, until somebody is killed: oom.
test_mempressure_level() {
	local level
	need_daemon
	swap 64
	group a 16M
	eq "at first" low "$(get a/mempressure.level)"
	for level in low medium oom; do
		client "$level" a
		eq "listen to $level" ok "$(ask "$level" reg mempressure.level "$level")"
		eq "again" EEXIST "$(ask "$level" reg mempressure.level "$level")"
	done
	eq "not a level" EINVAL "$(ask low reg mempressure.level critical)"
	in_group a "$HELPERS/touch" 32
	told low
	eq "oom is not told" none "$(ask oom read 0)"
	put a/memory.swappiness 0
	STATUS=0
	in_group a "$HELPERS/touch" 32 || STATUS=$?
	eq "level" oom "$(get a/mempressure.level)"
	eq "under its other name" oom "$(get a/memory.mempressure.level)"
	eq "exit status of 32 MiB in 16 MiB" 137 "$STATUS"
	told low medium oom
	until_true 5 eval '[ "$(get a/mempressure.level)" = low ]' || fail "it does not end"
}

# ---- asks ----

# hoard NAME GROUP MIB: a member with a cache of so many chunks, which it frees as it is asked
hoard() {
	talk_in "$1" "$2" "$HELPERS/eventfd" "$M/$2"
	[ "$(ask "$1" reg mempressure.shrinker "$MIB")" = ok ] || fail "$1 cannot register"
	ask "$1" take "$3" >/dev/null
	ask "$1" add "$3" >/dev/null
}

# Where nothing may be paged out all that is got back is what the program frees itself. It never meets its limit.
test_ask_at_the_high_mark() {
	need_daemon
	group a 256M
	put a/memory.watermarks '75 50'
	put a/memory.swappiness 0
	hoard c a 160
	ask c serve >/dev/null
	eq "take" ok "$(ask c take 70)"
	until_true 5 eval '[ "$(ask c freed)" -ge 64 ]' || fail "freed $(ask c freed)"
	eq "chunks asked for" "$(ask c freed)" "$(event a shrink_chunks)"
	le "what it uses" "$(usage a)" $((170 * MIB))
	eq "limit hits" 0 "$(failcnt a)"
	eq "killed" 0 "$(event a oom_kill)"
}

# A stopped program could not answer: at the limit it goes on for a moment.
test_ask_at_the_limit() {
	need_daemon
	swap 256
	group a 256M
	sampler_start a
	hoard c a 200
	ask c serve >/dev/null
	eq "take" ok "$(ask c take 150)"
	gt "limit hits" "$(failcnt a)" 0
	gt "asked" "$(event a shrink_chunks)" 0
	until_true 5 eval '[ "$(ask c freed)" = "$(event a shrink_chunks)" ]' ||
		fail "asked for $(event a shrink_chunks), freed $(ask c freed)"
	eq "killed" 0 "$(event a oom_kill)"
	sampler_stop
	check_peak a $((256 * MIB))
}

# One that says that it could free much, and frees nothing: its memory is paged out.
test_asked_in_vain() {
	need_daemon
	swap 256
	group a 64M
	sampler_start a
	hoard c a 50
	eq "take" ok "$(ask c take 40)"
	gt "asked" "$(event a shrink_chunks)" 0
	gt "paged out" "$(event a paged_out)" 5000
	eq "killed" 0 "$(event a oom_kill)"
	sampler_stop
	check_peak a $((64 * MIB))
}

# The same of one that is stopped by somebody else, and of another member that needs the room.
test_asked_while_stopped() {
	need_daemon
	swap 256
	group a 64M
	hoard c a 40
	kill -STOP "${TALK_PID[c]}"
	in_group a "$HELPERS/touch" 40
	gt "asked" "$(event a shrink_chunks)" 0
	gt "paged out" "$(event a paged_out)" 1000
	eq "killed" 0 "$(event a oom_kill)"
	eq "still stopped" T "$(state "${TALK_PID[c]}")"
	kill -CONT "${TALK_PID[c]}"
	ask c serve >/dev/null
	until_true 5 eval '[ "$(ask c freed)" = "$(event a shrink_chunks)" ]' ||
		fail "asked for $(event a shrink_chunks), freed $(ask c freed)"
}

# A parent's shortfall is asked of those below it, and of nobody beside it.
test_ask_below() {
	need_daemon
	group p 256M
	put p/memory.watermarks '75 50'
	put p/memory.swappiness 0
	group p/a
	group q 256M
	hoard c p/a 160
	hoard d q 20
	ask c serve >/dev/null
	in_group p "$HELPERS/touch" 80
	gt "asked" "$(event p shrink_chunks)" 0
	gt "freed" "$(ask c freed)" 0
	eq "beside" 0 "$(event q shrink_chunks)"
	eq "killed" 0 "$(event p oom_kill)"
}
