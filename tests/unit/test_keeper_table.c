/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keeper's table of descriptors. */
#include <stdlib.h>

#include "manager/keeper_private.h"
#include "tests/unit/run_suites.h"

static void test_table(void)
{
	unsigned pos = 0, nr = 0;
	uint64_t id;
	int fd, old = 5;

	for (uint64_t i = 0; i < KEEPER_MAX_FDS; i++)
		CU_ASSERT_EQUAL_FATAL(keeper_table_put(i << 20, (int)i, &old), 0);
	CU_ASSERT_EQUAL(old, -1);
	CU_ASSERT_EQUAL(keeper_table_put(1, 1, &old), -ENOSPC);
	CU_ASSERT_EQUAL(keeper_table_put(7ULL << 20, 1000007, &old), 0);
	CU_ASSERT_EQUAL(old, 7);
	CU_ASSERT_EQUAL(keeper_table_remove(1), -ENOENT);
	CU_ASSERT_EQUAL(keeper_table_remove(7ULL << 20), 1000007);
	CU_ASSERT_EQUAL(keeper_table_remove(7ULL << 20), -ENOENT);
	CU_ASSERT_EQUAL(keeper_table_put(1, 7, &old), 0);

	CU_ASSERT_FALSE(keeper_table_next(&pos, true, &id, &fd));
	keeper_table_mark_inherited();
	for (pos = 0; keeper_table_next(&pos, true, &id, &fd); nr++) {
		CU_ASSERT_EQUAL(id, fd == 7 ? 1 : (uint64_t)fd << 20);
		CU_ASSERT_EQUAL(keeper_table_remove(id), fd);
	}
	CU_ASSERT_EQUAL(nr, KEEPER_MAX_FDS);
	pos = 0;
	CU_ASSERT_FALSE(keeper_table_next(&pos, false, &id, &fd));
}

int main(void)
{
	CU_TestInfo tests[] = {{"the table of descriptors", test_table}, CU_TEST_INFO_NULL};
	CU_SuiteInfo suites[] = {{"keeper_table", NULL, NULL, NULL, NULL, tests},
				 CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
