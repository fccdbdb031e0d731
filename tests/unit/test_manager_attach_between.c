/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens between the beginning of an attach and its end: forks, other attaches, removals. */
#include <pthread.h>
#include <semaphore.h>

#include "tests/unit/manager_fixture.h"

static const struct caller root_caller = {.pid = 1};

static struct group *make(const char *name)
{
	return group_make(manager_root(mgr), name);
}

/* ---- forks ---- */

static struct fake_process *forker, *early, *early_child, *late, *later;

static void fork_early(void)
{
	early = world_fork(forker, false);
	early_child = world_fork(early, false);
}

static void fork_late(void)
{
	late = world_fork(forker, false);
}

/* A grandchild is born just before its parent is set right. */
static void fork_later(const struct fake_process *fp)
{
	if (fp == early && !later)
		later = world_fork(early, false);
}

/*
 * A child forked between entering the map and the kernel's group has the new slot and the old
 * group. The kernel is right, and so it is for the child's own children.
 */
static void test_fork_in_move(void)
{
	struct group *a = make("a"), *b = make("b");

	forker = member_make(a, 100);
	later = NULL;
	world.on_attach = fork_early;
	world.on_attached = fork_late;
	world.on_look = fork_later;
	CU_ASSERT_EQUAL(attach(b, forker), 0);
	CU_ASSERT_STRING_EQUAL(early->dir, "a");
	is_member(forker, b);
	is_member(early, a);
	is_member(early_child, a);
	CU_ASSERT_PTR_NOT_NULL_FATAL(later);
	is_member(later, a);
	is_member(late, b);
}

static void test_fork_in_attach(void)
{
	struct group *a = make("a");

	forker = world_child(1, "child");
	world.on_attach = fork_early;
	world.on_attached = fork_late;
	CU_ASSERT_EQUAL(attach(a, forker), 0);
	is_member(forker, a);
	is_member(late, a);
	/* In no group: it was not to be attached. */
	CU_ASSERT_STRING_EQUAL(early->dir, "");
	is_member(early, manager_root(mgr));
}

/* Children from before stay where they are. */
static void test_fork_before_move(void)
{
	struct group *a = make("a"), *b = make("b"), *c = make("c");

	forker = member_make(a, 100);
	early = world_fork(forker, false);
	CU_ASSERT_EQUAL(attach(b, forker), 0);
	is_member(early, a);
	CU_ASSERT_EQUAL(attach(c, early), 0);
	is_member(early, c);
	is_member(forker, b);
}

/* It was forked by a member, which the ring had no place to tell: it is a member by the map, and
 * stays one when refused. */
static void test_unheard(void)
{
	struct group *a = make("a"), *b = make("b");
	struct fake_process *x = member_make(a, 100), *y;

	world.lose_records = true;
	y = world_fork(x, false);
	world.lose_records = false;
	world.attach_error = -EBUSY;
	CU_ASSERT_EQUAL(attach(b, y), -EBUSY);
	CU_ASSERT(y->member);
	CU_ASSERT_EQUAL(y->lease.slot, a->slot);
	world.attach_error = 0;
	CU_ASSERT_EQUAL(attach(b, y), 0);
	is_member(y, b);
	/* Out of all groups it is not charged any more. */
	world.lose_records = true;
	y = world_fork(x, false);
	world.lose_records = false;
	CU_ASSERT_EQUAL(attach(manager_root(mgr), y), 0);
	is_member(y, manager_root(mgr));
}

/* ---- while a worker waits for the kernel ---- */

static sem_t kernel_begins, kernel_goes_on;

static void hold_kernel(void)
{
	sem_post(&kernel_begins);
	sem_wait(&kernel_goes_on);
}

static void attach_held(struct attach_write *w, struct group *g, const struct fake_process *fp)
{
	sem_init(&kernel_begins, 0, 0);
	sem_init(&kernel_goes_on, 0, 0);
	world.on_attach = hold_kernel;
	attach_write(w, g, fp->pid, true, &root_caller);
	sem_wait(&kernel_begins);
	world.on_attach = NULL;
}

static int let_kernel_go_on(const struct attach_write *w)
{
	sem_post(&kernel_goes_on);
	return attach_wait(w);
}

static bool goes_on(const void *fp)
{
	return !stands(fp);
}

/* Others do not wait with it, and it is charged to where it goes: whose its pages are is known when
 * it is there. */
