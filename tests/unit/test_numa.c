/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory nodes: lists of them, lines of numa_maps, splitting a figure, and our own pages. */
#include <string.h>
#include <sys/mman.h>

#include "accounting/numa.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

static void nodes_are(const char *text, unsigned nr, unsigned first, unsigned last)
{
	static struct numa_nodes nodes;

	CU_ASSERT_EQUAL(numa_nodes_parse(text, &nodes), 0);
	CU_ASSERT_EQUAL(nodes.nr, nr);
	CU_ASSERT_EQUAL(nodes.id[0], first);
	CU_ASSERT_EQUAL(nodes.id[nr - 1], last);
}

static void test_nodes(void)
{
	static const char *const junk[] = {"",
					   "\n",
					   "-1",
					   "0-",
					   "1-0",
					   "0,",
					   "0,0",
					   "1,0",
					   "0-2,2",
					   "x",
					   "0 1",
					   "1024",
					   "0-1024",
					   "+1",
					   "0--1",
					   ",1",
					   "99999999999999999999999"};
	static struct numa_nodes nodes;

	nodes_are("0\n", 1, 0, 0);
	nodes_are("0-1", 2, 0, 1);
	nodes_are("0,2-3,8\n", 4, 0, 8);
	nodes_are("0-1023\n", 1024, 0, 1023);
	nodes.nr = 7;
	for (size_t i = 0; i < ARRAY_SIZE(junk); i++)
		CU_ASSERT_EQUAL(numa_nodes_parse(junk[i], &nodes), -EINVAL);
	CU_ASSERT_EQUAL(nodes.nr, 7);
}

/* Of nodes 0 and 3. */
static void line_is(const char *line, uint64_t anon0, uint64_t file0, uint64_t anon3,
		    uint64_t file3)
{
	static struct numa_pages p;

	memset(&p, 0, sizeof(p));
	CU_ASSERT_EQUAL(numa_maps_parse(line, &p), 0);
	CU_ASSERT_EQUAL(p.anon[0], anon0);
	CU_ASSERT_EQUAL(p.file[0], file0);
	CU_ASSERT_EQUAL(p.anon[3], anon3);
	CU_ASSERT_EQUAL(p.file[3], file3);
}

static void test_lines(void)
{
	line_is("7f00 default anon=3 dirty=3 active=0 N0=3 kernelpagesize_kB=4\n", 3, 0, 0, 0);
	line_is("7f00 bind:0,3 stack anon=9 dirty=9 N0=4 N3=5 kernelpagesize_kB=4\n", 4, 0, 5, 0);
	line_is("7f00 default file=/usr/lib/libc.so.6 mapped=15 mapmax=3 N0=10 N3=5\n", 0, 10, 0,
		5);
	line_is("7f00 prefer (many):0-3 file=/x anon=5 dirty=5 mapped=10 N0=10 N3=5", 3, 7, 1, 4);
	line_is("7f00 default\n", 0, 0, 0, 0);
	line_is("", 0, 0, 0, 0);
	/* Shared memory; what looks like it; what has N0= in its name. */
	line_is("7f00 default file=/dev/zero\\040(deleted) dirty=4 N3=4", 0, 0, 4, 0);
	line_is("7f00 default file=/memfd:a\\040b\\040(deleted) dirty=4 N0=4", 4, 0, 0, 0);
	line_is("7f00 default file=/SYSV00000000\\040(deleted) N0=1", 1, 0, 0, 0);
	line_is("7f00 default file=/dev/shm/x mapped=2 N0=2", 2, 0, 0, 0);
	line_is("7f00 default file=/dev/zero mapped=2 N0=2", 0, 2, 0, 0);
	line_is("7f00 default file=/a\\040N0\\0759 mapped=2 N3=2", 0, 0, 0, 2);
	/* hugetlbfs is in no figure of a group. */
	line_is("7f00 default file=/anon_hugepage\\040(deleted) huge anon=1 N0=1", 0, 0, 0, 0);
	line_is("7f00 default anon=99 N0=2", 2, 0, 0, 0);
}

