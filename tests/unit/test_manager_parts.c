// SPDX-License-Identifier: GPL-2.0-or-later
/* What counts against which limit: the limit on what is no page cache, and what memory counts.
 * Sizes in pages. */
#include "tests/unit/manager_fixture.h"
#include "util/util.h"

#define LIMIT 1000
#define INO   7

static void note_error(int error, void *userdata)
{
	*(int *)userdata = error;
}

/* The error that done() was called with; 1: not yet. */
static int rss_set(struct group *g, uint64_t limit_pages)
{
	int error = 1;

	group_set_limit(mgr, g, COUNTER_RSS, pages_to_bytes(limit_pages), note_error, &error);
	world_run();
	return error;
}

static uint64_t used_now(const struct group *g, enum group_counter counter)
{
	uint64_t bytes = 0;

	CU_ASSERT_EQUAL(group_usage_bytes(mgr, group_id(g), counter, &bytes), 0);
	return bytes_to_pages(bytes);
}

static struct group *make(const char *name)
{
	struct group *g = group_make(manager_root(mgr), name);

	CU_ASSERT_EQUAL(rss_set(g, LIMIT), 0);
	return g;
}

static struct group *make_of(const char *name, enum control_type type)
{
	struct group *g = group_make_limited(manager_root(mgr), name, LIMIT);

	CU_ASSERT_EQUAL(group_set_control_type(mgr, g, type), 0);
	return g;
}

static void test_counted(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct fake_process *x = member_make(a, 100), *y = member_make(b, 30);

	world_read_file(x, INO, 500);
	y->swap = 5;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(used_now(a, COUNTER_MEMORY), 630);
	CU_ASSERT_EQUAL(used_now(a, COUNTER_RSS), 130);
	CU_ASSERT_EQUAL(a->record->rss.usage, pages_to_bytes(130));
	/* Of a alone: what is below it is counted by its own. */
	CU_ASSERT_EQUAL(group_set_control_type(mgr, a, CONTROL_RSS), 0);
	CU_ASSERT_EQUAL(used_now(a, COUNTER_MEMORY), 130);
	CU_ASSERT_EQUAL(a->record->memory.usage, pages_to_bytes(130));
	CU_ASSERT_EQUAL(used_now(b, COUNTER_MEMORY), 30);
	CU_ASSERT_EQUAL(group_set_control_type(mgr, a, CONTROL_CACHE), 0);
	CU_ASSERT_EQUAL(used_now(a, COUNTER_MEMORY), 500);
	CU_ASSERT_EQUAL(used_now(a, COUNTER_MEMSW), 635);
	CU_ASSERT_EQUAL(used_now(a, COUNTER_RSS), 130);
	CU_ASSERT_EQUAL(group_set_control_type(mgr, manager_root(mgr), CONTROL_RSS), -EINVAL);
	CU_ASSERT_EQUAL(rss_set(manager_root(mgr), LIMIT), -EINVAL);
}

/* Page cache is neither stopped for it nor dropped. */
static void test_rss_limit(void)
{
	struct group *a = make("a");
	struct fake_process *x = member_make(a, 100);

	world_read_file(x, INO, 5 * LIMIT);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 0);
	CU_ASSERT_EQUAL(world_work(x, 2 * LIMIT), 2 * LIMIT);
	CU_ASSERT(x->rss_anon <= LIMIT);
	CU_ASSERT(x->nr_paged_out >= LIMIT);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_CACHE_DROPPED), 0);
	CU_ASSERT(a->record->rss.failcnt > 0);
	CU_ASSERT_EQUAL(failcnt(a), 0);
	CU_ASSERT_EQUAL(x->nr_kills, 0);
}

