/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper's loop: start a server, hold what it sends, and when it dies start another. Nothing is
 * allocated after keeper_run has begun. One thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "manager/guard.h"
#include "manager/keeper_private.h"
#include "util/log.h"
#include "util/util.h"

/*
 * A server that lived shorter than this has met a fault at its start, or was killed. Five in a row
 * that never came to serve are enough; of those that did, fifty, for whoever kills them means it.
 */
#define QUICK_USEC     1000000
#define QUICK_UNSERVED 10
#define QUICK_SERVED   1
#define QUICK_MAX      50
#define MAX_FORK_TRIES 5
#define NO_FORK_MSEC                                                                            \
	1000 /* between two tries to fork: what is missing is memory or pids, which tell nobody \
		when they are back */

static struct keeper_link keeper;

void keeper_detach(struct keeper_link *k)
{
	if (k->detached)
		return;
	k->detached = true;
	log_detach(k->null_fd);
}

/* ---- what the server sends ---- */

static int message_fd(struct msghdr *mh)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(mh);
	int fd;

	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static void keep(uint64_t id, int fd)
{
	int old = -1;

	if (fd < 0) {
		log_error(
			"the keeper has no room for a descriptor: it would not outlive the server");
		return;
	}
	if (!(id & KEEPER_LATE))
		fd = guard_place_event(fd);
	if (keeper_table_put(id, fd, &old) < 0)
		old = fd;
	if (old >= 0)
		close(old);
}

static void drop(uint64_t id)
{
	int fd = keeper_table_remove(id);

	if (fd >= 0)
		close(fd);
}

static void ready(struct keeper_link *k)
{
	k->served = true;
	if (k->ready_fd < 0)
		return;
	keeper_detach(k);
	if (write(k->ready_fd, "", 1) < 0)
		log_warning("nobody waited for the daemon to be ready, ignoring: %m");
	close(k->ready_fd);
	k->ready_fd = -1;
}

static void message_handle(struct keeper_link *k, const struct keeper_message *msg, int fd)
{
	switch (msg->type) {
	case KEEPER_KEEP:
		keep(msg->id, fd);
		break;
	case KEEPER_DROP:
		drop(msg->id);
		break;
	case KEEPER_READY:
		ready(k);
		break;
	case KEEPER_EXIT:
		k->status = msg->status;
		break;
	}
}

/* Handle one message. false when there is none. */
static bool message_receive(struct keeper_link *k)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct keeper_message msg;
	struct iovec iov = {.iov_base = &msg, .iov_len = sizeof(msg)};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control)};
	ssize_t n;

	if (k->sock < 0)
		return false;
	n = recvmsg(k->sock, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == (ssize_t)sizeof(msg)) {
		message_handle(k, &msg, message_fd(&mh));
		return true;
	}
	if (n < 0 && errno == EINTR)
		return true;
	if (n < 0 && errno == EAGAIN)
		return false;
	/* The other end has been closed: its pidfd says the rest. */
	close(k->sock);
	k->sock = -1;
	return false;
}

static void messages_drain(struct keeper_link *k)
{
	while (message_receive(k))
		;
}

/* ---- starting a server ---- */

static _Noreturn void server_main(struct keeper_link *k, int sock)
{
	struct keeper_message bye = {.type = KEEPER_EXIT};

	close(k->signal_fd);
	if (k->ready_fd >= 0)
		close(k->ready_fd);
	k->ready_fd = -1;
	k->signal_fd = -1;
	k->server_pidfd = -1;
	k->sock = sock;
	keeper_table_mark_inherited();
	prctl(PR_SET_NAME, "memcgfs-server");
	sigprocmask(SIG_SETMASK, &k->mask, NULL);

	bye.status = k->server(k, k->userdata);
	/* With no keeper to hear it, its last duty falls to us. */
	if (keeper_link_send(k, &bye, -1) < 0)
		k->end(k->userdata);
	_exit(bye.status);
}

static int server_fork(struct keeper_link *k)
{
	int pair[2], err = keeper_socketpair(pair);
	pid_t pid;

	if (err < 0)
		return err;
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		server_main(k, pair[1]);
	}
	err = pid < 0 ? -errno : 0;
	close(pair[1]);
	if (err < 0) {
		close(pair[0]);
		return err;
	}
	k->sock = pair[0];
	k->server_pid = pid;
	k->server_pidfd = pidfd_open(pid, 0);
	if (k->server_pidfd < 0) {
		err = -errno;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		close(k->sock);
		k->sock = -1;
	}
	return err;
}

/* 0, or -errno when it failed for the last time. */
static int server_start(struct keeper_link *k)
{
	for (unsigned tries = 1;; tries++) {
		struct pollfd p = {.fd = k->signal_fd, .events = POLLIN};
		int err;

		k->status = -1;
		k->served = false;
		k->started_usec = now_usec();
		err = server_fork(k);
		if (err == 0)
			return 0;
		if (tries == MAX_FORK_TRIES || poll(&p, 1, NO_FORK_MSEC) != 0) {
			log_error("cannot start a server: %s", strerror(-err));
			return err;
		}
	}
}

/* ---- the end of a server ---- */

/* Its exit status as it told us, or as its parent learns it; -1 when it did not end by itself. */
static int server_reap(struct keeper_link *k, int *ret_signal)
{
	siginfo_t info = {0};

	*ret_signal = 0;
	if (waitid(P_PIDFD, (id_t)k->server_pidfd, &info, WEXITED) == 0) {
		if (info.si_code != CLD_EXITED)
			*ret_signal = info.si_status;
		else if (k->status < 0)
			k->status = info.si_status;
	}
	close(k->server_pidfd);
	k->server_pidfd = -1;
	return k->status;
}

