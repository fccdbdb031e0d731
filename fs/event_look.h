/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the two descriptors of a line for cgroup.event_control are: an eventfd, which is taken, and
 * a control file, which is only looked at. Each look is a thread of its own.
 */
#ifndef MEMCGFS_EVENT_LOOK_H
#define MEMCGFS_EVENT_LOOK_H

#include <sys/types.h>

#include "manager/manager.h"

/* Looks under way: of all users together, of all but root, and of one user but root. */
#define EVENT_LOOKS_MAX        256
#define EVENT_LOOKS_MAX_OTHERS 224
#define EVENT_LOOKS_MAX_USER   32

struct event_looks;

struct event_look {
	/* What to look at: the thread tid's, for this user. */
	pid_t tid;
	uid_t uid;
	int eventfd, control_file;
	/* What they are. */
	int error;                  /* 0 or -errno: then nothing below is known */
	struct eventfd_taken taken; /* fd is the owner's to close, -1: none */
	dev_t dev;                  /* the control file's, as stat(2) tells it */
	ino_t ino;
	int flags;                   /* it was opened with */
	struct manager_request done; /* run on the loop */

	struct event_looks *all;
	struct event_look *prev, *next;
};

int event_looks_new(struct event_looks **ret, struct manager *m);
/* No done is run any more, but for those that are on the loop's list already. NULL-safe, returns
 * NULL. */
struct event_looks *event_looks_end(struct event_looks *all);

/*
 * l is malloc'd, and on success its done.run()'s to free. 0, -EAGAIN: there are too many under way,
 * or another -errno. Any thread.
 */
int event_look_begin(struct event_looks *all, struct event_look *l);

#endif
