/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Background reclaim: when it begins, how far it goes, what ends it. Sizes in pages. */
#include "tests/unit/manager_fixture.h"

/* As in manager/background.c. */
#define BATCH         1024
#define ROUND_BATCHES 128

/* As world_work(), and the loop runs after each charge. Pages touched. */
static uint64_t work_slowly(struct fake_process *fp, uint64_t nr)
{
	uint64_t done = 0;

	while (done < nr && !stands(fp)) {
		done += world_touch(fp, LEASE_PAGES);
		world_run();
	}
	return done;
}

/* ---- the marks ---- */

static void test_marks(void)
{
	const struct caller root = {.pid = getpid()};
	unsigned high, low;
	struct group *a;

	CU_ASSERT_EQUAL_FATAL(group_mkdir(mgr, manager_root(mgr), "a", 0755, &root, &a), 0);
	group_watermarks(a, &high, &low);
	CU_ASSERT_EQUAL(high, 75);
	CU_ASSERT_EQUAL(low, 50);
	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 101, 50), -EINVAL);
	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 50, 51), -EINVAL);
	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 50, 0), -EINVAL);
	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 0, 50), -EINVAL);
	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 1ULL << 32, 1ULL << 32), -EINVAL);
	group_watermarks(a, &high, &low);
	CU_ASSERT_EQUAL(high, 75);
	CU_ASSERT_EQUAL(low, 50);
	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 100, 100), 0);
	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 0, 0), 0);
	CU_ASSERT_EQUAL(group_set_watermarks(mgr, manager_root(mgr), 75, 50), -EINVAL);
	group_watermarks(manager_root(mgr), &high, &low);
	CU_ASSERT_EQUAL(high, 0);
	CU_ASSERT_EQUAL(low, 0);
}

/* ---- a round ---- */

static void test_high_to_low(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 4000);
	struct fake_process *fp = member_make(a, 0);

	CU_ASSERT_EQUAL(world_touch(fp, 2980), 2980);
	world_run();
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	CU_ASSERT_EQUAL(world_touch(fp, 60), 60);
	world_run();
	CU_ASSERT_EQUAL(fp->rss_anon, 2000);
	CU_ASSERT_EQUAL(usage_pages(a), 2000);
	CU_ASSERT_EQUAL(world.nr_page_out, 2); /* no job longer than a batch */
	CU_ASSERT_EQUAL(world.wanted, 1040 - BATCH);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 1);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_BACKGROUND), 1040);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_DIRECT), 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 0);
	CU_ASSERT_EQUAL(failcnt(a), 0);
	/* And again. */
	for (int i = 0; i < 20; i++) {
		CU_ASSERT_EQUAL(world_touch(fp, 400), 400);
		world_run();
	}
	CU_ASSERT(event_count(a, GROUP_EVENT_HIGH) >= 4);
	CU_ASSERT_EQUAL(failcnt(a), 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 0);
	CU_ASSERT(world.peak <= 3410);
}

/* Those that run meanwhile, in one thread. */
static void test_followed(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 2000);
	struct fake_process *x = member_make(a, 700), *y = member_make(a, 700);

	atomic_put(&y->nr_threads, 4);
	CU_ASSERT_EQUAL(world_work(x, 200), 200);
	CU_ASSERT(event_count(a, GROUP_EVENT_RECLAIM_BACKGROUND) > 0);
	CU_ASSERT_EQUAL(world.nr_followed, 1);
	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 0, 0), 0);
	CU_ASSERT_EQUAL(world_work(x, 2000), 2000);
	CU_ASSERT(event_count(a, GROUP_EVENT_RECLAIM_DIRECT) > 0);
	CU_ASSERT_EQUAL(world.nr_followed, 0);
}

static void test_off(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 2000);
	struct fake_process *fp = member_make(a, 0);

	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 0, 0), 0);
	CU_ASSERT_EQUAL(world_work(fp, 1980), 1980);
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	/* Turned on above the mark: at the next charge. */
	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 75, 50), 0);
	world_run();
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	CU_ASSERT_EQUAL(world_touch(fp, 8), 8);
	world_run();
	CU_ASSERT_EQUAL(usage_pages(a), 1000);
}

static void test_page_cache(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 2000);
	struct fake_process *fp = member_make(a, 100);

	world_read_file(fp, 7, 1500);
	world_run();
	CU_ASSERT_EQUAL(usage_pages(a), 1000);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_CACHE_DROPPED), 600);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_BACKGROUND), 600);
	CU_ASSERT_EQUAL(fp->rss_anon, 100);
}

