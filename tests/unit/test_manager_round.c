/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Background reclaim, and who comes while a round is under way: members at the limit, writers of
 * limits and marks, another server. Sizes in pages. */
#include "tests/unit/manager_fixture.h"

#define BATCH 1024 /* as in manager/background.c */

/* A round of a group of 4000 is under way, its worker held. */
static struct group *held_round(struct fake_process **ret)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", 4000);

	*ret = member_make(a, 2980);
	fake_reclaim_hold(0);
	CU_ASSERT_EQUAL(world_touch(*ret, 100), 100);
	world_step();
	fake_reclaim_wait_held(1);
	return a;
}

/* It has freed some already: that is no limit hit. */
static void test_room_found_meanwhile(void)
{
	struct fake_process *fp;
	struct group *a = held_round(&fp);

	atomic_put(&fp->rss_anon, 2400);
	while (!stands(fp))
		world_fault(fp, 8);
	world_step();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(failcnt(a), 0);
	go_on();
}

static void test_limit_hit_meanwhile(void)
{
	struct fake_process *fp;
	struct group *a = held_round(&fp);

	hit_limit(fp);
	world_step();
	CU_ASSERT(stands(fp));
	CU_ASSERT_EQUAL(failcnt(a), 1);
	CU_ASSERT_EQUAL(fake_reclaim_nr_held(), 1);
	go_on();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(failcnt(a), 1);
	/* It went on after what was under way, and the round to its end. */
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_DIRECT), 0);
	CU_ASSERT_EQUAL(usage_pages(a), 2000);
}

/* What was under way brought nothing: then it is the waiter's turn, and only then OOM. */
static void test_futile_for_waiter(void)
{
	struct fake_process *fp;
	struct group *a = held_round(&fp);

	hit_limit(fp);
	world_step();
	CU_ASSERT(stands(fp));
	fp->pinned = UINT64_MAX;
	group_set_oom_kill_disable(mgr, a, 1);
	go_on();
	CU_ASSERT_EQUAL(world.nr_page_out, 2);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 1);
	fp->pinned = 0;
	look_again();
	CU_ASSERT_EQUAL(limit_set(a, 8000), 0);
	CU_ASSERT_FALSE(stands(fp));
}

static void test_removed(void)
{
	struct fake_process *fp;

	held_round(&fp);
	world_exit(fp);
	CU_ASSERT_EQUAL(group_rmdir(mgr, manager_root(mgr), "a"), 0);
	/* What is made in its place has nothing to do with it. */
	struct group *a = group_make_marked(manager_root(mgr), "a", 2000);

	go_on();
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_BACKGROUND), 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 0);
	CU_ASSERT_EQUAL(a->background, BACKGROUND_OFF);
}

static void test_raised(void)
{
	struct fake_process *fp;
	struct group *a = held_round(&fp);

	CU_ASSERT_EQUAL(limit_set(a, 1000000), 0);
	go_on();
	CU_ASSERT_EQUAL(world.nr_page_out, 1);
	CU_ASSERT_EQUAL(a->background, BACKGROUND_OFF);
}

static void test_unlimited(void)
{
	struct fake_process *fp;
	struct group *a = held_round(&fp);

	CU_ASSERT_EQUAL(limit_set(a, bytes_to_pages(LIMIT_MAX_BYTES)), 0);
	go_on();
	CU_ASSERT_EQUAL(world.nr_page_out, 1);
	CU_ASSERT_EQUAL(a->background, BACKGROUND_OFF);
	CU_ASSERT_EQUAL(world_work(fp, 5000), 5000);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 1);
}

/* Both get there: the writer first, then the round down to the new low mark. */
static void test_lowered(void)
{
	struct fake_process *fp;
	struct group *a = held_round(&fp);
	struct limit_write w;

	limit_write(&w, a, 2000);
	CU_ASSERT_EQUAL(w.nr_done, 0);
	go_on();
	CU_ASSERT_EQUAL(w.nr_done, 1);
	CU_ASSERT_EQUAL(w.error, 0);
	CU_ASSERT_EQUAL(usage_pages(a), 1000);
	CU_ASSERT(event_count(a, GROUP_EVENT_RECLAIM_DIRECT) > 0);
	CU_ASSERT(event_count(a, GROUP_EVENT_RECLAIM_BACKGROUND) > 0);
}

static void test_turned_off(void)
{
	struct fake_process *fp;
	struct group *a = held_round(&fp);

	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 0, 0), 0);
	go_on();
	CU_ASSERT_EQUAL(world.nr_page_out, 1);
	CU_ASSERT_EQUAL(a->background, BACKGROUND_OFF);
}

/* Of a round that an earlier server began nothing is left but its pages; the mark is armed anew. */
static void test_restart(void)
{
	struct fake_process *fp;
	struct group *a = held_round(&fp);

	fake_reclaim_go_on();
	world_restart();
	a = group_child(manager_root(mgr), "a");
	CU_ASSERT_EQUAL(a->background, BACKGROUND_OFF);
	world_run();
	CU_ASSERT_EQUAL(fp->rss_anon, 3080 - BATCH);
	CU_ASSERT_EQUAL(world_touch(fp, 900), 900);
	CU_ASSERT_EQUAL(world_touch(fp, 100), 100);
	world_run();
	CU_ASSERT_EQUAL(usage_pages(a), 2000);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 2);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {
		{"room found meanwhile", test_room_found_meanwhile},
		{"limit hit meanwhile", test_limit_hit_meanwhile},
		{"of no use to who waits", test_futile_for_waiter},
		{"removed meanwhile", test_removed},
		{"limit raised meanwhile", test_raised},
		{"no limit meanwhile", test_unlimited},
		{"limit lowered meanwhile", test_lowered},
		{"turned off meanwhile", test_turned_off},
		{"another server", test_restart},
		CU_TEST_INFO_NULL,
	};

	world_child_main(argc, argv);
	return run_tests("a round and others", tests);
}
