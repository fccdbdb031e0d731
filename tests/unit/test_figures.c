/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Texts of figures: kept for as long as they were told to have taken, times ten. */
#include <stdlib.h>
#include <string.h>

#include "fs/figures.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

#define LONG_NSEC (1000ULL * 1000000000)

static bool has(struct figures *f, uint64_t key, const char *text)
{
	char *got = NULL;
	size_t len = 0;
	bool same, found = figures_get(f, key, &got, &len);

	same = found && len == strlen(text) && !memcmp(got, text, len);
	free(got);
	return same;
}

static void test_keep(void)
{
	struct figures *f;

	CU_ASSERT_EQUAL_FATAL(figures_new(&f, 10 * LONG_NSEC), 0);
	CU_ASSERT_FALSE(has(f, 1, "a"));
	figures_put(f, 1, "a", 1, LONG_NSEC, figures_begin(f));
	figures_put(f, 2, "", 0, LONG_NSEC, figures_begin(f));
	CU_ASSERT(has(f, 1, "a"));
	CU_ASSERT(has(f, 2, ""));
	figures_put(f, 1, "bc", 2, LONG_NSEC, figures_begin(f));
	CU_ASSERT(has(f, 1, "bc"));
	figures_forget(f);
	CU_ASSERT_FALSE(has(f, 1, "bc"));
	CU_ASSERT_FALSE(has(f, 2, ""));
	/* Of before it was forgotten. */
	figures_put(f, 1, "d", 1, LONG_NSEC, figures_begin(f) - 1);
	CU_ASSERT_FALSE(has(f, 1, "d"));
	figures_free(f);
	CU_ASSERT_PTR_NULL(figures_free(NULL));
}

static void test_age(void)
{
	uint64_t begin = now_nsec();
	struct figures *f;
	char *text = NULL;
	size_t len;

	CU_ASSERT_EQUAL_FATAL(figures_new(&f, 10 * LONG_NSEC), 0);
	figures_put(f, 1, "a", 1, 0, figures_begin(f));
	CU_ASSERT_FALSE(has(f, 1, "a"));
	figures_put(f, 1, "a", 1, 100000, figures_begin(f)); /* good for 1 ms */
	while (figures_get(f, 1, &text, &len))
		free(text);
	CU_ASSERT(now_nsec() - begin >= 1000000);
	figures_free(f);
	CU_ASSERT_EQUAL_FATAL(figures_new(&f, 0), 0);
	figures_put(f, 1, "a", 1, LONG_NSEC, figures_begin(f));
	CU_ASSERT_FALSE(has(f, 1, "a"));
	figures_free(f);
}

/* What does not fit makes the oldest go; what never fits is not kept. */
static void test_bound(void)
{
	size_t big = 1 << 20;
	char *text = calloc(4, big), *got = NULL;
	struct figures *f;
	size_t len;

	CU_ASSERT_EQUAL_FATAL(figures_new(&f, 10 * LONG_NSEC), 0);
	figures_put(f, 1, text, 4 * big, LONG_NSEC, figures_begin(f));
	CU_ASSERT_FALSE(figures_get(f, 1, &got, &len));
	figures_put(f, 1, text, big, LONG_NSEC, figures_begin(f));
	figures_put(f, 2, text, big, LONG_NSEC, figures_begin(f));
	CU_ASSERT_FALSE(figures_get(f, 1, &got, &len));
	CU_ASSERT(figures_get(f, 2, &got, &len));
	free(got);
	free(text);
	figures_free(f);
}

int main(void)
{
	CU_TestInfo tests[] = {{"kept and forgotten", test_keep},
			       {"for a while", test_age},
			       {"up to a size", test_bound},
			       CU_TEST_INFO_NULL};
	CU_SuiteInfo suites[] = {{"figures", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
