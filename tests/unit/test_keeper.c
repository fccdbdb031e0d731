/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keepers and servers that are really forked and really killed. This process plays whoever started
 * the daemon, and is the subreaper that orphans fall to. Servers take one-letter commands from a
 * pipe and report on another.
 */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "manager/keeper_private.h"
#include "util/util.h"

#define PATIENCE_MSEC 20000
#define KEPT_ID       77
#define NR_MANY       100

enum event { EVENT_START = 1, EVENT_DONE, EVENT_REPLACED, EVENT_END };

struct report {
	int event;
	pid_t pid, ppid;
	int value; /* START: inherited descriptors; DONE, REPLACED: the call's result */
};

/* The daemon under test, as this process knows it. */
static struct {
	pid_t keeper;
	int command_fd, report_fd, ready_fd, kept_fd, own_fd;
} daemon_;

static char dir[] = "/tmp/test_keeper.XXXXXX";
static char kept_path[64], own_path[64];

/* ---- the server ---- */

static int command_in, report_out, kept_fd = -1, own_fd = -1;

static void report(int event, int value)
{
	struct report r = {.event = event, .pid = getpid(), .ppid = getppid(), .value = value};

	if (write(report_out, &r, sizeof(r)) != (ssize_t)sizeof(r))
		_exit(99);
}

static void *idle_thread(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return NULL;
}

static int start_thread(void)
{
	pthread_t t;

	return -pthread_create(&t, NULL, idle_thread, NULL);
}

static int keep_many(struct keeper_link *link)
{
	int err = 0;

	for (uint64_t i = 0; i < NR_MANY && err == 0; i++)
		err = keeper_keep(link, 1000 + i, open("/dev/null", O_RDONLY | O_CLOEXEC));
	return err;
}

static int keep_one(struct keeper_link *link)
{
	kept_fd = open(kept_path, O_WRONLY | O_CLOEXEC);
	return keeper_keep(link, KEPT_ID, kept_fd);
}

static int drop_one(struct keeper_link *link)
{
	int err = keeper_drop(link, KEPT_ID);

	close(kept_fd);
	return err;
}

static int server_do(struct keeper_link *link, char command)
{
	switch (command) {
	case 'k':
		return keep_one(link);
	case 'd':
		return drop_one(link);
	case 'w':
		return (int)write(kept_fd, "kept", 4);
	case 'o': /* of its own, not kept */
		own_fd = open(own_path, O_WRONLY | O_CLOEXEC);
		return own_fd < 0 ? -errno : 0;
	case 'm':
		return keep_many(link);
	case 't':
		return start_thread();
	case 'u': /* drop what was never kept */
		return keeper_drop(link, 424242);
	}
	return -EINVAL;
}

static int count_inherited(struct keeper_link *link)
{
	unsigned pos = 0;
	uint64_t id;
	int fd, nr = 0;

	while (keeper_next(link, &pos, &id, &fd)) {
		if (id == KEPT_ID)
			kept_fd = fd;
		if (fcntl(fd, F_GETFD) >= 0)
			nr++;
	}
	return nr;
}

static int sigterm_open(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Ends after the keeper, and does not replace it. */
static int outlive_keeper(struct keeper_link *link)
{
	struct pollfd p = {.fd = keeper_get_fd(link), .events = POLLIN};

	report(EVENT_DONE, 0);
	poll(&p, 1, -1);
	return 0;
}

static int server(struct keeper_link *link, void *userdata)
{
	int signal_fd = sigterm_open();

	(void)userdata;
	report(EVENT_START, count_inherited(link));
	keeper_ready(link);
	for (;;) {
		struct pollfd p[] = {{.fd = command_in, .events = POLLIN},
				     {.fd = keeper_get_fd(link), .events = POLLIN},
				     {.fd = signal_fd, .events = POLLIN}};
		char c;

		poll(p, ARRAY_SIZE(p), -1);
		if (p[2].revents)
			return 0;
		if (p[1].revents)
			report(EVENT_REPLACED, keeper_replace(link));
		if (!p[0].revents)
			continue;
		if (read(command_in, &c, 1) != 1)
			_exit(98);
		if (c >= '0' && c <= '9')
			return c - '0';
		if (c == 'e')
			return outlive_keeper(link);
		report(EVENT_DONE, server_do(link, c));
	}
}

static int dying_server(struct keeper_link *link, void *userdata)
{
	(void)link;
	(void)userdata;
	report(EVENT_START, 0);
	raise(SIGKILL);
	return 0;
}

static void end(void *userdata)
{
	(void)userdata;
	report(EVENT_END, 0);
}

/* ---- whoever started it ---- */

static struct report await_report(int event)
{
	struct pollfd p = {.fd = daemon_.report_fd, .events = POLLIN};
	struct report r = {0};

	CU_ASSERT_EQUAL_FATAL(poll(&p, 1, PATIENCE_MSEC), 1);
	CU_ASSERT_EQUAL_FATAL(read(daemon_.report_fd, &r, sizeof(r)), (ssize_t)sizeof(r));
	CU_ASSERT_EQUAL_FATAL(r.event, event);
	return r;
}

/* Nobody holds the report pipe any more: keeper and servers have all ended, and said nothing else
 * before. */
static void assert_all_ended(void)
{
	struct pollfd p = {.fd = daemon_.report_fd, .events = POLLIN};
	struct report r;

	CU_ASSERT_EQUAL_FATAL(poll(&p, 1, PATIENCE_MSEC), 1);
	CU_ASSERT_EQUAL(read(daemon_.report_fd, &r, sizeof(r)), 0);
}

static int command(char c)
{
	CU_ASSERT_EQUAL_FATAL(write(daemon_.command_fd, &c, 1), 1);
	return c >= '0' && c <= '9' ? 0 : await_report(EVENT_DONE).value;
}

static void assert_text(int fd, const char *expected)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char text[64] = "";

	CU_ASSERT_EQUAL_FATAL(poll(&p, 1, PATIENCE_MSEC), 1);
	CU_ASSERT_EQUAL(read(fd, text, sizeof(text) - 1), (ssize_t)strlen(expected));
	CU_ASSERT_STRING_EQUAL(text, expected);
}

