/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reclaim that is asked for: memory.reclaim, memory.force_empty, soft limits. Sizes in pages. */
#include "tests/unit/manager_fixture.h"

#define BATCH RECLAIM_BATCH

struct ask {
	unsigned nr_done;
	int error;
};

static void note(int error, void *userdata)
{
	struct ask *a = userdata;

	a->nr_done++;
	a->error = error;
}

static struct ask reclaim(struct group *g, uint64_t nr_pages)
{
	struct ask a = {};

	group_reclaim_bytes(mgr, g, pages_to_bytes(nr_pages), note, &a);
	if (!a.nr_done)
		world_run();
	CU_ASSERT_EQUAL(a.nr_done, 1);
	return a;
}

static struct ask force_empty(struct group *g)
{
	struct ask a = {};

	group_force_empty(mgr, g, note, &a);
	if (!a.nr_done)
		world_run();
	CU_ASSERT_EQUAL(a.nr_done, 1);
	return a;
}

/* ---- memory.reclaim ---- */

static void test_reclaim(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *fp = member_make(a, 5000);

	CU_ASSERT_EQUAL(reclaim(a, 3000).error, 0);
	CU_ASSERT_EQUAL(fp->rss_anon, 2000);
	CU_ASSERT_EQUAL(world.nr_page_out, 2);
	CU_ASSERT_EQUAL(world.wanted, 3000 - BATCH);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_DIRECT), 3000);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_BACKGROUND), 0);
	CU_ASSERT_EQUAL(reclaim(a, 0).error, 0);
	CU_ASSERT_EQUAL(fp->rss_anon, 2000);
}

static void test_falls_short(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *fp = member_make(a, 1000);

	fp->pinned = 400;
	CU_ASSERT_EQUAL(reclaim(a, 700).error, -EAGAIN);
	CU_ASSERT_EQUAL(fp->rss_anon, 400);
	CU_ASSERT_EQUAL(world.nr_page_out, 2);
	world.swap_free = 0;
	fp->pinned = 0;
	CU_ASSERT_EQUAL(reclaim(a, 1).error, -EAGAIN);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0);
	CU_ASSERT_EQUAL(reclaim(group_make(a, "empty"), 1).error, -EAGAIN);
}

struct batch {
	const struct group *g;
	uint64_t got; /* before it */
};

static bool batch_done(const void *userdata)
{
	const struct batch *b = userdata;

	return event_count(b->g, GROUP_EVENT_RECLAIM_DIRECT) > b->got;
}

/* As fast as it is paged out the program has it back: what was in use is taken once. */
static void test_faults_back(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *fp = member_make(a, 5000);
	struct ask x = {};
	int nr = 0;

	fake_reclaim_hold(0);
	group_reclaim_bytes(mgr, a, pages_to_bytes(100000), note, &x);
	while (!x.nr_done && nr++ < 10) {
		struct batch b = {a, event_count(a, GROUP_EVENT_RECLAIM_DIRECT)};

		fake_reclaim_wait_held(1);
		fake_reclaim_go_on();
		atomic_put(&fp->rss_anon, 5000);
		fake_reclaim_hold(0);
		world_run_until(batch_done, &b);
	}
	CU_ASSERT_EQUAL(nr, (5000 + BATCH - 1) / BATCH);
	CU_ASSERT_EQUAL(x.nr_done, 1);
	CU_ASSERT_EQUAL(x.error, -EAGAIN);
	fake_reclaim_go_on();
	world_run();
}

/* Each gets what it asked for. */
static void test_two_at_once(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *fp = member_make(a, 1000);
	struct ask x = {}, y = {}, z = {};

	fake_reclaim_hold(0);
	group_reclaim_bytes(mgr, a, pages_to_bytes(300), note, &x);
	group_reclaim_bytes(mgr, a, pages_to_bytes(200), note, &y);
	group_reclaim_bytes(mgr, a, pages_to_bytes(600), note, &z);
	fake_reclaim_wait_held(1);
	CU_ASSERT_EQUAL(x.nr_done + y.nr_done + z.nr_done, 0);
	go_on();
	CU_ASSERT_EQUAL(x.nr_done, 1);
	CU_ASSERT_EQUAL(x.error, 0);
	CU_ASSERT_EQUAL(y.nr_done, 1);
	CU_ASSERT_EQUAL(y.error, 0);
	CU_ASSERT_EQUAL(z.nr_done, 1);
	CU_ASSERT_EQUAL(z.error, -EAGAIN);
	CU_ASSERT_EQUAL(fp->rss_anon, 0);
}

