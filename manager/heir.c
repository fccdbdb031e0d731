// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The heir (heir.h). It reads from a pipe whose write end keeper and servers have: what comes out
 * is the word to begin, or the end of the last of them. One thread.
 */
#include "manager/heir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "manager/sandbox.h"
#include "util/log.h"
#include "util/util.h"

struct heir {
	int pidfd;
	int pipe_fd; /* to be written to; no other process has it but keeper and servers */
};

/* The terminal is the user's again as soon as the daemon is ready. */
static void let_go_of_terminal(void)
{
	cleanup_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd >= 0)
		log_detach(null_fd);
}

static _Noreturn void heir_main(int pipe_fd, int ready_fd, void (*take_down)(void *userdata),
				void *userdata)
{
	ssize_t n;
	char word;

	prctl(PR_SET_NAME, "memcgfs-heir");
	if (ready_fd >= 0) {
		close(ready_fd);
		let_go_of_terminal();
	}
	/* With more privileges than it needs it is still better than none. */
	sandbox_enter(SANDBOX_HEIR);
	do
		n = read(pipe_fd, &word, 1);
	while (n < 0 && errno == EINTR);
	close(pipe_fd);
	take_down(userdata);
	_exit(EXIT_SUCCESS);
}

static int do_fork(struct heir *h, void (*take_down)(void *userdata), void *userdata, int ready_fd)
{
	int pipe_fds[2], r;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(pipe_fds[1]);
		heir_main(pipe_fds[0], ready_fd, take_down, userdata);
	}
	r = pid < 0 ? -errno : 0;
	close(pipe_fds[0]);
	if (r == 0) {
		h->pidfd = pidfd_open(pid, 0);
		r = h->pidfd < 0 ? -errno : 0;
	}
	if (r < 0)
		close(pipe_fds[1]); /* a heir that was forked takes down */
	else
		h->pipe_fd = pipe_fds[1];
	return r;
}

int heir_fork(struct heir **ret, void (*take_down)(void *userdata), void *userdata, int ready_fd)
{
	struct heir *h = calloc(1, sizeof(*h));
	int r = h ? do_fork(h, take_down, userdata, ready_fd) : -ENOMEM;

	if (r < 0) {
		log_error("cannot fork: %s", strerror(-r));
		free(h);
		return r;
	}
	*ret = h;
	return 0;
}

/* It reads whatever becomes of us, so that a byte that could not be written is no loss. */
bool heir_end(struct heir *h)
{
	struct pollfd p;
	bool lives;

	if (!h)
		return false;
	lives = write(h->pipe_fd, "", 1) == 1;
	close(h->pipe_fd);
	p = (struct pollfd){.fd = h->pidfd, .events = POLLIN};
	while (lives && poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	close(h->pidfd);
	free(h);
	return lives;
}
