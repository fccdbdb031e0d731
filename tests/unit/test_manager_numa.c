// SPDX-License-Identifier: GPL-2.0-or-later
/* A group's pages by node, on a machine of this test's: with one node, or with nodes 0 and 2. */
#include <string.h>

#include "tests/unit/manager_fixture.h"
#include "util/util.h"

static struct numa_nodes machine;
static uint64_t machine_file[3];
static struct { /* of a process, by the order in which they were made */
	uint64_t anon[3], file[3];
	bool dies; /* when it was read */
} maps[4];

/* ---- in place of numa_read.c ---- */

void numa_nodes_read(struct numa_nodes *ret)
{
	*ret = machine;
}

int numa_maps_read(pid_t pid, struct numa_pages *sum)
{
	for (unsigned i = 0; fake_by_index(i) && i < ARRAY_SIZE(maps); i++) {
		struct fake_process *fp = fake_by_index(i);

		if (fp->pid != pid)
			continue;
		for (int id = 0; id < 3; id++) {
			sum->anon[id] += maps[i].anon[id];
			sum->file[id] += maps[i].file[id];
		}
		if (maps[i].dies)
			world_exit(fp);
		return 0;
	}
	return -ESRCH;
}

void numa_file_pages(const struct numa_nodes *nodes, uint64_t *ret)
{
	for (unsigned i = 0; i < nodes->nr; i++)
		ret[nodes->id[i]] = machine_file[nodes->id[i]];
}

/* ---- */

static void machine_begin(unsigned nr_nodes)
{
	memset(maps, 0, sizeof(maps));
	memset(machine_file, 0, sizeof(machine_file));
	machine = (struct numa_nodes){.nr = nr_nodes, .id = {0, 2}};
}

static struct group_numa_stat *stat_of(const struct group *g)
{
	struct group_numa_stat *s = NULL;

	CU_ASSERT_EQUAL_FATAL(group_numa_stat(mgr, group_id(g), &s), 0);
	for (int list = 0; list < NR_NUMA_LISTS; list++) {
		CU_ASSERT_EQUAL(s->own.by_node[list][0] + s->own.by_node[list][2],
				s->own.pages[list]);
		CU_ASSERT_EQUAL(s->total.by_node[list][0] + s->total.by_node[list][2],
				s->total.pages[list]);
	}
	return s;
}

static void test_one_node(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct fake_process *x = member_make(a, 100), *y = member_make(b, 50);
	cleanup_free struct group_numa_stat *s = NULL;

	machine_begin(1);
	x->locked = 20;
	x->rss_shmem = 7;
	world_read_file(y, 1, 30);
	s = stat_of(a);
	CU_ASSERT_EQUAL(s->nodes.nr, 1);
	CU_ASSERT_EQUAL(s->own.pages[NUMA_ANON], 100 + 7 - 20);
	CU_ASSERT_EQUAL(s->own.pages[NUMA_FILE], 0);
	CU_ASSERT_EQUAL(s->own.pages[NUMA_UNEVICTABLE], 20);
	CU_ASSERT_EQUAL(s->total.by_node[NUMA_ANON][0], 150 + 7 - 20);
	CU_ASSERT_EQUAL(s->total.by_node[NUMA_FILE][0], 30);
	CU_ASSERT_EQUAL(s->total.by_node[NUMA_UNEVICTABLE][0], 20);
}

/* As the members' mappings are, scaled: those are of another moment, and of pages that are shared.
 */
static void test_two_nodes(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct fake_process *x = member_make(a, 100);
	cleanup_free struct group_numa_stat *s = NULL;

	machine_begin(2);
	member_make(b, 60);
	x->locked = 20;
	maps[0].anon[0] = 30;
	maps[0].anon[2] = 10;
	maps[1].anon[2] = 40;
	s = stat_of(a);
	CU_ASSERT_EQUAL(s->own.by_node[NUMA_ANON][0], 60);
	CU_ASSERT_EQUAL(s->own.by_node[NUMA_ANON][2], 20);
	CU_ASSERT_EQUAL(s->own.by_node[NUMA_UNEVICTABLE][0], 15);
	CU_ASSERT_EQUAL(s->total.pages[NUMA_ANON], 140);
	CU_ASSERT_EQUAL(s->total.by_node[NUMA_ANON][0], 53); /* 52.5 */
	CU_ASSERT_EQUAL(s->total.by_node[NUMA_ANON][2], 87);
}

/* What is mapped is where it is mapped; the rest is where page cache is. */
static void test_page_cache(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 10);
	cleanup_free struct group_numa_stat *s = NULL;

	machine_begin(2);
	machine_file[0] = 3000;
	machine_file[2] = 1000;
	world_read_file(x, 1, 100);
	maps[0].file[2] = 20;
	s = stat_of(a);
	CU_ASSERT_EQUAL(s->own.pages[NUMA_FILE], 100);
	CU_ASSERT_EQUAL(s->own.by_node[NUMA_FILE][0], 60);
	CU_ASSERT_EQUAL(s->own.by_node[NUMA_FILE][2], 20 + 20);
	/* Nothing is told of its anonymous pages: as the machine's. */
	CU_ASSERT_EQUAL(s->own.by_node[NUMA_ANON][0], 8);
	free(s);
	/* It maps more than the group has brought in. */
	maps[0].file[0] = 480;
	s = stat_of(a);
	CU_ASSERT_EQUAL(s->own.by_node[NUMA_FILE][0], 96);
	CU_ASSERT_EQUAL(s->own.by_node[NUMA_FILE][2], 4);
}

/* A pid may be somebody else's by now. */
static void test_gone_meanwhile(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	cleanup_free struct group_numa_stat *s = NULL;

	machine_begin(2);
	member_make(a, 50);
	member_make(a, 50);
	maps[0].anon[0] = 10;
	maps[1].anon[2] = 1000;
	maps[1].dies = true;
	s = stat_of(a);
	CU_ASSERT_EQUAL(s->own.by_node[NUMA_ANON][0], 100);
	CU_ASSERT_EQUAL(s->own.by_node[NUMA_ANON][2], 0);
	world_run();
}

static void test_no_group(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct group_numa_stat *s = NULL;

	machine_begin(2);
	CU_ASSERT_EQUAL(group_numa_stat(mgr, group_id(a) + 1, &s), -ENODEV);
	CU_ASSERT_PTR_NULL(s);
	s = stat_of(a);
	CU_ASSERT_EQUAL(s->own.pages[NUMA_ANON], 0);
	free(s);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"one node", test_one_node},
			       {"two nodes", test_two_nodes},
			       {"page cache", test_page_cache},
			       {"gone meanwhile", test_gone_meanwhile},
			       {"no group, no member", test_no_group},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("numa", tests);
}
