/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Removing a group that may still have tasks. Single-threaded. */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/group_remove.h"
#include "cli/pidfd.h"
#include "util/util.h"

/*
 * An exiting process frees its memory first: at some 0.1 s a GiB the biggest this was tried with
 * (24 GiB) needs three seconds. Longer than this is a process stuck in the kernel, and somebody
 * else's to look at.
 */
#define REMOVE_MSEC 10000

/* Processes of one round that are looked at again; those beyond are moved all the same. */
#define WATCH_MAX 64

struct watched {
	pid_t pid;
	int pidfd;
	bool moved, exited, still_listed;
};

struct left {
	struct watched watched[WATCH_MAX];
	size_t nr;
	unsigned nr_moved_beyond;
	int error; /* why one could not be moved */
};

static void left_clear(struct left *left)
{
	while (left->nr)
		close(left->watched[--left->nr].pidfd);
}

/* The next pid of a list, 0 at its end. */
static pid_t next_pid(const char **list)
{
	char *end;
	long pid = strtol(*list, &end, 10);

	*list = end;
	return pid > 0 ? (pid_t)pid : 0;
}

static void move_one(struct left *left, pid_t pid, const struct group *parent)
{
	int pidfd = pidfd_of(pid), len, r;
	char text[16];

	if (pidfd < 0)
		return; /* gone since the list was made */
	len = snprintf(text, sizeof(text), "%d", (int)pid);
	r = write_file_at(parent->fd, "cgroup.procs", text, (size_t)len);
	if (r < 0 && r != -ESRCH)
		left->error = r;
	if (left->nr < WATCH_MAX) {
		left->watched[left->nr++] =
			(struct watched){.pid = pid, .pidfd = pidfd, .moved = r == 0};
		return;
	}
	left->nr_moved_beyond += r == 0;
	close(pidfd);
}

static int move_all(struct left *left, const struct group *g, const struct group *parent)
{
	cleanup_free char *text = NULL;
	const char *s;
	pid_t pid;
	int r = group_read(g, "cgroup.procs", &text);

	if (r < 0)
		return r;
	s = text;
	while ((pid = next_pid(&s)))
		move_one(left, pid, parent);
	return 0;
}

static int try_rmdir(const struct group *g, const struct group *parent)
{
	const char *name = strrchr(g->name, '/') + 1;

	return unlinkat(parent->fd, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

static void look_who_exited(struct left *left)
{
	for (size_t i = 0; i < left->nr; i++) {
		struct pollfd p = {.fd = left->watched[i].pidfd, .events = POLLIN};

		left->watched[i].exited = poll(&p, 1, 0) > 0;
	}
}

/* A move of an exiting task succeeds without effect: only what is no longer listed was moved. */
static int look_who_stayed(struct left *left, const struct group *g, bool *ret_any_listed)
{
	cleanup_free char *text = NULL;
	const char *s;
	pid_t pid;
	int r = group_read(g, "cgroup.procs", &text);

	if (r < 0)
		return r;
	*ret_any_listed = false;
	for (s = text; (pid = next_pid(&s)); *ret_any_listed = true)
		for (size_t i = 0; i < left->nr; i++)
			if (left->watched[i].pid == pid)
				left->watched[i].still_listed = true;
	return 0;
}

static unsigned count_moved(const struct left *left)
{
	unsigned nr = left->nr_moved_beyond;

	for (size_t i = 0; i < left->nr; i++)
		nr += left->watched[i].moved && !left->watched[i].exited &&
		      !left->watched[i].still_listed;
	return nr;
}

/* Until one of those that are listed and have not exited exits. -EAGAIN: look again. */
static int wait_for_exit(const struct left *left, int timeout_msec)
{
	struct pollfd fds[WATCH_MAX];
	nfds_t nr = 0;
	size_t stuck = 0;

	for (size_t i = 0; i < left->nr; i++) {
		const struct watched *w = &left->watched[i];

		if (w->still_listed && !w->exited)
			fds[nr++] = (struct pollfd){.fd = w->pidfd, .events = POLLIN};
		stuck += w->still_listed && w->exited;
	}
	if (nr == 0) /* none: what is listed was forked since, and can be moved */
		return stuck ? -EBUSY : -EAGAIN;
	return poll(fds, nr, timeout_msec) == 0 ? -ETIMEDOUT : -EAGAIN;
}

/* Move what is listed and try again. -EAGAIN: something has changed, once more. */
static int round_of_moves(struct left *left, const struct group *g, const struct group *parent,
			  int timeout_msec)
{
	bool any_listed = false;
	int r = move_all(left, g, parent);

	if (r < 0)
		return r;
	look_who_exited(left);
	r = try_rmdir(g, parent);
	if (r != -EBUSY)
		return r;
	if (left->error)
		return left->error;
	r = look_who_stayed(left, g, &any_listed);
	if (r < 0)
		return r;
	if (!any_listed)
		return try_rmdir(g, parent); /* the last one may have gone in between */
	return wait_for_exit(left, timeout_msec);
}

int group_remove(const struct group *g, const struct group *parent, unsigned *ret_moved)
{
	uint64_t end = now_usec() + REMOVE_MSEC * 1000ULL;
	unsigned moved = 0;
	int r = try_rmdir(g, parent);

	if (r == -EBUSY)
		r = -EAGAIN;
	while (r == -EAGAIN) {
		struct left left = {0};
		uint64_t now = now_usec();

		if (now >= end)
			r = -ETIMEDOUT;
		else
			r = round_of_moves(&left, g, parent, (int)((end - now) / 1000));
		moved += count_moved(&left);
		left_clear(&left);
	}
	*ret_moved = moved;
	return r;
}
