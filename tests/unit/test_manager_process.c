/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Members: how they are followed through fork, exec and exit, counted, and what outlives them. */
#include <pthread.h>
#include <string.h>

#include "tests/unit/manager_fixture.h"

static uint64_t usage_now(struct group *g)
{
	return bytes_to_pages(usage_bytes_now(g));
}

static unsigned nr_members(const struct group *g)
{
	const struct process *p;
	unsigned nr = 0;

	DL_FOREACH (g->members, p)
		nr++;
	return nr;
}

/* ---- fork, exec, exit ---- */

static void test_fork(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 100), *y = world_fork(x, false);

	CU_ASSERT_PTR_NULL(member(y));
	world_run();
	CU_ASSERT_PTR_NOT_NULL_FATAL(member(y));
	CU_ASSERT_PTR_EQUAL(member(y)->group, a);
	CU_ASSERT_EQUAL(y->lease.slot, a->slot);
	CU_ASSERT_EQUAL(nr_members(a), 2);
	/* The pages they share are counted by share. */
	x->pss_anon = y->pss_anon = 50;
	CU_ASSERT_EQUAL(usage_now(a), 100);
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(usage_pages(a), 100);
	CU_ASSERT(process_shares_pages(member(x)));
	/* The last of a family shares with nobody: what it has is its own. */
	world_exit(y);
	world_run();
	CU_ASSERT_FALSE(process_shares_pages(member(x)));
	CU_ASSERT_EQUAL(nr_members(a), 1);
	CU_ASSERT_EQUAL(usage_now(a), 100);
}

static void test_family(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 90), *y = world_fork(x, false), *z;

	world_run();
	z = world_fork(y, false);
	world_run();
	x->pss_anon = y->pss_anon = z->pss_anon = 30;
	CU_ASSERT_PTR_EQUAL(member(x)->family, member(z)->family);
	CU_ASSERT_EQUAL(member(x)->family->nr_live, 3);
	CU_ASSERT_EQUAL(usage_now(a), 90);
	/* Who goes first does not matter. */
	world_exit(x);
	world_run();
	CU_ASSERT_EQUAL(member(z)->family->nr_live, 2);
	world_exec(y, false);
	world_run();
	CU_ASSERT_PTR_NULL(member(y)->family);
	CU_ASSERT_FALSE(process_shares_pages(member(y)));
	CU_ASSERT_FALSE(process_shares_pages(member(z)));
	world_exit(z);
	world_run();
	CU_ASSERT_EQUAL(nr_members(a), 1);
}

static void test_exec(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 100), *y = world_fork(x, false);

	world_run();
	member(y)->hand = 4096;
	member(y)->saved = 7;
	world_exec(y, false);
	world_touch(y, 40);
	y->pss_anon = 1; /* nobody asks for it now */
	world_run();
	CU_ASSERT_EQUAL(usage_now(a), 140);
	CU_ASSERT_EQUAL(member(y)->hand, 0);
	CU_ASSERT_EQUAL(member(y)->saved, 0);
	CU_ASSERT_PTR_EQUAL(member(y)->group, a);
}

static void test_vfork(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 100), *y = world_fork(x, true);

	world_run();
	CU_ASSERT_PTR_NOT_NULL_FATAL(member(y));
	CU_ASSERT_EQUAL(usage_now(a), 100);
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(usage_pages(a), 100);
	CU_ASSERT_FALSE(process_shares_pages(member(x)));
	world_exec(y, false);
	world_touch(y, 16);
	world_run();
	CU_ASSERT_EQUAL(usage_now(a), 116);
}

/* Whose parent goes first has the memory to itself, and its siblings share it with it. */
static void test_vfork_orphan(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 100), *y = world_fork(x, true);
	struct fake_process *z = world_fork(x, true);

	world_run();
	CU_ASSERT_EQUAL(usage_now(a), 100);
	world_exit(x);
	world_run();
	CU_ASSERT_EQUAL(usage_now(a), 100);
	CU_ASSERT(member(y)->shares_vm != member(z)->shares_vm);
	world_exit(member(y)->shares_vm ? z : y);
	world_run();
	CU_ASSERT_EQUAL(usage_now(a), 100);
	CU_ASSERT_EQUAL(mgr->nr_shares_vm, 0);
}

