/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A keeper and its servers, really forked, for tests that really kill them. Servers take one-letter
 * commands from a pipe and report on another.
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

#include "tests/unit/keeper_fixture.h"
#include "util/util.h"

#define KEPT_ID 77

struct daemon_under_test daemon_;

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

int server(struct keeper_link *link, void *userdata)
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

int dying_server(struct keeper_link *link, void *userdata)
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

struct report await_report(int event)
{
	struct pollfd p = {.fd = daemon_.report_fd, .events = POLLIN};
	struct report r = {0};

	CU_ASSERT_EQUAL_FATAL(poll(&p, 1, PATIENCE_MSEC), 1);
	CU_ASSERT_EQUAL_FATAL(read(daemon_.report_fd, &r, sizeof(r)), (ssize_t)sizeof(r));
	CU_ASSERT_EQUAL_FATAL(r.event, event);
	return r;
}

void assert_all_ended(void)
{
	struct pollfd p = {.fd = daemon_.report_fd, .events = POLLIN};
	struct report r;

	CU_ASSERT_EQUAL_FATAL(poll(&p, 1, PATIENCE_MSEC), 1);
	CU_ASSERT_EQUAL(read(daemon_.report_fd, &r, sizeof(r)), 0);
}

int server_command(char c)
{
	CU_ASSERT_EQUAL_FATAL(write(daemon_.command_fd, &c, 1), 1);
	return c >= '0' && c <= '9' ? 0 : await_report(EVENT_DONE).value;
}

void assert_text(int fd, const char *expected)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char text[64] = "";

	CU_ASSERT_EQUAL_FATAL(poll(&p, 1, PATIENCE_MSEC), 1);
	CU_ASSERT_EQUAL(read(fd, text, sizeof(text) - 1), (ssize_t)strlen(expected));
	CU_ASSERT_STRING_EQUAL(text, expected);
}

bool is_held(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) == 0;
}

void assert_hangup(int fd)
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

void daemon_start(int (*fn)(struct keeper_link *, void *), bool background)
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

int await_exit(pid_t pid)
{
	int status = 0;

	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void assert_end(pid_t keeper, int status)
{
	CU_ASSERT_EQUAL(await_report(EVENT_END).pid, keeper);
	CU_ASSERT_EQUAL(await_exit(keeper), status);
	assert_all_ended();
	close(daemon_.command_fd);
	close(daemon_.report_fd);
	close(daemon_.kept_fd);
	close(daemon_.own_fd);
}

void kill_hard(pid_t pid)
{
	CU_ASSERT_EQUAL(kill(pid, SIGKILL), 0);
}

struct report server_start(void)
{
	struct report r;

	daemon_start(server, false);
	r = await_report(EVENT_START);
	CU_ASSERT_EQUAL(r.ppid, daemon_.keeper);
	CU_ASSERT_EQUAL(r.value, 0);
	return r;
}

int keeper_suite_init(void)
{
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || !mkdtemp(dir))
		return 1;
	snprintf(kept_path, sizeof(kept_path), "%s/kept", dir);
	snprintf(own_path, sizeof(own_path), "%s/own", dir);
	return mkfifo(kept_path, 0600) < 0 || mkfifo(own_path, 0600) < 0;
}

int keeper_suite_clean(void)
{
	return unlink(kept_path) < 0 || unlink(own_path) < 0 || rmdir(dir) < 0;
}
