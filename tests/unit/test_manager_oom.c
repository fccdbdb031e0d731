/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Out of memory: who is killed, who waits, what is said of it, and how it ends. Sizes in pages. */
#include <string.h>

#include "tests/unit/manager_fixture.h"

#define LIMIT 1000

static uint64_t under_oom(const struct group *g)
{
	return g->record->under_oom;
}

/* fp takes memory until it is stopped; nothing of anybody's can be paged out. */
static void fill(struct fake_process *fp)
{
	world.swap_free = 0;
	hit_limit(fp);
	world_run();
}

/* ---- whom ---- */

static void test_biggest(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 200), *y = member_make(a, 400),
			    *z = member_make(a, 300);

	z->swap = 250; /* what it has in swap counts */
	fill(x);
	CU_ASSERT_EQUAL(x->nr_kills, 0);
	CU_ASSERT_EQUAL(y->nr_kills, 0);
	CU_ASSERT_EQUAL(z->nr_kills, 1);
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_PTR_NULL(member(z));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 1);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM_KILL), 1);
	CU_ASSERT_EQUAL(a->record->oom_kill, 1);
	CU_ASSERT_EQUAL(a->record->memory.failcnt, 1);
	CU_ASSERT_EQUAL(under_oom(a), 0);
	CU_ASSERT_EQUAL(world_work(x, 100), 100);
}

/* A group that waits: a member that only faults, and takes nothing, does not, and may end. */
static void test_innocent(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 200), *y = member_make(a, 400);

	a->record->oom_kill_disable = 1;
	fill(x);
	CU_ASSERT(stands(x));
	for (int i = 0; i < 10; i++) {
		CU_ASSERT(world_fault(y, 50) > 0);
		world_run();
		CU_ASSERT_FALSE(stands(y));
	}
	CU_ASSERT(event_count(a, GROUP_EVENT_STOP) > 10);
	world_touch(y, 50);
	world_run();
	CU_ASSERT(stands(y));
}

/* What is kept free for many threads that have not taken it kills nobody. */
static void test_reserve(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 100), *y = member_make(a, 600);

	world.swap_free = 0;
	y->nr_threads = 100;
	y->runs = 1;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(room_of(a), LIMIT - 700 - LIMIT / 4 - LEASE_PAGES);
	CU_ASSERT_EQUAL(world_work(x, 240), 240);
	CU_ASSERT(failcnt(a) > 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM_KILL), 0);
	CU_ASSERT_EQUAL(world_work(x, 200), 200);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM_KILL), 1);
	CU_ASSERT_EQUAL(y->nr_kills, 1);
}

/* Reclaim comes first; the kill when it brings nothing. */
static void test_reclaim_first(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 500), *y = member_make(a, 300);

	x->pinned = 490;
	y->pinned = 290;
	hit_limit(x);
	world_run();
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0);
	CU_ASSERT(x->nr_paged_out > 0);
	x->pinned = y->pinned = UINT64_MAX;
	hit_limit(x);
	world_run();
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 1);
	CU_ASSERT_EQUAL(x->nr_kills, 1);
}

/* oom_score_adj counts in thousandths of the limit. */
static void test_score_adj(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 2 * LIMIT);
	struct fake_process *x = member_make(a, 1000), *y = member_make(a, 400);

	y->oom_score_adj = 500;
	fill(x); /* about 1590 against 400 + 1000 */
	CU_ASSERT_EQUAL(x->nr_kills, 1);
	y->oom_score_adj = 700;
	x = member_make(a, 600);
	fill(x); /* against 400 + 1400 */
	CU_ASSERT_EQUAL(x->nr_kills, 0);
	CU_ASSERT_EQUAL(y->nr_kills, 1);
}

static void test_score_adj_below_0(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 500), *y = member_make(a, 200);

	x->oom_score_adj = -600;
	fill(x); /* about 790 - 600 against 200 */
	CU_ASSERT_EQUAL(x->nr_kills, 0);
	CU_ASSERT_EQUAL(y->nr_kills, 1);
	/* Far below 0 it is still somebody, when there is nobody else. */
	x->oom_score_adj = -999;
	fill(x);
	CU_ASSERT_EQUAL(x->nr_kills, 1);
}

static void test_never(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 800), *y = member_make(a, 10);

	x->oom_score_adj = -1000;
	fill(x);
	CU_ASSERT_EQUAL(x->nr_kills, 0);
	CU_ASSERT_EQUAL(y->nr_kills, 1);
}

/* Between vfork and exec the memory is the parent's: it is the parent who goes. */
static void test_vfork(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 600), *child = world_fork(x, true);

	world_run();
	child->oom_score_adj = 1000;
	fill(x);
	CU_ASSERT_EQUAL(child->nr_kills, 0);
	CU_ASSERT_EQUAL(x->nr_kills, 1);
}

