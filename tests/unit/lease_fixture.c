/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The manager's part, and children, for tests of leases by signal. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "accounting/task_stat.h"
#include "tests/unit/lease_fixture.h"
#include "tests/unit/run_suites.h"

#define EXIT_SKIPPED 77

struct lease *lease;
struct seen seen;
struct progress *progress;

void let_go_on(pid_t tgid)
{
	struct lease_member m;

	if (lease_member_get(lease, tgid, &m))
		return;
	if (!lease_continuing(lease, tgid))
		return; /* another record follows */
	kill(tgid, SIGCONT);
	lease_member_set(lease, tgid, m.slot, false);
}

void on_record(const struct lease_record *r, void *userdata)
{
	(void)userdata;
	seen.nr[r->type]++;
	seen.last[r->type] = *r;
	if (r->type != LEASE_RECORD_STOP)
		return;
	if (seen.hold && lease_slot_get_room(lease, SLOT) < 0) {
		lease_hold(lease, (pid_t)r->tgid);
		seen.held = true;
		return;
	}
	let_go_on((pid_t)r->tgid);
}

bool dispatch_until(bool (*done)(void *arg), void *arg, int msec)
{
	uint64_t end = now_usec() + (uint64_t)msec * 1000;

	while (!done(arg)) {
		struct pollfd p = {.fd = lease_get_fd(lease), .events = POLLIN};
		uint64_t now = now_usec();

		if (now >= end)
			return false;
		/* A child that only moves on in shared memory wakes nobody. */
		poll(&p, 1, MIN((int)((end - now) / 1000) + 1, 20));
		CU_ASSERT_EQUAL(lease_dispatch(lease), 0);
	}
	return true;
}

static bool is_seen(void *arg)
{
	return seen.nr[*(enum lease_record_type *)arg];
}

void expect_record(enum lease_record_type type)
{
	CU_ASSERT_TRUE(dispatch_until(is_seen, &type, PATIENCE_MSEC));
}

bool is_held(void *arg)
{
	(void)arg;
	return seen.held;
}

bool is_at(void *arg)
{
	return progress->pages >= *(long *)arg;
}

bool has_stopped(void *arg)
{
	pid_t pid = *(pid_t *)arg;
	struct task_stat st;

	return !task_stat_read(pid, pid, &st) && st.state == 'T';
}

/* ---- children ---- */

void touch(long nr_pages)
{
	size_t size = page_size();
	char *mem = mmap(NULL, (size_t)nr_pages * size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		_exit(1);
	madvise(mem, (size_t)nr_pages * size, MADV_NOHUGEPAGE);
	for (long i = 0; i < nr_pages; i++) {
		mem[(size_t)i * size] = 1;
		__atomic_fetch_add(&progress->pages, 1, __ATOMIC_RELAXED);
	}
}

void await_armed(void)
{
	while (!progress->armed)
		sched_yield();
}

bool child_start(struct child *c, void (*fn)(void), int64_t room)
{
	int go[2];
	char byte;

	memset(&seen, 0, sizeof(seen));
	progress->pages = 0;
	progress->armed = false;
	if (pipe2(go, O_CLOEXEC))
		return false;
	*c = (struct child){.go = go[1], .pid = fork()};
	if (!c->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(go[1]);
		if (read(go[0], &byte, 1) == 0)
			fn();
		_exit(0);
	}
	close(go[0]);
	lease_slot_init(lease, SLOT, 0);
	lease_slot_set_limited(lease, SLOT, room != LEASE_NO_LIMIT);
	lease_slot_set_room(lease, SLOT, room, LEASE_NO_LIMIT);
	c->armed = !lease_arm(lease, c->pid, ~0U, c->fds);
	CU_ASSERT_TRUE(c->armed);
	CU_ASSERT_EQUAL(lease_member_set(lease, c->pid, SLOT, false), 0);
	return c->armed;
}

void child_go(struct child *c)
{
	close(c->go);
	c->go = -1;
}

void child_forget(struct child *c)
{
	if (!c->armed)
		return;
	lease_disarm(lease, c->fds);
	for (int i = 0; i < LEASE_NR_EVENTS; i++)
		close(c->fds[i]);
	c->armed = false;
}

void child_finish(struct child *c)
{
	struct lease_member m;
	int status = -1;

	seen.hold = false;
	if (c->go >= 0)
		child_go(c);
	expect_record(LEASE_RECORD_EXIT);
	CU_ASSERT_EQUAL(seen.last[LEASE_RECORD_EXIT].tgid, (unsigned)c->pid);
	CU_ASSERT_EQUAL(lease_member_get(lease, c->pid, &m), -ENOENT);
	kill(c->pid, SIGKILL); /* where it did not end, the test is to */
	waitpid(c->pid, &status, 0);
	CU_ASSERT_EQUAL(status, 0);
	child_forget(c);
}

void child_kill(struct child *c)
{
	kill(c->pid, SIGKILL);
	expect_record(LEASE_RECORD_EXIT);
	waitpid(c->pid, NULL, 0);
	child_forget(c);
}

/* ---- */

int run_tests(const char *suite, CU_TestInfo *tests)
{
	CU_SuiteInfo suites[] = {{.pName = suite, .pTests = tests}, CU_SUITE_INFO_NULL};
	int failed, r = lease_new(&lease, LEASE_STOP_SIGNAL);

	if (r == -EPERM || r == -EACCES || r == -ENOSYS || r == -ENOENT) {
		printf("no perf events here: %s\n", strerror(-r));
		return EXIT_SKIPPED;
	}
	progress =
		mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r || progress == MAP_FAILED || lease_server_start(lease, on_record, NULL)) {
		printf("cannot begin: %s\n", strerror(r ? -r : errno));
		return 1;
	}
	failed = run_suites(suites);
	lease_free(lease);
	return failed;
}