/* Whether servers that die soon have had their chances. */
static bool server_is_hopeless(struct keeper_link *k)
{
	if (now_usec() - k->started_usec >= QUICK_USEC)
		k->quick_points = 0;
	else
		k->quick_points += k->served ? QUICK_SERVED : QUICK_UNSERVED;
	if (k->quick_points < QUICK_MAX)
		return false;
	log_error("servers died again and again within a second of their start: giving up");
	return true;
}

/* Before the daemon is ready, whoever started it is to read one line, not five. */
static void log_restart(const struct keeper_link *k, int sig, int status)
{
	if (k->ready_fd >= 0)
		return;
	if (sig > 0)
		log_warning("the server died of signal %d (%s); starting another", sig,
			    strsignal(sig));
	else if (status >= 0)
		log_warning("the server ended with status %d; starting another", status);
	else
		log_warning("the server died; starting another");
}

/* The daemon's exit status when the server's end is the daemon's, else -1. */
static int server_ended(struct keeper_link *k)
{
	int sig, status;

	/* First, so that no descriptor is lost. */
	messages_drain(k);
	status = server_reap(k, &sig);
	if (k->sock >= 0)
		close(k->sock);
	k->sock = -1;
	if (status == 0 || status == KEEPER_FATAL)
		return status;
	if (k->quitting)
		return sig == SIGTERM || sig == SIGINT ? 0 : EXIT_FAILURE;
	if (server_is_hopeless(k))
		return KEEPER_FATAL;
	log_restart(k, sig, status);
	return -1;
}

/* ---- the loop ---- */

static void signals_pass_on(struct keeper_link *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		int sig = info.ssi_signo == SIGINT ? SIGINT : SIGTERM;

		k->quitting = true;
		if (k->server_pidfd >= 0)
			pidfd_send_signal(k->server_pidfd, sig, NULL, 0);
	}
}

/* From here on signals that end the daemon are read, not delivered; the rest is as before
 * keeper_run. */
static int signals_open(const struct keeper_link *k)
{
	sigset_t set, mask;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP); /* which never comes when it is ignored, as in the background */
	sigorset(&mask, &k->mask, &set);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int keeper_loop(struct keeper_link *k)
{
	for (;;) {
		struct pollfd p[3];
		int status;

		if (k->server_pidfd < 0 && server_start(k) < 0)
			return k->quitting ? EXIT_SUCCESS : KEEPER_FATAL;
		p[0] = (struct pollfd){.fd = k->signal_fd, .events = POLLIN};
		p[1] = (struct pollfd){.fd = k->sock, .events = POLLIN};
		p[2] = (struct pollfd){.fd = k->server_pidfd, .events = POLLIN};
		if (poll(p, ARRAY_SIZE(p), -1) < 0)
			continue;
		if (p[0].revents)
			signals_pass_on(k);
		if (p[1].revents)
			messages_drain(k);
		if (!p[2].revents)
			continue;
		status = server_ended(k);
		if (status >= 0)
			return status;
	}
}

/* ---- becoming the keeper ---- */

/* As exec would: what was handled is default again, what was ignored stays ignored. But refused
 * calls go on being told (sandbox.c). */
static void forget_handlers(void)
{
	const struct sigaction def = {.sa_handler = SIG_DFL};

	for (int sig = 1; sig <= SIGRTMAX; sig++) {
		struct sigaction sa;

		if (sig != SIGSYS && sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_IGN)
			sigaction(sig, &def, NULL);
	}
}

_Noreturn void keeper_adopt(struct keeper_link *k, int sock, pid_t pid, int pidfd)
{
	const struct sched_param normal = {0};
	int status;

	prctl(PR_SET_NAME, "memcgfs-keeper");
	sched_setscheduler(0, SCHED_OTHER, &normal);
	forget_handlers();
	k->sock = sock;
	k->server_pid = pid;
	k->server_pidfd = pidfd;
	k->started_usec = now_usec();
	k->quick_points = 0;
	/* The C library does not see its descriptor go, and would write to what has the number
	 * next. */
	if (k->detached) {
		closelog();
		log_target(true);
	}
	keeper_fds_close_others((const int[]){sock, pidfd}, 2);
	k->signal_fd = signals_open(k);
	status = keeper_loop(k);
	k->end(k->userdata);
	_exit(status);
}

/* All that a keeper needs beyond its servers, while failing is still possible. 0, or -errno after
 * one log_error(). */
static int keeper_open_fds(struct keeper_link *k)
{
	int err = 0;

	k->null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (k->null_fd < 0)
		err = -errno;
	if (err == 0)
		err = keeper_fds_remember(k->ready_fd);
	if (err == 0) {
		k->signal_fd = signals_open(k);
		err = MIN(k->signal_fd, 0);
	}
	if (err < 0)
		log_error("cannot begin to keep a server: %s", strerror(-err));
	return err;
}

int keeper_run(int (*server)(struct keeper_link *link, void *userdata), void (*end)(void *userdata),
	       void *userdata, int ready_fd)
{
	struct keeper_link *k = &keeper;
	int status = KEEPER_FATAL;

	k->server = server;
	k->end = end;
	k->userdata = userdata;
	k->ready_fd = ready_fd;
	k->background = ready_fd >= 0;
	k->sock = -1;
	k->server_pidfd = -1;
	sigprocmask(SIG_SETMASK, NULL, &k->mask);
	prctl(PR_SET_NAME, "memcgfs-keeper");
	if (keeper_open_fds(k) == 0)
		status = keeper_loop(k);
	end(userdata);
	return status;
}
