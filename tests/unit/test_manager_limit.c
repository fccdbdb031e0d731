/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Limits: room, who is stopped at whose limit, what is reclaimed, who goes on. Sizes in pages. */
#include <string.h>

#include "tests/unit/manager_fixture.h"

/* ---- room ---- */

static void test_room(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *fp = member_make(a, 100);

	CU_ASSERT_EQUAL(room_of(a), LEASE_NO_LIMIT);
	CU_ASSERT_EQUAL(limit_set(a, 1600), 0);
	CU_ASSERT_EQUAL(room_of(a), 1600 - 100 - LEASE_PAGES);
	/* A lease for each thread is kept free. */
	fp->nr_threads = 5;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(room_of(a), 1600 - 100 - 5 * LEASE_PAGES);
	/* A sixteenth of the limit at most, for a process that stands by. */
	fp->nr_threads = 500;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(room_of(a), 1600 - 100 - 100);
	/* A quarter for one that took memory, or runs; and both, where there are both. */
	fp->rss_anon = 110;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(room_of(a), 1600 - 110 - 400);
	member_make(a, 10)->nr_threads = 2;
	group_true_up(mgr, a);
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(room_of(a), 1600 - 120 - 100);
	fp->rss_anon = 90;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(room_of(a), 1600 - 100 - 400 - 2 * LEASE_PAGES);
	fp->runs = 1;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(room_of(a), 1600 - 100 - 400 - 2 * LEASE_PAGES);
	CU_ASSERT_EQUAL(limit_set(a, bytes_to_pages(LIMIT_MAX_BYTES)), 0);
	CU_ASSERT_EQUAL(room_of(a), LEASE_NO_LIMIT);
}

static void count_done(int error, void *userdata)
{
	CU_ASSERT_EQUAL(error, 0);
	++*(unsigned *)userdata;
}

static void test_bytes(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	unsigned nr = 0;

	group_set_limit(mgr, a, COUNTER_MEMORY, 3 * 4096 + 4095, count_done, &nr);
	CU_ASSERT_EQUAL(group_record(a)->memory.limit, 3 * 4096);
	group_set_limit(mgr, a, COUNTER_MEMORY, UINT64_MAX, count_done, &nr);
	CU_ASSERT_EQUAL(group_record(a)->memory.limit, LIMIT_MAX_BYTES);
	CU_ASSERT_EQUAL(nr, 2);
}

/* Clock ticks are wanted of members of limited groups and of those below them. */
static void test_limited_flag(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b"), *c;

	CU_ASSERT_EQUAL(limit_set(a, 1000), 0);
	CU_ASSERT(fake_slot_limited(a->slot));
	CU_ASSERT(fake_slot_limited(b->slot));
	c = group_make(b, "c");
	CU_ASSERT(fake_slot_limited(c->slot));
	CU_ASSERT_EQUAL(limit_set(b, 500), 0);
	CU_ASSERT_EQUAL(limit_set(a, bytes_to_pages(LIMIT_MAX_BYTES)), 0);
	CU_ASSERT_FALSE(fake_slot_limited(a->slot));
	CU_ASSERT(fake_slot_limited(b->slot));
	CU_ASSERT(fake_slot_limited(c->slot));
	CU_ASSERT_EQUAL(limit_set(b, bytes_to_pages(LIMIT_MAX_BYTES)), 0);
	CU_ASSERT_FALSE(fake_slot_limited(c->slot));
}

/* ---- at the limit ---- */

static void test_never_past(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = member_make(a, 0), *y = member_make(a, 0);

	for (int i = 0; i < 30; i++) {
		CU_ASSERT_EQUAL(world_work(x, 100), 100);
		CU_ASSERT_EQUAL(world_work(y, 37), 37);
	}
	CU_ASSERT(world.peak > 900);
	CU_ASSERT(world.peak <= 1000);
	CU_ASSERT(a->record->memory.max_usage <= pages_to_bytes(1000));
	CU_ASSERT(failcnt(a) > 0);
	CU_ASSERT_EQUAL(failcnt(a), event_count(a, GROUP_EVENT_MAX));
	CU_ASSERT_EQUAL(x->swap + x->rss_anon + y->swap + y->rss_anon, 30 * 137);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_PAGED_OUT), x->nr_paged_out + y->nr_paged_out);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_DIRECT),
			x->nr_paged_out + y->nr_paged_out);
	CU_ASSERT(event_count(a, GROUP_EVENT_STOP) >= failcnt(a));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0);
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_FALSE(stands(y));
	/* The clock hand is kept from one round to the next. */
	CU_ASSERT_EQUAL(member(x)->hand, x->nr_paged_out * page_size());
}

