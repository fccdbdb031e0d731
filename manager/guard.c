// SPDX-License-Identifier: GPL-2.0-or-later
/* Guards: whatever ends keeper and server, the kernel continues what they had stopped (guard.h). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "manager/guard.h"
#include "util/util.h"

int guard_pipe_new(int ret_pipe[2])
{
	int pair[2];

	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	ret_pipe[0] = pair[0];
	ret_pipe[1] = fd_place(pair[1], GUARD_WRITE_FD);
	return 0;
}

int guard_open(const int pipe[2], pid_t pid)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", pipe[0]);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_SETSIG, SIGCONT) || fcntl(fd, F_SETOWN, pid)) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

void guard_set(int guard_fd, bool on)
{
	fcntl(guard_fd, F_SETFL, O_NONBLOCK | (on ? O_ASYNC : 0));
}

int guard_place_event(int fd)
{
	return fd_place(fd, GUARD_EVENT_FD);
}