static void test_exit(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 100);

	world_exit(x);
	/* Gone, and not heard of: it counts nothing. */
	CU_ASSERT_EQUAL(usage_now(a), 0);
	CU_ASSERT_PTR_NOT_NULL(member(x));
	world_run();
	CU_ASSERT_PTR_NULL(member(x));
	CU_ASSERT_EQUAL(nr_members(a), 0);
	CU_ASSERT_EQUAL(a->record->memory.max_usage, pages_to_bytes(100));
}

/* Born and gone before it is heard of. */
static void test_short_life(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 100), *y = world_fork(x, false);

	world_exec(y, true);
	world_exit(y);
	world_run();
	CU_ASSERT_PTR_NULL(member(y));
	CU_ASSERT_EQUAL(nr_members(a), 1);
	CU_ASSERT_FALSE(process_shares_pages(member(x)));
}

/*
 * A daemon's first child has ended before it could be looked at: the second one is of the family,
 * and has its events when all that were before it have gone.
 */
static void test_fork_of_ended(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 100), *y, *z;

	CU_ASSERT_EQUAL_FATAL(process_renew_lineage(mgr, member(x)), 0);
	y = world_fork(x, false);
	z = world_fork(y, false);
	world_exit(y);
	world_run();
	CU_ASSERT_PTR_NULL(member(y));
	CU_ASSERT_PTR_NOT_NULL_FATAL(member(z));
	CU_ASSERT_PTR_EQUAL(member(z)->family, member(x)->family);
	CU_ASSERT_FALSE(member(z)->shared_outside);
	CU_ASSERT_PTR_NOT_NULL_FATAL(member(z)->lineage);
	CU_ASSERT_PTR_EQUAL(member(z)->lineage, member(x)->lineage);
	CU_ASSERT_EQUAL(member(z)->lineage->nr_live, 2);
	CU_ASSERT_EQUAL(nr_members(a), 2);
	world_exit(x);
	world_run();
	CU_ASSERT_EQUAL(member(z)->lineage->nr_live, 1);
	CU_ASSERT_EQUAL(usage_now(a), 100);
}

/* ---- records that were lost ---- */

static void test_discover(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 100), *y, *z;

	world.lose_records = true;
	y = world_fork(x, false);
	z = world_fork(x, false);
	world.lose_records = false;
	world_run();
	CU_ASSERT_PTR_NULL(member(y));
	/* By its stop. */
	CU_ASSERT_EQUAL(world_work(y, 2000), 2000);
	CU_ASSERT_PTR_NOT_NULL_FATAL(member(y));
	CU_ASSERT_PTR_EQUAL(member(y)->group, a);
	CU_ASSERT(process_shares_pages(member(y)));
	CU_ASSERT_FALSE(stands(y));
	/* By its tick. */
	world_tick(z);
	world_run();
	CU_ASSERT_PTR_NOT_NULL(member(z));
	CU_ASSERT_EQUAL(nr_members(a), 3);
}

/* The stop itself: it stands, and nobody was told. */
static void test_stop_untold(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 100), *y = member_make(a, 0);

	world.lose_records = true;
	hit_limit(x);
	world.lose_records = false;
	world_run();
	CU_ASSERT_TRUE(stands(x));
	world_miss();
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_FALSE(stands(y));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 1);
}

static void test_nobody(void)
{
	struct group *root = manager_root(mgr), *a = group_make_limited(root, "a", 1000);
	struct fake_process *x = member_make(a, 100), *y = world_process(100),
			    *z = world_fork(x, false);
	struct lease_record r = {
		.type = LEASE_RECORD_TICK, .tgid = (unsigned)y->pid, .slot = a->slot};

	/* Not in the map. */
	process_on_tick(mgr, &r);
	process_on_stop(mgr, &r);
	process_on_exec(mgr, &r);
	process_on_exit(mgr, &r);
	CU_ASSERT_PTR_NULL(member(y));
	/* In it, with a group that is not. */
	lease_member_set(NULL, y->pid, LEASE_MAX_SLOTS, false);
	process_on_stop(mgr, &r);
	lease_member_set(NULL, y->pid, 4000, false);
	process_on_stop(mgr, &r);
	CU_ASSERT_PTR_NULL(member(y));
	/* Born into a group that was removed before we were told. */
	world_exit(z);
	world.lose_records = true;
	world_exit(x);
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "a"), 0);
	world_run();
	CU_ASSERT_PTR_NULL(member(z));
}