/* The lease says full, the figures do not: that is no limit hit. */
static void test_true_up(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 0);

	CU_ASSERT_EQUAL(world_touch(fp, 960), 960);
	atomic_put(&fp->rss_anon, 100);
	world_touch(fp, 100);
	CU_ASSERT(stands(fp));
	world_run();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(failcnt(a), 0);
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 1);
	CU_ASSERT_EQUAL(room_of(a), (int64_t)(1000 - fp->rss_anon - LEASE_PAGES));
	CU_ASSERT_EQUAL(usage_pages(a), fp->rss_anon);
}

/* Without any room at all even the smallest hit is one. */
static void test_no_room_is_a_hit(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 1000 - LEASE_PAGES);

	fp->pinned = UINT64_MAX;
	group_set_oom_kill_disable(mgr, a, 1);
	CU_ASSERT_EQUAL(group_room_wanted(mgr, a), 0);
	lease_slot_set_room(NULL, a->slot, -1, room_of(a));
	process_stop(mgr, member(fp), fp->pid);
	world_run();
	CU_ASSERT_EQUAL(failcnt(a), 1);
	CU_ASSERT(stands(fp));
}

/* What idle members hold unused is taken back before it counts as a hit. */
static void test_recall(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 500);

	world.held = 480;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(room_of(a), 1000 - 500 - 480 - LEASE_PAGES);
	hit_limit(fp);
	world_run();
	CU_ASSERT_EQUAL(world.nr_recalls, 1);
	CU_ASSERT_EQUAL(failcnt(a), 0);
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	CU_ASSERT_EQUAL(fp->nr_holds, 0);
	CU_ASSERT_EQUAL(fp->nr_continuings, 1);
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(room_of(a), (int64_t)(1000 - fp->rss_anon - LEASE_PAGES));
	/* Where that is not enough it is one, and the lease is told that the member waits. */
	world.held = 480;
	world.held_stays = true;
	hit_limit(fp);
	world_run();
	CU_ASSERT_EQUAL(world.nr_recalls, 2);
	CU_ASSERT_EQUAL(failcnt(a), 1);
	CU_ASSERT_EQUAL(fp->nr_holds, 1);
	CU_ASSERT_FALSE(stands(fp));
}

/* Nobody is continued whose stop has not come yet. */
static void test_lands_late(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 500);

	fp->lands_late = true;
	hit_limit(fp);
	world_run();
	CU_ASSERT_EQUAL(fp->nr_continuings, 1);
	CU_ASSERT_EQUAL(fp->nr_continues, 0);
	CU_ASSERT(member(fp)->stopped);
	CU_ASSERT_EQUAL(fp->lease.stopped, 1);
	world_land(fp);
	world_run();
	CU_ASSERT_EQUAL(fp->nr_continuings, 2);
	CU_ASSERT_EQUAL(fp->nr_continues, 1);
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_FALSE(fp->lease.stopped);
}

static void test_parent_full(void)
{
	struct group *p = group_make_limited(manager_root(mgr), "p", 1000), *a = group_make(p, "a"),
		     *b = group_make(p, "b");
	struct fake_process *x = member_make(a, 0), *y = member_make(b, 0);

	CU_ASSERT_EQUAL(world_work(x, 600), 600);
	CU_ASSERT_EQUAL(failcnt(p), 0);
	CU_ASSERT_EQUAL(world_work(y, 600), 600);
	CU_ASSERT_EQUAL(failcnt(p), 1);
	CU_ASSERT_EQUAL(failcnt(a), 0);
	CU_ASSERT_EQUAL(failcnt(b), 0);
	CU_ASSERT(world.peak <= 1000);
	/* All below the parent pay for it. */
	CU_ASSERT(x->nr_paged_out > 0);
	CU_ASSERT_EQUAL(usage_pages(p), usage_pages(a) + usage_pages(b));
	/* Its reclaim is the parent's. */
	CU_ASSERT(event_count(p, GROUP_EVENT_RECLAIM_DIRECT) > 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_DIRECT), 0);
}

static void test_child_full(void)
{
	struct group *p = group_make_limited(manager_root(mgr), "p", 1000),
		     *a = group_make_limited(p, "a", 300), *b = group_make(p, "b");
	struct fake_process *x = member_make(a, 0), *y = member_make(b, 200);

	CU_ASSERT_EQUAL(world_work(x, 500), 500);
	CU_ASSERT(failcnt(a) > 0);
	CU_ASSERT_EQUAL(failcnt(p), 0);
	CU_ASSERT(x->nr_paged_out >= 200);
	CU_ASSERT_EQUAL(y->nr_paged_out, 0);
	CU_ASSERT(x->rss_anon <= 300);
}

