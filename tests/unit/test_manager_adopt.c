/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a server adopts at its start, and its loop's start and end. */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "tests/unit/manager_fixture.h"

/* ---- adoption ---- */

static void test_adopt_settings(void)
{
	struct group *root = manager_root(mgr), *a = group_make_limited(root, "a", 5000),
		     *b = group_make(a, "b");
	uint64_t id = group_id(b);
	struct fake_process *fp = member_make(b, 100);

	b->record->memory.failcnt = 9;
	b->record->under_oom = 1;
	group_set_swappiness(mgr, b, 3);
	group_set_move_charge(mgr, b, 2);
	group_make(root, "gone");
	manager_stop();
	CU_ASSERT_EQUAL(hierarchy_rmdir(NULL, "gone"), 0);
	CU_ASSERT_EQUAL(hierarchy_mkdir(NULL, "a/found"), 0);
	world.nr_inherited = 2;
	CU_ASSERT_EQUAL_FATAL(manager_start(true), 0);

	root = manager_root(mgr);
	a = group_child(root, "a");
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_EQUAL(group_record(a)->memory.limit, pages_to_bytes(5000));
	b = group_child(a, "b");
	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	CU_ASSERT_EQUAL(group_id(b), id);
	CU_ASSERT_EQUAL(group_record(b)->memory.failcnt, 9);
	CU_ASSERT_EQUAL(group_record(b)->swappiness, 3);
	CU_ASSERT_EQUAL(group_record(b)->move_charge, 2);
	CU_ASSERT_EQUAL(group_record(b)->under_oom, 0); /* nobody waits any more */
	/* One that has no directory, and one that has no record. */
	CU_ASSERT_PTR_NULL(group_child(root, "gone"));
	CU_ASSERT_PTR_NOT_NULL_FATAL(group_child(a, "found"));
	CU_ASSERT_EQUAL(group_record(group_child(a, "found"))->memory.limit, LIMIT_MAX_BYTES);
	CU_ASSERT_EQUAL(group_nr_children(root), 1);
	CU_ASSERT_EQUAL(group_make(root, "again")->slot, 3); /* the slot of "gone" */
	/* Members, and what is used. */
	CU_ASSERT_PTR_NOT_NULL_FATAL(member(fp));
	CU_ASSERT_PTR_EQUAL(member(fp)->group, b);
	CU_ASSERT_EQUAL(usage_pages(a), 100);
	CU_ASSERT(fake_slot_limited(b->slot));
	CU_ASSERT_EQUAL(lease_slot_get_room(NULL, a->slot), 5000 - 100 - LEASE_PAGES);
}

/* The programs were loaded anew, so that the map knows nothing. */
static void test_adopt_fresh_map(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000), *b = group_make(a, "b");
	uint32_t slot_a = a->slot, slot_b = b->slot;

	manager_stop();
	fake_lease_reset();
	CU_ASSERT_EQUAL_FATAL(manager_start(false), 0);
	CU_ASSERT_EQUAL(lease_slot_get_room(NULL, slot_a), 1000);
	CU_ASSERT_EQUAL(lease_slot_get_room(NULL, slot_b), LEASE_NO_LIMIT);
	CU_ASSERT_EQUAL(fake_slot_parent(slot_b), slot_a);
	CU_ASSERT(fake_slot_limited(slot_b));
	/* The next server finds it as it was. */
	lease_slot_add_charged(NULL, slot_b, 77);
	world_restart();
	CU_ASSERT_EQUAL(lease_slot_get_charged(NULL, slot_b), 77);
}

/* One stopped process was left by a server that died, and waits for a word. */
static void test_adopt_stopped(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 100), *other = member_make(a, 100);

	manager_stop();
	fp->lease.stopped = true;
	fp->stopped = true;
	other->stopped = true; /* by its user */
	world.nr_inherited = 2;
	CU_ASSERT_EQUAL_FATAL(manager_start(true), 0);
	world_run();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_FALSE(fp->lease.stopped);
	CU_ASSERT(stands(other));
}

/* A member that nobody armed is armed: here a real process, whose threads are in /proc. */
static void test_adopt_unarmed(void)
{
	struct fake_process *fp = world_child(3, "a child");

	group_make(manager_root(mgr), "a");
	strcpy(fp->dir, "a");
	world_restart();
	CU_ASSERT_PTR_NOT_NULL_FATAL(member(fp));
	CU_ASSERT(fp->nr_threads >= 3);
	CU_ASSERT_EQUAL(fp->nr_armed, fp->nr_threads);
	CU_ASSERT(fp->member);
	CU_ASSERT_EQUAL(fp->lease.slot, group_child(manager_root(mgr), "a")->slot);

	/* One that goes just then is nobody's, and leaves nothing behind. */
	fp->member = false;
	world.usage_open_error = -ESRCH;
	world_restart();
	CU_ASSERT_PTR_NULL(member(fp));
}

/*
 * Leases that died with their server: all members have new ones, also who was forked meanwhile, and
 * who was stopped while nobody heard of it goes on.
 */
