/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keepers and servers that are really forked and really killed: who follows whom, and what is kept.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/unit/keeper_fixture.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

/* ---- tests: how it ends ---- */

static void test_exit(void)
{
	const int fatal[] = {0, KEEPER_FATAL};

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		server_start();
		server_command((char)('0' + fatal[i]));
		assert_end(daemon_.keeper, fatal[i]);
	}
}

static void test_other_status(void)
{
	pid_t first = server_start().pid;

	server_command('1');
	CU_ASSERT_NOT_EQUAL(await_report(EVENT_START).pid, first);
	server_command('0');
	assert_end(daemon_.keeper, 0);
}

static void test_sigterm(void)
{
	server_start();
	CU_ASSERT_EQUAL(kill(daemon_.keeper, SIGTERM), 0);
	assert_end(daemon_.keeper, 0);

	/* The server does not handle SIGINT: it dies of it, and that is no reason to start another.
	 */
	server_start();
	CU_ASSERT_EQUAL(kill(daemon_.keeper, SIGINT), 0);
	assert_end(daemon_.keeper, 0);

	server_start();
	CU_ASSERT_EQUAL(kill(daemon_.keeper, SIGHUP), 0);
	assert_end(daemon_.keeper, 0);

	/* Sent to the server alone. */
	CU_ASSERT_EQUAL(kill(server_start().pid, SIGTERM), 0);
	assert_end(daemon_.keeper, 0);
}

static void test_hopeless(void)
{
	daemon_start(dying_server, false);
	for (int i = 0; i < 5; i++)
		await_report(EVENT_START);
	assert_end(daemon_.keeper, KEEPER_FATAL);
}

/* ---- tests: readiness ---- */

static bool is_dev_null(pid_t pid, int fd)
{
	char path[64];
	struct stat st, null;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	return stat(path, &st) == 0 && stat("/dev/null", &null) == 0 && st.st_rdev == null.st_rdev;
}

static void test_ready(void)
{
	struct pollfd p;
	struct report r;
	char c = 1;

	daemon_start(server, true);
	r = await_report(EVENT_START);
	p = (struct pollfd){.fd = daemon_.ready_fd, .events = POLLIN};
	CU_ASSERT_EQUAL_FATAL(poll(&p, 1, PATIENCE_MSEC), 1);
	CU_ASSERT_EQUAL(read(daemon_.ready_fd, &c, 1), 1);
	CU_ASSERT_EQUAL(c, 0);
	for (int fd = 0; fd <= 2; fd++) {
		CU_ASSERT(is_dev_null(daemon_.keeper, fd));
		CU_ASSERT(is_dev_null(r.pid, fd));
	}
	/* Once, and whoever reads on is not kept waiting. */
	kill_hard(r.pid);
	await_report(EVENT_START);
	CU_ASSERT_EQUAL(read(daemon_.ready_fd, &c, 1), 0);
	close(daemon_.ready_fd);
	server_command('0');
	assert_end(daemon_.keeper, 0);
}

static void test_never_ready(void)
{
	char c;

	daemon_start(dying_server, true);
	CU_ASSERT_EQUAL(read(daemon_.ready_fd, &c, 1), 0);
	close(daemon_.ready_fd);
	for (int i = 0; i < 5; i++)
		await_report(EVENT_START);
	assert_end(daemon_.keeper, KEEPER_FATAL);
}

/* ---- tests: deaths ---- */

static void test_server_killed(void)
{
	pid_t pid = server_start().pid;

	CU_ASSERT_EQUAL(server_command('k'), 0);
	for (int i = 0; i < 3; i++) {
		struct report r;

		kill_hard(pid);
		r = await_report(EVENT_START);
		CU_ASSERT_NOT_EQUAL(r.pid, pid);
		CU_ASSERT_EQUAL(r.ppid, daemon_.keeper);
		CU_ASSERT_EQUAL(r.value, 1);
		CU_ASSERT_EQUAL(server_command('w'), 4);
		assert_text(daemon_.kept_fd, "kept");
		pid = r.pid;
	}
	CU_ASSERT(is_held(daemon_.kept_fd));
	CU_ASSERT_EQUAL(server_command('d'), 0);
	assert_hangup(daemon_.kept_fd);
	kill_hard(pid);
	CU_ASSERT_EQUAL(await_report(EVENT_START).value, 0);
	server_command('0');
	assert_end(daemon_.keeper, 0);
}

/* What the server sent is in the socket when it dies, and the keeper has read none of it. */
static void test_killed_before_read(void)
{
	pid_t pid = server_start().pid;

	CU_ASSERT_EQUAL(kill(daemon_.keeper, SIGSTOP), 0);
	CU_ASSERT_EQUAL(waitpid(daemon_.keeper, NULL, WUNTRACED), daemon_.keeper);
	CU_ASSERT_EQUAL(server_command('m'), 0);
	kill_hard(pid);
	CU_ASSERT_EQUAL(kill(daemon_.keeper, SIGCONT), 0);
	CU_ASSERT_EQUAL(await_report(EVENT_START).value, NR_MANY);
	server_command('0');
	assert_end(daemon_.keeper, 0);
}

