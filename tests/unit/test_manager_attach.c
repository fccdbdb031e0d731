/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attaching: leases, the member map and the hierarchy agree afterwards, whatever fails or happens
 * in between. */
#include <string.h>

#include "tests/unit/manager_fixture.h"

static const struct caller root_caller = {.pid = 1};

static struct group *make(const char *name)
{
	return group_make(manager_root(mgr), name);
}

static void is_nobody(const struct fake_process *fp)
{
	CU_ASSERT_PTR_NULL(member(fp));
	CU_ASSERT_FALSE(fp->member);
	CU_ASSERT_STRING_EQUAL(fp->dir, "");
}

static void with_keeper(void)
{
	manager_stop();
	CU_ASSERT_EQUAL_FATAL(manager_start(true), 0);
}

static void wait_at(struct group *g, struct fake_process *fp)
{
	group_set_oom_kill_disable(mgr, g, 1);
	world.swap_free = 0;
	hit_limit(fp);
	world_run();
	CU_ASSERT_PTR_EQUAL(member(fp)->waits_for, g);
}

static void test_new(void)
{
	struct group *a;
	struct fake_process *x, *y;

	world.first_inherited = 100;
	world.nr_inherited = 5;
	with_keeper();
	a = make("a");
	x = world_child(3, "child");
	x->rss_anon = 100;
	CU_ASSERT_EQUAL(limit_set(a, 1000), 0);
	CU_ASSERT_EQUAL(attach(a, x), 0);
	is_member(x, a);
	/* Every thread has a lease, and the keeper what holds them. */
	CU_ASSERT(x->nr_threads >= 3);
	CU_ASSERT_EQUAL(x->nr_armed, x->nr_threads);
	CU_ASSERT_EQUAL(world.nr_kept, LEASE_NR_EVENTS * x->nr_threads);
	/* What it has counts at once; whoever forked it may share it. */
	CU_ASSERT_EQUAL(usage_pages(a), 100);
	CU_ASSERT_EQUAL(lease_slot_get_room(NULL, a->slot),
			1000 - 100 - (int64_t)x->nr_threads * LEASE_PAGES);
	CU_ASSERT(process_shares_pages(member(x)));
	/* Children inherit the leases: they end with the last who has them. */
	y = world_fork(x, false);
	world_run();
	CU_ASSERT_PTR_EQUAL(member(y)->lineage, member(x)->lineage);
	world_exit(x);
	world_run();
	CU_ASSERT_EQUAL(world.nr_kept, LEASE_NR_EVENTS * x->nr_threads);
	world_exit(y);
	world_run();
	CU_ASSERT_EQUAL(world.nr_kept, 0);
}

static void test_new_refused(void)
{
	struct group *a;
	struct fake_process *x;

	with_keeper();
	a = make("a");
	x = world_child(2, "child");
	world.attach_error = -EPERM;
	CU_ASSERT_EQUAL(attach(a, x), -EPERM);
	is_nobody(x);
	CU_ASSERT_EQUAL(world.nr_kept, 0);
	world.attach_error = 0;
	world.arm_error = -ENOSPC;
	CU_ASSERT_EQUAL(attach(a, x), -ENOSPC);
	is_nobody(x);
	world.arm_error = 0;
	world.member_set_error = -ENOSPC;
	CU_ASSERT_EQUAL(attach(a, x), -ENOSPC);
	is_nobody(x);
	world.member_set_error = 0;
	world.usage_open_error = -ESRCH;
	CU_ASSERT_EQUAL(attach(a, x), -ESRCH);
	is_nobody(x);
	CU_ASSERT_EQUAL(world.nr_kept, 0);
	world.usage_open_error = 0;
	CU_ASSERT_EQUAL(attach(a, x), 0);
	is_member(x, a);
}

static void test_move(void)
{
	struct group *a = make("a"), *b = make("b");
	struct fake_process *x = member_make(a, 100);

	CU_ASSERT_EQUAL(limit_set(a, 1000), 0);
	CU_ASSERT_EQUAL(limit_set(b, 2000), 0);
	CU_ASSERT_EQUAL(attach(b, x), 0);
	is_member(x, b);
	CU_ASSERT_EQUAL(x->nr_armed, 0); /* its leases came with it */
	CU_ASSERT_EQUAL(usage_pages(a), 0);
	CU_ASSERT_EQUAL(usage_pages(b), 100);
	CU_ASSERT_EQUAL(lease_slot_get_room(NULL, a->slot), 1000);
	CU_ASSERT_EQUAL(lease_slot_get_room(NULL, b->slot), 2000 - 100 - LEASE_PAGES);
	/* To where it is already. */
	CU_ASSERT_EQUAL(attach(b, x), 0);
	is_member(x, b);
}

