/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors of processes: readable once the process has exited, a zombie included. Any thread. */
#ifndef MEMCGFS_CLI_PIDFD_H
#define MEMCGFS_CLI_PIDFD_H

#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* glibc 2.36 has a pidfd_open() of its own in <sys/pidfd.h>, older ones none. Descriptor, or -1
 * with errno. */
static inline int pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

#endif