static void test_type_rss(void)
{
	struct group *a = make_of("a", CONTROL_RSS);
	struct fake_process *x = member_make(a, 100);

	world_read_file(x, INO, 5 * LIMIT);
	world_run();
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 0);
	CU_ASSERT_EQUAL(world_work(x, 2 * LIMIT), 2 * LIMIT);
	CU_ASSERT(x->rss_anon <= LIMIT);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_CACHE_DROPPED), 0);
	CU_ASSERT(failcnt(a) > 0);
	CU_ASSERT_EQUAL(a->record->rss.failcnt, 0);
	CU_ASSERT(a->record->memory.max_usage <= pages_to_bytes(LIMIT));
}

static bool is_killed(const void *userdata)
{
	const struct fake_process *x = userdata;

	return atomic_get(&x->nr_kills);
}

/* Page cache is there, and no help. */
static void test_out_of_rss(void)
{
	struct group *a = make("a");
	struct fake_process *x = member_make(a, 100);

	world_read_file(x, INO, 500);
	world_run();
	x->pinned = 10 * LIMIT;
	world_work(x, 2 * LIMIT);
	CU_ASSERT_EQUAL(x->nr_kills, 1);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_CACHE_DROPPED), 0);
	CU_ASSERT(world.nr_page_out <= 3);
}

/* Page-out makes no room for memory and swap together, though it would for RSS. */
static void test_with_memsw(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 100);
	int error = 1;

	group_set_limit(mgr, a, COUNTER_MEMSW, pages_to_bytes(LIMIT), note_error, &error);
	CU_ASSERT_EQUAL(error, 0);
	CU_ASSERT_EQUAL(rss_set(a, LIMIT / 2), 0);
	world.cache_pinned = true;
	world_read_file(x, INO, 600);
	world_run();
	world_work(x, LIMIT);
	world_run_until(is_killed, x);
	CU_ASSERT_EQUAL(x->nr_paged_out, 0);
}

static void test_type_cache(void)
{
	struct group *a = make_of("a", CONTROL_CACHE);
	struct fake_process *x = member_make(a, 100);

	CU_ASSERT_EQUAL(world_work(x, 2 * LIMIT), 2 * LIMIT);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 0);
	world_read_file(x, INO, LIMIT + 100);
	world_run();
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 1);
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT(event_count(a, GROUP_EVENT_CACHE_DROPPED) >= 100);
	CU_ASSERT_EQUAL(x->nr_paged_out, 0);
	CU_ASSERT(failcnt(a) > 0);
	/* What cannot be dropped is not made up for by what does not count. */
	world.cache_pinned = true;
	world_read_file(x, INO, LIMIT);
	world_run_until(is_killed, x);
	CU_ASSERT_EQUAL(x->nr_paged_out, 0);
}

/* Each limit is for its own. */
static void test_both(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 2 * LIMIT);
	struct fake_process *x = member_make(a, 100);

	CU_ASSERT_EQUAL(rss_set(a, LIMIT), 0);
	CU_ASSERT_EQUAL(world_work(x, LIMIT), LIMIT);
	CU_ASSERT(a->record->rss.failcnt > 0);
	CU_ASSERT_EQUAL(failcnt(a), 0);
	world_read_file(x, INO, 2 * LIMIT);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT(failcnt(a) > 0);
	CU_ASSERT(used_now(a, COUNTER_MEMORY) <= 2 * LIMIT);
}

/* Who waits for page cache to go does not wait for RSS, of which there is as much as may be. */
static void test_waits_for_its_own(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 2 * LIMIT);
	struct fake_process *x = member_make(a, LIMIT);

	CU_ASSERT_EQUAL(rss_set(a, LIMIT), 0);
	CU_ASSERT_EQUAL(group_set_swappiness(mgr, a, 0), 0);
	world_read_file(x, INO, LIMIT + 100);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(x->nr_kills, 0);
	CU_ASSERT_EQUAL(failcnt(a), 1);
	CU_ASSERT_EQUAL(a->record->rss.failcnt, 0);
	CU_ASSERT(event_count(a, GROUP_EVENT_CACHE_DROPPED) > 0);
}

