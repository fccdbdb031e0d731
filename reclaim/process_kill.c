/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kill of last resort, and the proof that a pid still names the process meant. Any thread. */
#include <signal.h>
#include <sys/syscall.h>

#include "reclaim/reclaim.h"
#include "util/util.h"

#ifndef SYS_process_mrelease
#define SYS_process_mrelease 448
#endif

/*
 * A descriptor below /proc/PID is bound to the process it was opened of: read after that one's
 * end it says ESRCH, or nothing.
 */
static bool process_alive(int proc_fd)
{
	char byte;
	ssize_t n;

	do {
		n = pread(proc_fd, &byte, 1, 0);
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

int process_open(pid_t pid, int proc_fd)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return -errno;
	/*
	 * Alive now means alive when the pidfd was opened, and a pid is not given away before its
	 * process is reaped: then the pidfd is of this very process.
	 */
	if (proc_fd >= 0 && !process_alive(proc_fd)) {
		close(fd);
		return -ESRCH;
	}
	return fd;
}

int process_kill(pid_t pid, int proc_fd)
{
	cleanup_close int fd = process_open(pid, proc_fd);

	if (fd < 0)
		return fd;
	if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0)
		return -errno;
	/*
	 * Its memory at once, though it may be stopped or wait in the kernel. Without this it goes
	 * when the process does, so no failure matters: ENOSYS before Linux 5.15, ESRCH when it was
	 * faster.
	 */
	(void)syscall(SYS_process_mrelease, fd, 0);
	return 0;
}