static void test_loop_goes_on(void)
{
	struct group *a = make("a"), *b = group_make_limited(manager_root(mgr), "b", 1000);
	struct group *c = group_make_limited(manager_root(mgr), "c", 1000);
	struct fake_process *x = member_make(a, 500), *y = member_make(c, 900);
	struct attach_write w;

	attach_held(&w, b, x);
	hit_limit(y);
	world_run_until(goes_on, y);
	CU_ASSERT_EQUAL(failcnt(c), 1);
	hit_limit(x);
	world_step();
	CU_ASSERT_EQUAL(failcnt(b), 1);
	CU_ASSERT(stands(x));
	CU_ASSERT_EQUAL(w.nr_done, 0);
	CU_ASSERT_EQUAL(let_kernel_go_on(&w), 0);
	world_run_until(goes_on, x);
	is_member(x, b);
	CU_ASSERT_EQUAL(x->nr_kills, 0);
}

/* One after the other, in order; the last word counts. */
static void test_two_attaches(void)
{
	struct group *a = make("a"), *b = make("b"), *c = make("c");
	struct fake_process *x = member_make(a, 100);
	struct attach_write first, second, third;

	attach_held(&first, b, x);
	attach_write(&second, c, x->pid, true, &root_caller);
	attach_write(&third, b, FAKE_FIRST_PID - 1, true, &root_caller);
	world_step();
	CU_ASSERT_EQUAL(first.nr_done + second.nr_done + third.nr_done, 0);
	CU_ASSERT_EQUAL(let_kernel_go_on(&first), 0);
	CU_ASSERT_EQUAL(attach_wait(&second), 0);
	CU_ASSERT_EQUAL(attach_wait(&third), -ESRCH);
	is_member(x, c);
}

/* A group that somebody is on the way into stays; one that somebody is to go to may go. */
static void test_rmdir_in_attach(void)
{
	struct group *root = manager_root(mgr), *a = make("a"), *b = make("b"), *c = make("c");
	struct fake_process *x = member_make(a, 100);
	struct attach_write first, second;

	attach_held(&first, b, x);
	attach_write(&second, c, x->pid, true, &root_caller);
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "b"), -EBUSY);
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "c"), 0);
	CU_ASSERT_EQUAL(let_kernel_go_on(&first), 0);
	CU_ASSERT_EQUAL(attach_wait(&second), -ENODEV);
	is_member(x, b);
}

static void test_exit_in_attach(void)
{
	struct group *a = make("a"), *b = make("b");
	struct fake_process *x = member_make(a, 100);
	struct attach_write w;

	attach_held(&w, b, x);
	world_exit(x);
	world_step();
	CU_ASSERT_PTR_NULL(member(x));
	CU_ASSERT_EQUAL(let_kernel_go_on(&w), -ESRCH);
	CU_ASSERT_EQUAL(usage_pages(b), 0);
	CU_ASSERT_EQUAL(group_rmdir(mgr, manager_root(mgr), "b"), 0);
}

static struct fake_process *doomed;
static pthread_t loop;

static void dies_on_worker(void)
{
	if (!pthread_equal(pthread_self(), loop) && atomic_get(&doomed->alive))
		world_exit(doomed);
}

static unsigned nr_asked;

static void count_asked(void)
{
	nr_asked++;
}

/* Its id may be somebody else's by the time a worker comes to it: the kernel is not asked. */
static void test_exit_before_the_kernel(void)
{
	struct group *a = make("a"), *b = make("b");

	doomed = member_make(a, 100);
	loop = pthread_self();
	nr_asked = 0;
	world.on_attach = count_asked;
	world.on_usage_read = dies_on_worker;
	CU_ASSERT_EQUAL(attach(b, doomed), -ESRCH);
	world.on_usage_read = NULL;
	CU_ASSERT_EQUAL(nr_asked, 0);
	world_run();
	CU_ASSERT_PTR_NULL(member(doomed));
}

/* Nobody is told any more; nothing is left. */
static void test_end_in_attach(void)
{
	struct group *a = make("a"), *b = make("b");
	struct fake_process *x = member_make(a, 100);
	struct attach_write first, second;

	attach_held(&first, b, x);
	attach_write(&second, a, x->pid, true, &root_caller);
	sem_post(&kernel_goes_on);
	manager_stop();
	CU_ASSERT_EQUAL_FATAL(manager_start(false), 0);
	is_member(x, group_child(manager_root(mgr), "b"));
	CU_ASSERT_EQUAL(first.nr_done + second.nr_done, 0);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"fork in the middle of a move", test_fork_in_move},
			       {"fork in the middle of attaching", test_fork_in_attach},
			       {"fork before a move", test_fork_before_move},
			       {"a fork not heard of", test_unheard},
			       {"others do not wait for an attach", test_loop_goes_on},
			       {"two attaches", test_two_attaches},
			       {"rmdir in the middle of an attach", test_rmdir_in_attach},
			       {"exit in the middle of an attach", test_exit_in_attach},
			       {"exit before the kernel's part", test_exit_before_the_kernel},
			       {"the end in the middle of an attach", test_end_in_attach},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("attach_between", tests);
}
