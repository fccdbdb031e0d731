# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh disable=SC2119,SC2120,SC2317
# The tree over the kernel's own v1 memory mount: groups are mirrored there, what was there before stays as it was, and nothing
# of it is lost.

setup() {
	need_daemon
	memory_mount
	mkdir "$K/theirs" # somebody else's
	start_daemon
}

own_cgroup() { # PID
	sed -n 's/^[0-9]*:\([^:]*,\)\?memory\(,[^:]*\)\?://p' "/proc/$1/cgroup"
}

entries() { # DIR
	find "$1" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | xargs
}

test_auto_takes_it() {
	grep -q 'hierarchy over (auto)' "$T/daemon.log" || fail "not said: $(cat "$T/daemon.log")"
	! grep -q "name=$NAME:" /proc/self/cgroup || fail "there is a named hierarchy, too"
}

test_mirror() {
	group a 16M
	group a/b
	talk_in member a/b cat
	until_true 5 lists a/b "${TALK_PID[member]}"
	eq "path in /proc" "/${K##*/}/a/b" "$(own_cgroup "${TALK_PID[member]}")"
	eq "the kernel's list" "${TALK_PID[member]}" "$(cat "$K/a/b/cgroup.procs")"
	mv "$M/a" "$M/c"
	eq "path after a rename" "/${K##*/}/c/b" "$(own_cgroup "${TALK_PID[member]}")"
	kill "${TALK_PID[member]}"
	finish member
	rmdir "$M/c/b" "$M/c"
	[ ! -e "$K/c" ] || fail "the kernel's group is still there"
}

# The kernel's controller accounts for the mirrored groups, without a limit: nobody sets one there.
test_limit_is_ours() {
	group a 16M
	put a/memory.swappiness 0
	STATUS=0
	in_group a "$HELPERS/touch" 64 || STATUS=$?
	eq "exit status of 64 MiB in 16 MiB" 137 "$STATUS"
	le "max_usage" "$(max_usage a)" $((16 * MIB + 16 * MIB / 100))
	eq "the kernel's limit" "$UNLIMITED" "$(cat "$K/a/memory.limit_in_bytes")"
	eq "the kernel's swappiness" "$(cat "$K/memory.swappiness")" "$(cat "$K/a/memory.swappiness")"
	eq "the kernel's failcnt" 0 "$(cat "$K/a/memory.failcnt")"
}

test_umount_leaves_all() {
	local member
	group empty 8M
	group a 16M
	talk_in member a cat
	member=${TALK_PID[member]}
	until_true 5 lists a "$member"
	stop_daemon
	mountpoint -q "$M" || fail "the kernel's mount went with the tree"
	[ -e "$M/memory.kmem.slabinfo" ] || fail "what lies on $M is not the kernel's"
	[ -d "$K/theirs" ] || fail "the group of somebody else has gone"
	eq "the member's group" "/${K##*/}/a" "$(own_cgroup "$member")"
	start_daemon
	eq "limit of a group left" 16777216 "$(get a/memory.limit_in_bytes)"
	eq "limit of an empty group left" 8388608 "$(get empty/memory.limit_in_bytes)"
	lists a "$member" || fail "the member was not adopted"
	kill "$member"
	finish member
	rmdir "$M/a" "$M/empty"
	stop_daemon
	eq "what is left of the state" "" "$(find "$T/state" -mindepth 1)"
}

test_sigterm_leaves_all() {
	local status=0
	group a 16M
	kill "$DAEMON"
	wait "$DAEMON" || status=$?
	DAEMON=
	eq "exit status" 0 "$status"
	! mounted || fail "the tree is still mounted"
	[ -e "$M/memory.kmem.slabinfo" ] || fail "what lies on $M is not the kernel's"
	[ -d "$K/a" ] || fail "our group has gone"
	[ -d "$K/theirs" ] || fail "the group of somebody else has gone"
}

