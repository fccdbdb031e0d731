/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pressure window: when it is full, and its level. In pages. */
#include <CUnit/Basic.h>

#include "reclaim/pressure.h"
#include "tests/unit/run_suites.h"

static void test_window(void)
{
	struct pressure_window w = {};
	enum pressure_level level = PRESSURE_CRITICAL;

	CU_ASSERT_FALSE(pressure_add(&w, PRESSURE_WINDOW - 1, 0, &level));
	CU_ASSERT_EQUAL(level, PRESSURE_CRITICAL);
	CU_ASSERT_TRUE(pressure_add(&w, 1, PRESSURE_WINDOW, &level));
	CU_ASSERT_EQUAL(level, PRESSURE_LOW);
	CU_ASSERT_EQUAL(w.scanned, 0);
	CU_ASSERT_EQUAL(w.reclaimed, 0);
}

static enum pressure_level level_of(uint64_t scanned, uint64_t reclaimed)
{
	struct pressure_window w = {};
	enum pressure_level level;

	CU_ASSERT_TRUE_FATAL(pressure_add(&w, scanned, reclaimed, &level));
	return level;
}

static void test_levels(void)
{
	CU_ASSERT_EQUAL(level_of(1000, 1000), PRESSURE_LOW);
	CU_ASSERT_EQUAL(level_of(1000, 2000), PRESSURE_LOW);
	CU_ASSERT_EQUAL(level_of(1000, 401), PRESSURE_LOW);
	CU_ASSERT_EQUAL(level_of(1000, 400), PRESSURE_MEDIUM);
	CU_ASSERT_EQUAL(level_of(1000, 51), PRESSURE_MEDIUM);
	CU_ASSERT_EQUAL(level_of(1000, 50), PRESSURE_CRITICAL);
	CU_ASSERT_EQUAL(level_of(1000, 0), PRESSURE_CRITICAL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a window is so many pages", test_window},
		{"levels", test_levels},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"pressure", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
