# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash source=lib.sh disable=SC2119,SC2317
# The stop by signals of perf events, as where there is no BPF: the most telling tests of other files once more.

# shellcheck source=test_limit.sh
. "$HERE/test_limit.sh"
# shellcheck source=test_server.sh
. "$HERE/test_server.sh"
# shellcheck source=test_trouble.sh
. "$HERE/test_trouble.sh"

ROUNDS=2 # of those that have some: the whole file is to take seconds

setup() {
	need_daemon
	printf '[lease]\nstop = signal\n' >"$T/conf"
	MEMCGFS_TEST_OPTIONS=--config=$T/conf
	start_daemon
	grep -q 'stop signal; page cache is not charged' "$T/daemon.log" || fail "the stop is not said: $(cat "$T/daemon.log")"
}

test_holds_one_process() { test_one_process; }
test_holds_eight_processes() { test_eight_processes; }
test_holds_eight_threads() { test_eight_threads; }
test_holds_set_uid_program() { test_set_uid_program; }
test_holds_set_uid_root_program() { test_set_uid_root_program; }
test_stays_below_the_limit() { test_below_the_limit; }

# It is the manager who stops this one, so it gets as far as that is late: on a machine whose host takes its CPUs away for
# milliseconds (15 MiB were seen), nothing like what bench/ says. Held it is.
test_holds_pid_namespace_init() {
	local limit=$((16 * MIB))
	swap 512
	group a $limit
	sampler_start a
	"$HELPERS/enter" -n "$M/a/tasks" "$HELPERS/touch" -r 400
	sampler_stop
	le "RssAnon + RssShmem, sampled" "$PEAK" $((8 * limit))
	gt "failcnt" "$(failcnt a)" 0
}

# Whose parent has ended, perhaps before it could be armed, is found all the same; and runs until then.
test_holds_orphans() {
	local limit=$((16 * MIB))
	swap 512
	group a $limit
	sampler_start a
	in_group a bash -c 'for i in {1..8}; do ( ("$0" -r 30 &) ); done' "$HELPERS/touch"
	until_true 20 eval '[ -z "$(get a/tasks)" ]' || fail "still there: $(get a/tasks)"
	sampler_stop
	le "RssAnon + RssShmem, sampled" "$PEAK" $((limit + limit / 10))
	gt "failcnt" "$(failcnt a)" 0
}

test_under_the_next_server() {
	SERVER_MAY_CHANGE=1
	test_server_killed_under_load
}

test_waits_under_the_next_server() {
	SERVER_MAY_CHANGE=1
	test_server_killed_while_a_member_waits
}

test_under_the_next_keeper() {
	SERVER_MAY_CHANGE=1
	test_keeper_killed
}

test_both_killed() { test_both_killed_while_members_are_stopped; }
test_next_daemon() { test_next_daemon_adopts; }
test_owners_stop() { test_users_stop_of_a_busy_member; }
test_terminals_stop() { test_control_z; }
test_debugger() { test_debuggers_stop; }
