/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases by signal: stops, charges, and which mechanism it is. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "accounting/task_stat.h"
#include "tests/unit/deny_syscall.h"
#include "tests/unit/lease_fixture.h"

/*
 * What lease_new(wanted) comes to in a child for which the system call nr fails with error: the
 * stop, or -errno.
 */
static int ladder_without(unsigned nr, unsigned error, enum lease_stop wanted)
{
	struct lease *other;
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		int r = deny_syscall(nr, 1, 0, error) ? -EPERM : lease_new(&other, wanted);

		if (!r &&
		    lease_get_bpf_error(other) != (wanted == LEASE_STOP_AUTO ? -(int)error : 0))
			r = -EBADMSG;
		_exit(r ? -r : 200 + (int)lease_get_stop(other));
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status) >= 200 ? WEXITSTATUS(status) - 200 : -WEXITSTATUS(status);
}

static void test_ladder(void)
{
	struct lease *other = NULL;

	CU_ASSERT_EQUAL(lease_get_stop(lease), LEASE_STOP_SIGNAL);
	CU_ASSERT_STRING_EQUAL(lease_stop_name(lease_get_stop(lease)), "signal");
	CU_ASSERT_FALSE(lease_has_page_cache(lease));
	CU_ASSERT_EQUAL(lease_new(&other, LEASE_STOP_FREEZER), -EOPNOTSUPP);
	CU_ASSERT_PTR_NULL(other);
	/* Whatever BPF fails with it is not the end, unless it was asked for; without perf events
	 * it is. */
	CU_ASSERT_EQUAL(ladder_without(SYS_bpf, EPERM, LEASE_STOP_AUTO), LEASE_STOP_SIGNAL);
	CU_ASSERT_EQUAL(ladder_without(SYS_bpf, EINVAL, LEASE_STOP_AUTO), LEASE_STOP_SIGNAL);
	CU_ASSERT_EQUAL(ladder_without(SYS_bpf, EPERM, LEASE_STOP_SIGNAL), LEASE_STOP_SIGNAL);
	CU_ASSERT_EQUAL(ladder_without(SYS_bpf, EPERM, LEASE_STOP_BPF), -EPERM);
	CU_ASSERT_EQUAL(ladder_without(SYS_perf_event_open, ENOSYS, LEASE_STOP_AUTO), -ENOSYS);
	CU_ASSERT_EQUAL(ladder_without(SYS_perf_event_open, ENOSYS, LEASE_STOP_SIGNAL), -ENOSYS);
}

static void test_task_stat(void)
{
	struct task_stat st = {};
	bool is_init;
	pid_t tgid;

	CU_ASSERT_EQUAL(task_stat_parse("12 (a) T 1) S 1 12 12 0 -1 4194304 9 0", &st), 0);
	CU_ASSERT_EQUAL(st.state, 'S');
	CU_ASSERT_FALSE(st.ending);
	CU_ASSERT_EQUAL(task_stat_parse("12 (x) Z 1 12 12 0 -1 4194308 9 0", &st), 0);
	CU_ASSERT_EQUAL(st.state, 'Z');
	CU_ASSERT_TRUE(st.ending);
	CU_ASSERT_EQUAL(st.cpu, -1);
	CU_ASSERT_EQUAL(
		task_stat_parse("12 (x) R) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 "
				"21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39",
				&st),
		0);
	CU_ASSERT_EQUAL(st.cpu, 36);
	CU_ASSERT_EQUAL(st.rt_priority, 37);
	CU_ASSERT_EQUAL(task_stat_parse("", &st), -EINVAL);
	CU_ASSERT_EQUAL(task_stat_parse("12 (x) S", &st), -EINVAL);
	CU_ASSERT_EQUAL(task_stat_parse("12 x S 1 2 3 4 5 6", &st), -EINVAL);
	CU_ASSERT_EQUAL(task_stat_read(getpid(), getpid(), &st), 0);
	CU_ASSERT(st.cpu >= 0);
	CU_ASSERT_EQUAL(st.state, 'R');
	CU_ASSERT_EQUAL(task_stat_read(0x7fffffff, 0x7fffffff, &st), -ESRCH);
	CU_ASSERT_FALSE(process_is_ending(getpid()));
	CU_ASSERT_TRUE(process_is_ending(0x7fffffff));
	CU_ASSERT_EQUAL(task_identify(getpid(), &tgid, &is_init), 0);
	CU_ASSERT_EQUAL(tgid, getpid());
	CU_ASSERT_EQUAL(task_identify(0x7fffffff, &tgid, &is_init), -ESRCH);
}

