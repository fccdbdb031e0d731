// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory and swap together: what is counted, which limits may be set, and what holds them. */
#include "tests/unit/manager_fixture.h"
#include "util/util.h"

#define LIMIT 1000
#define MEMSW 1500

static void note_error(int error, void *userdata)
{
	*(int *)userdata = error;
}

/* The error that done() was called with; 1: not yet. */
static int memsw_set(struct group *g, uint64_t limit_pages)
{
	int error = 1;

	group_set_limit(mgr, g, COUNTER_MEMSW, pages_to_bytes(limit_pages), note_error, &error);
	world_run();
	return error;
}

static uint64_t memsw_now(const struct group *g)
{
	uint64_t bytes = 0;

	CU_ASSERT_EQUAL(group_usage_bytes(mgr, group_id(g), COUNTER_MEMSW, &bytes), 0);
	return bytes_to_pages(bytes);
}

static struct group *limited(const char *name)
{
	struct group *g = group_make_limited(manager_root(mgr), name, LIMIT);

	CU_ASSERT_EQUAL(memsw_set(g, MEMSW), 0);
	return g;
}

static void test_counted(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct fake_process *x = member_make(a, 100), *y = member_make(b, 30);
	uint64_t max;

	x->swap = 7;
	y->swap = 5;
	CU_ASSERT_EQUAL(memsw_now(a), 142);
	CU_ASSERT_EQUAL(memsw_now(b), 35);
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(a->record->memsw.usage, pages_to_bytes(142));
	CU_ASSERT_EQUAL(a->record->memory.usage, pages_to_bytes(130));
	x->swap = 0;
	CU_ASSERT_EQUAL(memsw_now(a), 135);
	CU_ASSERT_EQUAL(group_max_usage_bytes(mgr, group_id(a), COUNTER_MEMSW, &max), 0);
	CU_ASSERT_EQUAL(max, pages_to_bytes(142));
	CU_ASSERT_EQUAL(group_reset_max_usage(mgr, a, COUNTER_MEMSW), 0);
	CU_ASSERT_EQUAL(a->record->memsw.max_usage, pages_to_bytes(135));
	/* Who leaves takes it along. */
	CU_ASSERT_EQUAL(attach(a, y), 0);
	world_exit(x);
	world_run();
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(a->swap, 5);
	CU_ASSERT_EQUAL(b->swap, 0);
}

/* Memory is never allowed more than both. */
static void test_order(void)
{
	struct group *a = group_make(manager_root(mgr), "a");

	CU_ASSERT_EQUAL(memsw_set(a, MEMSW), -EINVAL);
	CU_ASSERT_EQUAL(limit_set(a, LIMIT), 0);
	CU_ASSERT_EQUAL(memsw_set(a, LIMIT - 1), -EINVAL);
	CU_ASSERT_EQUAL(memsw_set(a, LIMIT), 0);
	CU_ASSERT_EQUAL(limit_set(a, LIMIT + 1), -EINVAL);
	CU_ASSERT_EQUAL(limit_set(a, bytes_to_pages(LIMIT_MAX_BYTES)), -EINVAL);
	CU_ASSERT_EQUAL(limit_set(a, 500), 0);
	CU_ASSERT_EQUAL(memsw_set(a, bytes_to_pages(LIMIT_MAX_BYTES)), 0);
	CU_ASSERT_EQUAL(limit_set(a, bytes_to_pages(LIMIT_MAX_BYTES)), 0);
	CU_ASSERT_EQUAL(memsw_set(manager_root(mgr), MEMSW), -EINVAL);
	CU_ASSERT_EQUAL(a->record->memsw.limit, LIMIT_MAX_BYTES);
}

static void test_hierarchical(void)
{
	struct group *a = limited("a"), *b = group_make(a, "b");

	CU_ASSERT_EQUAL(group_hierarchical_limit(b, COUNTER_MEMSW), pages_to_bytes(MEMSW));
	CU_ASSERT_EQUAL(group_hierarchical_limit(b, COUNTER_MEMORY), pages_to_bytes(LIMIT));
}

