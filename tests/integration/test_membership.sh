# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# Who is in a group: forks, threads, exits, and the tools that put processes there.

start_member() { # NAME GROUP
	talk_in "$1" "$2" cat
	until_true 5 lists "$2" "${TALK_PID[$1]}" || fail "the member is not listed"
}

stop_member() { # NAME
	kill "${TALK_PID[$1]}"
	finish "$1"
}

test_fork_inherits() {
	local child
	group a
	talk_in shell a bash -c 'sleep 1000 & echo $!; wait'
	hear shell
	child=$HEARD
	lists a "$child" || fail "the child is not listed"
	stop_member shell
	kill "$child"
}

# A process that forks as fast as it can is attached meanwhile: all its later children are members.
test_attach_during_forks() {
	local members
	group a 4G
	hierarchy
	talk storm "$HELPERS/forkstorm" "$M/a/cgroup.procs" 200 1
	expect storm "members 200"
	eq "the kernel's list and ours" "$(sort "$H/a/cgroup.procs")" "$(get a/cgroup.procs | sort)"
	members=$(get a/cgroup.procs | wc -l) # those born while the write went on, too
	tell storm
	expect storm 'done'
	# What they copied of each other's pages is known when a sweep has looked for it.
	until_true 10 eval '[ "$(usage a)" -gt '$(((members - 1) * MIB))' ]' || fail "usage with $members members of 1 MiB: $(usage a)"
	le "usage with $members members of 1 MiB" "$(usage a)" $((members * MIB * 2))
	tell storm
	finish storm
	eq "exit status" 0 "$STATUS"
}

# And all of them are under the group's limit.
test_forks_are_limited() {
	local limit=$((64 * MIB))
	swap 2048
	group a $limit
	sampler_start a
	talk storm "$HELPERS/forkstorm" "$M/a/cgroup.procs" 100 2
	expect storm "members 100"
	tell storm
	expect storm 'done' 90
	tell storm
	finish storm
	sampler_stop
	le "max_usage with 100 members of 2 MiB" "$(max_usage a)" $((limit + limit / 100))
	gt "failcnt" "$(failcnt a)" 0
	eq "oom_kill" 0 "$(key a/memory.oom_control oom_kill)"
}

test_exit_is_noticed() {
	group a
	start_member one a
	stop_member one
	until_true 1 eval '[ -z "$(get a/tasks)" ]' || fail "still listed: $(get a/tasks)"
	rmdir "$M/a"
}

test_exit_gives_memory_back() {
	group a 64M
	talk_in big a "$HELPERS/touch" -h 32
	expect big "done 1"
	gt "usage with 32 MiB" "$(usage a)" $((32 * MIB))
	tell big
	finish big
	until_true 1 eval '[ "$(usage a)" -lt $MIB ]' || fail "usage after the exit is $(usage a)"
}

test_threads() {
	local pid
	group a
	talk_in threads a "$HELPERS/touch" -n 0 -t 3 3
	pid=${TALK_PID[threads]}
	until_true 5 eval '[ "$(get a/tasks | wc -l)" = 4 ]' || fail "tasks lists: $(get a/tasks)"
	eq "cgroup.procs" "$pid" "$(get a/cgroup.procs)"
	eq "threads" "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort)" "$(get a/tasks | sort)"
	kill "$pid"
	finish threads
}

test_move_process_with_threads() {
	local pid
	group a
	group b
	talk_in threads a "$HELPERS/touch" -n 0 -t 3 3
	pid=${TALK_PID[threads]}
	until_true 5 eval '[ "$(get a/tasks | wc -l)" = 4 ]'
	put b/cgroup.procs "$pid"
	eq "old group" "" "$(get a/tasks)"
	eq "threads in the new group" 4 "$(get b/tasks | wc -l)"
	kill "$pid"
	finish threads
}

# The limit that counts after a move is the new group's.
test_move_under_a_limit() {
	group a
	group b 16M
	put b/memory.swappiness 0
	talk_in mover a "$HELPERS/touch" -w 64
	expect mover ready
	put b/cgroup.procs "${TALK_PID[mover]}"
	tell mover
	finish mover
	eq "exit status of 64 MiB in 16 MiB" 137 "$STATUS"
	eq "oom_kill there" 1 "$(key b/memory.oom_control oom_kill)"
	eq "failcnt of the group it left" 0 "$(failcnt a)"
}

