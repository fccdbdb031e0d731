/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kill of last resort, and whom a pid and a descriptor together name. */
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/stopped_child.h"

static void test_open_and_kill(void)
{
	struct child c = child_start(private_4, NULL), other = child_start(private_4, NULL);
	int gone_fd = c.process.proc_fd, status = 0, fd;

	fd = process_open(c.process.pid, gone_fd);
	CU_ASSERT(fd >= 0);
	close(fd);
	CU_ASSERT_EQUAL(process_kill(c.process.pid, gone_fd), 0);
	CU_ASSERT_EQUAL(waitpid(c.process.pid, &status, 0), c.process.pid);
	CU_ASSERT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

	/* As if the pid had been given to another process since. */
	CU_ASSERT_EQUAL(process_open(other.process.pid, gone_fd), -ESRCH);
	CU_ASSERT_EQUAL(process_kill(other.process.pid, gone_fd), -ESRCH);
	CU_ASSERT_EQUAL(child_usage(&other).state, 'T');
	CU_ASSERT_EQUAL(process_kill(c.process.pid, -1), -ESRCH);
	CU_ASSERT_EQUAL(process_open(-1, -1), -EINVAL);
	close(gone_fd);
	CU_ASSERT_EQUAL(child_finish(&other), 0);
}

int main(void)
{
	unsigned failed;
	CU_pSuite s;

	CU_initialize_registry();
	s = CU_add_suite("process_kill", NULL, NULL);
	CU_add_test(s, "a pid that was reused", test_open_and_kill);
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failed = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
	CU_cleanup_registry();
	return failed != 0;
}