/* Whether a writer still has the other end of the fifo. */
static bool is_held(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) == 0;
}

static void assert_hangup(int fd)
{
	struct pollfd p = {.fd = fd};

	CU_ASSERT_EQUAL(poll(&p, 1, PATIENCE_MSEC), 1);
	CU_ASSERT_EQUAL(p.revents, POLLHUP);
}

static void daemon_main(int (*fn)(struct keeper_link *, void *), int ready_fd)
{
	signal(SIGPIPE, SIG_IGN);
	close(daemon_.command_fd);
	close(daemon_.report_fd);
	close(daemon_.kept_fd);
	close(daemon_.own_fd);
	if (daemon_.ready_fd >= 0)
		close(daemon_.ready_fd);
	_exit(keeper_run(fn, end, NULL, ready_fd));
}

static void daemon_start(int (*fn)(struct keeper_link *, void *), bool background)
{
	int commands[2], reports[2], ready[2] = {-1, -1};

	CU_ASSERT_EQUAL_FATAL(pipe2(commands, O_CLOEXEC), 0);
	CU_ASSERT_EQUAL_FATAL(pipe2(reports, O_CLOEXEC), 0);
	if (background)
		CU_ASSERT_EQUAL_FATAL(pipe2(ready, O_CLOEXEC), 0);
	command_in = commands[0];
	report_out = reports[1];
	daemon_.command_fd = commands[1];
	daemon_.report_fd = reports[0];
	daemon_.ready_fd = ready[0];
	daemon_.kept_fd = open(kept_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	daemon_.own_fd = open(own_path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	fflush(NULL);
	daemon_.keeper = fork();
	if (daemon_.keeper == 0)
		daemon_main(fn, ready[1]);
	close(command_in);
	close(report_out);
	if (ready[1] >= 0)
		close(ready[1]);
}

static int await_exit(pid_t pid)
{
	int status = 0;

	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* The keeper ends with `status`, after end() was called in it. */
static void assert_end(pid_t keeper, int status)
{
	CU_ASSERT_EQUAL(await_report(EVENT_END).pid, keeper);
	CU_ASSERT_EQUAL(await_exit(keeper), status);
	assert_all_ended();
	close(daemon_.command_fd);
	close(daemon_.report_fd);
	close(daemon_.kept_fd);
	close(daemon_.own_fd);
}

static void kill_hard(pid_t pid)
{
	CU_ASSERT_EQUAL(kill(pid, SIGKILL), 0);
}

static struct report start(void)
{
	struct report r;

	daemon_start(server, false);
	r = await_report(EVENT_START);
	CU_ASSERT_EQUAL(r.ppid, daemon_.keeper);
	CU_ASSERT_EQUAL(r.value, 0);
	return r;
}

/* ---- tests: how it ends ---- */

static void test_exit(void)
{
	const int fatal[] = {0, KEEPER_FATAL};

	for (size_t i = 0; i < ARRAY_SIZE(fatal); i++) {
		start();
		command((char)('0' + fatal[i]));
		assert_end(daemon_.keeper, fatal[i]);
	}
}

static void test_other_status(void)
{
	pid_t first = start().pid;

	command('1');
	CU_ASSERT_NOT_EQUAL(await_report(EVENT_START).pid, first);
	command('0');
	assert_end(daemon_.keeper, 0);
}

static void test_sigterm(void)
{
	start();
	CU_ASSERT_EQUAL(kill(daemon_.keeper, SIGTERM), 0);
	assert_end(daemon_.keeper, 0);

	/* The server does not handle SIGINT: it dies of it, and that is no reason to start another.
	 */
	start();
	CU_ASSERT_EQUAL(kill(daemon_.keeper, SIGINT), 0);
	assert_end(daemon_.keeper, 0);

	start();
	CU_ASSERT_EQUAL(kill(daemon_.keeper, SIGHUP), 0);
	assert_end(daemon_.keeper, 0);

	/* Sent to the server alone. */
	CU_ASSERT_EQUAL(kill(start().pid, SIGTERM), 0);
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
	command('0');
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
	pid_t pid = start().pid;

	CU_ASSERT_EQUAL(command('k'), 0);
	for (int i = 0; i < 3; i++) {
		struct report r;

		kill_hard(pid);
		r = await_report(EVENT_START);
		CU_ASSERT_NOT_EQUAL(r.pid, pid);
		CU_ASSERT_EQUAL(r.ppid, daemon_.keeper);
		CU_ASSERT_EQUAL(r.value, 1);
		CU_ASSERT_EQUAL(command('w'), 4);
		assert_text(daemon_.kept_fd, "kept");
		pid = r.pid;
	}
	CU_ASSERT(is_held(daemon_.kept_fd));
	CU_ASSERT_EQUAL(command('d'), 0);
	assert_hangup(daemon_.kept_fd);
	kill_hard(pid);
	CU_ASSERT_EQUAL(await_report(EVENT_START).value, 0);
	command('0');
	assert_end(daemon_.keeper, 0);
}

/* What the server sent is in the socket when it dies, and the keeper has read none of it. */
static void test_killed_before_read(void)
{
	pid_t pid = start().pid;

	CU_ASSERT_EQUAL(kill(daemon_.keeper, SIGSTOP), 0);
	CU_ASSERT_EQUAL(waitpid(daemon_.keeper, NULL, WUNTRACED), daemon_.keeper);
	CU_ASSERT_EQUAL(command('m'), 0);
	kill_hard(pid);
	CU_ASSERT_EQUAL(kill(daemon_.keeper, SIGCONT), 0);
	CU_ASSERT_EQUAL(await_report(EVENT_START).value, NR_MANY);
	command('0');
	assert_end(daemon_.keeper, 0);
}

static void test_keeper_killed(void)
{
	pid_t pid = start().pid, keeper;
	struct report r;

	CU_ASSERT_EQUAL(command('t'), 0);
	CU_ASSERT_EQUAL(command('k'), 0);
	CU_ASSERT_EQUAL(command('o'), 0);
	kill_hard(daemon_.keeper);
	CU_ASSERT_EQUAL(await_exit(daemon_.keeper), -SIGKILL);
	r = await_report(EVENT_REPLACED);
	CU_ASSERT_EQUAL(r.value, 0);
	CU_ASSERT_EQUAL(r.pid, pid);

	/* Kept by the new keeper through what the server remembered, and with what came since. */
	CU_ASSERT_EQUAL(command('m'), 0);
	kill_hard(pid);
	CU_ASSERT_EQUAL(await_exit(pid), -SIGKILL);
	r = await_report(EVENT_START);
	keeper = r.ppid;
	CU_ASSERT_NOT_EQUAL(keeper, getpid());
	CU_ASSERT_EQUAL(r.value, NR_MANY + 1);
	CU_ASSERT_EQUAL(command('w'), 4);
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
	CU_ASSERT_EQUAL(command('w'), 4);
	assert_text(daemon_.kept_fd, "kept");
	command('0');
	assert_end(r.ppid, 0);
}

/* A new keeper is not its server's parent: it learns of the end all the same. */
static void end_after_replace(int how)
{
	pid_t pid = start().pid;
	struct report r;

	kill_hard(daemon_.keeper);
	CU_ASSERT_EQUAL(await_exit(daemon_.keeper), -SIGKILL);
	CU_ASSERT_EQUAL(await_report(EVENT_REPLACED).value, 0);
	if (how < 0)
		kill(pid, -how);
	else
		command((char)('0' + how));
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
	pid_t pid = start().pid;

	command('e');
	kill_hard(daemon_.keeper);
	CU_ASSERT_EQUAL(await_exit(daemon_.keeper), -SIGKILL);
	assert_end(pid, 0);
}

static void test_keep_errors(void)
{
	start();
	CU_ASSERT_EQUAL(command('u'), -ENOENT);
	command('0');
	assert_end(daemon_.keeper, 0);
}

/* ---- the table ---- */

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

static int suite_init(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || !mkdtemp(dir))
		return 1;
	snprintf(kept_path, sizeof(kept_path), "%s/kept", dir);
	snprintf(own_path, sizeof(own_path), "%s/own", dir);
	return mkfifo(kept_path, 0600) < 0 || mkfifo(own_path, 0600) < 0;
}

static int suite_clean(void)
{
	return unlink(kept_path) < 0 || unlink(own_path) < 0 || rmdir(dir) < 0;
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
			       {"the table of descriptors", test_table},
			       CU_TEST_INFO_NULL};
	CU_SuiteInfo suites[] = {{"keeper", suite_init, suite_clean, NULL, NULL, tests},
				 CU_SUITE_INFO_NULL};
	unsigned failed;

	if (CU_initialize_registry() != CUE_SUCCESS || CU_register_suites(suites) != CUE_SUCCESS)
		return EXIT_FAILURE;
	CU_basic_set_mode(CU_BRM_VERBOSE);
	failed = CU_basic_run_tests() != CUE_SUCCESS ? 1 : 0;
	failed += CU_get_number_of_failures() + CU_get_number_of_suites_failed();
	CU_cleanup_registry();
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
