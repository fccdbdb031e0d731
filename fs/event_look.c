// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Looks at clients' descriptors. A descriptor's kind is known before it is taken, but its owner may
 * put another file there in between; what was taken then has to be closed, and a close may wait for
 * as long as the owner likes: for the server of his own FUSE file system, or for a socket's peer.
 * So may the look-up of a file on a file system that does not answer. Each look therefore has a
 * thread of its own, and whoever makes one hang has one less to register with.
 *
 * Threads: looks begin on any, and end on their own. What is theirs is under the lock.
 */
#include "fs/event_look.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <utlist.h>

#include "util/util.h"

/* The deepest frame is that of a 512-byte text. */
#define STACK_BYTES (128U << 10)

struct event_looks {
	pthread_mutex_t lock;    /* all that follows */
	struct manager *manager; /* NULL: the end */
	struct event_look *under_way;
	unsigned nr_users; /* the owner, and each look */
};

/* ---- on a look's thread ---- */

/* Flags that it was opened with, or -errno. */
static int opened_flags(pid_t tid, int number)
{
	char path[64], text[256];
	const char *flags;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", tid, number);
	n = read_file_at(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return n == -ENOENT ? -EBADF : (int)n;
	flags = strstr(text, "flags:");
	return flags ? (int)strtoul(flags + strlen("flags:"), NULL, 8) : -EINVAL;
}

/* Where it is, and never taken: the last close of one of our own files would ask ourselves. */
static int look_at_control_file(struct event_look *l)
{
	struct statx st;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", l->tid, l->control_file);
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &st))
		return errno == ENOENT ? -EBADF : -errno;
	l->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	l->ino = st.stx_ino;
	l->flags = opened_flags(l->tid, l->control_file);
	return MIN(l->flags, 0);
}

static int look(struct event_look *l)
{
	int r = eventfd_take(l->tid, l->eventfd, &l->taken);

	return r < 0 ? r : look_at_control_file(l);
}

static void look_free(struct event_look *l)
{
	if (l->taken.fd >= 0)
		close(l->taken.fd);
	free(l);
}

/* With the lock held, which is let go. */
static void put(struct event_looks *all)
{
	bool last = --all->nr_users == 0;

	pthread_mutex_unlock(&all->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&all->lock);
	free(all);
}

static void *look_main(void *userdata)
{
	struct event_look *l = userdata;
	struct event_looks *all = l->all;
	bool end;

	prctl(PR_SET_NAME, "memcgfs-look");
	l->error = look(l);
	pthread_mutex_lock(&all->lock);
	DL_DELETE(all->under_way, l);
	end = !all->manager;
	if (!end)
		manager_submit(all->manager, &l->done);
	put(all);
	if (end) /* the next server is sent the request again */
		look_free(l);
	return NULL;
}

/* ---- begin and end ---- */

static bool is_full_for(const struct event_looks *all, uid_t uid)
{
	unsigned nr = 0, nr_user = 0;
	const struct event_look *l;

	DL_FOREACH (all->under_way, l) {
		nr++;
		nr_user += l->uid == uid;
	}
	return uid ? nr >= EVENT_LOOKS_MAX_OTHERS || nr_user >= EVENT_LOOKS_MAX_USER
		   : nr >= EVENT_LOOKS_MAX;
}

static int start_thread(struct event_look *l)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = thread_start(&thread, &attr, look_main, l);
	pthread_attr_destroy(&attr);
	return r;
}

int event_look_begin(struct event_looks *all, struct event_look *l)
{
	int r = -EAGAIN;

	l->all = all;
	l->taken.fd = -1;
	pthread_mutex_lock(&all->lock);
	if (!is_full_for(all, l->uid)) {
		DL_APPEND(all->under_way, l);
		all->nr_users++;
		r = start_thread(l);
		if (r) {
			DL_DELETE(all->under_way, l);
			all->nr_users--;
		}
	}
	pthread_mutex_unlock(&all->lock);
	return r;
}

int event_looks_new(struct event_looks **ret, struct manager *m)
{
	struct event_looks *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	pthread_mutex_init(&all->lock, NULL);
	all->manager = m;
	all->nr_users = 1;
	*ret = all;
	return 0;
}

struct event_looks *event_looks_end(struct event_looks *all)
{
	if (!all)
		return NULL;
	pthread_mutex_lock(&all->lock);
	all->manager = NULL;
	put(all);
	return NULL;
}
