# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh disable=SC2119,SC2120,SC2317
# Debian's runc, as it is, with the tree over the kernel's memory mount: run, exec, ps, update, events.

setup() {
	local dir
	need_daemon
	need runc busybox python3 ldd
	memory_mount whole
	NAME_OF_GROUP=${K##*/}-c
	for dir in "${K%/*/*}"/*/; do # runc makes one in each hierarchy
		register groups "$dir$NAME_OF_GROUP"
	done
	register covered "$MOUNTPOINT"
	start_daemon --hierarchy=over
	bundle
}

# A container of busybox, limited to 64 MiB, whose command is to be set.
bundle() {
	local lib root=$T/bundle/rootfs
	mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev"
	cp "$(command -v busybox)" "$root/bin/busybox"
	for lib in $(ldd "$root/bin/busybox" | grep -o '/[^ ]*' || :); do
		mkdir -p "$root${lib%/*}"
		cp "$lib" "$root$lib"
	done
	runc spec -b "$T/bundle"
}

container() { # GROUP COMMAND...; GROUP may be empty: where runc is
	python3 - "$T/bundle/config.json" "$@" <<-'END'
		import json, sys
		path, group, *command = sys.argv[1:]
		spec = json.load(open(path))
		spec["process"].update(terminal=False, args=command)
		if group:
		    spec["linux"]["cgroupsPath"] = group
		spec["linux"]["resources"]["memory"] = {"limit": 64 << 20, "reservation": 32 << 20, "swappiness": 0}
		json.dump(spec, open(path, "w"))
	END
}

run_c() { # ARGUMENT...
	runc --root "$T/runc" "$@"
}

test_run_and_update() {
	local group=$NAME_OF_GROUP first
	container "/$group" /bin/busybox sh -c 'echo begun; read -r line'
	talk box runc --root "$T/runc" run -b "$T/bundle" "$group"
	expect box begun
	eq "limit" 67108864 "$(get "$group/memory.limit_in_bytes")"
	eq "soft limit" 33554432 "$(get "$group/memory.soft_limit_in_bytes")"
	eq "swappiness" 0 "$(get "$group/memory.swappiness")"
	first=$(get "$group/cgroup.procs")
	grep -q ":memory:/$group\$" "/proc/$first/cgroup" || fail "$(cat "/proc/$first/cgroup")"
	grep -q '' "$T/kernel/$group/cgroup.procs" || fail "it is not in the kernel's group"
	run_c events --stats "$group" >"$T/stats"
	grep -q '"usage":{"limit":67108864,"usage":[1-9][0-9]*,' "$T/stats" || fail "$(cat "$T/stats")"
	grep -q '"hierarchical_memory_limit":67108864' "$T/stats" || fail "$(cat "$T/stats")"
	grep -q '"kernel":{"limit":'"$UNLIMITED"',"usage":[1-9][0-9]*,' "$T/stats" || fail "$(cat "$T/stats")"
	eq "processes that ps shows" 1 "$(run_c ps "$group" | grep -c busybox)"
	eq "group of an exec" "/$group" "$(run_c exec "$group" /bin/busybox grep :memory: /proc/self/cgroup | cut -d: -f3)"
	if [ -e "$M/memory.memsw.limit_in_bytes" ]; then
		run_c update --memory 100000000 --memory-swap 200000000 "$group"
	else
		run_c update --memory 100000000 "$group"
	fi
	eq "limit after an update, in whole pages" 99999744 "$(get "$group/memory.limit_in_bytes")"
	tell box
	finish box
	eq "exit status of the container" 0 "$STATUS"
	[ ! -e "$M/$group" ] || fail "the group is still there"
	[ ! -e "$T/kernel/$group" ] || fail "the kernel's group is still there"
}

eventfd_ids() { # PID
	grep -hs '^eventfd-id:' "/proc/$1/fdinfo/"*
}

# Does the keeper have an eventfd of the process? It gets it when the loop registers it, before the loop does anything else.
is_registered() { # PID
	grep -qxFf <(eventfd_ids "$1") <(eventfd_ids "$(keeper)")
}

# 128 MiB in 64, by a tail that finds no end of a line: the kill is told of, and whoever listens is let go when the container ends.
test_events_of_an_oom() {
	local group=$NAME_OF_GROUP
	container "/$group" /bin/busybox sh -c 'echo begun; read -r line
		/bin/busybox dd if=/dev/zero bs=1M count=128 2>/dev/null | /bin/busybox tail >/dev/null; echo "tail $?"; read -r line'
	talk box runc --root "$T/runc" run -b "$T/bundle" "$group"
	expect box begun
	talk events runc --root "$T/runc" events --interval 60s "$group"
	until_true 10 is_registered "${TALK_PID[events]}" || fail "runc events does not register"
	tell box
	expect box "tail 137"
	hear events 10 || fail "no event"
	[[ $HEARD == *'"type":"oom"'* ]] || fail "another event: $HEARD"
	gt "kills" "$(key "$group/memory.oom_control" oom_kill)" 0
	tell box
	finish box
	finish events
	eq "exit status of runc events" 0 "$STATUS"
}

# Without a path runc makes its group below the one that it is in: here one of somebody else's.
test_below_a_group_of_others() {
	local group=$NAME_OF_GROUP
	container "" /bin/busybox sh -c 'echo begun; read -r line'
	mkdir -p "$T/kernel/${K##*/}"
	# shellcheck disable=SC2016 # the inner shell's
	talk box sh -c 'echo $$ >"$0"; exec "$@"' "$T/kernel/${K##*/}/cgroup.procs" \
		runc --root "$T/runc" run -b "$T/bundle" "$group"
	expect box begun
	eq "limit" 67108864 "$(get "${K##*/}/$group/memory.limit_in_bytes")"
	gt "usage" "$(get "${K##*/}/$group/memory.usage_in_bytes")" 0
	[ ! -e "$M/${K##*/}/memory.limit_in_bytes" ] || fail "the group of somebody else is ours"
	tell box
	finish box
	eq "exit status of the container" 0 "$STATUS"
	[ ! -e "$T/kernel/${K##*/}/$group" ] || fail "the kernel's group is still there"
}
