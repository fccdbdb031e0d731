/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups far from their limit, charged by time, and how they come near. Sizes in pages. */
#include "tests/unit/manager_fixture.h"

#define TICK 500 /* pages in a tick: a round of reclaim brings nobody far */

static struct group *group_begin(uint64_t limit)
{
	world.tick_pages = mgr->tick_pages = TICK;
	mgr->near_least_usec = 0;
	mgr->nr_cpus = 1;
	return group_make_limited(manager_root(mgr), "a", limit);
}

/* A whole tick of fp's: it got so many pages, and pays for the next. */
static void tick(struct fake_process *fp, uint64_t pages)
{
	atomic_inc(&fp->rss_anon, pages);
	world_tick(fp);
	world_run();
}

/* What the group's threads hold ahead, each a tick and one for the group. */
static int64_t far_room(uint64_t limit, uint64_t usage, unsigned nr_threads)
{
	return (int64_t)(limit - usage - (nr_threads + 1) * TICK);
}

static void test_far(void)
{
	struct group *a = group_begin(10000);
	struct fake_process *x = member_make(a, 100);

	CU_ASSERT_FALSE(fake_is_armed(x));
	CU_ASSERT_EQUAL(fake_slot_tick_pages(a->slot), TICK);
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 100, 1));
	/* Faults cost nothing; at the tick what it got is charged, and the rest given back. */
	CU_ASSERT_EQUAL(world_touch(x, 50), 50);
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 100, 1));
	tick(x, 0);
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 150, 1));
	CU_ASSERT_EQUAL(a->usage, 150);
	CU_ASSERT_EQUAL(lease_slot_get_charged(mgr->lease, a->slot), 150);
	/* Less is found as well. */
	atomic_put(&x->rss_anon, 20);
	tick(x, 0);
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 20, 1));
	CU_ASSERT_EQUAL(x->nr_stops, 0);
}

static void test_come_near(void)
{
	struct group *a = group_begin(10000);
	struct fake_process *x = member_make(a, 100);

	for (int i = 0; !fake_is_armed(x) && i < 1000; i++)
		tick(x, TICK);
	CU_ASSERT_EQUAL(fake_slot_tick_pages(a->slot), 0);
	CU_ASSERT_EQUAL(room_of(a), (int64_t)(10000 - x->rss_anon - LEASE_PAGES));
	CU_ASSERT(x->rss_anon <= 10000 - TICK);
	CU_ASSERT(x->rss_anon > 10000 - 4 * TICK);
	CU_ASSERT_EQUAL(failcnt(a), 0);
	CU_ASSERT_EQUAL(world_work(x, 5000), 5000);
	CU_ASSERT(failcnt(a) > 0);
	CU_ASSERT(world.peak <= 10000);
	/* It is far again once that is seen, and not armed any more. */
	atomic_put(&x->rss_anon, 100);
	group_true_up(mgr, a);
	CU_ASSERT_FALSE(fake_is_armed(x));
	CU_ASSERT_EQUAL(fake_slot_tick_pages(a->slot), TICK);
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 100, 1));
}

/* Who is at the border stays on its side. */
static void test_border(void)
{
	struct group *a = group_begin(10000);
	struct fake_process *x = member_make(a, 10000 - 3 * TICK);

	CU_ASSERT(fake_is_armed(x));
	atomic_put(&x->rss_anon, 10000 - 7 * TICK);
	group_true_up(mgr, a);
	CU_ASSERT(fake_is_armed(x));
	atomic_put(&x->rss_anon, 10000 - 7 * TICK - 1);
	group_true_up(mgr, a);
	CU_ASSERT_FALSE(fake_is_armed(x));
	atomic_put(&x->rss_anon, 10000 - 3 * TICK - 1);
	group_true_up(mgr, a);
	CU_ASSERT_FALSE(fake_is_armed(x));
	atomic_put(&x->rss_anon, 10000 - 3 * TICK);
	group_true_up(mgr, a);
	CU_ASSERT(fake_is_armed(x));
	/* Not at once. */
	mgr->near_least_usec = UINT64_MAX / 2;
	atomic_put(&x->rss_anon, 100);
	group_true_up(mgr, a);
	CU_ASSERT(fake_is_armed(x));
}