/* Memory that no charge tells of is seen at the tick. */
static void test_by_tick(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 2000);
	struct fake_process *fp = member_make(a, 100);

	atomic_put(&fp->rss_anon, 1600);
	world_tick(fp);
	world_run();
	CU_ASSERT_EQUAL(usage_pages(a), 1000);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 1);
	CU_ASSERT_FALSE(stands(fp));
}

/* Charged by time, the group has no faults to tell of it. */
static void test_far(void)
{
	struct group *a;
	struct fake_process *fp;

	mgr->tick_pages = world.tick_pages = 1000;
	mgr->nr_cpus = 2;
	a = group_make_marked(manager_root(mgr), "a", 100000);
	fp = member_make(a, 74000);
	CU_ASSERT_EQUAL(a->distance, GROUP_FAR);
	CU_ASSERT_EQUAL(world_touch(fp, 900), 900);
	world_tick(fp);
	world_run();
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	CU_ASSERT_EQUAL(world_touch(fp, 900), 900);
	world_tick(fp);
	world_run();
	CU_ASSERT_EQUAL(usage_pages(a), 50000);
}

/* The parent's mark, passed by what two children have together, neither of them near its own. */
static void test_parent(void)
{
	struct group *p = group_make_marked(manager_root(mgr), "p", 2000);
	struct group *a = group_make_marked(p, "a", 2000), *b = group_make_marked(p, "b", 2000);
	struct fake_process *x = member_make(a, 700), *y = member_make(b, 700);

	CU_ASSERT_EQUAL(world_touch(x, 160), 160);
	world_run();
	CU_ASSERT_EQUAL(x->rss_anon + y->rss_anon, 1000);
	CU_ASSERT_EQUAL(event_count(p, GROUP_EVENT_HIGH), 1);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 0);
	CU_ASSERT_EQUAL(event_count(b, GROUP_EVENT_HIGH), 0);
}

/* Both marks at one charge: one record tells of the first, the next charge of the other. */
static void test_parent_and_child(void)
{
	struct group *p = group_make_marked(manager_root(mgr), "p", 2000),
		     *a = group_make_marked(p, "a", 2000);
	struct fake_process *fp = member_make(a, 1480);

	CU_ASSERT_EQUAL(world_touch(fp, 40), 40);
	world_run();
	CU_ASSERT_EQUAL(fp->rss_anon, 1000);
	CU_ASSERT(event_count(p, GROUP_EVENT_HIGH) + event_count(a, GROUP_EVENT_HIGH) >= 1);
	CU_ASSERT_EQUAL(world.nr_overlaps, 0);
	CU_ASSERT_FALSE(stands(fp));
}

/* ---- what is none of its business ---- */

/* Charges without memory: counted, now and then, and that is all. */
static void test_faults_without_memory(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 3200);
	struct fake_process *fp = member_make(a, 2300);

	for (int i = 0; i < 100; i++) {
		world_fault(fp, 88);
		world_run();
	}
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 0);
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 0);
	/* A 32nd of the limit later it is still found out. */
	world_touch(fp, 208);
	world_run();
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 1);
}

static void test_lost_record(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 2000);
	struct fake_process *fp = member_make(a, 1480);

	world.lose_records = true;
	world_touch(fp, 40);
	world.lose_records = false;
	world_run();
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	world_touch(fp, 8);
	world_run();
	CU_ASSERT_EQUAL(usage_pages(a), 1000);
}

/* ---- nothing comes back ---- */

static void test_nothing_comes_back(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 2000);
	struct fake_process *fp = member_make(a, 1480);

	world.swap_free = 0;
	world_work(fp, 40);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 1);
	/* Not at each charge, and nobody is stopped for it. */
	world_work(fp, 200);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 1);
	world_work(fp, 48);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 2);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0);
	/* Once the program itself has freed memory all is as before. */
	world.swap_free = 100000;
	atomic_put(&fp->rss_anon, 900);
	group_true_up(mgr, a);
	world_work(fp, 620);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 3);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_BACKGROUND), 520);
}