static void test_adopt_rearmed(void)
{
	struct fake_process *fp = world_child(2, "a child"), *other = world_child(1, "another");
	struct group *a = group_make_limited(manager_root(mgr), "a", 100000);

	CU_ASSERT_EQUAL(attach(a, fp), 0);
	CU_ASSERT_EQUAL(fp->nr_armed, fp->nr_threads);
	manager_stop();
	fp->stopped = true;
	fp->unanswered = true;
	strcpy(other->dir, "a");
	world.leases_die = true;
	world.nr_inherited = 4;
	CU_ASSERT_EQUAL_FATAL(manager_start(true), 0);
	CU_ASSERT_EQUAL(world.nr_inherited_leases, 4);
	CU_ASSERT_EQUAL(fp->nr_armed, 2 * fp->nr_threads);
	CU_ASSERT_EQUAL(other->nr_armed, other->nr_threads);
	CU_ASSERT_PTR_NOT_NULL(member(other));
	world_run();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_FALSE(fp->lease.stopped);
	fp->unanswered = false;
}

/* Of a member that no record told of the hierarchy knows. */
static void test_missed_member(void)
{
	struct fake_process *fp = world_child(1, "a child");

	group_make(manager_root(mgr), "a");
	strcpy(fp->dir, "a");
	world_miss();
	world_run();
	CU_ASSERT_PTR_NOT_NULL_FATAL(member(fp));
	CU_ASSERT_EQUAL(fp->nr_armed, 1);
	CU_ASSERT_EQUAL(fp->lease.slot, group_child(manager_root(mgr), "a")->slot);
	/* Once more: it is known. */
	world_miss();
	world_run();
	CU_ASSERT_EQUAL(fp->nr_armed, 1);
}

/* Where others make groups, too, only what has a record is ours, and only under its id. */
static void test_adopt_shared(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 5000);

	group_make(a, "again");
	manager_stop();
	CU_ASSERT_EQUAL(hierarchy_mkdir(NULL, "theirs"), 0);
	CU_ASSERT_EQUAL(hierarchy_mkdir(NULL, "a/theirs"), 0);
	CU_ASSERT_EQUAL(hierarchy_rmdir(NULL, "a/again"), 0);
	CU_ASSERT_EQUAL(hierarchy_mkdir(NULL, "a/again"), 0);
	world.hierarchy_shared = true;
	CU_ASSERT_EQUAL_FATAL(manager_start(true), 0);
	CU_ASSERT_EQUAL(group_nr_children(manager_root(mgr)), 1);
	a = group_child(manager_root(mgr), "a");
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_EQUAL(group_record(a)->memory.limit, pages_to_bytes(5000));
	CU_ASSERT_EQUAL(group_nr_children(a), 0);
}

static void test_adopt_error(void)
{
	group_make(manager_root(mgr), "a");
	manager_stop();
	world.children_error = -EIO;
	CU_ASSERT_EQUAL(manager_start(false), -EIO);
	CU_ASSERT_PTR_NULL(mgr);
}

/* ---- the loop ---- */

struct numbered {
	struct manager_request request;
	unsigned number;
};

static unsigned nr_run;

static void run_numbered(struct manager *m, struct manager_request *r)
{
	CU_ASSERT_PTR_EQUAL(m, mgr);
	CU_ASSERT_EQUAL(((struct numbered *)r)->number, nr_run);
	nr_run++;
}

static void *run_manager(void *userdata)
{
	*(int *)userdata = manager_run(mgr);
	return NULL;
}

static void test_requests(void)
{
	struct numbered r[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
	pthread_t thread;
	int status = -1;

	nr_run = 0;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run_manager, &status), 0);
	for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
		r[i].request.run = run_numbered;
		manager_submit(mgr, &r[i].request);
	}
	manager_quit(mgr, 42);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(nr_run, ARRAY_SIZE(r));
	CU_ASSERT_EQUAL(status, 42);
}

/* Who stood still when the server before died is continued as soon as the loop runs; who stands at
 * its end, too. */
static void test_run_and_end(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 100);
	pthread_t thread;
	int status = -1;

	process_stop(mgr, member(fp), fp->pid);
	CU_ASSERT(stands(fp));
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, run_manager, &status), 0);
	while (stands(fp)) /* nobody asks for anything */
		sched_yield();
	manager_quit(mgr, 0);
	pthread_join(thread, NULL);
	CU_ASSERT_EQUAL(status, 0);

	process_stop(mgr, member(fp), fp->pid);
	CU_ASSERT(stands(fp));
	CU_ASSERT_EQUAL(fp->lease.stopped, 1);
	manager_stop();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_FALSE(fp->lease.stopped);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"adopt settings and members", test_adopt_settings},
			       {"adopt with a fresh map", test_adopt_fresh_map},
			       {"adopt who stands still", test_adopt_stopped},
			       {"adopt who is not armed", test_adopt_unarmed},
			       {"adopt where leases have died", test_adopt_rearmed},
			       {"a member that was missed", test_missed_member},
			       {"adopt from a broken hierarchy", test_adopt_error},
			       {"adopt where others are", test_adopt_shared},
			       {"requests", test_requests},
			       {"the loop's start and end", test_run_and_end},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("adopt", tests);
}
