/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Leases by signal: threads, fork, exec and exit, and the server after a dead one. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "tests/unit/lease_fixture.h"

static void *toucher(void *arg)
{
	await_armed();
	touch(1000);
	return arg;
}

static void touch_in_threads(void)
{
	pthread_t t[4];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		if (pthread_create(&t[i], NULL, toucher, NULL))
			_exit(1);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		pthread_join(t[i], NULL);
}

static bool is_event(int fd)
{
	char path[40], target[64] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 &&
	       !strcmp(target, "anon_inode:[perf_event]");
}

/* Events that this process holds; of those that stop the thread tid, unless that is 0. */
static int nr_events(pid_t tid)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		int fd = (int)strtol(e->d_name, NULL, 10);
		struct f_owner_ex owner = {};

		if (is_event(fd) && !fcntl(fd, F_GETOWN_EX, &owner))
			nr += !tid || owner.pid == tid;
	}
	if (dir)
		closedir(dir);
	return nr;
}

static bool has_events(void *arg)
{
	return nr_events(0) == *(int *)arg;
}

/* Threads are armed as they come; all of them charge one slot. */
static void test_threads(void)
{
	struct child c;

	if (!child_start(&c, touch_in_threads, 2000))
		return;
	child_go(&c);
	CU_ASSERT_TRUE(dispatch_until(has_events, &(int){5 * LEASE_NR_EVENTS}, PATIENCE_MSEC));
	seen.hold = true;
	progress->armed = true;
	CU_ASSERT_TRUE(dispatch_until(is_held, NULL, PATIENCE_MSEC));
	CU_ASSERT_TRUE(dispatch_until(has_stopped, &c.pid, PATIENCE_MSEC));
	CU_ASSERT(progress->pages <= 2000 + 5 * LEASE_PAGES);
	seen.hold = false;
	let_go_on(c.pid);
	CU_ASSERT_TRUE(dispatch_until(is_at, &(long){4000}, PATIENCE_MSEC));
	child_finish(&c);
}