/* The table of members was full when it was forked: the one thing the kernel cannot do by itself.
 */
static void test_map_was_full(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 100), *y = world_fork(x, false);

	y->member = false;
	world_run();
	CU_ASSERT_PTR_NOT_NULL(member(y));
	CU_ASSERT(y->member);
	CU_ASSERT_EQUAL(y->lease.slot, a->slot);
}

/* A member went unheard, and its pid is somebody else's now. */
static void test_pid_reused(void)
{
	struct group *a = group_make(manager_root(mgr), "a"),
		     *b = group_make(manager_root(mgr), "b");
	struct fake_process *x = member_make(a, 100), *y = member_make(b, 40), *z;

	world.lose_records = true;
	world_exit(x);
	world.lose_records = false;
	z = world_fork_as(y, x->pid, false);
	world_run();
	CU_ASSERT_PTR_NOT_NULL_FATAL(member(z));
	CU_ASSERT_PTR_EQUAL(member(z)->group, b);
	CU_ASSERT_EQUAL(nr_members(a), 0);
	z->pss_anon = y->pss_anon = 20;
	CU_ASSERT_EQUAL(usage_now(b), 40);
	process_stop(mgr, member(z), z->pid);
	CU_ASSERT(stands(z));
}

/* The same with a fork that was not told of either. */
static void test_pid_reused_unheard(void)
{
	struct group *a = group_make(manager_root(mgr), "a"),
		     *b = group_make_limited(manager_root(mgr), "b", 1000);
	struct fake_process *x = member_make(a, 100), *y = member_make(b, 40), *z;

	world.lose_records = true;
	world_exit(x);
	z = world_fork_as(y, x->pid, false);
	world.lose_records = false;
	CU_ASSERT_EQUAL(world_work(z, 2000), 2000);
	CU_ASSERT_FALSE(stands(z));
	CU_ASSERT_PTR_NOT_NULL_FATAL(member(z));
	CU_ASSERT_PTR_EQUAL(member(z)->group, b);
	CU_ASSERT_EQUAL(nr_members(a), 0);
}

/* ---- the keeper ---- */

static void *run_manager(void *userdata)
{
	*(int *)userdata = manager_run(mgr);
	return NULL;
}

static void test_keeper_dies(void)
{
	pthread_t thread;
	int status = -1;

	manager_stop();
	CU_ASSERT_EQUAL_FATAL(manager_start(true), 0);
	fake_keeper_die();
	world_step();
	CU_ASSERT_EQUAL(world.nr_keeper_replace, 1);
	fake_keeper_die();
	world_step();
	CU_ASSERT_EQUAL(world.nr_keeper_replace, 2);
	/* No other can be started: the end. */
	world.keeper_replace_error = -EAGAIN;
	fake_keeper_die();
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run_manager, &status), 0);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(status, KEEPER_FATAL);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"fork", test_fork},
			       {"families", test_family},
			       {"exec", test_exec},
			       {"vfork", test_vfork},
			       {"vfork child left alone", test_vfork_orphan},
			       {"exit", test_exit},
			       {"a short life", test_short_life},
			       {"a child of who has ended", test_fork_of_ended},
			       {"discovered", test_discover},
			       {"a stop that nobody was told of", test_stop_untold},
			       {"nobody's records", test_nobody},
			       {"the map was full", test_map_was_full},
			       {"a pid used again", test_pid_reused},
			       {"a pid used again, unheard", test_pid_reused_unheard},
			       {"the keeper dies", test_keeper_dies},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("process", tests);
}