static void test_keeper_killed(void)
{
	pid_t pid = server_start().pid, keeper;
	struct report r;

	CU_ASSERT_EQUAL(server_command('t'), 0);
	CU_ASSERT_EQUAL(server_command('k'), 0);
	CU_ASSERT_EQUAL(server_command('o'), 0);
	kill_hard(daemon_.keeper);
	CU_ASSERT_EQUAL(await_exit(daemon_.keeper), -SIGKILL);
	r = await_report(EVENT_REPLACED);
	CU_ASSERT_EQUAL(r.value, 0);
	CU_ASSERT_EQUAL(r.pid, pid);

	/* Kept by the new keeper through what the server remembered, and with what came since. */
	CU_ASSERT_EQUAL(server_command('m'), 0);
	kill_hard(pid);
	CU_ASSERT_EQUAL(await_exit(pid), -SIGKILL);
	r = await_report(EVENT_START);
	keeper = r.ppid;
	CU_ASSERT_NOT_EQUAL(keeper, getpid());
	CU_ASSERT_EQUAL(r.value, NR_MANY + 1);
	CU_ASSERT_EQUAL(server_command('w'), 4);
	assert_text(daemon_.kept_fd, "kept");
	/* What the dead server had for itself has died with it. */
	assert_hangup(daemon_.own_fd);

	/* The new keeper is a keeper like the first, and can be replaced in turn. */
	kill_hard(r.pid);
	r = await_report(EVENT_START);
	CU_ASSERT_EQUAL(r.ppid, keeper);
	CU_ASSERT_EQUAL(r.value, NR_MANY + 1);
	kill_hard(keeper);
	CU_ASSERT_EQUAL(await_exit(keeper), -SIGKILL);
	CU_ASSERT_EQUAL(await_report(EVENT_REPLACED).value, 0);
	kill_hard(r.pid);
	CU_ASSERT_EQUAL(await_exit(r.pid), -SIGKILL);
	r = await_report(EVENT_START);
	CU_ASSERT_EQUAL(r.value, NR_MANY + 1);
	CU_ASSERT_EQUAL(server_command('w'), 4);
	assert_text(daemon_.kept_fd, "kept");
	server_command('0');
	assert_end(r.ppid, 0);
}

/* A new keeper is not its server's parent: it learns of the end all the same. */
static void end_after_replace(int how)
{
	pid_t pid = server_start().pid;
	struct report r;

	kill_hard(daemon_.keeper);
	CU_ASSERT_EQUAL(await_exit(daemon_.keeper), -SIGKILL);
	CU_ASSERT_EQUAL(await_report(EVENT_REPLACED).value, 0);
	if (how < 0)
		kill(pid, -how);
	else
		server_command((char)('0' + how));
	CU_ASSERT_EQUAL(await_exit(pid), how < 0 ? 0 : how);
	r = await_report(EVENT_END);
	CU_ASSERT_NOT_EQUAL(r.pid, pid);
	CU_ASSERT_EQUAL(await_exit(r.pid), how < 0 ? 0 : how);
	assert_all_ended();
	close(daemon_.command_fd);
	close(daemon_.report_fd);
	close(daemon_.kept_fd);
	close(daemon_.own_fd);
}

static void test_end_after_replace(void)
{
	end_after_replace(0);
	end_after_replace(KEEPER_FATAL);
	end_after_replace(-SIGTERM);
}

/* The keeper is dead when the server ends: the server does the keeper's last duty. */
static void test_end_without_keeper(void)
{
	pid_t pid = server_start().pid;

	server_command('e');
	kill_hard(daemon_.keeper);
	CU_ASSERT_EQUAL(await_exit(daemon_.keeper), -SIGKILL);
	assert_end(pid, 0);
}

static void test_keep_errors(void)
{
	server_start();
	CU_ASSERT_EQUAL(server_command('u'), -ENOENT);
	server_command('0');
	assert_end(daemon_.keeper, 0);
}

int main(void)
{
	CU_TestInfo tests[] = {{"the server ends by itself", test_exit},
			       {"any other status is a death", test_other_status},
			       {"SIGTERM, SIGINT, SIGHUP", test_sigterm},
			       {"five quick deaths", test_hopeless},
			       {"ready", test_ready},
			       {"never ready", test_never_ready},
			       {"the server is killed", test_server_killed},
			       {"killed before the keeper has read", test_killed_before_read},
			       {"the keeper is killed", test_keeper_killed},
			       {"the end under a new keeper", test_end_after_replace},
			       {"the end without a keeper", test_end_without_keeper},
			       {"drop of what is not kept", test_keep_errors},
			       CU_TEST_INFO_NULL};
	CU_SuiteInfo suites[] = {
		{"keeper", keeper_suite_init, keeper_suite_clean, NULL, NULL, tests},
		CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