/* What goes to swap goes on counting: when both are full nobody is helped by page-out. */
static void test_held(void)
{
	struct group *a = limited("a");
	struct fake_process *x = member_make(a, 100);
	uint64_t worked = world_work(x, 2 * MEMSW);

	CU_ASSERT(worked > MEMSW - 100 - LIMIT / 4);
	CU_ASSERT(worked <= MEMSW - 100);
	CU_ASSERT_EQUAL(x->nr_kills, 1);
	CU_ASSERT(failcnt(a) > 0); /* until page-out did not help any more */
	CU_ASSERT(a->record->memsw.failcnt > 0);
	CU_ASSERT(a->record->memsw.max_usage <= pages_to_bytes(MEMSW));
	CU_ASSERT(a->record->memory.max_usage <= pages_to_bytes(LIMIT));
}

/* With the same limit twice it is memory's that is hit, and nothing is paged out. */
static void test_same(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 100);

	CU_ASSERT_EQUAL(memsw_set(a, LIMIT), 0);
	world_work(x, 2 * LIMIT);
	CU_ASSERT_EQUAL(x->nr_kills, 1);
	CU_ASSERT_EQUAL(x->nr_paged_out, 0);
	CU_ASSERT(failcnt(a) > 0);
	CU_ASSERT_EQUAL(a->record->memsw.failcnt, 0);
}

/* Page cache is what can be got back. */
static void test_cache_helps(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 100);

	CU_ASSERT_EQUAL(memsw_set(a, LIMIT), 0);
	world_read_file(x, 7, 500);
	CU_ASSERT_EQUAL(world_work(x, 700), 700);
	CU_ASSERT_EQUAL(x->nr_kills, 0);
	CU_ASSERT_EQUAL(x->nr_paged_out, 0);
	CU_ASSERT(event_count(a, GROUP_EVENT_CACHE_DROPPED) > 0);
}

static void test_lowered(void)
{
	struct group *a = limited("a");
	struct fake_process *x = member_make(a, 600);

	x->swap = 600;
	CU_ASSERT_EQUAL(limit_set(a, 700), 0);
	CU_ASSERT_EQUAL(memsw_set(a, 1100), -EBUSY);
	CU_ASSERT_EQUAL(x->nr_paged_out, 0);
	CU_ASSERT_EQUAL(a->record->memsw.limit, pages_to_bytes(MEMSW));
	CU_ASSERT_EQUAL(memsw_set(a, 1200), 0);
	x->swap = 0;
	world_read_file(x, 7, 100);
	CU_ASSERT_EQUAL(memsw_set(a, 700), 0);
}

/* With the same limit twice swap makes no room at that, but memory can be had for what wants less
 * of it in use. */
static void test_same_can_be_emptied(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 900);
	int error = 1;

	CU_ASSERT_EQUAL(memsw_set(a, LIMIT), 0);
	CU_ASSERT_EQUAL(limit_set(a, 800), 0);
	CU_ASSERT_EQUAL(x->rss_anon, 800);
	CU_ASSERT_EQUAL(limit_set(a, LIMIT), 0);
	group_reclaim_bytes(mgr, a, pages_to_bytes(100), note_error, &error);
	world_run();
	CU_ASSERT_EQUAL(error, 0);
	CU_ASSERT_EQUAL(x->rss_anon, 700);
	group_set_soft_limit(mgr, a, pages_to_bytes(500));
	world.is_short = true;
	soft_limits_on_pressure(mgr);
	world_run();
	CU_ASSERT_EQUAL(x->rss_anon, 500);
	error = 1;
	group_force_empty(mgr, a, note_error, &error);
	world_run();
	CU_ASSERT_EQUAL(error, 0);
	CU_ASSERT_EQUAL(x->rss_anon, 0);
}

static void test_survives(void)
{
	struct group *a = limited("a");
	struct fake_process *x = member_make(a, 100);

	world_restart();
	a = group_by_path(mgr, "a");
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_EQUAL(a->record->memsw.limit, pages_to_bytes(MEMSW));
	world_work(x, 2 * MEMSW);
	CU_ASSERT_EQUAL(x->nr_kills, 1);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"swap is counted with memory", test_counted},
			       {"which limits may be set", test_order},
			       {"the limits of parents", test_hierarchical},
			       {"the limit holds", test_held},
			       {"the same limit for both", test_same},
			       {"page cache is dropped", test_cache_helps},
			       {"a limit below the usage", test_lowered},
			       {"the same limit, and less of it in use", test_same_can_be_emptied},
			       {"another server", test_survives},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("memsw", tests);
}