static void fork_and_touch(void)
{
	pid_t pid = fork();

	if (!pid) {
		await_armed();
		touch(500);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static bool has_two_exits(void *arg)
{
	(void)arg;
	return seen.nr[LEASE_RECORD_EXIT] == 2;
}

static bool holds(void *arg)
{
	struct lease_member m;

	return seen.held && !lease_member_get(lease, *(pid_t *)arg, &m) && m.stopped &&
	       lease_slot_get_room(lease, SLOT) < 0;
}

static void test_fork(void)
{
	struct lease_member m = {};
	struct child c;
	pid_t grandchild;

	if (!child_start(&c, fork_and_touch, 200))
		return;
	child_go(&c);
	expect_record(LEASE_RECORD_FORK);
	seen.hold = true;
	progress->armed = true;
	grandchild = (pid_t)seen.last[LEASE_RECORD_FORK].child;
	CU_ASSERT_TRUE(dispatch_until(holds, &grandchild, PATIENCE_MSEC));
	CU_ASSERT_EQUAL(seen.nr[LEASE_RECORD_FORK], 1);
	CU_ASSERT_EQUAL(seen.last[LEASE_RECORD_FORK].tgid, (unsigned)c.pid);
	CU_ASSERT_EQUAL(seen.last[LEASE_RECORD_FORK].shares_vm, 0);
	CU_ASSERT_EQUAL(lease_member_get(lease, grandchild, &m), 0);
	CU_ASSERT_EQUAL(m.slot, SLOT);
	CU_ASSERT(progress->pages <= 200 + 2 * LEASE_PAGES);
	seen.hold = false;
	let_go_on(grandchild);
	let_go_on(c.pid); /* which copies pages after fork(2), and may be held, too */
	CU_ASSERT_TRUE(dispatch_until(has_two_exits, NULL, PATIENCE_MSEC));
	child_finish(&c);
}

static void vfork_and_exec(void)
{
	pid_t pid;

	touch(10);
	pid = vfork();
	if (!pid) {
		await_armed();
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

/* ThreadSanitizer makes a fork of it. */
#ifdef __SANITIZE_THREAD__
#define VFORK_SHARES_VM false
#else
#define VFORK_SHARES_VM true
#endif

/* Whether the lease can tell. */
static bool has_kcmp(void)
{
	return syscall(SYS_kcmp, getpid(), getpid(), KCMP_VM, 0, 0) == 0;
}

static void test_vfork(void)
{
	struct child c;

	if (!child_start(&c, vfork_and_exec, LEASE_NO_LIMIT))
		return;
	child_go(&c);
	expect_record(LEASE_RECORD_FORK);
	CU_ASSERT_EQUAL(seen.last[LEASE_RECORD_FORK].shares_vm, VFORK_SHARES_VM && has_kcmp());
	progress->armed = true;
	expect_record(LEASE_RECORD_EXEC);
	CU_ASSERT_EQUAL(seen.last[LEASE_RECORD_EXEC].tgid, seen.last[LEASE_RECORD_FORK].child);
	CU_ASSERT_TRUE(dispatch_until(has_two_exits, NULL, PATIENCE_MSEC));
	child_finish(&c);
}

static void fork_and_wait(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	progress->pages = 1;
	await_armed();
}

/* A child that has gone before it could be armed may have had children: membership is to be looked
 * up. */
static void test_missed(void)
{
	struct child c;

	if (!child_start(&c, fork_and_wait, LEASE_NO_LIMIT))
		return;
	child_go(&c);
	for (int i = 0; i < 1000 && !progress->pages; i++)
		poll(NULL, 0, 5);
	expect_record(LEASE_RECORD_MISSED);
	CU_ASSERT_EQUAL(seen.nr[LEASE_RECORD_FORK], 0);
	progress->armed = true;
	child_finish(&c);
	CU_ASSERT_EQUAL(seen.nr[LEASE_RECORD_MISSED], 1);
}

static void exec_true(void)
{
	execl("/bin/true", "true", NULL);
	_exit(1);
}

static void test_exec(void)
{
	struct child c;

	if (!child_start(&c, exec_true, 10))
		return;
	child_go(&c);
	expect_record(LEASE_RECORD_EXEC);
	CU_ASSERT_EQUAL(seen.last[LEASE_RECORD_EXEC].tgid, (unsigned)c.pid);
	CU_ASSERT_NOT_EQUAL(seen.last[LEASE_RECORD_EXEC].events, 0);
	child_finish(&c);
	/* The program's own pages: it goes on being charged. */
	CU_ASSERT(seen.nr[LEASE_RECORD_STOP] > 2);
}

/* A standard output that takes nothing: the program stays until it is killed. */
static void block_output(void)
{
	int full[2];

	if (pipe(full) || fcntl(full[1], F_SETFL, O_NONBLOCK))
		_exit(1);
	while (write(full[1], "x", 1) == 1)
		;
	if (fcntl(full[1], F_SETFL, 0) || dup2(full[1], STDOUT_FILENO) < 0)
		_exit(1);
}

static void *exec_in_thread(void *arg)
{
	touch(300);
	block_output();
	execl("/bin/echo", "echo", "x", NULL);
	return arg;
}

static void exec_by_thread(void)
{
	pthread_t t;

	if (!pthread_create(&t, NULL, exec_in_thread, NULL))
		pthread_join(t, NULL);
	_exit(1);
}

/* The thread that execs takes the main thread's place, and is stopped under its new id. */
static void test_exec_by_thread(void)
{
	struct child c;

	if (!child_start(&c, exec_by_thread, 100000))
		return;
	child_go(&c);
	expect_record(LEASE_RECORD_EXEC);
	CU_ASSERT_EQUAL(seen.last[LEASE_RECORD_EXEC].tgid, (unsigned)c.pid);
	/* One of its own, and one of the thread's that is its main thread now. */
	CU_ASSERT_EQUAL(nr_events(c.pid), 2);
	child_kill(&c);
}

static void send_fds(int sock, const int fds[LEASE_NR_EVENTS])
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(LEASE_NR_EVENTS * sizeof(int))];
	} control = {};
	struct iovec iov = {.iov_base = "x", .iov_len = 1};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control)};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(LEASE_NR_EVENTS * sizeof(int));
	memcpy(CMSG_DATA(&control.header), fds, LEASE_NR_EVENTS * sizeof(int));
	sendmsg(sock, &mh, 0);
}

static bool receive_fds(int sock, int fds[LEASE_NR_EVENTS])
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(LEASE_NR_EVENTS * sizeof(int))];
	} control = {};
	char byte;
	struct iovec iov = {.iov_base = &byte, .iov_len = 1};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control)};

	if (recvmsg(sock, &mh, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&mh))
		return false;
	memcpy(fds, CMSG_DATA(&control.header), LEASE_NR_EVENTS * sizeof(int));
	return true;
}

/* A server arms pid, gives away the descriptors, and never reads a record. */
static pid_t dead_server(pid_t pid, int sock)
{
	pid_t server = fork();
	int fds[LEASE_NR_EVENTS];

	if (server)
		return server;
	lease_server_start(lease, on_record, NULL);
	if (!lease_arm(lease, pid, ~0U, fds) && !lease_member_set(lease, pid, SLOT, false))
		send_fds(sock, fds);
	pause();
	_exit(0);
}