/* At a limit further up all below it are candidates, and nobody else. */
static void test_subtree(void)
{
	struct group *p = group_make_limited(manager_root(mgr), "p", LIMIT),
		     *a = group_make(p, "a"), *b = group_make(p, "b"),
		     *other = group_make(manager_root(mgr), "other");
	struct fake_process *x = member_make(a, 300), *y = member_make(b, 500),
			    *z = member_make(other, 5000);

	y->oom_score_adj = 1; /* in no way bigger without it */
	fill(x);
	CU_ASSERT_EQUAL(y->nr_kills, 1);
	CU_ASSERT_EQUAL(x->nr_kills, 0);
	CU_ASSERT_EQUAL(z->nr_kills, 0);
	CU_ASSERT_EQUAL(b->record->oom_kill, 1);
	CU_ASSERT_EQUAL(p->record->oom_kill, 0);
	CU_ASSERT_EQUAL(event_count(p, GROUP_EVENT_OOM), 1);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0);
	CU_ASSERT_EQUAL(event_count(b, GROUP_EVENT_OOM_KILL), 1);
	CU_ASSERT_FALSE(stands(x));
}

/* ---- while the victim dies ---- */

static void test_one_at_a_time(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 400), *y = member_make(a, 500);

	y->undying = true;
	fill(x);
	CU_ASSERT_EQUAL(y->nr_kills, 1);
	look_again();
	look_again();
	CU_ASSERT_EQUAL(y->nr_kills, 1);
	CU_ASSERT_EQUAL(x->nr_kills, 0);
	CU_ASSERT(stands(x));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM_KILL), 1);
	world_exit(y);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(x->nr_kills, 0);
}

/* It has gone, and still there is no room. */
static void test_next_victim(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 400), *y = member_make(a, 500);

	y->undying = true;
	fill(x);
	CU_ASSERT_EQUAL(y->nr_kills, 1);
	atomic_put(&x->rss_anon, 1200);
	world_exit(y);
	world_run();
	CU_ASSERT_EQUAL(x->nr_kills, 1);
	CU_ASSERT_EQUAL(a->record->oom_kill, 2);
	CU_ASSERT_EQUAL(a->victim, 0);
}

/* A limit is written while the victim dies: no second one for that. */
static void test_write_while_dying(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 400), *y = member_make(a, 500);

	y->undying = true;
	fill(x);
	CU_ASSERT_EQUAL(y->nr_kills, 1);
	CU_ASSERT_EQUAL(limit_set(a, 100), -EBUSY);
	CU_ASSERT_EQUAL(x->nr_kills, 0);
	CU_ASSERT_EQUAL(y->nr_kills, 1);
	world_exit(y);
	world_run();
	CU_ASSERT_FALSE(stands(x));
}

/* The victim's memory is released before it is gone: there is room, and the others go on. */
static void test_released_early(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 400), *y = member_make(a, 500);

	y->undying = true;
	fill(x);
	atomic_put(&y->rss_anon, 0);
	look_again();
	CU_ASSERT_FALSE(stands(x));
	world_exit(y);
	world_run();
	CU_ASSERT_EQUAL(a->victim, 0);
	CU_ASSERT_EQUAL(x->nr_kills, 0);
}

/* The kernel could not tell of the victim's end: that must not stop the search for the next. */
static void test_end_not_told(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 400), *y = member_make(a, 500);

	y->undying = true;
	y->swap = 5000;
	fill(x);
	CU_ASSERT_EQUAL(y->nr_kills, 1);
	atomic_put(&x->rss_anon, 1200);
	world.lose_records = true;
	world_exit(y);
	world.lose_records = false;
	look_again();
	CU_ASSERT_EQUAL(y->nr_kills, 1);
	CU_ASSERT_EQUAL(x->nr_kills, 1);
	CU_ASSERT_EQUAL(a->record->oom_kill, 2);
}

/* Who waits dies: of itself, by somebody else's hand. */
static void test_waiter_dies(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 400), *y = member_make(a, 500);

	group_set_oom_kill_disable(mgr, a, 1);
	fill(x);
	CU_ASSERT_PTR_EQUAL(a->waiters, member(x));
	CU_ASSERT_EQUAL(under_oom(a), 1);
	world_exit(x);
	world_run();
	CU_ASSERT_PTR_NULL(a->waiters);
	CU_ASSERT_EQUAL(under_oom(a), 0);
	CU_ASSERT_PTR_NULL(member(x));
	CU_ASSERT_FALSE(stands(y));
	CU_ASSERT_EQUAL(world_work(y, 100), 100);
}

/* ---- nobody is killed ---- */

static void test_nobody(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 400), *y = member_make(a, 500);

	x->oom_score_adj = y->oom_score_adj = -1000;
	fill(x);
	CU_ASSERT_EQUAL(x->nr_kills + y->nr_kills, 0);
	CU_ASSERT(stands(x));
	CU_ASSERT_EQUAL(under_oom(a), 1);
	look_again();
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 1); /* it is one OOM, however long */
	/* Somebody may be killed after all. */
	y->oom_score_adj = 0;
	look_again();
	CU_ASSERT_EQUAL(y->nr_kills, 1);
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(under_oom(a), 0);
}

