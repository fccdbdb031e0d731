/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Families: pages shared since a fork count once, whoever goes, and big ones are looked at by a
 * worker. Sizes in pages. */
#include "tests/unit/manager_fixture.h"

#define BIG 20000 /* too big to be looked at while its group is counted */

static struct group *make(const char *name)
{
	return group_make(manager_root(mgr), name);
}

static bool has_usage(const void *userdata)
{
	const uint64_t *want = userdata;

	return usage_pages(group_child(manager_root(mgr), "a")) == *want;
}

/* A child has nothing of its own at first; what was copied since is found by a sweep, without
 * anybody asking. */
static void test_sweep(void)
{
	struct group *a = make("a");
	struct fake_process *x = member_make(a, BIG), *y = world_fork(x, false);
	uint64_t want = 30000;

	world_run();
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(BIG));
	x->pss_anon = y->pss_anon = 15000;
	y->nr_copies = 10000;
	world_tick(y);
	world_run_until(has_usage, &want);
	CU_ASSERT_EQUAL(usage_pages(a), want);
	CU_ASSERT_EQUAL(a->usage, want); /* nothing in doubt any more */
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(want));
}

/* Until then what may have been copied is charged, and in no figure. */
static void test_doubt(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 100000);
	struct fake_process *x = member_make(a, BIG), *y = world_fork(x, false);

	world_run();
	y->nr_copies = 6000;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(a->usage, BIG + FAKE_FAULTS + 6000);
	CU_ASSERT_EQUAL(usage_pages(a), BIG);
	CU_ASSERT(room_of(a) <= 100000 - BIG - 6000);
	/* The parent's copies leave a page to the child that did not count with it. */
	x->nr_copies = 1000;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(a->usage, BIG + FAKE_FAULTS + 7000);
	/* Faults that brought pages made no copies. */
	y->nr_copies += 500;
	y->rss_anon += 500;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(a->usage, BIG + FAKE_FAULTS + 7500);
}

/* Who did not run since it was last counted has copied nothing, and is not asked. */
static void test_asleep(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 100000);
	struct fake_process *y = world_fork(member_make(a, BIG), false);
	uint64_t usage;

	world_run();
	y->sleeps = 1;
	group_true_up(mgr, a);
	group_true_up(mgr, a);
	usage = a->usage;
	y->nr_copies = 500; /* which does not happen */
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(a->usage, usage);
	y->sleeps = 0;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(a->usage, usage + 500);
	/* After a look at its page table it is asked in any case. */
	y->sleeps = 1;
	group_true_up(mgr, a);
	process_share_set(mgr, member(y),
			  &(struct share_member){.saved = BIG, .faults = FAKE_FAULTS, .anon = BIG},
			  false);
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(member(y)->nr_copies, 500);
}

/* What counted with the parent counts with the child when that has gone. */
static void test_hand_over(void)
{
	struct group *a = make("a");
	struct fake_process *x = member_make(a, BIG), *y = world_fork(x, false),
			    *z = world_fork(x, false);

	world_run();
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(BIG));
	member(x)->shared = BIG;
	world_exit(x);
	world_run();
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(BIG));
	world_exit(y);
	world_run();
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(BIG));
	CU_ASSERT_EQUAL(member(z)->saved, 0);
	CU_ASSERT_FALSE(process_is_entangled(member(z)));
	world_exit(z);
	world_run();
	CU_ASSERT_EQUAL(usage_bytes_now(a), 0);
	CU_ASSERT_PTR_NULL(mgr->sweeps);
}

/* A family ends while a worker looks at it. */
static void test_ends_while_swept(void)
{
	struct group *a = make("a");
	struct fake_process *x = member_make(a, BIG), *y = world_fork(x, false);

	world_run();
	y->nr_copies = 10;
	world_tick(y);
	while (!mgr->sweep && mgr->sweeps)
		world_step();
	world_exit(x);
	world_exit(y);
	world_run();
	CU_ASSERT_PTR_NULL(mgr->sweep);
	CU_ASSERT_PTR_NULL(mgr->sweeps);
	CU_ASSERT_EQUAL(usage_bytes_now(a), 0);
}

/* Who ran a moment ago is counted again, until nothing changes. */
static void test_settle(void)
{
	struct group *a = make("a");
	struct fake_process *x = member_make(a, 100);
	uint64_t want = 150;

	world_tick(x);
	world_run();
	CU_ASSERT_PTR_EQUAL(mgr->unsettled, member(x));
	x->rss_anon = want; /* after its last tick */
	world_run_until(has_usage, &want);
	while (mgr->unsettled)
		world_step();
	CU_ASSERT_FALSE(member(x)->unsettled);
	CU_ASSERT_EQUAL(usage_pages(a), want);
	world_tick(x);
	world_run();
	world_exit(x);
	world_run();
	CU_ASSERT_PTR_NULL(mgr->unsettled);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"found by a sweep", test_sweep},
			       {"asleep", test_asleep},
			       {"what may have been copied", test_doubt},
			       {"who goes hands over", test_hand_over},
			       {"a family ends while it is swept", test_ends_while_swept},
			       {"a member comes to rest", test_settle},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("families", tests);
}