/* Who only runs is stopped at no tick, however little room there is. */
static void test_spinner(void)
{
	struct group *a = group_begin(10000);
	struct fake_process *x = member_make(a, 10000 - 3 * TICK - 1);

	for (int i = 0; i < 10; i++) {
		CU_ASSERT_FALSE(fake_is_armed(x));
		tick(x, 0);
	}
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 0);
	tick(x, 1);
	CU_ASSERT(fake_is_armed(x));
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_STOP), 0);
}

/* Short-lived threads, and a process of many. */
static void test_threads(void)
{
	struct group *a = group_begin(100000);
	struct fake_process *x = member_make(a, 100);

	x->nr_threads = 5;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(room_of(a), far_room(100000, 100, 5));
	x->nr_threads = 2;
	tick(x, 0);
	CU_ASSERT_EQUAL(room_of(a), far_room(100000, 100, 2));
	group_on_low(mgr, &(struct lease_record){.type = LEASE_RECORD_LOW, .slot = a->slot});
	lease_slot_set_room(mgr->lease, a->slot, -50, 0);
	group_on_low(mgr, &(struct lease_record){.type = LEASE_RECORD_LOW, .slot = a->slot});
	CU_ASSERT_EQUAL(room_of(a), far_room(100000, 100, 2) - 50);
	group_on_low(mgr, &(struct lease_record){
				  .type = LEASE_RECORD_LOW, .slot = a->slot, .nsec = UINT64_MAX});
	CU_ASSERT_EQUAL(room_of(a), far_room(100000, 100, 2));
	world_exit(x);
	world_run();
	CU_ASSERT_EQUAL(room_of(a), far_room(100000, 0, 0));
}

/* The manager is late: ticks that nobody counts use the room up, and then everybody stops. */
static void test_late_manager(void)
{
	struct group *a = group_begin(10000);
	struct fake_process *x = member_make(a, 100);
	unsigned nr_ticks = 0;

	while (!atomic_get(&x->stopped) && nr_ticks < 1000) {
		atomic_inc(&x->rss_anon, TICK);
		world_tick(x);
		nr_ticks++;
	}
	CU_ASSERT(x->rss_anon <= 10000);
	CU_ASSERT(nr_ticks > 15);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT(fake_is_armed(x));
	CU_ASSERT_EQUAL(failcnt(a), 0);
}

static void test_children(void)
{
	struct group *a = group_begin(10000);
	struct fake_process *x = member_make(a, 100), *y;

	/* Born: a tick ahead. Gone: that, and what it had. */
	y = world_fork(x, false);
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 100, 2));
	world_exec(y, false);
	world_run();
	tick(y, 300);
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 400, 2));
	world_exit(y);
	world_run();
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 100, 1));
	CU_ASSERT_EQUAL(a->usage, 100);
	/* Its parent is counted when it is heard of, and its events are its own from then on. */
	CU_ASSERT_EQUAL(y->nr_owns, 1);
	world_touch(x, 70);
	y = world_fork(x, false);
	world_run();
	CU_ASSERT_EQUAL(a->usage, 170);
	world_exit(y);
	world_run();
	atomic_put(&x->rss_anon, 100);
	group_true_up(mgr, a);
	/* Not heard of yet when the room is set: its tick is charged when it is. */
	y = world_fork(x, false);
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 100, 1));
	world_run();
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 100, 2));
	/* Gone when the room is set, and heard of after that: nothing is given back twice. */
	world_exec(y, false);
	world_run();
	tick(y, 300);
	world_exit(y);
	group_true_up(mgr, a);
	world_run();
	CU_ASSERT(room_of(a) <= far_room(10000, 100, 1));
	CU_ASSERT_EQUAL(a->usage, 100);
	/* A vfork child that ends: what it got is its parent's. */
	group_true_up(mgr, a);
	y = world_fork(x, true);
	world_run();
	world_exit(y);
	world_run();
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 100, 2));
}