test_killed_leaves_all() {
	group a 16M
	talk_in member a cat
	until_true 5 lists a "${TALK_PID[member]}"
	kill_daemon
	umount "$M"
	[ -e "$M/memory.kmem.slabinfo" ] || fail "what lies on $M is not the kernel's"
	eq "the member's group" "/${K##*/}/a" "$(own_cgroup "${TALK_PID[member]}")"
	start_daemon
	eq "limit" 16777216 "$(get a/memory.limit_in_bytes)"
	lists a "${TALK_PID[member]}" || fail "the member was not adopted"
}

test_server_killed() {
	SERVER_MAY_CHANGE=1
	group a 16M
	talk_in member a cat
	until_true 5 lists a "${TALK_PID[member]}"
	kill -KILL "$SERVER"
	eq "limit" 16777216 "$(get a/memory.limit_in_bytes)"
	lists a "${TALK_PID[member]}" || fail "the member was not adopted"
	[ ! -e "$M/theirs/memory.limit_in_bytes" ] || fail "the group of somebody else was adopted"
}

# One of ours that somebody removed while there was no daemon, and made again, is not ours any more.
test_made_again_by_others() {
	group a 16M
	stop_daemon
	rmdir "$K/a"
	mkdir "$K/a"
	start_daemon
	[ ! -e "$M/a/memory.limit_in_bytes" ] || fail "a group of somebody else's was adopted"
}

# Groups of others have their members' lists and nothing else, and are not limited.
test_groups_of_others() {
	local pid
	mkdir "$K/theirs/below"
	eq "what theirs has" "below cgroup.procs tasks" "$(entries "$M/theirs")"
	eq "times that theirs is listed" 1 "$(find "$M" -mindepth 1 -maxdepth 1 -name theirs | wc -l)"
	eq "its type" directory "$(stat -c %F "$M/theirs")"
	eq "types listed" $'d .\nd ..\nd below\nf cgroup.procs\nf tasks\nok' "$("$HELPERS/try" list "$M/theirs" | sort)"
	group a 16M
	talk_in member a sh -c 'read -r line; exec "$0" 32' "$HELPERS/touch"
	pid=${TALK_PID[member]}
	until_true 5 lists a "$pid"
	echo "$pid" >"$M/theirs/cgroup.procs"
	lists theirs "$pid" || fail "it is not listed"
	eq "its path" "/${K##*/}/theirs" "$(own_cgroup "$pid")"
	eq "members of a" "" "$(get a/tasks)"
	tell member
	finish member
	eq "exit status of 32 MiB, in a no more" 0 "$STATUS"
	eq "failcnt of a" 0 "$(failcnt a)"
}

test_rmdir_of_others() {
	local pid
	talk_in member theirs cat
	pid=${TALK_PID[member]}
	until_true 5 lists theirs "$pid"
	eq "rmdir with a task" EBUSY "$("$HELPERS/try" rmdir "$M/theirs")"
	group a 16M
	echo "$pid" >"$M/a/tasks"
	lists a "$pid" || fail "it does not come to a"
	eq "rmdir" ok "$("$HELPERS/try" rmdir "$M/theirs")"
	[ ! -e "$K/theirs" ] || fail "the kernel's is still there"
	[ ! -e "$M/theirs" ] || fail "it is still shown"
	eq "rmdir of nothing" ENOENT "$("$HELPERS/try" rmdir "$M/theirs")"
	kill "$pid"
	finish member
}

test_errors_in_groups_of_others() {
	eq "create" EACCES "$("$HELPERS/try" create "$M/theirs/file")"
	eq "unlink" EPERM "$("$HELPERS/try" unlink "$M/theirs/tasks")"
	eq "rmdir of a file" ENOTDIR "$("$HELPERS/try" rmdir "$M/theirs/tasks")"
	eq "mkdir of one that is there" EEXIST "$("$HELPERS/try" mkdir "$M/theirs")"
	eq "junk pid" EINVAL "$("$HELPERS/try" write "$M/theirs/tasks" junk)"
	eq "pid of nobody" ESRCH "$("$HELPERS/try" write "$M/theirs/tasks" 4194304)"
	! chmod 600 "$M/theirs/tasks" 2>/dev/null || fail "chmod succeeds"
	! chown games "$M/theirs" 2>/dev/null || fail "chown succeeds"
	eq "owner in the kernel" "root 644" "$(stat -c '%U %a' "$K/theirs/tasks")"
	mv "$M/theirs" "$M/renamed"
	[ -d "$K/renamed" ] || fail "not renamed in the kernel"
}

