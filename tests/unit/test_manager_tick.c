/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What raises no fault, and is found at the clock's ticks. Sizes in pages. */
#include "tests/unit/manager_fixture.h"

static void test_tick(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 100), *y = member_make(a, 100);

	/* Room goes down to what it is, and nobody is stopped for it. */
	atomic_put(&x->rss_anon, 500);
	world_tick(x);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(room_of(a), 1000 - 600 - 2 * LEASE_PAGES);
	/* It does not go up: what others were charged is not known at a tick. */
	atomic_put(&x->rss_anon, 300);
	world_tick(x);
	world_run();
	CU_ASSERT_EQUAL(room_of(a), 1000 - 600 - 2 * LEASE_PAGES);
	/* Who takes too much is stopped, and the group reclaimed. */
	atomic_put(&x->rss_anon, 1200);
	world_tick(x);
	world_run();
	CU_ASSERT_EQUAL(x->nr_stops, 1);
	CU_ASSERT_EQUAL(x->nr_continues, 1);
	CU_ASSERT_EQUAL(failcnt(a), 1);
	CU_ASSERT(usage_pages(a) < 1000);
	CU_ASSERT_EQUAL(y->nr_stops, 0);
}

/* A group is full: a member that runs without taking more is let run. */
static void test_tick_of_the_innocent(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 100), *y = member_make(a, 900);

	y->rss_anon = 1200;
	group_true_up(mgr, a);
	world_tick(x);
	world_run();
	CU_ASSERT_EQUAL(x->nr_stops, 0);
	CU_ASSERT_EQUAL(failcnt(a), 0);
}

/* The peak of a group without a limit shows too, and what has gone is not in it. */
static void test_tick_unlimited(void)
{
	struct group *p = group_make(manager_root(mgr), "p"), *a = group_make(p, "a");
	struct fake_process *x = member_make(a, 100), *y = member_make(a, 50);

	world_read_file(y, 7, 30);
	atomic_put(&x->rss_anon, 500);
	world_tick(x);
	world_run();
	CU_ASSERT_EQUAL(p->record->memory.max_usage, 580 * 4096);
	atomic_put(&x->rss_anon, 10);
	world_exit(y);
	world_tick(x);
	world_run();
	CU_ASSERT_EQUAL(usage_pages(p), 40);
	CU_ASSERT_EQUAL(usage_pages(a), 40);
	fake_cache_shrink(7, 20);
	atomic_put(&x->rss_anon, 560);
	world_tick(x);
	world_run();
	CU_ASSERT_EQUAL(usage_pages(p), 570);
	CU_ASSERT_EQUAL(p->record->memory.max_usage, 580 * 4096);
}

/* A limit further up is kept as well. */
static void test_tick_parent(void)
{
	struct group *p = group_make_limited(manager_root(mgr), "p", 1000), *a = group_make(p, "a");
	struct fake_process *fp = member_make(a, 100);

	group_true_up(mgr, p);
	atomic_put(&fp->rss_anon, 1200);
	world_tick(fp);
	world_run();
	CU_ASSERT_EQUAL(fp->nr_stops, 1);
	CU_ASSERT_EQUAL(failcnt(p), 1);
	CU_ASSERT(usage_pages(p) < 1000);
}

static void test_shmem_files(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 100);

	fp->shmem_files = 400;
	world_tick(fp);
	world_run();
	CU_ASSERT_EQUAL(member(fp)->pages, 100); /* it wrote nothing: not looked for */
	fp->written_bytes = 400 * 4096;
	world_tick(fp);
	world_run();
	CU_ASSERT_EQUAL(member(fp)->pages, 500);
	CU_ASSERT_EQUAL(room_of(a), 1000 - 500 - LEASE_PAGES);
	/* What is mapped of it is not counted twice. */
	fp->rss_shmem = 150;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(usage_pages(a), 500);
	/* Closed: found at the next count. */
	fp->shmem_files = 0;
	fp->rss_shmem = 0;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(usage_pages(a), 100);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"tick", test_tick},
			       {"tick of the innocent", test_tick_of_the_innocent},
			       {"tick below a limit", test_tick_parent},
			       {"tick without a limit", test_tick_unlimited},
			       {"open shmem files", test_shmem_files},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("tick", tests);
}