/* So many children that there is no room for another's tick: their parent waits until they are
 * armed. */
static void test_many_children(void)
{
	struct group *a = group_begin(10000);
	struct fake_process *x = member_make(a, 10), *y = NULL;

	for (int i = 0; !atomic_get(&x->stopped) && i < 1000; i++)
		y = world_fork(x, false);
	CU_ASSERT(room_of(a) < 0);
	CU_ASSERT(room_of(a) >= -TICK);
	world_run();
	CU_ASSERT_FALSE(stands(x));
	CU_ASSERT(fake_is_armed(x));
	CU_ASSERT(fake_is_armed(y));
	/* Those that come now have their parent's events. */
	y = world_fork(x, false);
	world_run();
	CU_ASSERT_PTR_EQUAL(member(y)->faults, member(x)->faults);
	CU_ASSERT_EQUAL(failcnt(a), 0);
}

/* A child whose events were inherited before its parent was armed. */
static void test_unarmed_child(void)
{
	struct group *a = group_begin(200);
	struct fake_process *x = member_make(a, 10), *y;

	CU_ASSERT(fake_is_armed(x));
	y = fake_fork(x, 0);
	member(x)->faults_nsec = 0;
	process_on_fork(mgr, &(struct lease_record){.type = LEASE_RECORD_FORK,
						    .tgid = (unsigned)x->pid,
						    .child = (unsigned)y->pid,
						    .slot = a->slot,
						    .events = LEASE_EVENT_BIT(LEASE_CLOCK),
						    .nsec = 1});
	CU_ASSERT(fake_is_armed(y));
	CU_ASSERT_PTR_NOT_EQUAL(member(y)->faults, member(x)->faults);
	CU_ASSERT_EQUAL(y->nr_armed, 0);
	/* And one that has not even a clock. */
	y = fake_fork(x, 0);
	process_on_fork(mgr, &(struct lease_record){.type = LEASE_RECORD_FORK,
						    .tgid = (unsigned)x->pid,
						    .child = (unsigned)y->pid,
						    .slot = a->slot,
						    .nsec = 1});
	CU_ASSERT(fake_is_armed(y));
	CU_ASSERT_EQUAL(y->nr_armed, 1);
}

/* The same with a thread. */
static void test_unarmed_thread(void)
{
	struct group *a = group_begin(200);
	struct fake_process *x = world_child(1, "worker");
	struct process *p;
	unsigned nr_fds;

	fake_move(x, "");
	CU_ASSERT_EQUAL_FATAL(attach(a, x), 0);
	p = member(x);
	nr_fds = p->faults->nr_fds;
	process_on_thread(mgr, &(struct lease_record){.type = LEASE_RECORD_THREAD,
						      .tgid = (unsigned)x->pid,
						      .child = (unsigned)x->pid,
						      .events = LEASE_EVENT_BIT(LEASE_CLOCK)});
	CU_ASSERT_EQUAL(p->faults->nr_fds, nr_fds + LEASE_NR_EVENTS);
	CU_ASSERT_EQUAL(p->lineage->nr_fds, nr_fds);
}

static void test_moves(void)
{
	struct group *a = group_begin(10000), *b = group_make_limited(manager_root(mgr), "b", 200);
	struct fake_process *x = member_make(a, 100);

	CU_ASSERT_FALSE(fake_is_armed(x));
	CU_ASSERT_EQUAL(attach(b, x), 0);
	CU_ASSERT(fake_is_armed(x));
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 0, 0));
	CU_ASSERT_EQUAL(attach(a, x), 0);
	CU_ASSERT_FALSE(fake_is_armed(x));
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 100, 1));
	/* No descriptor for its events: it stays. */
	world.arm_error = -ENOSPC;
	CU_ASSERT_EQUAL(attach(b, x), -ENOSPC);
	CU_ASSERT_PTR_EQUAL(member(x)->group, a);
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 100, 1));
	CU_ASSERT_EQUAL(usage_pages(b), 0);
}

