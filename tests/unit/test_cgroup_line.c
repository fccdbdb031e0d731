/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lines of /proc/PID/cgroup. */
#include <stdio.h>
#include <string.h>

#include "manager/cgroup_line.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

static void test_lines(void)
{
	static const struct {
		const char *line, *controller, *prefix, *path;
	} cases[] = {
		{"4:memory:/\n", "memory", "", ""},
		{"4:memory:/a/b\n", "memory", "", "a/b"},
		{"4:memory:/a", "memory", "", "a"},
		{"12:name=memcgfs:/a:b\n", "name=memcgfs", "", "a:b"},
		{"12:name=memcgfs2:/a\n", "name=memcgfs", "", NULL},
		{"12:name=memcgf:/a\n", "name=memcgfs", "", NULL},
		/* Mounted with others. */
		{"3:cpu,memory:/a\n", "memory", "", "a"},
		{"3:memory,cpu:/a\n", "memory", "", "a"},
		{"3:cpu,memory,name=x:/a\n", "memory", "", "a"},
		{"3:cpu,memory2:/a\n", "memory", "", NULL},
		{"3:cpu,cpuacct:/memory\n", "memory", "", NULL},
		{"0::/user.slice/user-0.slice/session-1.scope\n", "memory", "", NULL},
		{"4:memory:/user.slice/user-0.slice\n", "memory", "", "user.slice/user-0.slice"},
		/* Mounted from a group on. */
		{"4:memory:/c1\n", "memory", "/c1", ""},
		{"4:memory:/c1/a\n", "memory", "/c1", "a"},
		{"4:memory:/c10/a\n", "memory", "/c1", NULL},
		{"4:memory:/\n", "memory", "/c1", NULL},
		/* Another cgroup namespace's. */
		{"4:memory:/..\n", "memory", "", NULL},
		{"4:memory:/../x\n", "memory", "", NULL},
		{"4:memory:/..x\n", "memory", "", "..x"},
		{"4:memory\n", "memory", "", NULL},
		{"4:memory:\n", "memory", "", NULL},
		{"\n", "memory", "", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char line[128];
		const char *path;

		snprintf(line, sizeof(line), "%s", cases[i].line);
		path = cgroup_line_path(line, cases[i].controller, cases[i].prefix);
		if (!cases[i].path)
			CU_ASSERT_PTR_NULL(path)
		else if (path)
			CU_ASSERT_STRING_EQUAL(path, cases[i].path)
		else
			CU_FAIL(cases[i].line);
	}
}

static CU_TestInfo tests[] = {
	{"lines", test_lines},
	CU_TEST_INFO_NULL,
};

static CU_SuiteInfo suites[] = {
	{.pName = "cgroup line", .pTests = tests},
	CU_SUITE_INFO_NULL,
};

int main(void)
{
	return run_suites(suites);
}