/* Swap is full for a while, up to the limit, and then it is not. */
static void test_swap_full_for_a_while(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 2000);
	struct fake_process *fp = member_make(a, 1480);
	uint64_t nr_high;

	world.swap_free = 0;
	CU_ASSERT_EQUAL(work_slowly(fp, 464), 464);
	nr_high = event_count(a, GROUP_EVENT_HIGH);
	CU_ASSERT(nr_high > 1);
	CU_ASSERT(nr_high < 12); /* not at each charge, though it is near */
	world.swap_free = 100000;
	CU_ASSERT_EQUAL(work_slowly(fp, 104), 104);
	CU_ASSERT(event_count(a, GROUP_EVENT_HIGH) > nr_high);
	CU_ASSERT(usage_pages(a) < 1500);
}

/* It frees some, not down to the low mark: from there on all is as before. */
static void test_freed_some(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 2000);
	struct fake_process *fp = member_make(a, 1480);

	world.swap_free = 0;
	work_slowly(fp, 440);
	world.swap_free = 100000;
	atomic_put(&fp->rss_anon, 1200);
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(work_slowly(fp, 344), 344);
	CU_ASSERT(usage_pages(a) <= 1100);
	CU_ASSERT_EQUAL(failcnt(a), 0);
}

/* What came back at the limit tells that there is something to be had. */
static void test_limit_begins_round(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 16000);
	struct fake_process *fp = member_make(a, 11900);

	lease_slot_set_wake_room(mgr->lease, a->slot, LEASE_WAKE_OFF);
	hit_limit(fp);
	world_run();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(failcnt(a), 1);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 1);
	CU_ASSERT(usage_pages(a) <= 8000);
}

/* So many that they stop before the mark: it is met all the same. */
static void test_many_threads(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 4000);
	struct fake_process *fp = member_make(a, 2000);

	atomic_put(&fp->nr_threads, 4000 / LEASE_PAGES);
	atomic_put(&fp->runs, 1);
	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 90, 50), 0);
	CU_ASSERT(group_room_wanted(mgr, a) < 4000 * 90 / 100 - 2000);
	CU_ASSERT_EQUAL(work_slowly(fp, 4000), 4000);
	CU_ASSERT(event_count(a, GROUP_EVENT_HIGH) > 0);
	CU_ASSERT_EQUAL(failcnt(a), 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 0);
}

/* The parent passes its mark while the child's round is under way, which does not bring it below.
 */
static void test_put_off(void)
{
	struct group *p = group_make_marked(manager_root(mgr), "p", 4000),
		     *a = group_make_marked(p, "a", 2000);
	struct group *b = group_make(p, "b");
	struct fake_process *x = member_make(a, 1490), *y = member_make(b, 1500);

	fake_reclaim_hold(0);
	CU_ASSERT_EQUAL(world_touch(x, 20), 20);
	world_step();
	fake_reclaim_wait_held(1);
	CU_ASSERT_EQUAL(world_touch(y, 900), 900);
	world_step();
	CU_ASSERT_EQUAL(event_count(p, GROUP_EVENT_HIGH), 0);
	CU_ASSERT_EQUAL(fake_reclaim_nr_held(), 1);
	go_on();
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 1);
	CU_ASSERT_EQUAL(event_count(p, GROUP_EVENT_HIGH), 1);
	CU_ASSERT_EQUAL(x->rss_anon + y->rss_anon, 2000);
	CU_ASSERT_EQUAL(world.nr_overlaps, 0);
}

/* Little by little, for ever: after so many batches it is another round. */
static void test_bounded_round(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 2000);
	struct fake_process *fp = member_make(a, 1480);

	world.page_out_max = 3;
	world_touch(fp, 40);
	world_run();
	CU_ASSERT_EQUAL(fp->rss_anon, 1000);
	CU_ASSERT_EQUAL(world.nr_page_out, (520 + 2) / 3);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 2);
	CU_ASSERT((520 + 2) / 3 > ROUND_BATCHES);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"marks", test_marks},
			       {"from high to low", test_high_to_low},
			       {"who is followed", test_followed},
			       {"off", test_off},
			       {"page cache", test_page_cache},
			       {"by tick", test_by_tick},
			       {"far from the limit", test_far},
			       {"the parent's mark", test_parent},
			       {"parent's and child's mark", test_parent_and_child},
			       {"faults without memory", test_faults_without_memory},
			       {"lost record", test_lost_record},
			       {"nothing comes back", test_nothing_comes_back},
			       {"swap is full for a while", test_swap_full_for_a_while},
			       {"the program frees some", test_freed_some},
			       {"a limit hit begins a round", test_limit_begins_round},
			       {"many threads", test_many_threads},
			       {"put off for a child's", test_put_off},
			       {"a round has an end", test_bounded_round},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("background", tests);
}