static void test_of_the_root(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct fake_process *x = member_make(a, 500), *y = member_make(b, 500);

	CU_ASSERT_EQUAL(reclaim(manager_root(mgr), 600).error, 0);
	CU_ASSERT_EQUAL(x->rss_anon + y->rss_anon, 400);
}

static void test_removed(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *fp = member_make(a, 1000);
	struct ask x = {}, y = {};

	fake_reclaim_hold(0);
	group_reclaim_bytes(mgr, a, pages_to_bytes(300), note, &x);
	group_force_empty(mgr, a, note, &y);
	fake_reclaim_wait_held(1);
	world_exit(fp);
	CU_ASSERT_EQUAL(group_rmdir(mgr, manager_root(mgr), "a"), 0);
	CU_ASSERT_EQUAL(x.nr_done, 1);
	CU_ASSERT_EQUAL(x.error, -ENODEV);
	CU_ASSERT_EQUAL(y.nr_done, 1);
	CU_ASSERT_EQUAL(y.error, -ENODEV);
	go_on();
	CU_ASSERT_EQUAL(x.nr_done + y.nr_done, 2);
}

/* The server ends: nobody is answered twice, or by nobody, and nothing is left. */
static void test_end(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct ask x = {}, y = {};

	member_make(a, 1000);
	fake_reclaim_hold(0);
	group_reclaim_bytes(mgr, a, pages_to_bytes(300), note, &x);
	group_reclaim_bytes(mgr, a, pages_to_bytes(300), note, &y);
	fake_reclaim_wait_held(1);
	fake_reclaim_go_on();
	world_restart();
	CU_ASSERT_EQUAL(x.nr_done + y.nr_done, 0);
	CU_ASSERT_PTR_NULL(group_child(manager_root(mgr), "a")->requests);
}

/* Who meets the limit meanwhile goes before the next batch. */
static void test_limit_hit_meanwhile(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 10000);
	struct fake_process *fp = member_make(a, 9900);
	struct ask x = {};

	fake_reclaim_hold(0);
	group_reclaim_bytes(mgr, a, pages_to_bytes(6000), note, &x);
	fake_reclaim_wait_held(1);
	hit_limit(fp);
	world_step();
	CU_ASSERT(stands(fp));
	CU_ASSERT_EQUAL(failcnt(a), 1);
	go_on();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(x.nr_done, 1);
	CU_ASSERT_EQUAL(x.error, 0);
}

/* ---- memory.force_empty ---- */

static void test_force_empty(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct fake_process *fp = member_make(b, 5000);

	world_read_file(fp, 3, 700);
	fp->pinned = 100;
	CU_ASSERT_EQUAL(force_empty(a).error, 0);
	CU_ASSERT_EQUAL(fp->rss_anon, 100);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_CACHE_DROPPED), 700);
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(100));
	CU_ASSERT_EQUAL(force_empty(a).error, 0);
	CU_ASSERT_EQUAL(force_empty(manager_root(mgr)).error, -EINVAL);
}

static void test_force_empty_no_swappiness(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *fp = member_make(a, 1000);

	world_read_file(fp, 3, 700);
	group_set_swappiness(mgr, a, 0);
	CU_ASSERT_EQUAL(force_empty(a).error, 0);
	CU_ASSERT_EQUAL(fp->rss_anon, 1000);
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(1000));
}

/* ---- soft limits ---- */

