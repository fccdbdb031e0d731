# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh disable=SC2119,SC2120,SC2317
# Debian's cgroup-tools, as they are, with the tree where they find the memory controller. Never cgclear, and never
# cgrulesengd, which may hang and then holds up every cgexec.

setup() {
	need_daemon
	need cgcreate cgset cgget cgexec cgclassify cgdelete lscgroup cgsnapshot
	memory_mount found
	start_daemon --hierarchy=over
}

test_cgcreate() {
	cgcreate -t nobody:nogroup -a games:games -d 750 -f 640 -s 620 -g memory:/g2
	nap 1.1 # longer than attributes are cached
	eq "group" "750 games games" "$(stat -c '%a %U %G' "$M/g2")"
	eq "tasks" "620 nobody nogroup" "$(stat -c '%a %U %G' "$M/g2/tasks")"
	eq "limit" "640 games games" "$(stat -c '%a %U %G' "$M/g2/memory.limit_in_bytes")"
	cgdelete memory:/g2
	[ ! -e "$M/g2" ] || fail "cgdelete left it"
}

test_cgset_and_cgget() {
	cgcreate -g memory:/g1
	cgset -r memory.limit_in_bytes=32M g1
	eq "limit" 33554432 "$(cgget -nv -r memory.limit_in_bytes g1)"
	eq "the same by cat" 33554432 "$(get g1/memory.limit_in_bytes)"
	cgset -r memory.swappiness=0 -r memory.oom_control=1 g1
	eq "swappiness" 0 "$(cgget -nv -r memory.swappiness g1)"
	eq "oom_control" 1 "$(key g1/memory.oom_control oom_kill_disable)"
	cgset -r memory.limit_in_bytes=-1 g1
	eq "limit after -1" "$UNLIMITED" "$(cgget -nv -r memory.limit_in_bytes g1)"
	gt "files that cgget shows" "$(cgget -g memory:/g1 | grep -c 'memory\.')" 8
	! cgset -r memory.limit_in_bytes=junk g1 2>/dev/null || fail "cgset of junk succeeds"
	eq "limit after junk" "$UNLIMITED" "$(get g1/memory.limit_in_bytes)"
}

test_cgset_copy_from() {
	group from 32M
	group to
	put from/memory.swappiness 7
	cgset --copy-from from to
	eq "limit" 33554432 "$(get to/memory.limit_in_bytes)"
	eq "swappiness" 7 "$(get to/memory.swappiness)"
}

test_cgexec() {
	group g1 64M
	# shellcheck disable=SC2016 # the inner shell's
	cgexec -g memory:g1 sh -c 'grep -q ":memory:/'"${K##*/}"'/g1$" /proc/self/cgroup && grep -qx $$ '"$M/g1/tasks" ||
		fail "it does not run in the group"
	put g1/memory.swappiness 0
	STATUS=0
	cgexec -g memory:g1 "$HELPERS/touch" 128 || STATUS=$?
	eq "exit status of 128 MiB in 64 MiB" 137 "$STATUS"
	le "max_usage" "$(max_usage g1)" $((64 * MIB + 64 * MIB / 100))
}

test_cgclassify_and_lscgroup() {
	local pid
	group g1
	group g1/sub
	talk member cat
	pid=${TALK_PID[member]}
	cgclassify -g memory:g1 "$pid"
	lists g1 "$pid" || fail "it was not moved"
	grep -q ":memory:/${K##*/}/g1\$" "/proc/$pid/cgroup" || fail "$(cat "/proc/$pid/cgroup")"
	eq "groups" $'memory:/\nmemory:/g1\nmemory:/g1/sub' "$(lscgroup memory:/ | sort)"
	cgdelete -r memory:/g1 # its members go to the parent
	lists . "$pid" || fail "the member was lost"
	eq "groups after cgdelete" "memory:/" "$(lscgroup memory:/)"
	[ ! -e "$T/kernel/g1" ] || fail "the kernel's group is still there"
}

test_cgdelete_moves_members() {
	local pid
	group g1
	talk_in member g1 cat
	pid=${TALK_PID[member]}
	until_true 5 lists g1 "$pid"
	cgdelete memory:/g1
	lists . "$pid" || fail "the member was lost"
}

test_cgsnapshot() {
	group g1 32M
	: >"$T/empty"
	cgsnapshot -s -b "$T/empty" memory >"$T/out" 2>"$T/err" || fail "exit status $?: $(cat "$T/err")"
	grep -q 'memory.limit_in_bytes="33554432"' "$T/out" || fail "no limit in $(cat "$T/out")"
}

# What cgsnapshot writes, read back; without a mount block, which would put the kernel's controller on top.
test_cgconfigparser() {
	cat >"$T/cgconfig.conf" <<-'END'
		group parsed {
			perm {
				task { uid = nobody; gid = nogroup; }
				admin { uid = games; gid = games; }
			}
			memory { memory.limit_in_bytes = 48M; memory.swappiness = 5; }
		}
	END
	cgconfigparser -l "$T/cgconfig.conf"
	eq "limit" 50331648 "$(get parsed/memory.limit_in_bytes)"
	eq "swappiness" 5 "$(get parsed/memory.swappiness)"
	nap 1.1
	eq "owner of tasks" nobody "$(stat -c %U "$M/parsed/tasks")"
}

# The admin that cgcreate names may change limits, and the task user bring itself in; nobody else.
test_delegation() {
	cp "$HELPERS/try" "$T/try"
	cgcreate -t nobody:nogroup -a games:games -g memory:/g1
	nap 1.1
	eq "the admin sets the limit" ok "$("$T/try" -u "$(id -u games)" write "$M/g1/memory.limit_in_bytes" 16M)"
	eq "the task user does not" open:EACCES "$("$T/try" -u 65534 write "$M/g1/memory.limit_in_bytes" 8M)"
	eq "the task user attaches itself" ok "$("$T/try" -u 65534 write "$M/g1/tasks" 0)"
	eq "the admin makes a group" ok "$("$T/try" -u "$(id -u games)" mkdir "$M/g1/sub")"
	eq "limit" 16777216 "$(get g1/memory.limit_in_bytes)"
}

# Without a memory controller: by the hierarchy's name, but for cgset and cgget.
test_named_hierarchy() {
	local pid
	stop_daemon
	MOUNTPOINT=
	start_daemon --hierarchy=named
	cgcreate -g "name=$NAME:/g1"
	put g1/memory.limit_in_bytes 32M
	# shellcheck disable=SC2016 # the inner shell's
	cgexec -g "name=$NAME:g1" sh -c 'grep -qx $$ '"$M/g1/tasks" || fail "it does not run in the group"
	talk member cat
	pid=${TALK_PID[member]}
	cgclassify -g "name=$NAME:g1" "$pid"
	lists g1 "$pid" || fail "it was not moved"
	lscgroup | grep -qx "name=$NAME:/g1" || fail "lscgroup does not list it: $(lscgroup | grep name=)"
	cgdelete "name=$NAME:/g1"
	[ ! -e "$M/g1" ] || fail "cgdelete left it"
	lists . "$pid" || fail "the member was lost"
}
