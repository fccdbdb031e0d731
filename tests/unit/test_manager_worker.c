// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The workers: who waits for whom, and for whom not. Sizes in pages.
 */
#include <pthread.h>

#include "tests/unit/manager_fixture.h"

#define NR_GROUPS (2 * WORKER_MAX_RECLAIMS)

struct at_limit {
	struct group *g;
	struct fake_process *fp;
};

static bool goes_on(const void *userdata)
{
	const struct fake_process *fp = userdata;

	return !stands(fp);
}

static bool has_no_jobs(const void *userdata)
{
	const struct process *p = userdata;

	return !p->nr_jobs;
}

/* As many groups as cannot be served at once, each with a member that stands at the limit. */
static void all_hit_limits(struct at_limit all[NR_GROUPS])
{
	for (int i = 0; i < NR_GROUPS; i++) {
		char name[] = {(char)('a' + i), 0};

		all[i].g = group_make_limited(manager_root(mgr), name, 1000);
		all[i].fp = member_make(all[i].g, 900);
	}
	fake_reclaim_hold(0);
	for (int i = 0; i < NR_GROUPS; i++)
		hit_limit(all[i].fp);
	world_step();
	fake_reclaim_wait_held(WORKER_MAX_RECLAIMS);
}

static void test_a_slow_group(void)
{
	struct group *slow = group_make_limited(manager_root(mgr), "slow", 1000);
	struct group *other = group_make_limited(manager_root(mgr), "other", 1000);
	struct fake_process *x = member_make(slow, 900), *y = member_make(other, 900);

	fake_reclaim_hold(x->pid);
	hit_limit(x);
	world_step();
	fake_reclaim_wait_held(1);
	for (int i = 0; i < 5; i++) {
		hit_limit(y);
		world_step();
		world_run_until(goes_on, y);
	}
	CU_ASSERT(y->nr_paged_out > 0);
	CU_ASSERT(stands(x));
	CU_ASSERT_EQUAL(x->nr_paged_out, 0);
	go_on();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(world.nr_overlaps, 0);
}

/* The parent's reclaim would take from the child's member, too: it waits for the child's, and the
 * child's next one for it. Another group's goes by. */
static void test_parent_and_child(void)
{
	struct group *top = group_make_limited(manager_root(mgr), "top", 2000);
	struct group *child = group_make_limited(top, "child", 1000);
	struct group *other = group_make_limited(manager_root(mgr), "other", 1000);
	struct fake_process *x = member_make(child, 900), *y = member_make(top, 800),
			    *z = member_make(other, 900);

	fake_reclaim_hold(x->pid);
	hit_limit(x);
	world_step();
	fake_reclaim_wait_held(1);
	hit_limit(y);
	world_step();
	CU_ASSERT_PTR_NOT_NULL(top->job);
	hit_limit(z);
	world_step();
	world_run_until(goes_on, z);
	CU_ASSERT(stands(y));
	CU_ASSERT_EQUAL(y->nr_paged_out, 0);
	CU_ASSERT_EQUAL(fake_reclaim_nr_held(), 1);
	go_on();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_FALSE(stands(y));
	CU_ASSERT_EQUAL(world.nr_overlaps, 0);
}

static void test_no_more_than_so_many(void)
{
	struct at_limit all[NR_GROUPS];

	all_hit_limits(all);
	go_on();
	for (int i = 0; i < NR_GROUPS; i++) {
		CU_ASSERT_FALSE(stands(all[i].fp));
		CU_ASSERT(all[i].fp->nr_paged_out > 0);
	}
	CU_ASSERT_EQUAL(world.most_held, WORKER_MAX_RECLAIMS);
	CU_ASSERT_EQUAL(world.nr_overlaps, 0);
}

/* While all that reclaim are in the middle of it, and others wait for them. */
static void test_kill_goes_ahead(void)
{
	struct at_limit all[NR_GROUPS];
	struct group *b = group_make(manager_root(mgr), "to be killed");
	struct fake_process *x = member_make(b, 100), *y = member_make(b, 100);
	struct process *p = member(x), *q = member(y);

	all_hit_limits(all);
	x->undying = y->undying = true;
	CU_ASSERT_EQUAL(job_kill(mgr, p), 0);
	CU_ASSERT_EQUAL(job_kill(mgr, q), 0);
	world_run_until(has_no_jobs, p);
	world_run_until(has_no_jobs, q);
	CU_ASSERT_EQUAL(x->nr_kills, 1);
	CU_ASSERT_EQUAL(y->nr_kills, 1);
	CU_ASSERT_EQUAL(fake_reclaim_nr_held(), WORKER_MAX_RECLAIMS);
	go_on();
}

static void *let_go(void *userdata)
{
	fake_reclaim_go_on();
	return userdata;
}

/* What is under way is finished, whoever waits goes on, and nothing is left of what did not begin.
 */
static void test_end(void)
{
	struct at_limit all[NR_GROUPS];
	pthread_t thread;

	all_hit_limits(all);
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, let_go, NULL), 0);
	manager_stop();
	pthread_join(thread, NULL);
	CU_ASSERT(world.nr_page_out >= WORKER_MAX_RECLAIMS);
	for (int i = 0; i < NR_GROUPS; i++)
		CU_ASSERT_FALSE(stands(all[i].fp));
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"a slow group delays no other", test_a_slow_group},
			       {"parent and child, one after the other", test_parent_and_child},
			       {"no more than so many at once", test_no_more_than_so_many},
			       {"a kill goes ahead", test_kill_goes_ahead},
			       {"the end while many wait", test_end},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("worker", tests);
}
