/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pids as another process sees them. Any thread. */
#ifndef MEMCGFS_PID_NAMESPACE_H
#define MEMCGFS_PID_NAMESPACE_H

#include <linux/ioctl.h>
#include <sys/types.h>

/* <linux/nsfs.h> of 6.11 and later */
#ifndef NSFS_GET_PID_FROM_PIDNS
#define NSFS_GET_PID_FROM_PIDNS _IOR(0xb7, 0x6, int)
#define NSFS_GET_PID_IN_PIDNS   _IOR(0xb7, 0x8, int)
#endif

/* Is this process in the initial one, whose pids BPF programs see? 1, 0, or -errno: /proc does not
 * tell. */
int pid_namespace_is_initial(void);

/*
 * Descriptor of the pid namespace of process (or thread) `of`; -ENOENT when it is our own, so that
 * there is nothing to translate; -errno.
 */
int pid_namespace_open(pid_t of);

/* Our pid for what is `pid` in the namespace, or -ESRCH. */
pid_t pid_from_namespace(int ns_fd, pid_t pid);

/* What our pid is in the namespace; 0 where it cannot be seen from there. */
pid_t pid_in_namespace(int ns_fd, pid_t pid);

#endif