static void touch_500(void)
{
	touch(500);
}

static void test_room(void)
{
	struct child c;

	if (!child_start(&c, touch_500, 100))
		return;
	seen.hold = true;
	child_go(&c);
	CU_ASSERT_TRUE(dispatch_until(is_held, NULL, PATIENCE_MSEC));
	CU_ASSERT_TRUE(dispatch_until(has_stopped, &c.pid, PATIENCE_MSEC));
	/* What it touched before it began counts too: its stack, its libraries. */
	CU_ASSERT(progress->pages <= 100 + LEASE_PAGES);
	CU_ASSERT(lease_slot_get_room(lease, SLOT) < 0);
	/* It stands there for as long as there is no room. */
	CU_ASSERT_FALSE(dispatch_until(is_at, &(long){500}, 100));
	lease_slot_set_room(lease, SLOT, 10000, lease_slot_get_room(lease, SLOT));
	let_go_on(c.pid);
	CU_ASSERT_TRUE(dispatch_until(is_at, &(long){500}, PATIENCE_MSEC));
	child_finish(&c);
	CU_ASSERT(lease_slot_get_charged(lease, SLOT) >= 500);
	CU_ASSERT(lease_slot_get_room(lease, SLOT) < 10000 - 300);
}

static void touch_20000(void)
{
	touch(20000);
}

/* Every stop is continued, whenever it lands. */
static void test_many_stops(void)
{
	struct child c;

	if (!child_start(&c, touch_20000, 1)) /* no room, and so the shortest leases */
		return;
	child_go(&c);
	CU_ASSERT_TRUE(dispatch_until(is_at, &(long){20000}, PATIENCE_MSEC));
	CU_ASSERT(seen.nr[LEASE_RECORD_STOP] >= 20000 / 2 / LEASE_PAGES);
	child_finish(&c);
}

static void test_unlimited(void)
{
	struct child c;

	if (!child_start(&c, touch_20000, LEASE_NO_LIMIT))
		return;
	child_go(&c);
	CU_ASSERT_TRUE(dispatch_until(is_at, &(long){20000}, PATIENCE_MSEC));
	child_finish(&c);
	CU_ASSERT_EQUAL(seen.nr[LEASE_RECORD_STOP], 0);
	CU_ASSERT_EQUAL(seen.nr[LEASE_RECORD_TICK], 0);
}

/* With much room leases are long, and what they hold can be taken back. */
static void test_recall(void)
{
	struct child c;

	if (!child_start(&c, touch_20000, 16000))
		return;
	seen.hold = true;
	child_go(&c);
	CU_ASSERT_TRUE(dispatch_until(is_at, &(long){4000}, PATIENCE_MSEC));
	CU_ASSERT(seen.nr[LEASE_RECORD_STOP] < 4000 / LEASE_PAGES / 2);
	CU_ASSERT(lease_slot_get_held(lease, SLOT) > 0);
	CU_ASSERT_TRUE(lease_slot_recall(lease, SLOT));
	CU_ASSERT_EQUAL(lease_slot_get_held(lease, SLOT), 0);
	CU_ASSERT_FALSE(lease_slot_recall(lease, SLOT));
	CU_ASSERT_TRUE(dispatch_until(is_held, NULL, PATIENCE_MSEC));
	CU_ASSERT_TRUE(dispatch_until(has_stopped, &c.pid, PATIENCE_MSEC));
	CU_ASSERT(progress->pages <= 16000 + LEASE_PAGES);
	let_go_on(c.pid);
	child_finish(&c);
}