/* It stands still all the time, and is marked so: there is no room on either side. */
static void test_move_refused(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000),
		     *b = group_make_limited(manager_root(mgr), "b", 300);
	struct fake_process *x = member_make(a, 980);

	group_set_oom_kill_disable(mgr, b, 1);
	wait_at(a, x);
	world.attach_error = -EBUSY;
	CU_ASSERT_EQUAL(attach(b, x), -EBUSY);
	world_run();
	is_member(x, a);
	CU_ASSERT_EQUAL(x->lease.stopped, 1);
	CU_ASSERT_PTR_EQUAL(member(x)->waits_for, a);
	CU_ASSERT_PTR_NULL(b->waiters);
	world.attach_error = 0;
	world.member_set_error = -ENOSPC;
	CU_ASSERT_EQUAL(attach(b, x), -ENOSPC);
	is_member(x, a);
	world.member_set_error = 0;
	CU_ASSERT_EQUAL(attach(b, x), 0);
	is_member(x, b);
	CU_ASSERT_EQUAL(x->lease.stopped, 1);
	world_run();
	CU_ASSERT(stands(x));
	CU_ASSERT_EQUAL(limit_set(b, 2000), 0);
	CU_ASSERT_FALSE(stands(x));
}

/* Out of all groups: its charges are nobody's then. */
static void test_to_root(void)
{
	struct group *a = make("a"), *root = manager_root(mgr);
	struct fake_process *x = member_make(a, 100), *y = world_process(100);

	CU_ASSERT_EQUAL(attach(root, x), 0);
	is_member(x, root);
	CU_ASSERT_EQUAL(usage_bytes_now(a), 0);
	/* Who was in none stays unknown. */
	CU_ASSERT_EQUAL(attach(root, y), 0);
	is_nobody(y);
	CU_ASSERT_EQUAL(y->nr_armed, 0);
}

/* Moving a thread alone moves what the kernel lists; its charges go to its leader's group. */
static void test_thread(void)
{
	struct group *a = make("a"), *b = make("b");
	struct fake_process *x = member_make(a, 100);

	x->nr_threads = 2;
	CU_ASSERT_EQUAL(attach_as(b, x->pid + 1, false, &root_caller), 0);
	CU_ASSERT_EQUAL(world.nr_thread_moves, 1);
	is_member(x, a);
	CU_ASSERT_EQUAL(attach_as(b, x->pid, false, &root_caller), 0);
	is_member(x, b);
	CU_ASSERT_EQUAL(world.nr_thread_moves, 1);
}

static void test_target(void)
{
	struct group *a = make("a");
	struct fake_process *x = world_child(1, "child"), *daemon = world_child(1, "memcgfs");
	struct caller himself = {.pid = x->pid}, user = {.pid = 1, .uid = 12345};

	CU_ASSERT_EQUAL(attach_as(a, FAKE_FIRST_PID - 1, true, &root_caller), -ESRCH);
	CU_ASSERT_EQUAL(attach_as(a, -1, true, &root_caller), -ESRCH);
	CU_ASSERT_EQUAL(attach_as(a, x->pid, true, &user), -EACCES);
	is_nobody(x);
	/* A server at its own limit would wait for itself. */
	CU_ASSERT_EQUAL(attach(a, daemon), -EINVAL);
	is_nobody(daemon);
	/* 0 is whoever writes it. */
	CU_ASSERT_EQUAL(attach_as(a, 0, true, &himself), 0);
	is_member(x, a);
}

static void test_target_uid(void)
{
	struct group *a = make("a"), *b = make("b");
	struct fake_process *x = member_make(a, 100);
	struct caller user = {.pid = 1, .uid = 12345};

	CU_ASSERT_EQUAL(attach_as(b, x->pid, true, &user), -EACCES);
	is_member(x, a);
	x->uid = 12345;
	CU_ASSERT_EQUAL(attach_as(b, x->pid, true, &user), 0);
	is_member(x, b);
}

