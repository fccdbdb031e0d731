// SPDX-License-Identifier: GPL-2.0-or-later
/* Eventfds of other processes, by /proc and pidfd_getfd(2). No state but eventfd_add()'s timer. */
#include "shrinker/eventfd.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "util/util.h"

#define PIDFD_THREAD O_EXCL /* Linux 6.9 */

/* What an eventfd cannot hold more than (eventfd(2)). */
#define COUNT_MAX (UINT64_MAX - 1)

/* How long an eventfd that was not full a moment ago may keep us waiting. Where nobody fills it
 * the write does not wait, and nothing interrupts it. */
#define ADD_PATIENCE_NSEC 100000

/* ---- which one it is ---- */

static bool take_number(const char *text, const char *key, int base, uint64_t *ret)
{
	const char *at = strstr(text, key);
	char *end;

	if (!at || (at != text && at[-1] != '\n'))
		return false;
	at += strlen(key);
	*ret = strtoull(at, &end, base);
	return end != at;
}

int eventfd_parse_info(const char *text, struct eventfd_info *ret)
{
	struct eventfd_info info;

	if (!take_number(text, "eventfd-id:", 10, &info.id) ||
	    !take_number(text, "eventfd-count:", 16, &info.count))
		return -EINVAL;
	*ret = info;
	return 0;
}

/* Looked at before anything else of it: reading what other kinds of files say of themselves may
 * wait for their owners. */
static int check_kind(pid_t tid, int number)
{
	char path[40], target[32];
	ssize_t n;

	if (number < 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", tid, number);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0) {
		int r = -errno;

		snprintf(path, sizeof(path), "/proc/%d", tid);
		return r != -ENOENT ? r : access(path, F_OK) ? -ESRCH : -EBADF;
	}
	target[n] = '\0';
	return strcmp(target, "anon_inode:[eventfd]") ? -EINVAL : 0;
}

static int read_info(const char *proc_id, int number, struct eventfd_info *ret)
{
	char path[64], text[512];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%d", proc_id, number);
	n = read_file_at(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return n == -ENOENT ? -EBADF : (int)n;
	return eventfd_parse_info(text, ret);
}

int eventfd_identify(pid_t tid, int number, struct eventfd_info *ret)
{
	char proc_id[16];
	int r = check_kind(tid, number);

	if (r < 0)
		return r;
	snprintf(proc_id, sizeof(proc_id), "%d", tid);
	return read_info(proc_id, number, ret);
}

static bool is_it(pid_t tgid, int number, uint64_t id)
{
	struct eventfd_info info;

	return !eventfd_identify(tgid, number, &info) && info.id == id;
}

/* A few at a time: the kernel looks up each that it lists. */
static bool find_number(int dir, pid_t tgid, uint64_t id, unsigned *looks, int *ret)
{
	_Alignas(struct dirent64) char buf[512];
	ssize_t n;

	while (*looks && (n = getdents64(dir, buf, sizeof(buf))) > 0) {
		const struct dirent64 *e;

		for (ssize_t at = 0; at < n && *looks; at += e->d_reclen) {
			e = (const struct dirent64 *)(buf + at);
			if (e->d_name[0] == '.')
				continue;
			--*looks;
			if (!is_it(tgid, atoi(e->d_name), id))
				continue;
			*ret = atoi(e->d_name);
			return true;
		}
	}
	return false;
}

bool eventfd_is_held(pid_t tgid, int *number, uint64_t id, unsigned *looks)
{
	cleanup_close int dir = -1;
	char path[32];

	if (is_it(tgid, *number, id))
		return true;
	if (!*looks)
		return false;
	--*looks; /* opening costs as much */
	snprintf(path, sizeof(path), "/proc/%d/fd", tgid);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir >= 0 && find_number(dir, tgid, id, looks, number);
}

/* ---- taking it ---- */

static pid_t thread_group_of(pid_t tid)
{
	char path[32], text[512];
	uint64_t tgid;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	if (read_file_at(AT_FDCWD, path, text, sizeof(text)) < 0 ||
	    !take_number(text, "Tgid:", 10, &tgid))
		return -1;
	return (pid_t)tgid;
}

/* Before Linux 6.9 only of a process's first thread. */
static int open_thread(pid_t tid, pid_t tgid)
{
	int fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);

	if (fd < 0 && errno != ESRCH && errno != EMFILE)
		fd = (int)syscall(SYS_pidfd_open, tgid, 0);
	return fd < 0 ? -errno : fd;
}

int eventfd_take(pid_t tid, int number, struct eventfd_taken *ret)
{
	cleanup_close int pidfd = -1, fd = -1;
	struct eventfd_taken taken = {.tgid = thread_group_of(tid), .number = number};
	int r = check_kind(tid, number);

	if (r < 0)
		return r;
	pidfd = taken.tgid < 0 ? -ESRCH : open_thread(tid, taken.tgid);
	if (pidfd < 0)
		return pidfd;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	if (fd < 0)
		return -errno;
	/* The one we have now, whatever its owner does with the number meanwhile. */
	r = read_info("self", fd, &taken.info);
	if (r < 0)
		return r;
	taken.fd = fd;
	*ret = taken;
	fd = -1;
	return 0;
}

/* ---- adding ---- */

static void on_alarm(int sig)
{
	(void)sig;
}

/* One that interrupts a system call of this thread. */
static int alarm_new(timer_t *ret)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
	const struct sigaction action = {.sa_handler = on_alarm};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	event._sigev_un._tid = gettid();
	if (sigaction(SIGRTMIN, &action, NULL) || pthread_sigmask(SIG_UNBLOCK, &set, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, ret))
		return -errno;
	return 0;
}

/*
 * nsec 0: off. A process that was forked from one that had a timer has none, and perhaps a number
 * that its thread's parent had before; so that the timer does not exist is asked for, too.
 */
static int alarm_set(long nsec)
{
	static timer_t timer;
	static pid_t owner; /* its thread; 0: there is none */
	/* Again and again: one that came before the write had begun would interrupt nothing. */
	const struct itimerspec spec = {.it_value.tv_nsec = nsec, .it_interval.tv_nsec = nsec};
	int r;

	if (owner == gettid() && !timer_settime(timer, 0, &spec, NULL))
		return 0;
	owner = 0;
	r = alarm_new(&timer);
	if (r)
		return r;
	owner = gettid();
	return timer_settime(timer, 0, &spec, NULL) ? -errno : 0;
}

/*
 * Its owner may have made it without EFD_NONBLOCK, and the flag is not ours to set: his reads would
 * change. What it holds says whether there is room; only somebody who fills it in between can make
 * the write wait, and then it is interrupted. Without a timer nothing is written.
 */
int eventfd_add(int fd, uint64_t n)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	struct eventfd_info info;
	ssize_t written;
	int r = 0;

	if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT))
		return -EAGAIN;
	if (n > 1) {
		r = read_info("self", fd, &info);
		if (r < 0)
			return r;
		if (n > COUNT_MAX - info.count)
			return -EAGAIN;
	}
	if (alarm_set(ADD_PATIENCE_NSEC))
		return -EAGAIN; /* it might wait for ever */
	written = write(fd, &n, sizeof(n));
	if (written < 0)
		r = -errno;
	alarm_set(0);
	return r;
}
