# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh
# The systemd unit: what systemd says of it, and that the daemon can live with what it allows.

setup() {
	need_daemon
}

unit() { # into UNIT, with the program that is tested
	UNIT=$T/memcgfs.service
	sed "s,@sbindir@/memcgfs,$MEMCGFS," "$HERE/../../contrib/memcgfs.service.in" >"$UNIT"
}

test_verify() {
	need systemd-analyze
	unit
	systemd-analyze --man=no --recursive-errors=no verify "$UNIT" >"$T/verify" 2>&1 || fail "$(cat "$T/verify")"
	eq "what systemd says of it" "" "$(cat "$T/verify")"
}

# 0 is safe from everything, 10 from nothing. What is left takes a mount namespace, or root.
test_exposure() {
	need systemd-analyze
	systemd-analyze --help | grep -q -e --offline || skip "systemd-analyze has no --offline (systemd 250)"
	unit
	systemd-analyze security --no-pager --offline=true --threshold=65 "$UNIT" >"$T/exposure" 2>&1 || fail "$(tail -n 2 "$T/exposure")"
}

# The capabilities it leaves are enough, and readiness is told.
test_daemon_in_it() {
	local keep drop
	need setpriv python3
	unit
	keep=$(sed -n 's/^CapabilityBoundingSet=//p' "$UNIT" | tr 'A-Z ' 'a-z\n' | sed 's/^cap_//')
	[ -n "$keep" ] || fail "no CapabilityBoundingSet"
	drop=$(setpriv --list-caps | grep -vxF "$keep" | sed 's/^/-/' | paste -sd,)
	talk notify python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print("bound", flush=True)
print(s.recv(4096).decode(), flush=True)' "$T/notify"
	expect notify bound
	export NOTIFY_SOCKET=$T/notify
	WRAPPER="setpriv --bounding-set=$drop --no-new-privs" start_daemon
	expect notify READY=1
	group a 16M
	put a/memory.swappiness 0
	in_group a "$HELPERS/touch" 64 && fail "the limit does not hold"
	rmdir "$M/a"
	stop_daemon
}
