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

/* As the kernel has it: a page is charged to the group whose task touched it, until it is freed. */
static void test_move_leaves(void)
{
	struct group *a = make("a"), *b = make("b"), *c = make("c");
	struct fake_process *x = member_make(a, 100);

	world.lists_pages = true;
	CU_ASSERT_EQUAL(limit_set(a, 1000), 0);
	CU_ASSERT_EQUAL(limit_set(b, 2000), 0);
	CU_ASSERT_EQUAL(attach(b, x), 0);
	is_member(x, b);
	CU_ASSERT_EQUAL(usage_pages(a), 100);
	CU_ASSERT_EQUAL(usage_pages(b), 0);
	CU_ASSERT_EQUAL(lease_slot_get_room(NULL, a->slot), 900);
	CU_ASSERT_EQUAL(lease_slot_get_room(NULL, b->slot), 2000 - LEASE_PAGES);
	world_touch(x, 30);
	CU_ASSERT_EQUAL(usage_bytes_now(b), pages_to_bytes(30));
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(100));
	/* It frees some of what it had. */
	x->rss_anon -= 60;
	x->borrowed_left -= 60;
	group_true_up(mgr, b);
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(40));
	CU_ASSERT_EQUAL(usage_bytes_now(b), pages_to_bytes(30));
	/* And goes on: to each what it touched there. */
	CU_ASSERT_EQUAL(attach(c, x), 0);
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(40));
	CU_ASSERT_EQUAL(usage_bytes_now(b), pages_to_bytes(30));
	CU_ASSERT_EQUAL(usage_bytes_now(c), 0);
	world_exec(x, false);
	world_run();
	CU_ASSERT_EQUAL(usage_bytes_now(a), 0);
	CU_ASSERT_EQUAL(usage_bytes_now(b), 0);
}

/* A group that goes leaves what is charged to it to its parent. */
static void test_move_then_rmdir(void)
{
	struct group *p = make("p"), *a = group_make(p, "a"), *b = make("b");
	struct fake_process *x = member_make(a, 100);

	world.lists_pages = true;
	CU_ASSERT_EQUAL(attach(b, x), 0);
	CU_ASSERT_EQUAL(usage_bytes_now(p), pages_to_bytes(100));
	CU_ASSERT_EQUAL(group_rmdir(mgr, p, "a"), 0);
	CU_ASSERT_EQUAL(usage_bytes_now(p), pages_to_bytes(100));
	/* The next group in its place has none of it. */
	a = group_make(p, "a");
	CU_ASSERT_EQUAL(usage_bytes_now(a), 0);
	group_true_up(mgr, b);
	CU_ASSERT_EQUAL(usage_bytes_now(p), pages_to_bytes(100));
	world_exit(x);
	world_run();
	CU_ASSERT_EQUAL(usage_bytes_now(p), 0);
}

/* Two of the groups it was in become one: each page counts there once, and is gone with it. */
static void test_owners_merge(void)
{
	struct group *p = make("p"), *c = group_make(p, "c"), *b = make("b");
	struct fake_process *x = member_make(c, 100);

	world.lists_pages = true;
	CU_ASSERT_EQUAL(attach(p, x), 0);
	world_touch(x, 40);
	CU_ASSERT_EQUAL(attach(b, x), 0);
	CU_ASSERT_EQUAL(usage_bytes_now(p), pages_to_bytes(140));
	CU_ASSERT_EQUAL(usage_bytes_now(c), pages_to_bytes(100));
	CU_ASSERT_EQUAL(group_rmdir(mgr, p, "c"), 0);
	CU_ASSERT_EQUAL(member(x)->owed.nr, 1);
	CU_ASSERT_EQUAL(usage_bytes_now(p), pages_to_bytes(140));
	group_true_up(mgr, b);
	CU_ASSERT_EQUAL(usage_bytes_now(p), pages_to_bytes(140));
	CU_ASSERT_EQUAL(group_rmdir(mgr, manager_root(mgr), "p"), 0);
	CU_ASSERT_EQUAL(member(x)->owed.nr, 0);
	group_true_up(mgr, b);
	CU_ASSERT_EQUAL(usage_bytes_now(b), 0);
	world_exit(x);
	world_run();
}

/* What a process had before it was anybody's member is nobody's. */
static void test_new_brings_nothing(void)
{
	struct group *a = make("a");
	struct fake_process *x = world_child(1, "child"), *y;

	world.lists_pages = true;
	x->rss_anon = 100;
	CU_ASSERT_EQUAL(attach(a, x), 0);
	CU_ASSERT_EQUAL(usage_pages(a), 0);
	world_touch(x, 20);
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(20));
	/* Nor is it so with its children. */
	y = world_fork(x, false);
	y->borrowed_left = x->borrowed_left;
	world_run();
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(40)); /* no pss was said: copies */
	world_exit(x);
	world_run();
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(20));
}

/* It goes on where it comes to, since there it has nothing; should it not get there it is as
 * before.
 */
static void test_move_refused(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000),
		     *b = group_make_limited(manager_root(mgr), "b", 300);
	struct fake_process *x = member_make(a, 980);

	world.lists_pages = true;
	group_set_oom_kill_disable(mgr, b, 1);
	wait_at(a, x);
	world.member_set_error = -ENOSPC;
	CU_ASSERT_EQUAL(attach(b, x), -ENOSPC);
	is_member(x, a);
	CU_ASSERT_EQUAL(x->lease.stopped, 1);
	CU_ASSERT_PTR_EQUAL(member(x)->waits_for, a);
	world.member_set_error = 0;
	world.attach_error = -EBUSY;
	CU_ASSERT_EQUAL(attach(b, x), -EBUSY);
	world_run();
	is_member(x, a);
	CU_ASSERT_PTR_NULL(b->waiters);
	CU_ASSERT(usage_pages(a) >= 980);
	CU_ASSERT_EQUAL(usage_pages(b), 0);
	world_work(x, 100);
	CU_ASSERT(stands(x));
	CU_ASSERT_PTR_EQUAL(member(x)->waits_for, a);
	world.attach_error = 0;
	CU_ASSERT_EQUAL(attach(b, x), 0);
	is_member(x, b);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT(usage_pages(a) >= 980);
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

/* Where it comes to it has nothing yet. */
static void test_move_waiter_to_small(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000),
		     *b = group_make_limited(manager_root(mgr), "b", 300);
	struct fake_process *x = member_make(a, 980);

	world.lists_pages = true;
	group_set_oom_kill_disable(mgr, b, 1);
	wait_at(a, x);
	CU_ASSERT_EQUAL(attach(b, x), 0);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(b->record->memory.failcnt, 0);
	world_work(x, 400);
	CU_ASSERT(stands(x));
	CU_ASSERT_PTR_EQUAL(member(x)->waits_for, b);
	CU_ASSERT_EQUAL(b->record->memory.failcnt, 1);
	CU_ASSERT(usage_pages(b) <= 300);
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
			       {"move who waits to a small group", test_move_waiter_to_small},
			       {"a move leaves what was touched", test_move_leaves},
			       {"a move, then rmdir", test_move_then_rmdir},
			       {"owners merge", test_owners_merge},
			       {"who is new brings nothing", test_new_brings_nothing},
			       {"a move makes room", test_move_makes_room},
			       {"move who waits, then rmdir", test_move_waiter_and_rmdir},
			       {"a lease lost at exec", test_lost_lease},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("attach", tests);
}