/* Who has room again in its own group may have none further up. */
static void test_child_then_parent(void)
{
	struct group *p = group_make_limited(manager_root(mgr), "p", 1000),
		     *a = group_make_limited(p, "a", 500);
	struct fake_process *x = member_make(a, 480), *y = member_make(p, 300);

	y->pinned = UINT64_MAX;
	group_set_oom_kill_disable(mgr, p, 1);
	hit_limit_and_hold(x);
	CU_ASSERT_EQUAL(failcnt(a), 1);
	CU_ASSERT_EQUAL(failcnt(p), 0);
	atomic_put(&y->rss_anon, 1000); /* the parent is full meanwhile */
	lease_slot_set_room(NULL, p->slot, -500, 0);
	world.swap_free = 0;
	atomic_put(&x->rss_anon, 100); /* and the child is not */
	go_on();
	CU_ASSERT(stands(x));
	CU_ASSERT_EQUAL(nr_waiters(a), 0);
	CU_ASSERT_EQUAL(nr_waiters(p), 1);
	CU_ASSERT_EQUAL(failcnt(p), 1);
	atomic_put(&y->rss_anon, 300);
	oom_retry(mgr->retry, 0, mgr);
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT_EQUAL(nr_waiters(p), 0);
}

static void test_waiters(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp[4];

	for (size_t i = 0; i < ARRAY_SIZE(fp); i++)
		fp[i] = member_make(a, 230);
	hit_limit_and_hold(fp[0]);
	CU_ASSERT_EQUAL(nr_waiters(a), 1);
	/* The others come while it is reclaimed for the first. */
	for (size_t i = 1; i < 3; i++) {
		while (!stands(fp[i]))
			world_touch(fp[i], LEASE_PAGES);
		world_step();
	}
	CU_ASSERT_EQUAL(nr_waiters(a), 3);
	CU_ASSERT_EQUAL(failcnt(a), 1);
	CU_ASSERT_FALSE(stands(fp[3]));
	go_on();
	CU_ASSERT_EQUAL(nr_waiters(a), 0);
	CU_ASSERT_EQUAL(failcnt(a), 1);
	CU_ASSERT_EQUAL(world.nr_page_out, 1);
	for (size_t i = 0; i < 3; i++) {
		CU_ASSERT_FALSE(stands(fp[i]));
		CU_ASSERT_FALSE(fp[i]->lease.stopped);
		CU_ASSERT_EQUAL(fp[i]->nr_continues, 1);
	}
	CU_ASSERT_EQUAL(fp[3]->nr_continues, 0);
	CU_ASSERT(event_count(a, GROUP_EVENT_STOP_USEC) > 0);
}

/* ---- reclaim ---- */

static void test_batch(void)
{
	struct group *small = group_make_limited(manager_root(mgr), "small", 1000),
		     *big = group_make_limited(manager_root(mgr), "big", 10000);
	struct fake_process *x = member_make(small, 980), *y = member_make(big, 9980);

	world_touch(x, 16);
	world_run();
	/* Half the limit, and what is over it: 996 used, 8 kept free. */
	CU_ASSERT_EQUAL(world.wanted, 500 + 4);
	CU_ASSERT_EQUAL(x->nr_paged_out, 504);
	world_touch(y, 24);
	world_run();
	CU_ASSERT_EQUAL(world.wanted, 2048 + 4);
}

/* Rounds bring something back, but no room: an end after 16 of them. */
static void test_rounds(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 980);

	world.page_out_max = 2;
	group_set_oom_kill_disable(mgr, a, 1);
	world_touch(fp, 16);
	atomic_inc(&fp->rss_anon, 1000);
	world_run();
	CU_ASSERT_EQUAL(world.nr_page_out, 16);
	CU_ASSERT_EQUAL(fp->nr_paged_out, 32);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 1);
	CU_ASSERT(stands(fp));
	CU_ASSERT_EQUAL(failcnt(a), 1);
}

/* As many rounds as it takes, while each brings something back. */
static void test_some_rounds(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 980);

	world.page_out_max = 2;
	world_touch(fp, 16); /* 4 over */
	world_run();
	CU_ASSERT_EQUAL(world.nr_page_out, 3);
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0);
	/* The next hit begins to count anew. */
	CU_ASSERT_EQUAL(a->nr_rounds, 0);
}

static void test_cache_first(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000), *b = group_make(a, "b"),
		     *other = group_make(manager_root(mgr), "other");
	struct fake_process *x = member_make(a, 100), *y = member_make(b, 100),
			    *z = member_make(other, 1);

	world_read_file(z, 3, 500);
	world_read_file(x, 1, 300);
	world_read_file(y, 2, 300);
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(800));
	CU_ASSERT_FALSE(stands(y));
	world_read_file(y, 2, 200);
	CU_ASSERT(stands(y));
	world_run();
	CU_ASSERT_FALSE(stands(y));
	CU_ASSERT_EQUAL(failcnt(a), 1);
	CU_ASSERT_EQUAL(world.nr_cache_drop, 1);
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_CACHE_DROPPED), 500 + LEASE_PAGES * 2);
	CU_ASSERT_EQUAL(lease_slot_get_cache(NULL, other->slot), 500);
	CU_ASSERT_EQUAL(usage_pages(a), 1000 - 500 - LEASE_PAGES * 2);
}