test_move_out_of_a_limit() {
	group a 16M
	group b
	talk_in mover a "$HELPERS/touch" -w -h 64
	expect mover ready
	put b/cgroup.procs "${TALK_PID[mover]}"
	tell mover
	expect mover "done 1"
	eq "failcnt of the group it left" 0 "$(failcnt a)"
	gt "usage of the group it is in" "$(usage b)" $((64 * MIB - 1))
	gt "max_usage of the group it is in" "$(max_usage b)" $((64 * MIB - 1))
	le "usage of the group it left" "$(usage a)" "$MIB"
}

test_dead_pid() {
	local pid
	group a
	true &
	pid=$!
	wait $pid
	eq "attach of a dead pid" ESRCH "$("$HELPERS/try" write "$M/a/tasks" $pid)"
	eq "attach of a dead pid" ESRCH "$("$HELPERS/try" write "$M/a/cgroup.procs" $pid)"
}

# A pid that is used again: nothing of its earlier user's group may stick to it.
reuse_pid() { # 1 when somebody else got the pid
	local first
	in_group a "$HELPERS/touch" 8 &
	first=$!
	wait $first
	echo $((first - 1)) >/proc/sys/kernel/ns_last_pid
	"$HELPERS/touch" 32 &
	STATUS=0
	wait $! || STATUS=$?
	eq "exit status outside the group" 0 "$STATUS"
	[ $! = $first ]
}

test_pid_is_reused() {
	local reused=0 round
	group a 16M
	put a/memory.swappiness 0
	for ((round = 0; round < 200 && reused < 5; round++)); do
		reuse_pid && reused=$((reused + 1))
	done
	gt "pids that were used again" $reused 0
	eq "failcnt" 0 "$(failcnt a)"
	le "max_usage" "$(max_usage a)" $((12 * MIB))
}

# libcgroup's tools find a named hierarchy by its name in /proc/mounts.
test_libcgroup_tools() {
	local pid
	need_daemon
	need cgcreate cgexec cgclassify cgdelete lscgroup
	cgcreate -g "name=$NAME:/g"
	[ -d "$M/g" ] || fail "cgcreate made no group"
	# shellcheck disable=SC2016 # for the inner shell
	cgexec -g "name=$NAME:g" sh -c 'grep -qx $$ "$0"' "$M/g/tasks" || fail "cgexec: not in the group"
	talk other cat
	pid=${TALK_PID[other]}
	cgclassify -g "name=$NAME:g" "$pid"
	lists g "$pid" || fail "cgclassify: not in the group"
	lscgroup "name=$NAME:/" | grep -q "/g/*\$" || fail "lscgroup does not show the group"
	cgdelete "name=$NAME:/g"
	[ ! -e "$M/g" ] || fail "cgdelete left the group"
	[ ! -e "/proc/$pid" ] || lists . "$pid" || fail "cgdelete did not move the task to the root"
}

test_cgexec_is_limited() {
	need_daemon
	need cgcreate cgexec cgdelete
	cgcreate -g "name=$NAME:/g"
	put g/memory.limit_in_bytes 16M
	put g/memory.swappiness 0
	STATUS=0
	cgexec -g "name=$NAME:g" "$HELPERS/touch" 64 || STATUS=$?
	eq "exit status of 64 MiB in 16 MiB" 137 "$STATUS"
	STATUS=0
	cgexec -g "name=$NAME:g" "$HELPERS/touch" 8 || STATUS=$?
	eq "exit status of 8 MiB in 16 MiB" 0 "$STATUS"
	cgdelete "name=$NAME:/g"
}

# Membership is the kernel's: what it says in /proc agrees with the tree.
test_proc_cgroup() {
	need_daemon
	group a
	group a/b
	start_member one a/b
	eq "/proc/PID/cgroup" "/a/b" "$(sed -n "s/.*:name=$NAME://p" "/proc/${TALK_PID[one]}/cgroup")"
	stop_member one
}

# tasks and cgroup.procs take and show pids of their writer's and reader's pid namespace.
test_pid_namespace() {
	need_daemon
	group a
	group b
	unshare -p -f --mount-proc bash -euc '
		echo 1 >"$1/a/tasks"
		grep -qx 1 "$1/a/tasks"
		sleep 100 &
		echo $! >"$1/b/cgroup.procs"
		[ "$(cat "$1/b/cgroup.procs")" = $! ]
		kill $!
		wait $! || :
		! echo 12345 >"$1/a/tasks"
		echo 1 >"$1/tasks"
	' sh "$M" 2>"$T/errors" || fail "in a pid namespace: $(cat "$T/errors")"
	grep -q 'No such process' "$T/errors" || fail "a pid of nobody: $(cat "$T/errors")"
}
