# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# What the daemon's processes may still do: the capabilities and calls they use, and no others. That none is missing is seen in
# every test: run fails one whose daemon was refused a call.

setup() {
	need_daemon
	start_daemon
	SERVER_MAY_CHANGE=1
}

# As doc/design.md has them.
DAEMON_CAPS='checkpoint_restore dac_read_search fowner ipc_lock kill perfmon sys_nice sys_ptrace'
HEIR_CAPS='dac_read_search sys_admin'

# Bits of <linux/capability.h>.
declare -A CAP_BIT=([dac_read_search]=2 [fowner]=3 [kill]=5 [ipc_lock]=14 [sys_ptrace]=19 [sys_admin]=21 [sys_nice]=23 [perfmon]=38
	[checkpoint_restore]=40)

mask() { # CAP...: those that we have ourselves, as in /proc/PID/status
	local cap bits=0 own
	own=$((16#$(status $$ CapPrm)))
	for cap; do
		bits=$((bits | 1 << CAP_BIT[$cap]))
	done
	printf '%016x\n' $((bits & own))
}

status() { # PID KEY
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

confined() { # PID CAP...: every thread of it
	local pid=$1 task key want dormant=''
	shift
	want=$(mask "$@")
	# In effect only while a page table is opened.
	[ "$*" = "$HEIR_CAPS" ] || dormant=sys_admin
	for task in /proc/"$pid"/task/*; do
		eq "CapPrm of ${task##*/} of $(cat "/proc/$pid/comm")" "$(mask "$@" $dormant)" "$(status "$pid/task/${task##*/}" CapPrm)"
		eq "CapEff of ${task##*/} of $(cat "/proc/$pid/comm")" "$want" "$(status "$pid/task/${task##*/}" CapEff)"
		for key in CapBnd CapInh CapAmb; do
			eq "$key of ${task##*/}" 0000000000000000 "$(status "$pid/task/${task##*/}" $key)"
		done
		eq "NoNewPrivs" 1 "$(status "$pid/task/${task##*/}" NoNewPrivs)"
		eq "Seccomp" 2 "$(status "$pid/task/${task##*/}" Seccomp)"
	done
}

all_confined() {
	# shellcheck disable=SC2086 # words
	confined "$(server)" $DAEMON_CAPS
	# shellcheck disable=SC2086 # words
	confined "$(keeper)" $DAEMON_CAPS
	# shellcheck disable=SC2086 # words
	confined "$(role heir)" $HEIR_CAPS
}

kill_role() { # server|keeper
	local old
	old=$(role "$1")
	[ "$1" != keeper ] || DAEMON=''
	kill -KILL "$old"
	until_true 10 eval '[ -n "$(role '"$1"')" ] && [ "$(role '"$1"')" != '"$old"' ]' || fail "no other $1 comes"
	until_true 10 eval '[ "$(get memory.use_hierarchy)" = 1 ]' || fail "the mount does not answer"
}

test_privileges() {
	local s
	all_confined
	for s in server keeper server; do
		kill_role "$s"
		all_confined
	done
	umount "$M"
	until_true 10 no_daemon || fail "it does not end: $(daemon_pids)"
	until_true 5 eval '! grep -q "name=$NAME:" /proc/self/cgroup' || fail "the hierarchy is still there"
	[ ! -e "$T/state/$NAME" ] || fail "the state is still there"
}

# Members of another user, whose files and processes are nobody's but theirs: kill, page-out, page cache, attach.
test_other_users_members() {
	local user=65534 n
	swap 256
	mkdir -m 700 "$T/private"
	head -c 64M /dev/zero >"$T/private/file"
	dd of="$T/private/file" oflag=nocache conv=notrunc,fdatasync count=0 2>/dev/null # out of the page cache
	chown -R $user "$T/private"
	chmod 600 "$T/private/file"
	group a 16M
	talk_in member a setpriv --reuid $user --clear-groups "$HELPERS/touch" -h 40
	expect member "done 1"
	gt "paged out" "$(event a paged_out)" 4096
	group c 16M
	in_group c setpriv --reuid $user --clear-groups cat "$T/private/file" >/dev/null
	gt "page cache dropped" "$(event c cache_dropped)" 8192
	put a/memory.swappiness 0
	group b 16M
	put b/memory.swappiness 0
	n=0
	in_group b setpriv --reuid $user --clear-groups "$HELPERS/touch" 64 || n=$?
	eq "exit status over the limit" 137 $n
	mkdir "$M/d"
	put d/cgroup.procs "${TALK_PID[member]}"
	lists d "${TALK_PID[member]}" || fail "it did not move"
	eq "usage where it came to" 0 "$(usage d)"
	gt "usage where it was" "$(usage a)" "$MIB"
	rmdir "$M/a"
}

# A call that is in no table: the daemon says so once, and goes on.
test_refusal_is_logged() {
	local getpgrp=111 pid
	[ "$(uname -m)" = x86_64 ] || skip "the helper is for x86_64"
	touch "$T/refusal-expected"
	group a 16M
	for pid in "$(server)" "$(keeper)"; do
		eq "what the call returned" -1 "$("$HELPERS/inject" "$pid" $getpgrp)"
		eq "what it returned then" -1 "$("$HELPERS/inject" "$pid" $getpgrp)"
	done
	eq "refusals of the server's" 1 "$(grep -c 'refused the system call getpgrp of memcgfs-server' "$T/daemon.log")"
	eq "refusals of the keeper's" 1 "$(grep -c 'refused the system call getpgrp of memcgfs-keeper' "$T/daemon.log")"
	eq "limit" $((16 * MIB)) "$(get a/memory.limit_in_bytes)"
	put a/memory.swappiness 0
	in_group a "$HELPERS/touch" 64 && fail "the limit does not hold any more"
	stop_daemon
}

# Without an heir the end is told, and is an end all the same.
test_heir_killed() {
	local status=0
	kill -KILL "$(role heir)"
	kill -TERM "$DAEMON"
	wait "$DAEMON" || status=$?
	DAEMON=''
	eq "exit status" 0 "$status"
	grep -q 'the heir had died' "$T/daemon.log" || fail "nothing was said: $(cat "$T/daemon.log")"
}

# When both are killed at once nobody is left to end anything but the heir.
test_heir_of_both() {
	local pids pid
	group a
	pids="$(keeper) $(server)"
	# shellcheck disable=SC2086 # pids
	kill -STOP $pids
	# shellcheck disable=SC2086 # pids
	kill -KILL $pids
	DAEMON=''
	until_true 10 no_daemon || fail "left running: $(daemon_pids)"
	! mounted || fail "left mounted"
	start_daemon
	[ -d "$M/a" ] || fail "the group has gone"
	rmdir "$M/a"
	stop_daemon
}

# trusted.* takes a privilege that the daemon has not: kept under a name that is in nobody's reach but by that one.
test_trusted_attributes() {
	need python3
	group a
	python3 - "$M/a" <<-'END'
		import os, sys
		d = sys.argv[1]
		os.setxattr(d, 'trusted.t', b'v')
		os.setxattr(d, 'user.t', b'w')
		assert os.getxattr(d, 'trusted.t') == b'v'
		assert sorted(os.listxattr(d)) == ['trusted.t', 'user.t'], os.listxattr(d)
		for name in 'user.memcgfs.trusted.t', 'user.memcgfs.x':
		    try:
		        os.setxattr(d, name, b'spoofed')
		    except PermissionError:
		        pass
		    else:
		        sys.exit('%s can be set' % name)
		assert os.getxattr(d, 'trusted.t') == b'v'
		os.removexattr(d, 'trusted.t')
		assert os.listxattr(d) == ['user.t'], os.listxattr(d)
	END
}
