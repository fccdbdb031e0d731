/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A memcgfs for one run: started where none is mounted, ended with the run. Single-threaded. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli/memcgctl.h"
#include "cli/mount.h"
#include "cli/pidfd.h"
#include "cli/private_daemon.h"
#include "cli/private_dir.h"
#include "util/util.h"

#ifndef SBINDIR
#define SBINDIR "/usr/local/sbin"
#endif
#define DAEMON "memcgfs"

/* What it says is kept, and shown only when it fails. A page is some forty lines; what comes after
 * them is dropped. */
#define LOG_BYTES 4096

/* To end its servers and unmount takes milliseconds; a daemon that has not done so by now never
 * will. */
#define STOP_MSEC 10000

struct private_daemon {
	pid_t pid; /* and process group; 0: none */
	int pidfd;
	int log_fd;
	struct private_dir dir;
};

/* A file in memory that cannot grow: a daemon that talks a lot fills nothing. */
static int log_open(void)
{
	int fd = memfd_create("memcgfs-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, LOG_BYTES) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0) {
		int r = -errno;

		close(fd);
		return r;
	}
	return fd;
}

static void log_show(int fd)
{
	char text[LOG_BYTES + 1];

	if (read_fd(fd, text, sizeof(text)) > 0)
		fputs(text, stderr); /* ends at the first byte that was never written */
}

/* Out of the terminal's foreground group, so that ^C and ^Z are the command's alone; and it ends
 * when we do. */
static _Noreturn void child_main(const struct private_daemon *d, const struct signals *signals,
				 pid_t parent)
{
	char name[40], state[sizeof("--state-dir=") + PRIVATE_PATH_MAX];
	char *argv[] = {(char *)DAEMON, (char *)"-f", name, state, (char *)d->dir.tree, NULL};
	int null = open("/dev/null", O_RDWR);

	snprintf(name, sizeof(name), "--name=memcgfs-run-%d", (int)parent);
	snprintf(state, sizeof(state), "--state-dir=%s", d->dir.path);
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(CLI_FAILURE);
	signals_give_back(signals);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	dup2(d->log_fd, STDERR_FILENO);
	execv(SBINDIR "/" DAEMON, argv);
	if (errno == ENOENT)
		execvp(DAEMON, argv);
	dprintf(STDERR_FILENO, "memcgctl: run: %s (in %s or PATH): %s\n", DAEMON, SBINDIR,
		strerror(errno));
	_exit(CLI_FAILURE);
}

static int spawn(struct private_daemon *d, const struct signals *signals)
{
	pid_t self = getpid(), pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child_main(d, signals, self);
	setpgid(pid, pid); /* here as well: whoever comes first. Fails once it has executed, and
			      then it is done */
	d->pid = pid;
	d->pidfd = pidfd_of(pid);
	return d->pidfd < 0 ? -errno : 0;
}

/* The mount table's descriptor says POLLPRI after every change since it was opened. */
static int wait_for_mount(struct private_daemon *d, const struct signals *signals)
{
	cleanup_close int table = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
	struct pollfd fds[] = {
		{.fd = d->pidfd, .events = POLLIN},
		{.fd = signals->fd, .events = POLLIN},
		{.fd = table, .events = POLLPRI},
	};

	if (table < 0)
		return -errno;
	for (;;) {
		bool from_process;
		int r = mount_is_there(d->dir.tree);

		if (r)
			return r < 0 ? r : 0;
		if (fds[0].revents)
			return -ECHILD;
		if (fds[1].revents && (r = signals_next(signals, &from_process)))
			return r;
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			return -errno;
	}
}

static bool wait_for_end(const struct private_daemon *d, int timeout_msec)
{
	struct pollfd p = {.fd = d->pidfd, .events = POLLIN};
	int r;

	do {
		r = poll(&p, 1, timeout_msec);
	} while (r < 0 && errno == EINTR);
	return r > 0;
}

/* Its exit status, or -1: killed. SIGKILL goes to its process group, so that no part of it starts
 * another. */
static int end_daemon(const struct private_daemon *d)
{
	int status = 0;

	kill(d->pid, SIGTERM);
	if (d->pidfd < 0 || !wait_for_end(d, STOP_MSEC))
		kill(-d->pid, SIGKILL);
	if (TEMP_FAILURE_RETRY(waitpid(d->pid, &status, 0)) < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

struct private_daemon *private_daemon_stop(struct private_daemon *d)
{
	if (!d)
		return NULL;
	if (d->pid > 0 && end_daemon(d) != 0)
		log_show(d->log_fd);
	private_dir_remove(&d->dir);
	if (d->pidfd >= 0)
		close(d->pidfd);
	if (d->log_fd >= 0)
		close(d->log_fd);
	free(d);
	return NULL;
}

static int start(struct private_daemon *d, const struct signals *signals)
{
	int r = private_dir_make(&d->dir);

	if (r < 0)
		return r; /* said there */
	d->log_fd = log_open();
	r = d->log_fd < 0 ? d->log_fd : spawn(d, signals);
	if (r == 0)
		r = wait_for_mount(d, signals);
	if (r < 0 && r != -ECHILD)
		cli_failure(&verb_run, "cannot start a memcgfs: %s", strerror(-r));
	return r;
}

int private_daemon_start(struct private_daemon **ret, const struct signals *signals)
{
	struct private_daemon *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->pidfd = d->log_fd = -1;
	r = start(d, signals);
	if (r) {
		if (r == -ECHILD)
			cli_failure(&verb_run,
				    "no memcgfs is mounted, and one for this run did not start");
		private_daemon_stop(d);
		return r;
	}
	*ret = d;
	return 0;
}

const char *private_daemon_mount(const struct private_daemon *d)
{
	return d->dir.tree;
}
