// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel uses for members: page tables and kernel stacks. In pages. */
#include "tests/unit/manager_fixture.h"
#include "util/util.h"

#define STACK bytes_to_pages(KERNEL_STACK_BYTES)

static uint64_t kmem_now(const struct group *g)
{
	uint64_t bytes = 0;

	CU_ASSERT_EQUAL(group_usage_bytes(mgr, group_id(g), COUNTER_KMEM, &bytes), 0);
	return bytes_to_pages(bytes);
}

static uint64_t kmem_max(const struct group *g)
{
	uint64_t bytes = 0;

	CU_ASSERT_EQUAL(group_max_usage_bytes(mgr, group_id(g), COUNTER_KMEM, &bytes), 0);
	return bytes_to_pages(bytes);
}

static struct fake_process *kmem_member(struct group *g, uint64_t page_tables, uint64_t nr_threads)
{
	struct fake_process *x = member_make(g, 100);

	x->page_tables = page_tables;
	x->nr_threads = nr_threads;
	return x;
}

static void test_counted(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct group *empty = group_make(a, "empty");
	struct fake_process *x = kmem_member(a, 30, 5), *y = kmem_member(b, 20, 1);

	CU_ASSERT_EQUAL(kmem_now(empty), 0);
	CU_ASSERT_EQUAL(kmem_now(b), 20 + STACK);
	CU_ASSERT_EQUAL(kmem_now(a), 50 + 6 * STACK);
	/* It is part of nothing else. */
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(200));
	CU_ASSERT_EQUAL(a->record->memsw.usage, pages_to_bytes(200));
	atomic_put(&x->page_tables, 0);
	atomic_put(&y->nr_threads, 3);
	CU_ASSERT_EQUAL(kmem_now(a), 20 + 8 * STACK);
	world_exit(x);
	world_exit(y);
	world_run();
	CU_ASSERT_EQUAL(kmem_now(a), 0);
	CU_ASSERT_EQUAL(a->kmem, 0);
}

static void test_max(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct fake_process *x = kmem_member(b, 300, 2);

	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(a->kmem, 300 + 2 * STACK);
	atomic_put(&x->page_tables, 20);
	CU_ASSERT_EQUAL(kmem_max(a), 300 + 2 * STACK);
	CU_ASSERT_EQUAL(group_reset_max_usage(mgr, a, COUNTER_KMEM), 0);
	CU_ASSERT_EQUAL(kmem_max(a), 20 + 2 * STACK);
	CU_ASSERT_EQUAL(kmem_max(b), 300 + 2 * STACK); /* its own */
	CU_ASSERT(a->record->memory.max_usage > 0);
	/* Nobody looks, but its CPU time runs. */
	atomic_put(&x->page_tables, 400);
	world_tick(x);
	world_run();
	CU_ASSERT_EQUAL(a->record->kmem.max_usage, pages_to_bytes(400 + 2 * STACK));
	CU_ASSERT_EQUAL(b->kmem, 400 + 2 * STACK);
	world_exit(x);
	world_run();
	CU_ASSERT_EQUAL(kmem_max(a), 400 + 2 * STACK);
	CU_ASSERT_EQUAL(group_reset_max_usage(mgr, a, COUNTER_KMEM), 0);
	CU_ASSERT_EQUAL(kmem_max(a), 0);
}

/* Who has its parent's memory has its page tables, and a stack of its own. */
static void test_vfork(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = kmem_member(a, 50, 1), *y = world_fork(x, true);

	y->page_tables = 50;
	world_run();
	CU_ASSERT_EQUAL(kmem_now(a), 50 + 2 * STACK);
	world_exec(y, false);
	y->page_tables = 7;
	world_run();
	CU_ASSERT_EQUAL(kmem_now(a), 57 + 2 * STACK);
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(a->kmem, 57 + 2 * STACK);
}

/* A fork shares pages, but has page tables of its own. */
static void test_fork(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = kmem_member(a, 50, 1), *y = world_fork(x, false);

	y->page_tables = 40;
	world_run();
	CU_ASSERT_EQUAL(kmem_now(a), 90 + 2 * STACK);
}

static void test_moved(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct group *b = group_make(manager_root(mgr), "b");
	struct fake_process *x = kmem_member(a, 50, 1);

	CU_ASSERT_EQUAL(kmem_now(a), 50 + STACK);
	CU_ASSERT_EQUAL(attach(b, x), 0);
	CU_ASSERT_EQUAL(kmem_now(a), 0);
	CU_ASSERT_EQUAL(kmem_now(b), 50 + STACK);
	CU_ASSERT_EQUAL(kmem_max(a), 50 + STACK);
}

/* It takes no room below a limit. */
static void test_not_limited(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *x = kmem_member(a, 5000, 1);

	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(world_work(x, 200), 200);
	CU_ASSERT_EQUAL(failcnt(a), 0);
	CU_ASSERT_EQUAL(a->record->kmem.failcnt, 0);
	CU_ASSERT_EQUAL(a->record->kmem.limit, LIMIT_MAX_BYTES);
	CU_ASSERT_EQUAL(group_reset_failcnt(mgr, a, COUNTER_KMEM), 0);
}

static void test_root(void)
{
	struct group *root = manager_root(mgr);
	uint64_t now = kmem_now(root);

	CU_ASSERT(now > 0); /* the machine's */
	CU_ASSERT_EQUAL(root->record->kmem.limit, LIMIT_MAX_BYTES);
	CU_ASSERT(kmem_max(root) >= now);
}

static void test_survives(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = kmem_member(a, 300, 1);

	CU_ASSERT_EQUAL(kmem_now(a), 300 + STACK);
	atomic_put(&x->page_tables, 10);
	world_restart();
	a = group_by_path(mgr, "a");
	CU_ASSERT_PTR_NOT_NULL_FATAL(a);
	CU_ASSERT_EQUAL(kmem_now(a), 10 + STACK);
	CU_ASSERT_EQUAL(kmem_max(a), 300 + STACK);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"page tables and stacks are counted", test_counted},
			       {"the most there was", test_max},
			       {"memory of the parent's", test_vfork},
			       {"page tables of a fork", test_fork},
			       {"it goes with who moves", test_moved},
			       {"no limit holds it", test_not_limited},
			       {"the root", test_root},
			       {"another server", test_survives},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("kmem", tests);
}