static void test_soft_limit(void)
{
	struct group *a = group_make(manager_root(mgr), "a"),
		     *b = group_make(manager_root(mgr), "b");
	struct group *c = group_make(manager_root(mgr), "c");
	struct fake_process *x = member_make(a, 5000), *y = member_make(b, 5000),
			    *z = member_make(c, 5000);

	group_set_soft_limit(mgr, a, pages_to_bytes(1000) + 4095);
	CU_ASSERT_EQUAL(a->record->soft_limit, pages_to_bytes(1000));
	group_set_soft_limit(mgr, b, pages_to_bytes(6000));
	/* Tasks wait, but not for want of memory. */
	soft_limits_on_pressure(mgr);
	world_run();
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	world.is_short = true;
	soft_limits_on_pressure(mgr);
	world_run();
	CU_ASSERT_EQUAL(x->rss_anon, 1000);
	CU_ASSERT_EQUAL(y->rss_anon, 5000);
	CU_ASSERT_EQUAL(z->rss_anon, 5000);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_BACKGROUND), 4000);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 0);
	/* Without a limit of its own it is never paged out otherwise. */
	CU_ASSERT_EQUAL(world_work(x, 3000), 3000);
	CU_ASSERT_EQUAL(x->rss_anon, 4000);
}

/* One round for each telling. */
static void test_soft_limit_rounds(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *fp = member_make(a, 5000);

	world.is_short = true;
	world.page_out_max = 10;
	group_set_soft_limit(mgr, a, 0);
	soft_limits_on_pressure(mgr);
	soft_limits_on_pressure(mgr);
	world_run();
	CU_ASSERT_EQUAL(world.nr_page_out, 128);
	CU_ASSERT_EQUAL(fp->rss_anon, 5000 - 1280);
	soft_limits_on_pressure(mgr);
	world_run();
	CU_ASSERT_EQUAL(fp->rss_anon, 5000 - 2 * 1280);
}

/* Of two above each other the upper one takes from both. */
static void test_soft_limit_below(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct fake_process *x = member_make(a, 1000), *y = member_make(b, 1000);

	world.is_short = true;
	group_set_soft_limit(mgr, a, pages_to_bytes(1500));
	group_set_soft_limit(mgr, b, pages_to_bytes(900));
	soft_limits_on_pressure(mgr);
	world_run();
	CU_ASSERT_EQUAL(x->rss_anon + y->rss_anon, 1500);
	soft_limits_on_pressure(mgr);
	world_run();
	CU_ASSERT(y->rss_anon <= 900);
	CU_ASSERT_EQUAL(world.nr_overlaps, 0);
}

/* Beside the marks: neither takes what the other is for. */
static void test_soft_limit_and_marks(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 4000);
	struct fake_process *fp = member_make(a, 2900);

	CU_ASSERT_EQUAL(group_set_watermarks(mgr, a, 75, 50), 0);
	world.is_short = true;
	group_set_soft_limit(mgr, a, pages_to_bytes(2500));
	soft_limits_on_pressure(mgr);
	world_run();
	CU_ASSERT_EQUAL(fp->rss_anon, 2500);
	CU_ASSERT_EQUAL(world_work(fp, 490), 490);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 0);
	CU_ASSERT_EQUAL(world_work(fp, 20), 20);
	CU_ASSERT_EQUAL(fp->rss_anon, 2000);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 1);
}

/* The next server has it, and watches for pressure. */
static void test_soft_limit_restart(void)
{
	struct group *a = group_make(manager_root(mgr), "a");

	CU_ASSERT_PTR_NULL(mgr->pressure_source);
	group_set_soft_limit(mgr, a, pages_to_bytes(1000));
	CU_ASSERT(mgr->pressure_source || mgr->no_pressure);
	world_restart();
	a = group_child(manager_root(mgr), "a");
	CU_ASSERT_EQUAL(a->record->soft_limit, pages_to_bytes(1000));
	CU_ASSERT(mgr->pressure_source || mgr->no_pressure);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"reclaim", test_reclaim},
			       {"reclaim falls short", test_falls_short},
			       {"the program has it back at once", test_faults_back},
			       {"two at once", test_two_at_once},
			       {"of the root", test_of_the_root},
			       {"removed meanwhile", test_removed},
			       {"the end meanwhile", test_end},
			       {"limit hit meanwhile", test_limit_hit_meanwhile},
			       {"force_empty", test_force_empty},
			       {"force_empty, swappiness 0", test_force_empty_no_swappiness},
			       {"soft limit", test_soft_limit},
			       {"a round each time", test_soft_limit_rounds},
			       {"soft limits above each other", test_soft_limit_below},
			       {"soft limit and marks", test_soft_limit_and_marks},
			       {"soft limit, another server", test_soft_limit_restart},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("reclaim asked for", tests);
}