/* Page cache that did not go, for it is being written, goes the next time. */
static void test_cache_later(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 500);

	world.swap_free = 0;
	world.cache_pinned = true;
	world_read_file(fp, 1, 500);
	world_run();
	CU_ASSERT(stands(fp));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0);
	world.cache_pinned = false;
	look_again();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(fp->nr_kills, 0);
	CU_ASSERT_EQUAL(failcnt(a), 1);
}

/* What the page cache does not give comes from the members. */
static void test_cache_then_anonymous(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 900);

	world_read_file(fp, 1, 100);
	world_run();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_CACHE_DROPPED), 100);
	CU_ASSERT_EQUAL(world.wanted, 500 + LEASE_PAGES - 100);
	CU_ASSERT_EQUAL(fp->nr_paged_out, 408);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_RECLAIM_DIRECT), 508);
}

static void test_no_swap(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 980);

	world.swap_free = 0;
	group_set_oom_kill_disable(mgr, a, 1);
	world_touch(fp, 16);
	world_run();
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	CU_ASSERT(stands(fp));
}

/* With swappiness 0 nothing anonymous is paged out, page cache or not. */
static void test_swappiness_0(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 880);

	group_set_swappiness(mgr, a, 0);
	group_set_oom_kill_disable(mgr, a, 1);
	world_read_file(fp, 1, 100);
	world_touch(fp, 16);
	world_run(); /* all page cache goes, and that is enough */
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(fp->nr_paged_out, 0);
	/* What is mapped of it cannot be dropped. */
	world.cache_pinned = true;
	world_read_file(fp, 1, 200);
	world_run();
	CU_ASSERT_EQUAL(fp->nr_paged_out, 0);
	CU_ASSERT(stands(fp));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0); /* it may go the next time */
	for (int i = 0; i < 16; i++)
		look_again();
	CU_ASSERT_EQUAL(fp->nr_paged_out, 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 1);
	group_set_swappiness(mgr, a, 1);
	CU_ASSERT_EQUAL(limit_set(a, 1050), 0);
	CU_ASSERT_EQUAL(limit_set(a, 700), 0);
	CU_ASSERT(fp->nr_paged_out > 0);
}

/*
 * Of big processes that share pages each fault may have been a copy: over the limit by that, but
 * not by their page tables. Found out by a worker, and then known.
 */
static void test_share_by_worker(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 20000), *y;

	CU_ASSERT_EQUAL(limit_set(a, 30000), 0);
	y = world_fork(x, false);
	world_run();
	CU_ASSERT_PTR_NOT_NULL_FATAL(member(y));
	/* At first all is the parent's. */
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(usage_pages(a), 20000);
	x->pss_anon = y->pss_anon = 10000;
	y->nr_copies = 16000;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(a->usage, 36000 + FAKE_FAULTS);
	CU_ASSERT_EQUAL(usage_pages(a), 20000);
	world_touch(y, 16);
	CU_ASSERT(stands(y));
	world_run();
	CU_ASSERT_FALSE(stands(y));
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_OOM), 0);
	CU_ASSERT_EQUAL(usage_pages(a), 20000);
	/* Nothing was looked for in vain. */
	CU_ASSERT_EQUAL(group_pressure_level(a), PRESSURE_LOW);
	CU_ASSERT_EQUAL(a->pressure.scanned, 0);
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(20000));
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"room and reserve", test_room},
			       {"rounding", test_bytes},
			       {"limited flag", test_limited_flag},
			       {"never past the limit", test_never_past},
			       {"true-up is no hit", test_true_up},
			       {"no room is a hit", test_no_room_is_a_hit},
			       {"leases are recalled first", test_recall},
			       {"a stop on its way", test_lands_late},
			       {"the parent is full", test_parent_full},
			       {"the child is full", test_child_full},
			       {"the child, then the parent", test_child_then_parent},
			       {"waiters go on together", test_waiters},
			       {"how much is reclaimed", test_batch},
			       {"reclaim for ever", test_rounds},
			       {"reclaim until there is room", test_some_rounds},
			       {"page cache first", test_cache_first},
			       {"page cache later", test_cache_later},
			       {"page cache, then anonymous", test_cache_then_anonymous},
			       {"no swap", test_no_swap},
			       {"swappiness 0", test_swappiness_0},
			       {"share counted by the worker", test_share_by_worker},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("limit", tests);
}
