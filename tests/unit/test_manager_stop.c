/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Members that stand still: stopped and continued, and gone in the middle of reclaim. */
#include <string.h>

#include "tests/unit/manager_fixture.h"

#define SIGNAL_BIT(n) (1ULL << ((n)-1))

/* ---- stops ---- */

static void test_stop_twice(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 100), *y = member_make(a, 100);
	struct lease_record r = {
		.type = LEASE_RECORD_STOP, .tgid = (unsigned)x->pid, .slot = a->slot};

	/* Two threads of it ran out at once: two stops, one process. */
	x->stopped = 1;
	x->lease.stopped = 1;
	process_on_stop(mgr, &r);
	process_stop(mgr, member(y), y->pid);
	process_on_stop(mgr, &r);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_FALSE(stands(y));
	CU_ASSERT_EQUAL(x->nr_continues, 1);
	/* A stop that comes after the answer to the one before is answered again. */
	x->stopped = 1;
	process_on_stop(mgr, &r);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(x->nr_continues, 2);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 4);
}

static void test_stops_of_others(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 100);
	struct process *p = member(x);

	/* Somebody else's SIGSTOP waits behind ours. */
	process_stop(mgr, p, p->tgid);
	x->pending = SIGNAL_BIT(SIGSTOP);
	process_continue(mgr, p);
	CU_ASSERT(stands(x));
	CU_ASSERT_EQUAL(x->nr_continues, 0);
	CU_ASSERT_FALSE(p->stopped);
	CU_ASSERT_EQUAL(x->lease.stopped, 0);
	/* As it stands now it is not ours to stop, and so not to continue. */
	process_stop(mgr, p, p->tgid);
	CU_ASSERT_EQUAL(x->nr_stops, 1);
	CU_ASSERT_FALSE(p->stopped);
	process_continue(mgr, p);
	CU_ASSERT(stands(x));
	/* ^Z, not handled. */
	x->stopped = 0;
	process_stop(mgr, p, p->tgid);
	x->pending = SIGNAL_BIT(SIGTSTP);
	process_continue(mgr, p);
	CU_ASSERT(stands(x));
	/* ^Z, handled: it runs, and its handler gets to know. */
	x->stopped = 0;
	process_stop(mgr, p, p->tgid);
	x->pending = x->caught = SIGNAL_BIT(SIGTSTP);
	process_continue(mgr, p);
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(x->pending, SIGNAL_BIT(SIGTSTP));
}

/* What cannot be written down is not done: it would not be continued after a crash. */
static void test_stop_written_down_first(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 100);

	world.member_set_error = -ENOSPC;
	process_stop(mgr, member(x), x->pid);
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(x->nr_stops, 0);
	world.member_set_error = 0;
	process_stop(mgr, member(x), x->pid);
	CU_ASSERT(stands(x));
	CU_ASSERT_EQUAL(x->lease.stopped, 1);
}

/* It is continued after its end and before that is heard of: the map must not keep its pid. */
static void test_continued_too_late(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 100);

	process_stop(mgr, member(x), x->pid);
	world_exit(x);
	process_continue(mgr, member(x));
	world_run();
	CU_ASSERT_PTR_NULL(member(x));
	CU_ASSERT_FALSE(x->member);
}

/* ---- in the middle of reclaim ---- */

static void test_gone_in_reclaim(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 500), *y = member_make(a, 480);

	hit_limit_and_hold(x);
	CU_ASSERT_EQUAL(member(y)->nr_jobs, 1);
	world_exit(y);
	world_step();
	CU_ASSERT_PTR_NULL(member(y));
	CU_ASSERT(stands(x)); /* the job is not over */
	go_on();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(member(x)->nr_jobs, 0);
}

static void test_waiter_gone_in_reclaim(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 500), *y = member_make(a, 480);

	hit_limit_and_hold(x);
	world_exit(x);
	world_step();
	CU_ASSERT_PTR_NULL(member(x));
	CU_ASSERT_PTR_NULL(a->waiters);
	go_on();
	CU_ASSERT_PTR_NULL(a->job);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0);
	CU_ASSERT_EQUAL(world_work(y, 400), 400);
}

static void test_group_gone_in_reclaim(void)
{
	struct group *root = manager_root(mgr), *a = group_make_limited(root, "a", 1000);
	struct fake_process *x = member_make(a, 980);

	hit_limit_and_hold(x);
	world_exit(x);
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "a"), 0); /* its end is not heard of yet */
	CU_ASSERT_PTR_NULL(member(x));
	a = group_make(root, "a");
	world_step();
	go_on();
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_DIRECT), 0);
	CU_ASSERT_PTR_NULL(a->job);
}

/* The end of the server in the middle: the job is finished first, and who waits is continued. */
static void test_end_in_reclaim(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 980);

	hit_limit(x);
	world.swap_free = 0;
	group_set_oom_kill_disable(mgr, a, 1);
	world_run();
	CU_ASSERT_PTR_EQUAL(a->waiters, member(x));
	manager_stop();
	CU_ASSERT_FALSE(stands(x));
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {
		{"stopped twice", test_stop_twice},
		{"stops of others", test_stops_of_others},
		{"a stop is written down first", test_stop_written_down_first},
		{"continued too late", test_continued_too_late},
		{"gone in mid-reclaim", test_gone_in_reclaim},
		{"who waits gone in mid-reclaim", test_waiter_gone_in_reclaim},
		{"the group gone in mid-reclaim", test_group_gone_in_reclaim},
		{"the end while somebody waits", test_end_in_reclaim},
		CU_TEST_INFO_NULL,
	};

	world_child_main(argc, argv);
	return run_tests("stop", tests);
}
