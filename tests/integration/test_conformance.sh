# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# The recorded behaviour of the kernel's v1 memory controller, replayed against the mounted tree. The recording is a directory
# with golden.sh in it: MEMCGFS_CONFORMANCE, by default shared/conformance beside the source tree.

# A limit of kernel memory, which cannot be held from user space, is what today's kernel makes of it: see test_parse_kmem.
OTHERWISE='parse memory\.kmem\.limit_in_bytes'

replay() { # CLASS
	local dir=${MEMCGFS_CONFORMANCE:-$HERE/../../../shared/conformance}
	[ -x "$dir/golden.sh" ] || skip "no recording in $dir"
	need python3 cc
	local rows status=0
	rows="^(?!.*($OTHERWISE))$1 "
	GOLDEN_TMP=$T "$dir/golden.sh" "$M" "$rows" >"$T/golden" 2>&1 || status=$?
	grep -A 2 '^FAIL' "$T/golden" || :
	tail -n 1 "$T/golden"
	eq "exit status of the replay of class $1" 0 "$status"
	grep -q '^PASS' "$T/golden" || fail "no row of class $1 was replayed"
}

test_read() { replay read; }
test_acct() { replay acct; }
test_parse() { replay parse; }
test_parse_kmem() { OTHERWISE='(?!)' KERNEL=1 replay 'parse memory\.kmem\.limit_in_bytes'; }
test_reset() { replay reset; }
test_knob() { replay knob; }
test_fs() { replay fs; }
test_tasks() { replay tasks; }
test_limit() { replay limit; }
test_oom() { replay oom; }
test_event() { replay event; }
test_event_control() { replay event_control; }
test_reclaim() { replay reclaim; }
test_root() { replay root; }
test_release() {
	# The kernel starts release agents from its own root.
	if [ "$(cat /proc/2/comm)" = kthreadd ] && ! [ /proc/2/root/. -ef /. ]; then
		skip "what the kernel starts is not looked for below this root"
	fi
	replay release
}
test_perm() { replay perm; }

# The same over the kernel's own memory hierarchy.
over() { # CLASS
	need_daemon
	stop_daemon
	memory_mount
	start_daemon --hierarchy=over
	replay "$1"
}

test_over_read() { over read; }
test_over_acct() { over acct; }
test_over_parse() { over parse; }
test_over_reset() { over reset; }
test_over_knob() { over knob; }
test_over_fs() { over fs; }
test_over_tasks() { over tasks; }
test_over_root() { over root; }
test_over_perm() { over perm; }
