/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What each unit test's main() ends with. */
#ifndef MEMCGFS_RUN_SUITES_H
#define MEMCGFS_RUN_SUITES_H

#include <stdlib.h>

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <CUnit/TestDB.h>

/* The exit status. A suite that does not begin counts as failed. */
static inline int run_suites(CU_SuiteInfo *suites)
{
	unsigned failed;

	if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS)
		return EXIT_FAILURE;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	failed = CU_basic_run_tests() != CUE_SUCCESS ? 1 : 0;
	failed += CU_get_number_of_failures() + CU_get_number_of_suites_failed();
	CU_cleanup_registry();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
