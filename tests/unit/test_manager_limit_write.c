/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writing a limit: set, refused, and what happens meanwhile. Sizes in pages. */
#include "tests/unit/manager_fixture.h"

/* A worker is then in the middle of reclaim for it, until go_on(). */
static void lower_and_hold(struct limit_write *w, struct group *g, uint64_t pages)
{
	fake_reclaim_hold(0);
	limit_write(w, g, pages);
	fake_reclaim_wait_held(1);
}

/* And fp, which has more, meets it already. */
static void lower_and_touch(struct limit_write *w, struct group *g, uint64_t pages,
			    struct fake_process *fp)
{
	lower_and_hold(w, g, pages);
	CU_ASSERT(world_touch(fp, 100) < 100);
	world_step();
	CU_ASSERT(stands(fp));
}

static void test_lower(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 800);
	struct limit_write w;

	limit_write(&w, a, 500);
	CU_ASSERT_EQUAL(w.nr_done, 0);
	CU_ASSERT_EQUAL(group_record(a)->memory.limit, pages_to_bytes(1000));
	world_run();
	CU_ASSERT_EQUAL(w.nr_done, 1);
	CU_ASSERT_EQUAL(w.error, 0);
	/* Whoever is told reads the new one. */
	CU_ASSERT_EQUAL(w.limit_bytes, pages_to_bytes(500));
	CU_ASSERT_EQUAL(fp->nr_paged_out, 300);
	CU_ASSERT_EQUAL(usage_pages(a), 500);
	CU_ASSERT_EQUAL(failcnt(a), 0);
	CU_ASSERT_FALSE(stands(fp));
}

static void test_lower_at_once(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct limit_write w;

	member_make(a, 500);
	limit_write(&w, a, 500);
	CU_ASSERT_EQUAL(w.nr_done, 1);
	CU_ASSERT_EQUAL(w.error, 0);
	CU_ASSERT_EQUAL(w.limit_bytes, pages_to_bytes(500));
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
}

static void test_lower_busy(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 800);

	fp->pinned = 600;
	CU_ASSERT_EQUAL(limit_set(a, 500), -EBUSY);
	CU_ASSERT_EQUAL(group_record(a)->memory.limit, pages_to_bytes(1000));
	CU_ASSERT_EQUAL(fp->rss_anon, 600);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0);
	CU_ASSERT_EQUAL(fp->nr_kills, 0);
	CU_ASSERT_EQUAL(world.nr_page_out, 2); /* the second brought nothing */
	CU_ASSERT_EQUAL(limit_set(a, 600), 0);
}

static void test_lower_in_small_steps(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 800);

	world.page_out_max = 1;
	CU_ASSERT_EQUAL(limit_set(a, 500), 0);
	CU_ASSERT_EQUAL(fp->rss_anon, 500);
}

static struct fake_process *grown_again;

static void grow_again(void)
{
	atomic_put(&grown_again->rss_anon, 800);
}

/* What comes back is taken again each time, by somebody whom nothing stops: 16 rounds, then no. */
static void test_lower_rounds(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);

	grown_again = member_make(a, 800);
	world.on_usage_read = grow_again;
	CU_ASSERT_EQUAL(limit_set(a, 500), -EBUSY);
	world.on_usage_read = NULL;
	CU_ASSERT_EQUAL(world.nr_page_out, 16);
	CU_ASSERT_EQUAL(group_record(a)->memory.limit, pages_to_bytes(1000));
}

/* Members meet the new limit while it is being made true, and go on when it is, or is refused. */
static void test_lower_holds_members(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 800);
	struct limit_write w;

	lower_and_touch(&w, a, 500, fp);
	CU_ASSERT_EQUAL(group_record(a)->memory.limit, pages_to_bytes(1000));
	go_on();
	CU_ASSERT_EQUAL(w.error, 0);
	CU_ASSERT(usage_pages(a) <= 500);
	CU_ASSERT_FALSE(stands(fp));

	fp->pinned = fp->rss_anon;
	lower_and_touch(&w, a, 100, fp);
	go_on();
	CU_ASSERT_EQUAL(w.error, -EBUSY);
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(fp->nr_kills, 0);
}

/* So in a group that had no limit, and has none when it is refused. */
static void test_first_limit_holds_members(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *fp = member_make(a, 800);
	struct limit_write w;

	fp->pinned = 600;
	lower_and_touch(&w, a, 500, fp);
	go_on();
	CU_ASSERT_EQUAL(w.error, -EBUSY);
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(world_touch(fp, 5000), 5000);
}

/* Should the server end meanwhile there is no limit, and nobody stops for one. */
static void test_first_limit_and_restart(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *fp = member_make(a, 800);
	struct limit_write w;
	uint64_t nr_stops;

	lower_and_touch(&w, a, 500, fp);
	fake_reclaim_go_on();
	world_restart();
	world_run();
	CU_ASSERT_FALSE(stands(fp));
	nr_stops = fp->nr_stops;
	CU_ASSERT_EQUAL(world_touch(fp, 5000), 5000);
	CU_ASSERT_EQUAL(fp->nr_stops, nr_stops);
}

static void test_lower_twice(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct limit_write first, second;

	member_make(a, 800);
	lower_and_hold(&first, a, 500);
	limit_write(&second, a, 400);
	CU_ASSERT_EQUAL(second.nr_done, 1);
	CU_ASSERT_EQUAL(second.error, -EBUSY);
	CU_ASSERT_EQUAL(first.nr_done, 0);
	go_on();
	CU_ASSERT_EQUAL(first.nr_done, 1);
	CU_ASSERT_EQUAL(first.error, 0);
	CU_ASSERT_EQUAL(second.nr_done, 1);
	CU_ASSERT_EQUAL(group_record(a)->memory.limit, pages_to_bytes(500));
}