static void sleep_and_touch(void)
{
	touch(1);
	pause();
}

/* Until nothing has come for a while: what was to be looked at for a while after a stop has been.
 */
static void dispatch_until_quiet(void)
{
	struct pollfd p = {.fd = lease_get_fd(lease), .events = POLLIN};

	while (poll(&p, 1, 200) > 0)
		CU_ASSERT_EQUAL(lease_dispatch(lease), 0);
}

/* A stop of somebody else's is not ours to tell of. */
static void test_stop_of_others(void)
{
	struct child c;

	if (!child_start(&c, sleep_and_touch, 100000))
		return;
	child_go(&c);
	CU_ASSERT_TRUE(dispatch_until(is_at, &(long){1}, PATIENCE_MSEC));
	dispatch_until_quiet();
	memset(&seen, 0, sizeof(seen));
	kill(c.pid, SIGSTOP);
	CU_ASSERT_TRUE(dispatch_until(has_stopped, &c.pid, PATIENCE_MSEC));
	dispatch_until_quiet();
	CU_ASSERT_EQUAL(seen.nr[LEASE_RECORD_STOP], 0);
	CU_ASSERT_TRUE(has_stopped(&c.pid));
	child_kill(&c);
}

static void burn(void)
{
	uint64_t end = now_usec() + 10000000;

	while (now_usec() < end && !progress->pages)
		;
}

static bool has_ticks(void *arg)
{
	(void)arg;
	return seen.nr[LEASE_RECORD_TICK] >= 3;
}

static void test_ticks(void)
{
	struct child c;

	if (!child_start(&c, burn, 100000))
		return;
	child_go(&c);
	CU_ASSERT_TRUE(dispatch_until(has_ticks, NULL, PATIENCE_MSEC));
	CU_ASSERT_EQUAL(seen.last[LEASE_RECORD_TICK].tgid, (unsigned)c.pid);
	CU_ASSERT_EQUAL(seen.last[LEASE_RECORD_TICK].slot, SLOT);
	progress->pages = 1;
	child_finish(&c);
}

/* It runs on after it is no member any more, and nobody stops it. */
static void test_remove(void)
{
	struct lease_member m;
	struct child c;

	if (!child_start(&c, touch_20000, 100))
		return;
	CU_ASSERT_EQUAL(lease_member_remove(lease, c.pid), 0);
	CU_ASSERT_EQUAL(lease_member_remove(lease, c.pid), -ENOENT);
	CU_ASSERT_EQUAL(lease_member_get(lease, c.pid, &m), -ENOENT);
	child_forget(&c);
	child_go(&c);
	CU_ASSERT_TRUE(dispatch_until(is_at, &(long){20000}, PATIENCE_MSEC));
	waitpid(c.pid, NULL, 0);
	CU_ASSERT_EQUAL(seen.nr[LEASE_RECORD_STOP], 0);
}

/* Stopped by an event that is disarmed before its record was read: it is not left there. */
static void test_disarm_stopped(void)
{
	struct child c;

	if (!child_start(&c, touch_500, 1))
		return;
	child_go(&c);
	for (int i = 0; i < 1000 && !has_stopped(&c.pid); i++)
		poll(NULL, 0, 5);
	CU_ASSERT_TRUE(has_stopped(&c.pid));
	child_forget(&c);
	CU_ASSERT_EQUAL(lease_member_remove(lease, c.pid), 0);
	CU_ASSERT_TRUE(dispatch_until(is_at, &(long){500}, PATIENCE_MSEC));
	waitpid(c.pid, NULL, 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"which mechanism it is", test_ladder},
		{"stat of a task", test_task_stat},
		{"as far as there is room, and on with more", test_room},
		{"every stop is continued", test_many_stops},
		{"without a limit nobody is stopped", test_unlimited},
		{"long leases, taken back", test_recall},
		{"stops of others", test_stop_of_others},
		{"ticks", test_ticks},
		{"a member no more", test_remove},
		{"disarmed while it stands", test_disarm_stopped},
		CU_TEST_INFO_NULL,
	};

	return run_tests("lease_signal", tests);
}