static pid_t plain_child(int *ret_go)
{
	int go[2];
	pid_t pid;
	char byte;

	if (pipe2(go, O_CLOEXEC))
		return -1;
	pid = fork();
	if (!pid) {
		close(go[1]);
		if (read(go[0], &byte, 1) == 0)
			touch(500);
		_exit(0);
	}
	close(go[0]);
	*ret_go = go[1];
	return pid;
}

/* Who was stopped while there was no server is known to the next one, and that it was for its
 * lease. */
static void test_next_server(void)
{
	struct lease_member m = {};
	int sock[2], fds[LEASE_NR_EVENTS], fresh[LEASE_NR_EVENTS], go = -1;
	pid_t pid, server;

	memset(&seen, 0, sizeof(seen));
	progress->pages = 0;
	CU_ASSERT_FATAL(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sock) == 0);
	lease_slot_init(lease, SLOT, 0);
	lease_slot_set_limited(lease, SLOT, true);
	pid = plain_child(&go);
	CU_ASSERT_FATAL(pid > 0);
	server = dead_server(pid, sock[1]);
	CU_ASSERT_FATAL(receive_fds(sock[0], fds));
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	close(go);
	for (int i = 0; i < 1000 && !has_stopped(&pid); i++)
		poll(NULL, 0, 5);
	CU_ASSERT_TRUE(has_stopped(&pid));
	CU_ASSERT_FALSE(lease_survives(lease));
	CU_ASSERT_EQUAL(lease_server_start(lease, on_record, NULL), 0);
	CU_ASSERT_EQUAL(lease_member_get(lease, pid, &m), 0);
	CU_ASSERT_EQUAL(m.slot, SLOT);
	CU_ASSERT_EQUAL(m.stopped, 0);
	CU_ASSERT_EQUAL(lease_arm(lease, pid, ~0U, fresh), 0);
	for (int i = 0; i < LEASE_NR_EVENTS; i++) {
		lease_inherited(lease, fds[i]);
		close(fds[i]);
	}
	lease_inherited_all(lease);
	CU_ASSERT_EQUAL(lease_member_get(lease, pid, &m), 0);
	CU_ASSERT_EQUAL(m.stopped, 1);
	let_go_on(pid);
	CU_ASSERT_TRUE(dispatch_until(is_at, &(long){500}, PATIENCE_MSEC));
	expect_record(LEASE_RECORD_EXIT);
	waitpid(pid, NULL, 0);
	lease_disarm(lease, fresh);
	for (int i = 0; i < LEASE_NR_EVENTS; i++)
		close(fresh[i]);
	close(sock[0]);
	close(sock[1]);
}

/* Loses its events, where it is allowed to gain privileges at all. */
static void exec_su(void)
{
	block_output();
	if (!geteuid() && (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
		_exit(1);
	execl("/bin/su", "su", "--version", NULL);
	_exit(1);
}

static bool has_lost_lease(void *arg)
{
	(void)arg;
	return seen.nr[LEASE_RECORD_EXEC] && !seen.last[LEASE_RECORD_EXEC].events;
}

/* Whether exec of this file gains anything here. */
static bool is_privileged(const char *path)
{
	struct statvfs fs;
	struct stat st;

	return !stat(path, &st) && (st.st_mode & S_ISUID) && !st.st_uid && !statvfs(path, &fs) &&
	       !(fs.f_flag & ST_NOSUID) && !prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

static void test_exec_privileged(void)
{
	struct child c;

	if (geteuid() || !is_privileged("/bin/su") || !child_start(&c, exec_su, LEASE_NO_LIMIT))
		return;
	child_go(&c);
	CU_ASSERT_TRUE(dispatch_until(has_lost_lease, NULL, PATIENCE_MSEC));
	CU_ASSERT_EQUAL(seen.last[LEASE_RECORD_EXEC].tgid, (unsigned)c.pid);
	/* Its end is heard of, though it has no events. */
	child_kill(&c);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"threads", test_threads},
		{"fork", test_fork},
		{"vfork", test_vfork},
		{"a child that nobody saw", test_missed},
		{"exec", test_exec},
		{"exec by a thread", test_exec_by_thread},
		{"the server after a dead one", test_next_server},
		{"exec that gains privileges", test_exec_privileged},
		CU_TEST_INFO_NULL,
	};

	return run_tests("lease_follow", tests);
}
