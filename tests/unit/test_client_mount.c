/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the client library finds the tree, and a process's own group in it. */
#include <CUnit/Basic.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shrinker/client.h"
#include "tests/unit/run_suites.h"

#define CGROUP(dir, root, options) \
	"30 20 0:30 " root " " dir " rw,nosuid shared:9 - cgroup cgroup rw," options "\n"
#define TREE(dir) "90 30 0:90 / " dir " rw,nosuid - fuse.memcgfs memcgfs rw,user_id=0\n"

static FILE *text_file(const char *text)
{
	return fmemopen((void *)(uintptr_t)text, strlen(text), "r");
}

/* The path, or an errno's name. */
static const char *own_path(const char *mounts, const char *dir, const char *cgroups)
{
	static char said[256];
	FILE *table = text_file(mounts), *groups = text_file(cgroups);
	struct memcg_mount mount = {};
	char *path = NULL;
	int r = memcg__mount_find(table, dir, &mount);

	if (!r)
		r = memcg__mount_own_path(groups, &mount, &path);
	snprintf(said, sizeof(said), "%s%s", r ? strerrorname_np(-r) : mount.dir, r ? "" : path);
	memcg__mount_free(&mount);
	free(path);
	fclose(table);
	fclose(groups);
	return said;
}

#define CHECK(want, mounts, dir, cgroups) \
	CU_ASSERT_STRING_EQUAL(own_path(mounts, dir, cgroups), want)

#define OWN "5:pids:/other\n4:memory:/a/b\n1:name=memcgfs:/n\n0::/unified\n"

static void test_hierarchy_under_the_tree(void)
{
	const char *usual = CGROUP("/c/cpu", "/", "cpu") CGROUP("/c/memory", "/", "memory")
		CGROUP("/c/pids", "/", "pids") TREE("/c/memory") CGROUP("/later", "/", "pids");

	CHECK("/c/memory/a/b", usual, NULL, OWN);
	CHECK("/c/memory/a/b", usual, "/c/memory", OWN);
	CHECK("EOPNOTSUPP", usual, "/c/cpu", OWN);
	CHECK("ENOENT", usual, NULL, "4:cpu:/a\n");
	CHECK("/m/n", CGROUP("/m", "/", "name=memcgfs") TREE("/m"), NULL, OWN);
	CHECK("ENOENT", CGROUP("/m", "/", "memory") TREE("/elsewhere"), NULL, OWN);
	CHECK("/n/n",
	      CGROUP("/m", "/", "memory") TREE("/m") CGROUP("/n", "/", "name=memcgfs") TREE("/n"),
	      NULL, OWN);
	CHECK("/m x/a/b", CGROUP("/m\\040x", "/", "memory") TREE("/m\\040x"), "/m x", OWN);
}

static void test_mounted_together(void)
{
	const char *mounts = CGROUP("/m", "/", "hugetlb,memory") TREE("/m");

	CHECK("/m/a", mounts, NULL, "4:memory,hugetlb:/a\n");
	CHECK("/m/a", mounts, NULL, "4:hugetlb,memory:/a\n");
	CHECK("ENOENT", mounts, NULL, "4:mem:/a\n");
	CHECK("ENOENT", mounts, NULL, "4:memoryx,hugetlb:/a\n");
}

static void test_part_of_the_hierarchy(void)
{
	const char *part = CGROUP("/m", "/a", "memory") TREE("/m");
	const char *outside = CGROUP("/m", "/..", "memory") TREE("/m");

	CHECK("/m/b", part, NULL, OWN);
	CHECK("/m", part, NULL, "4:memory:/a\n");
	CHECK("ENOENT", part, NULL, "4:memory:/ab\n");
	CHECK("ENOENT", part, NULL, "4:memory:/\n");
	CHECK("/m/x", outside, NULL, "4:memory:/../x\n");
	CHECK("ENOENT", outside, NULL, "4:memory:/\n");
	CHECK("ENOENT", CGROUP("/m", "/", "memory") TREE("/m"), NULL, "4:memory:/../x\n");
	CHECK("/m/..x", CGROUP("/m", "/", "memory") TREE("/m"), NULL, "4:memory:/..x\n");
}

static void test_odd_lines(void)
{
	CHECK("EOPNOTSUPP", "\n", NULL, OWN);
	CHECK("EOPNOTSUPP", "90 30 0:90 / /m rw fuse.memcgfs memcgfs rw\n", NULL, OWN);
	CHECK("EOPNOTSUPP", "90 30 0:90 / /m rw - fuse.memcgfs memcgfs\n", NULL, OWN);
	CHECK("EOPNOTSUPP", "90 30 0:90", NULL, OWN);
	CHECK("ENOENT", CGROUP("/m", "/", "memory") TREE("/m"), NULL, "4\n4:memory\n:\n::\n");
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"the hierarchy under the tree", test_hierarchy_under_the_tree},
		{"controllers mounted together", test_mounted_together},
		{"a part of the hierarchy", test_part_of_the_hierarchy},
		{"odd lines", test_odd_lines},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {
		{"client_mount", NULL, NULL, NULL, NULL, tests},
		CU_SUITE_INFO_NULL,
	};

	return run_suites(suites);
}
