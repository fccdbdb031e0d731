/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Eventfds of other processes: which one a descriptor is, a duplicate of it, and adding to it
 * without ever waiting. The kernel gives every eventfd a number of its own (fdinfo's eventfd-id,
 * Linux 5.2), which is no other's as long as somebody holds it.
 */
#ifndef MEMCGFS_EVENTFD_H
#define MEMCGFS_EVENTFD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct eventfd_info {
	uint64_t id;
	uint64_t count; /* what a read of it would give now; 0: it would wait */
};

/* Text of an fdinfo file. 0, or -EINVAL: it is not an eventfd's. */
int eventfd_parse_info(const char *text, struct eventfd_info *ret);

/*
 * What descriptor `number` of the thread tid is. 0, -EBADF: it is not open, -EINVAL: it is no
 * eventfd, -ESRCH: no such thread. Any thread.
 */
int eventfd_identify(pid_t tid, int number, struct eventfd_info *ret);

/*
 * Does the process still have this eventfd: by `number`, or by one of the first it has open?
 * *number becomes that. *looks is how many of those may be tried, 14 us each where they are
 * eventfds, less what it took. Any thread.
 */
#define EVENTFD_MAX_LOOKS 64
bool eventfd_is_held(pid_t tgid, int *number, uint64_t id, unsigned *looks);

/* A duplicate of somebody's eventfd in this process, close-on-exec; and who that is. */
struct eventfd_taken {
	int fd; /* here */
	pid_t tgid;
	int number; /* there */
	struct eventfd_info info;
};
/* As eventfd_identify(), or another -errno. */
int eventfd_take(pid_t tid, int number, struct eventfd_taken *ret);

/*
 * Add n to it. 0; -EAGAIN: it is too full, nothing was added; -EINTR: somebody filled it while we
 * wrote, and would have kept us waiting. Thread: one and the same, the manager's loop.
 */
int eventfd_add(int fd, uint64_t n);

#endif