# As runc does, which makes its group below the one that it was started in: a slice of systemd's, say.
test_group_in_one_of_others() {
	local pid
	SERVER_MAY_CHANGE=1
	group theirs/mine 16M
	put theirs/mine/memory.swappiness 0
	talk_in member theirs/mine cat
	pid=${TALK_PID[member]}
	until_true 5 lists theirs/mine "$pid"
	eq "its path" "/${K##*/}/theirs/mine" "$(own_cgroup "$pid")"
	eq "what theirs has" "cgroup.procs mine tasks" "$(entries "$M/theirs")"
	eq "what the root shows of it" "theirs" "$(find "$M" -mindepth 1 -maxdepth 1 -type d -printf '%f\n')"
	STATUS=0
	in_group theirs/mine "$HELPERS/touch" 64 || STATUS=$?
	eq "exit status of 64 MiB in 16 MiB" 137 "$STATUS"
	mkdir "$M/theirs/mine/sub"
	kill -KILL "$SERVER"
	eq "limit after the server's death" 16777216 "$(get theirs/mine/memory.limit_in_bytes)"
	stop_daemon
	start_daemon
	eq "limit after a restart" 16777216 "$(get theirs/mine/memory.limit_in_bytes)"
	lists theirs/mine "$pid" || fail "the member was not adopted"
	mv "$M/theirs/mine" "$M/theirs/other"
	eq "limit after a rename" 16777216 "$(get theirs/other/memory.limit_in_bytes)"
	eq "its path" "/${K##*/}/theirs/other" "$(own_cgroup "$pid")"
	mv "$M/theirs" "$M/renamed"
	nap 1.1 # longer than names are cached
	eq "limit after the other's rename" 16777216 "$(get renamed/other/memory.limit_in_bytes)"
	lists renamed/other "$pid" || fail "the member was lost"
	kill "$pid"
	finish member
	rmdir "$M/renamed/other/sub" "$M/renamed/other"
	[ ! -e "$K/renamed/other" ] || fail "the kernel's is still there"
}

test_second_daemon() {
	local status=0 again=$T/again
	mkdir "$again"
	mount --bind "$K" "$again"
	timeout 20 "$MEMCGFS" --name="$NAME-2" --state-dir="$T/state2" "$again" 2>"$T/err" || status=$?
	gt "exit status" "$status" 0
	eq "lines on stderr" 1 "$(grep -c 'another daemon has the memory hierarchy' "$T/err")"
	[ -e "$again/memory.kmem.slabinfo" ] || fail "the kernel's mount went"
}

test_needs_the_mount() {
	local status=0
	mkdir "$T/plain"
	timeout 20 "$MEMCGFS" --hierarchy=over --name="$NAME-2" --state-dir="$T/state2" "$T/plain" 2>"$T/err" || status=$?
	gt "exit status" "$status" 0
	eq "lines on stderr" 1 "$(wc -l <"$T/err")"
	grep -q 'no cgroup v1 memory controller' "$T/err" || fail "$(cat "$T/err")"
}

# Over the root of the hierarchy, with all that others have there. Nobody is armed for being in the root.
test_whole_hierarchy() {
	local mine=${K##*/}-a before
	stop_daemon
	umount "$M"
	mount --bind "${K%/*}" "$M"
	register groups "$K-a"
	before=$(groups_of_others)
	start_daemon --hierarchy=over
	group "$mine" 16M
	in_group "$mine" sh -c 'grep -q "memory:/'"$mine"'$" /proc/self/cgroup' || fail "it is not where it should be"
	rmdir "$M/$mine"
	stop_daemon
	eq "groups of others" "$before" "$(groups_of_others)"
}

groups_of_others() {
	find "${K%/*}" -mindepth 1 -maxdepth 1 -type d ! -name 'memcgfs-*' | sort
}