/* No descriptor when its group comes near: it is tried again at its ticks. */
static void test_no_descriptor(void)
{
	struct group *a = group_begin(10000);
	struct fake_process *x = member_make(a, 100);

	world.arm_error = -ENOSPC;
	tick(x, 9800);
	CU_ASSERT_FALSE(fake_is_armed(x));
	CU_ASSERT(member(x)->arm_not_before > 0);
	/* Over the limit it is stopped, and memory got back, all the same. */
	tick(x, 2000);
	CU_ASSERT(failcnt(a) > 0);
	CU_ASSERT(atomic_get(&x->rss_anon) <= 10000);
	world.arm_error = 0;
	tick(x, 0);
	CU_ASSERT_FALSE(fake_is_armed(x)); /* not so soon */
	member(x)->arm_not_before = 1;
	tick(x, 0);
	CU_ASSERT(fake_is_armed(x));
}

static void test_limits(void)
{
	struct group *a = group_begin(10000), *b = group_make(a, "b");
	struct fake_process *x = member_make(b, 100);

	/* The nearest limit of those above decides. */
	CU_ASSERT_FALSE(fake_is_armed(x));
	CU_ASSERT_EQUAL(limit_set(b, 200), 0);
	CU_ASSERT(fake_is_armed(x));
	CU_ASSERT_EQUAL(limit_set(b, 20000), 0);
	CU_ASSERT_FALSE(fake_is_armed(x));
	CU_ASSERT_EQUAL(fake_slot_tick_pages(b->slot), TICK);
	/* Counted for one, it is so for all. */
	tick(x, 50);
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 150, 1));
	CU_ASSERT_EQUAL(room_of(b), far_room(20000, 150, 1));
	atomic_inc(&x->rss_anon, 30);
	group_true_up(mgr, b);
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 180, 1));
	CU_ASSERT_EQUAL(a->usage, 180);
	CU_ASSERT_EQUAL(limit_set(a, 300), 0);
	CU_ASSERT(fake_is_armed(x));
	CU_ASSERT_EQUAL(limit_set(a, LIMIT_MAX_BYTES / 4096), 0);
	CU_ASSERT_FALSE(fake_is_armed(x));
	CU_ASSERT_EQUAL(fake_slot_tick_pages(a->slot), 0);
	CU_ASSERT_EQUAL(room_of(a), LEASE_NO_LIMIT);
}

static void test_restart(void)
{
	struct group *a = group_begin(10000), *b = group_make_limited(manager_root(mgr), "b", 200);
	struct fake_process *x = member_make(a, 100), *y = member_make(b, 100);

	world_restart();
	a = group_child(manager_root(mgr), "a");
	b = group_child(manager_root(mgr), "b");
	CU_ASSERT_FALSE(fake_is_armed(x));
	CU_ASSERT(fake_is_armed(y));
	CU_ASSERT_EQUAL(room_of(a), far_room(10000, 100, 1));
	CU_ASSERT_EQUAL(room_of(b), 200 - 100 - LEASE_PAGES);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"far", test_far},
			       {"come near", test_come_near},
			       {"border", test_border},
			       {"spinner", test_spinner},
			       {"threads", test_threads},
			       {"late manager", test_late_manager},
			       {"children", test_children},
			       {"many children", test_many_children},
			       {"a child made while arming", test_unarmed_child},
			       {"a thread made while arming", test_unarmed_thread},
			       {"moves", test_moves},
			       {"no descriptor", test_no_descriptor},
			       {"limits", test_limits},
			       {"restart", test_restart},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("far", tests);
}