static void test_junk(void)
{
	static const char *const junk[] = {
		"7f00 default N0=",
		"7f00 default N0=x",
		"7f00 default N0=1x",
		"7f00 default N1024=1",
		"7f00 default N0=-1",
		"7f00 default N0",
		"7f00 default anon= N0=1",
		"7f00 default anon=x N0=1",
		"7f00 default N0=99999999999999999",
	};
	static struct numa_pages p;

	for (size_t i = 0; i < ARRAY_SIZE(junk); i++)
		CU_ASSERT_EQUAL(numa_maps_parse(junk[i], &p), -EINVAL);
	CU_ASSERT_EQUAL(p.anon[0] + p.file[0], 0);
}

static void parts_are(const uint64_t weight[4], uint64_t total, uint64_t a, uint64_t b, uint64_t c)
{
	const struct numa_nodes nodes = {.nr = 3, .id = {0, 1, 3}};
	uint64_t part[4] = {0};

	numa_split(&nodes, weight, total, part);
	CU_ASSERT_EQUAL(part[0], a);
	CU_ASSERT_EQUAL(part[1], b);
	CU_ASSERT_EQUAL(part[2], 0);
	CU_ASSERT_EQUAL(part[3], c);
}

static void test_split(void)
{
	const uint64_t even[4] = {1, 1, 99, 1}, some[4] = {50, 30, 99, 20}, none[4] = {0, 0, 99, 0},
		       last[4] = {0, 0, 0, 7}, big[4] = {1ULL << 60, 1ULL << 60, 0, 1ULL << 61};

	parts_are(even, 9, 3, 3, 3);
	parts_are(even, 10, 4, 3, 3);
	parts_are(even, 2, 1, 1, 0);
	parts_are(some, 10, 5, 3, 2);
	parts_are(some, 11, 6, 3, 2); /* 5.5, 3.3, 2.2 */
	parts_are(some, 0, 0, 0, 0);
	parts_are(none, 5, 5, 0, 0);
	parts_are(last, 5, 0, 0, 5);
	parts_are(big, 1ULL << 50, 1ULL << 48, 1ULL << 48, 1ULL << 49);
}

/* What a part had before is added to. */
static void test_split_adds(void)
{
	const struct numa_nodes nodes = {.nr = 2, .id = {0, 1}};
	const uint64_t weight[2] = {1, 1};
	uint64_t part[2] = {5, 6};

	numa_split(&nodes, weight, 2, part);
	CU_ASSERT_EQUAL(part[0], 6);
	CU_ASSERT_EQUAL(part[1], 7);
}

static uint64_t sum_of(const struct numa_nodes *nodes, const uint64_t *pages)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < nodes->nr; i++)
		sum += pages[nodes->id[i]];
	return sum;
}

/* Which has the program mapped, and 4 MiB of its own. */
static void test_this_machine(void)
{
	size_t size = 4 << 20;
	static struct numa_nodes nodes;
	static struct numa_pages before, after;
	static uint64_t file[NUMA_MAX_NODES];
	char *p;

	numa_nodes_read(&nodes);
	CU_ASSERT(nodes.nr >= 1);
	numa_file_pages(&nodes, file);
	if (numa_maps_read(getpid(), &before)) /* without CONFIG_NUMA there is no such file */
		return;
	CU_ASSERT(sum_of(&nodes, file) > 0);
	CU_ASSERT(sum_of(&nodes, before.file) > 0);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_PTR_NOT_EQUAL_FATAL(p, MAP_FAILED);
	memset(p, 1, size);
	CU_ASSERT_EQUAL(numa_maps_read(getpid(), &after), 0);
	CU_ASSERT(sum_of(&nodes, after.anon) >= sum_of(&nodes, before.anon) + size / page_size());
	munmap(p, size);
	CU_ASSERT_EQUAL(numa_maps_read(1 << 30, &after), -ESRCH);
}

int main(void)
{
	CU_TestInfo tests[] = {{"nodes", test_nodes},
			       {"lines", test_lines},
			       {"lines that cannot be", test_junk},
			       {"split", test_split},
			       {"split adds", test_split_adds},
			       {"this machine", test_this_machine},
			       CU_TEST_INFO_NULL};
	CU_SuiteInfo suites[] = {{.pName = "numa", .pTests = tests}, CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