static void test_disabled(void)
{
	struct group *p = group_make(manager_root(mgr), "p"),
		     *a = group_make_limited(p, "a", LIMIT), *b = group_make(a, "b");
	struct fake_process *x = member_make(b, 900), *y = member_make(a, 10);

	group_set_oom_kill_disable(mgr, a, 1);
	fill(x);
	CU_ASSERT_EQUAL(x->nr_kills + y->nr_kills, 0);
	CU_ASSERT(stands(x));
	CU_ASSERT_FALSE(stands(y));
	/* Said in the whole subtree, not above it. */
	CU_ASSERT_EQUAL(under_oom(a), 1);
	CU_ASSERT_EQUAL(under_oom(b), 1);
	CU_ASSERT_EQUAL(under_oom(p), 0);
	fill(y);
	CU_ASSERT(stands(y));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 1);
	/* Freed without a word: looked for every now and then. */
	atomic_put(&x->rss_anon, 100);
	look_again();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_FALSE(stands(y));
	CU_ASSERT_EQUAL(under_oom(a), 0);
	CU_ASSERT_EQUAL(under_oom(b), 0);
	CU_ASSERT_EQUAL(x->nr_kills + y->nr_kills, 0);
}

static void test_disabled_exit_releases(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT),
		     *b = group_make(a, "b");
	struct fake_process *x = member_make(a, 400), *y = member_make(b, 500);

	group_set_oom_kill_disable(mgr, a, 1);
	fill(x);
	CU_ASSERT(stands(x));
	world_exit(y);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(under_oom(a), 0);
}

/* Writing 0 has those killed who would have been. */
static void test_enabled_kills(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *x = member_make(a, 400), *y = member_make(a, 500);

	group_set_oom_kill_disable(mgr, a, 1);
	fill(x);
	CU_ASSERT(stands(x));
	CU_ASSERT_EQUAL(group_set_oom_kill_disable(mgr, a, 1), 0);
	world_run();
	CU_ASSERT_EQUAL(x->nr_kills + y->nr_kills, 0);
	CU_ASSERT_EQUAL(group_set_oom_kill_disable(mgr, a, 0), 0);
	CU_ASSERT_EQUAL(under_oom(a), 0);
	world_run();
	CU_ASSERT_EQUAL(y->nr_kills + x->nr_kills, 1);
	CU_ASSERT_EQUAL(y->nr_kills, 1);
	CU_ASSERT_FALSE(stands(x));
}

/* A group and one below it are both out of memory: the end of the upper one's is not that of the
 * lower one's. */
static void test_nested(void)
{
	struct group *p = group_make_limited(manager_root(mgr), "p", LIMIT),
		     *a = group_make_limited(p, "a", 500), *b = group_make(p, "b");
	struct fake_process *x = member_make(a, 400), *y = member_make(p, 300);

	group_set_oom_kill_disable(mgr, p, 1);
	group_set_oom_kill_disable(mgr, a, 1);
	fill(x);
	CU_ASSERT_EQUAL(under_oom(a), 1);
	CU_ASSERT_EQUAL(under_oom(p), 0);
	fill(y);
	CU_ASSERT_EQUAL(under_oom(p), 1);
	CU_ASSERT_EQUAL(under_oom(a), 1);
	CU_ASSERT_EQUAL(under_oom(b), 1);
	CU_ASSERT_EQUAL(limit_set(p, 5000), 0);
	CU_ASSERT_FALSE(stands(y));
	CU_ASSERT(stands(x));
	CU_ASSERT_EQUAL(under_oom(p), 0);
	CU_ASSERT_EQUAL(under_oom(b), 0);
	CU_ASSERT_EQUAL(under_oom(a), 1);
	/* And the other way round. */
	CU_ASSERT_EQUAL(limit_set(p, atomic_get(&x->rss_anon) + atomic_get(&y->rss_anon)), 0);
	fill(y);
	CU_ASSERT_EQUAL(under_oom(p), 1);
	CU_ASSERT_EQUAL(limit_set(a, 5000), 0);
	CU_ASSERT_EQUAL(under_oom(a), 1); /* its parent is, and x waits there now */
	CU_ASSERT_EQUAL(limit_set(p, 5000), 0);
	CU_ASSERT_EQUAL(under_oom(a), 0);
	CU_ASSERT_FALSE(stands(x));
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"the biggest", test_biggest},
			       {"the innocent goes on", test_innocent},
			       {"the reserve kills nobody", test_reserve},
			       {"reclaim first", test_reclaim_first},
			       {"oom_score_adj", test_score_adj},
			       {"oom_score_adj below 0", test_score_adj_below_0},
			       {"never", test_never},
			       {"vfork", test_vfork},
			       {"the whole subtree", test_subtree},
			       {"one at a time", test_one_at_a_time},
			       {"the next victim", test_next_victim},
			       {"a limit written while it dies", test_write_while_dying},
			       {"released early", test_released_early},
			       {"an end not told of", test_end_not_told},
			       {"who waits dies", test_waiter_dies},
			       {"nobody may be killed", test_nobody},
			       {"oom_kill_disable", test_disabled},
			       {"oom_kill_disable and exit", test_disabled_exit_releases},
			       {"oom_kill_disable taken back", test_enabled_kills},
			       {"nested", test_nested},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("oom", tests);
}