/* ---- moves of those who wait ---- */

/* Where it is now there is room: it goes on. */
static void test_move_waiter(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000), *b = make("b");
	struct fake_process *x = member_make(a, 500), *y = member_make(a, 480);

	wait_at(a, x);
	y->rss_anon = 1100; /* no room, with x or without it */
	CU_ASSERT_EQUAL(attach(b, x), 0);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_PTR_NULL(a->waiters);
	CU_ASSERT_EQUAL(a->record->under_oom, 0);
}

/* Where it is now there is none either: it waits there. */
static void test_move_waiter_to_full(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000),
		     *b = group_make_limited(manager_root(mgr), "b", 300);
	struct fake_process *x = member_make(a, 980);

	group_set_oom_kill_disable(mgr, b, 1);
	wait_at(a, x);
	CU_ASSERT_EQUAL(attach(b, x), 0);
	world_run();
	CU_ASSERT(stands(x));
	CU_ASSERT_PTR_EQUAL(member(x)->waits_for, b);
	CU_ASSERT_EQUAL(b->record->memory.failcnt, 1);
	CU_ASSERT_EQUAL(limit_set(b, 2000), 0);
	CU_ASSERT_FALSE(stands(x));
}

/* What goes lets the others go on. */
static void test_move_makes_room(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000), *b = make("b");
	struct fake_process *x = member_make(a, 500), *y = member_make(a, 480);

	wait_at(a, x);
	CU_ASSERT_EQUAL(attach(b, y), 0);
	CU_ASSERT_FALSE(stands(x));
}

/* The group it waits at is removed when it has left, in the middle of reclaim. */
static void test_move_waiter_and_rmdir(void)
{
	struct group *root = manager_root(mgr), *a = group_make_limited(root, "a", 1000),
		     *b = make("b");
	struct fake_process *x = member_make(a, 980);

	hit_limit_and_hold(x);
	CU_ASSERT_EQUAL(attach(b, x), 0);
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "a"), 0);
	go_on();
	is_member(x, b);
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(world_work(x, 100), 100);
}

/* ---- leases lost at exec ---- */

static void test_lost_lease(void)
{
	struct group *a;
	struct fake_process *x, *y;
	const struct lineage *before;

	with_keeper();
	a = make("a");
	x = world_child(1, "child");
	CU_ASSERT_EQUAL(attach(a, x), 0);
	before = member(x)->lineage;
	world_exec(x, true);
	world_run();
	CU_ASSERT_EQUAL(x->nr_armed, 2 * x->nr_threads);
	CU_ASSERT_PTR_NOT_EQUAL(member(x)->lineage, before);
	CU_ASSERT_EQUAL(member(x)->lineage->nr_live, 1);
	CU_ASSERT_EQUAL(world.nr_kept, LEASE_NR_EVENTS * x->nr_threads);
	/* One that keeps its events keeps them. */
	world_exec(x, false);
	world_run();
	CU_ASSERT_EQUAL(x->nr_armed, 2 * x->nr_threads);
	/* Others of its lineage are not touched by it. */
	y = world_fork(x, false);
	world_run();
	world_exec(x, true);
	world_run();
	CU_ASSERT_EQUAL(world.nr_kept, 2 * LEASE_NR_EVENTS * x->nr_threads);
	world_exit(y);
	world_run();
	CU_ASSERT_EQUAL(world.nr_kept, LEASE_NR_EVENTS * x->nr_threads);
	/* None can be had: what it has is kept. */
	world.arm_error = -ENOSPC;
	world_exec(x, true);
	world_run();
	CU_ASSERT_EQUAL(world.nr_kept, LEASE_NR_EVENTS * x->nr_threads);
	is_member(x, a);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"new", test_new},
			       {"new, refused", test_new_refused},
			       {"move", test_move},
			       {"move, refused", test_move_refused},
			       {"to the root", test_to_root},
			       {"a thread alone", test_thread},
			       {"who it is", test_target},
			       {"whose it is", test_target_uid},

			       {"move who waits", test_move_waiter},
			       {"move who waits to a full group", test_move_waiter_to_full},
			       {"a move makes room", test_move_makes_room},
			       {"move who waits, then rmdir", test_move_waiter_and_rmdir},
			       {"a lease lost at exec", test_lost_lease},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("attach", tests);
}
