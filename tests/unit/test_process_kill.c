/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kill of last resort, and whom a pid and a descriptor together name. */
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/run_suites.h"
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
	CU_TestInfo tests[] = {
		{"a pid that was reused", test_open_and_kill},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"process_kill", NULL, NULL, NULL, NULL, tests},
				 CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
