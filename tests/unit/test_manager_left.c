/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What processes leave behind when they move: whose limit gets it back, and whose does not. Sizes
 * in pages. */
#include "tests/unit/manager_fixture.h"

#define BIG 20000 /* too big to be looked at while its group is counted */

static struct group *make(const char *name)
{
	return group_make(manager_root(mgr), name);
}

/* Has nr pages in a, and comes to b. */
static struct fake_process *move(struct group *a, struct group *b, uint64_t nr)
{
	struct fake_process *x = member_make(a, nr);

	world.lists_pages = true;
	CU_ASSERT_EQUAL(attach(b, x), 0);
	CU_ASSERT_EQUAL(usage_pages(a), nr);
	CU_ASSERT_EQUAL(usage_pages(b), 0);
	return x;
}

static void check_lower(uint64_t had)
{
	struct group *a = make("a"), *b = make("b");
	struct fake_process *x = move(a, b, had);

	world_touch(x, 50);
	CU_ASSERT_EQUAL(limit_set(a, had / 2), 0);
	CU_ASSERT_EQUAL(x->nr_paged_out, had - had / 2);
	CU_ASSERT_EQUAL(x->borrowed_left, had / 2);
	CU_ASSERT_EQUAL(usage_pages(a), had / 2);
	CU_ASSERT_EQUAL(usage_bytes_now(b), pages_to_bytes(50));
	CU_ASSERT_EQUAL(x->nr_kills, 0);
	world_exit(x);
	world_run();
	CU_ASSERT_EQUAL(usage_bytes_now(a), 0);
	CU_ASSERT_EQUAL(usage_bytes_now(b), 0);
}

/* The owner's limit is lowered. */
static void test_lower(void)
{
	check_lower(800);
}

static void test_lower_big(void)
{
	check_lower(BIG);
}

/* Somebody else of the owner's wants room. */
static void test_hit(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000), *b = make("b");
	struct fake_process *x = move(a, b, 900), *y = member_make(a, 0);

	CU_ASSERT_EQUAL(world_work(y, 800), 800);
	CU_ASSERT_EQUAL(y->nr_kills + x->nr_kills, 0);
	CU_ASSERT(x->nr_paged_out > 0);
	CU_ASSERT(usage_bytes_now(a) <= pages_to_bytes(1000));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0);
}

/* Where it is now nobody is helped by what counts elsewhere. */
static void test_not_others(void)
{
	struct group *a = make("a"), *b = group_make_limited(manager_root(mgr), "b", 1000);
	struct fake_process *x = move(a, b, 800);

	CU_ASSERT_EQUAL(world_work(x, 3000), 3000);
	CU_ASSERT_EQUAL(x->borrowed_left, 800);
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(800));
	CU_ASSERT(usage_bytes_now(b) <= pages_to_bytes(1000));
	CU_ASSERT_EQUAL(x->nr_kills, 0);
}

/* And back: what it has there of itself and what it left there are both the owner's. */
static void test_back(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000), *b = make("b");
	struct fake_process *x = move(a, b, 800);

	world_touch(x, 500);
	CU_ASSERT_EQUAL(attach(a, x), 0);
	CU_ASSERT_EQUAL(world_work(x, 2000), 2000);
	CU_ASSERT_EQUAL(x->nr_kills, 0);
	CU_ASSERT(usage_bytes_now(a) <= pages_to_bytes(1000));
}

/* Memory that is being unmapped is in no page table, and still there. */
static void test_unmaps(void)
{
	struct group *a = make("a"), *b = make("b");
	struct fake_process *x = move(a, b, 800);

	x->borrowed_left = 0;
	group_true_up(mgr, b);
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(800));
	CU_ASSERT_EQUAL(usage_bytes_now(b), 0);
	x->rss_anon = 0;
	group_true_up(mgr, b);
	CU_ASSERT_EQUAL(usage_bytes_now(a), 0);
	CU_ASSERT_EQUAL(usage_bytes_now(b), 0);
}

/* But there are other pages in its place, if it stays so. */
static void test_populates(void)
{
	struct group *a = make("a"), *b = make("b");
	struct fake_process *x = move(a, b, 800);

	x->borrowed_left = 0;
	group_true_up(mgr, b);
	CU_ASSERT_NOT_EQUAL(member(x)->unmaps_usec, 0);
	member(x)->unmaps_usec = 1; /* long ago */
	group_true_up(mgr, b);
	CU_ASSERT_EQUAL(usage_bytes_now(a), 0);
	CU_ASSERT_EQUAL(usage_bytes_now(b), pages_to_bytes(800));
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"the owner's limit is lowered", test_lower},
			       {"the same of much", test_lower_big},
			       {"the owner's limit is hit", test_hit},
			       {"not for others", test_not_others},
			       {"it comes back", test_back},
			       {"it is being unmapped", test_unmaps},
			       {"it was replaced", test_populates},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("left behind", tests);
}