static void test_lower_and_rmdir(void)
{
	struct group *root = manager_root(mgr), *a = group_make_limited(root, "a", 1000);
	struct fake_process *fp = member_make(a, 800);
	struct limit_write w;

	lower_and_hold(&w, a, 500);
	world_exit(fp);
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "a"), 0);
	CU_ASSERT_EQUAL(w.nr_done, 1);
	CU_ASSERT_EQUAL(w.error, -ENODEV);
	/* What is made in its place has nothing to do with it. */
	a = group_make_limited(root, "a", 700);
	go_on();
	CU_ASSERT_EQUAL(w.nr_done, 1);
	CU_ASSERT_EQUAL(group_record(a)->memory.limit, pages_to_bytes(700));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_DIRECT), 0);
}

static void test_raise_releases(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 500), *y = member_make(a, 480);

	world.swap_free = 0;
	group_set_oom_kill_disable(mgr, a, 1);
	world_touch(x, 16);
	world_run();
	world_touch(y, 16);
	world_run();
	CU_ASSERT_EQUAL(nr_waiters(a), 2);
	CU_ASSERT_EQUAL(a->record->under_oom, 1);
	/* Too little: they wait on. */
	CU_ASSERT_EQUAL(limit_set(a, 1010), 0);
	CU_ASSERT(stands(x));
	CU_ASSERT(stands(y));
	CU_ASSERT_EQUAL(limit_set(a, 2000), 0);
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_FALSE(stands(y));
	CU_ASSERT_EQUAL(a->record->under_oom, 0);
	CU_ASSERT_EQUAL(world_work(x, 100), 100);
	CU_ASSERT_EQUAL(failcnt(a), 1);
}

static void test_unlimited_releases(void)
{
	struct group *p = group_make_limited(manager_root(mgr), "p", 1000), *a = group_make(p, "a");
	struct fake_process *fp = member_make(a, 980);

	world.swap_free = 0;
	group_set_oom_kill_disable(mgr, p, 1);
	world_touch(fp, 16);
	world_run();
	CU_ASSERT(stands(fp));
	CU_ASSERT_EQUAL(nr_waiters(p), 1);
	CU_ASSERT_EQUAL(limit_set(p, bytes_to_pages(LIMIT_MAX_BYTES)), 0);
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(world_work(fp, 5000), 5000);
}

/* The limit goes up while somebody waits for reclaim: set at once, and the end of reclaim releases.
 */
static void test_raise_in_reclaim(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 980);
	struct limit_write w;

	fp->pinned = UINT64_MAX;
	hit_limit_and_hold(fp);
	limit_write(&w, a, 2000);
	CU_ASSERT_EQUAL(w.nr_done, 1);
	CU_ASSERT_EQUAL(w.error, 0);
	go_on();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(fp->nr_kills, 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0);
}

/* The limit goes down while somebody waits for reclaim: both get what they want. */
static void test_lower_in_reclaim(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 980);
	struct limit_write w;

	hit_limit_and_hold(fp);
	limit_write(&w, a, 300);
	CU_ASSERT_EQUAL(w.nr_done, 0);
	go_on();
	CU_ASSERT_EQUAL(w.nr_done, 1);
	CU_ASSERT_EQUAL(w.error, 0);
	CU_ASSERT_EQUAL(group_record(a)->memory.limit, pages_to_bytes(300));
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(fp->nr_kills, 0);
	CU_ASSERT(fp->rss_anon < 300);
}

/* Rounds that were for a waiter do not count for the write. */
static void test_lower_in_late_reclaim(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 980);
	struct limit_write w;

	world.page_out_max = 100;
	hit_limit_and_hold(fp);
	a->nr_rounds = 14;
	limit_write(&w, a, 200);
	go_on();
	CU_ASSERT_EQUAL(w.error, 0);
	CU_ASSERT_FALSE(stands(fp));
}

/* Somebody comes to wait while a write of the limit reclaims; the write is refused, and there is
 * room under the old limit. */
static void test_wait_for_write(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 980);
	struct limit_write w;

	fp->pinned = 900;
	lower_and_hold(&w, a, 300);
	world_touch(fp, 16);
	world_step();
	CU_ASSERT(stands(fp));
	go_on();
	CU_ASSERT_EQUAL(w.error, -EBUSY);
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(fp->nr_kills, 0);
	CU_ASSERT_EQUAL(usage_pages(a), 900);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"lower", test_lower},
			       {"lower at once", test_lower_at_once},
			       {"lower, busy", test_lower_busy},
			       {"lower in small steps", test_lower_in_small_steps},
			       {"lower for ever", test_lower_rounds},
			       {"lower holds members", test_lower_holds_members},
			       {"the first limit holds members", test_first_limit_holds_members},
			       {"the server ends meanwhile", test_first_limit_and_restart},
			       {"lower twice", test_lower_twice},
			       {"lower and rmdir", test_lower_and_rmdir},
			       {"raising releases", test_raise_releases},
			       {"no limit releases", test_unlimited_releases},
			       {"raise in reclaim", test_raise_in_reclaim},
			       {"lower in reclaim", test_lower_in_reclaim},
			       {"lower in late reclaim", test_lower_in_late_reclaim},
			       {"wait for a write", test_wait_for_write},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("limit written", tests);
}
