/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guards: whatever ends keeper and server, the kernel continues the processes that they had
 * stopped.
 *
 * There is one pipe, held by both. A guard is a further opening of its read end with O_ASYNC and
 * F_SETSIG SIGCONT, owned by one process. When the last of the two dies the write end goes, and the
 * kernel signals the owners of all guards that are on. At a process's death its descriptors are
 * released from the highest number down, so numbers make the order: lease events are placed
 * above the write end (no more stops), guards below it (still there to signal).
 *
 * Thread: the manager's loop.
 */
#ifndef MEMCGFS_GUARD_H
#define MEMCGFS_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

#define GUARD_WRITE_FD 512  /* about where the write end is placed */
#define GUARD_EVENT_FD 1024 /* where lease events begin */

/* The pipe, before keeper and server part. 0 or -errno. */
int guard_pipe_new(int ret_pipe[2]);

/* A guard for pid, off; -errno. */
int guard_open(const int pipe[2], pid_t pid);
void guard_set(int guard_fd, bool on);

/* Move a lease event's descriptor to where it is released before the write end; the new number, or
 * the old one. */
int guard_place_event(int fd);

#endif
