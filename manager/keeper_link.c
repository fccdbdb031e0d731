/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's side of the keeper: what is to be kept is sent over a socket, and remembered here
 * for a next keeper. Thread: the one that server() was called on.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "manager/keeper_private.h"
#include "util/util.h"

int keeper_socketpair(int ret[2])
{
	/* How long a server waits for a keeper that does not read: it reads whenever it is not
	 * stopped. */
	const struct timeval patience = {.tv_sec = 1};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	setsockopt(pair[1], SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	ret[0] = pair[0];
	ret[1] = pair[1];
	return 0;
}

int keeper_link_send(struct keeper_link *link, const struct keeper_message *msg, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)msg, .iov_len = sizeof(*msg)};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (fd >= 0) {
		mh.msg_control = &control;
		mh.msg_controllen = sizeof(control);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	do {
		n = sendmsg(link->sock, &mh, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* A keeper that has died learns of it when there is another: keeper_replace hands on the whole
 * table. */
static bool is_dead_keeper(int err)
{
	return err == -EPIPE || err == -ECONNRESET || err == -ENOTCONN;
}

void keeper_ready(struct keeper_link *link)
{
	const struct keeper_message msg = {.type = KEEPER_READY};

	if (link->background)
		keeper_detach(link);
	keeper_link_send(link, &msg, -1);
}

int keeper_keep(struct keeper_link *link, uint64_t id, int fd)
{
	const struct keeper_message msg = {.type = KEEPER_KEEP, .id = id};
	int err, old;

	if (fd < 0)
		return -EBADF;
	if (fd >= KEEPER_FD_BITS)
		return -EMFILE;
	err = keeper_table_put(id, fd, &old);
	if (err < 0)
		return err;
	err = keeper_link_send(link, &msg, fd);
	if (err == 0 || is_dead_keeper(err))
		return 0;
	if (old >= 0)
		keeper_table_put(id, old, &old);
	else
		keeper_table_remove(id);
	return err;
}

int keeper_drop(struct keeper_link *link, uint64_t id)
{
	const struct keeper_message msg = {.type = KEEPER_DROP, .id = id};
	int fd = keeper_table_remove(id), err;

	if (fd < 0)
		return fd;
	err = keeper_link_send(link, &msg, -1);
	return is_dead_keeper(err) ? 0 : err;
}

bool keeper_next(struct keeper_link *link, unsigned *pos, uint64_t *ret_id, int *ret_fd)
{
	(void)link;
	return keeper_table_next(pos, true, ret_id, ret_fd);
}

int keeper_get_fd(const struct keeper_link *link)
{
	return link->sock;
}

/* The keeper never writes, so there is something to read only when it has gone. */
static bool keeper_is_alive(const struct keeper_link *link)
{
	struct pollfd p = {.fd = link->sock, .events = POLLIN};

	return poll(&p, 1, 0) <= 0;
}

/*
 * Fork twice, so that the new keeper is nobody's child here: no SIGCHLD later, nobody to wait for.
 * The process in between is waited for by its pid; it does nothing but fork.
 */
static int fork_keeper(struct keeper_link *link, int sock, int pidfd)
{
	pid_t self = getpid(), pid = fork();
	int status = 0;

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		pid_t keeper = fork();

		if (keeper == 0)
			keeper_adopt(link, sock, self, pidfd);
		_exit(keeper < 0 ? errno : 0);
	}
	while (waitpid(pid, &status, 0) < 0) {
		/* With SIGCHLD ignored there is no status to be had; it has ended all the same. */
		if (errno != EINTR)
			return 0;
	}
	if (!WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

int keeper_replace(struct keeper_link *link)
{
	cleanup_close int keeper_sock = -1, sock = -1, pidfd = -1;
	sigset_t mask;
	int pair[2], err;

	if (keeper_is_alive(link))
		return 0;
	err = keeper_socketpair(pair);
	if (err < 0)
		return err;
	keeper_sock = pair[0];
	sock = pair[1];
	pidfd = pidfd_open(getpid(), 0);
	if (pidfd < 0)
		return -errno;
	/* Until the new keeper has forgotten them, none of the server's handlers is to run in it.
	 */
	signals_block_others(&mask);
	err = fork_keeper(link, keeper_sock, pidfd);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	if (err < 0)
		return err;
	close(link->sock);
	link->sock = sock;
	sock = -1;
	return 0;
}