static void test_parent(void)
{
	struct group *a = make("a"), *b = group_make(a, "b");
	struct fake_process *x = member_make(b, 100);

	world_read_file(x, INO, 5 * LIMIT);
	world_run();
	CU_ASSERT_EQUAL(world_work(x, 2 * LIMIT), 2 * LIMIT);
	CU_ASSERT(x->rss_anon <= LIMIT);
	CU_ASSERT(a->record->rss.failcnt > 0);
	CU_ASSERT_EQUAL(b->record->rss.failcnt, 0);
}

static void test_lowered(void)
{
	struct group *a = make("a");
	struct fake_process *x = member_make(a, 600);

	world_read_file(x, INO, 500);
	CU_ASSERT_EQUAL(rss_set(a, 200), 0);
	CU_ASSERT_EQUAL(x->rss_anon, 200);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_CACHE_DROPPED), 0);
	x->pinned = 200;
	CU_ASSERT_EQUAL(rss_set(a, 100), -EBUSY);
	CU_ASSERT_EQUAL(a->record->rss.limit, pages_to_bytes(200));
	CU_ASSERT_EQUAL(rss_set(a, bytes_to_pages(LIMIT_MAX_BYTES)), 0);
	CU_ASSERT_EQUAL(world_work(x, 2 * LIMIT), 2 * LIMIT);
	CU_ASSERT_EQUAL(x->rss_anon, 200 + 2 * LIMIT);
}

/* The mark is of what counts. */
static void test_background(void)
{
	struct group *a = group_make_marked(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 100);

	CU_ASSERT_EQUAL(group_set_control_type(mgr, a, CONTROL_RSS), 0);
	world_read_file(x, INO, 900);
	world_run();
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 0);
	CU_ASSERT_EQUAL(world_work(x, 700), 700);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_HIGH), 1);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_CACHE_DROPPED), 0);
	CU_ASSERT(x->nr_paged_out > 0);
	CU_ASSERT_EQUAL(failcnt(a), 0);
}

/* At once, both ways. */
static void test_type_changes(void)
{
	struct group *a = make_of("a", CONTROL_RSS);
	struct fake_process *x = member_make(a, 100);

	world_read_file(x, INO, 2 * LIMIT);
	world_run();
	CU_ASSERT_EQUAL(group_set_control_type(mgr, a, CONTROL_ALL), 0);
	CU_ASSERT(room_of(a) < 0);
	CU_ASSERT_EQUAL(world_work(x, 100), 100);
	CU_ASSERT(used_now(a, COUNTER_MEMORY) <= LIMIT);
	CU_ASSERT_EQUAL(group_set_control_type(mgr, a, CONTROL_RSS), 0);
	world_read_file(x, INO, 2 * LIMIT);
	world_run();
	CU_ASSERT(used_now(a, COUNTER_MEMSW) > 2 * LIMIT);
}

static void test_survives(void)
{
	struct group *a = make("a");
	struct fake_process *x = member_make(a, 100);

	CU_ASSERT_EQUAL(group_set_control_type(mgr, a, CONTROL_CACHE), 0);
	world_restart();
	a = group_by_path(mgr, "a");
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_EQUAL(group_control_type(a), CONTROL_CACHE);
	CU_ASSERT_EQUAL(a->record->rss.limit, pages_to_bytes(LIMIT));
	CU_ASSERT_EQUAL(world_work(x, 2 * LIMIT), 2 * LIMIT);
	CU_ASSERT(x->rss_anon <= LIMIT);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"what is counted", test_counted},
			       {"the limit on RSS", test_rss_limit},
			       {"memory is RSS", test_type_rss},
			       {"out of RSS", test_out_of_rss},
			       {"with memory and swap", test_with_memsw},
			       {"memory is page cache", test_type_cache},
			       {"two limits", test_both},
			       {"one of two limits", test_waits_for_its_own},
			       {"a parent's limit on RSS", test_parent},
			       {"a limit below the usage", test_lowered},
			       {"the high mark", test_background},
			       {"another type", test_type_changes},
			       {"another server", test_survives},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("parts", tests);
}
