/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command of `memcgctl run`: a child that is in its group before its first instruction.
 * Single-threaded. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "cli/command.h"
#include "cli/memcgctl.h"
#include "cli/pidfd.h"
#include "util/util.h"

/* The child: until the parent says go (it is in the group then) nothing is executed. */
static _Noreturn void child_main(int go_fd, char *const *argv, const struct signals *signals,
				 const char *mount)
{
	char go;
	int error;

	if (TEMP_FAILURE_RETRY(read(go_fd, &go, 1)) != 1)
		_exit(CLI_FAILURE); /* the parent has said why */
	if (mount && setenv("MEMCGFS_MOUNT", mount, 1) < 0)
		_exit(CLI_FAILURE);
	signals_give_back(signals);
	execvp(argv[0], argv);
	error = errno;
	cli_failure(&verb_run, "%s: %s", argv[0],
		    error == ENOENT ? "command not found" : strerror(error));
	_exit(error == ENOENT ? COMMAND_NOT_FOUND : COMMAND_NOT_EXECUTABLE);
}

static int attach(const struct group *g, pid_t pid)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", (int)pid);
	int r = write_file_at(g->fd, "cgroup.procs", text, (size_t)len);

	if (r < 0)
		cli_failure(&verb_run, "%s: cannot attach the command: %s", g->name, strerror(-r));
	return r;
}

int command_start(pid_t *ret_pid, const struct group *g, char *const *argv,
		  const struct signals *signals, const char *mount)
{
	int go[2], r = 0;
	pid_t pid;

	if (pipe2(go, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		r = -errno;
		cli_failure(&verb_run, "cannot start a process: %s", strerror(-r));
		return r;
	}
	if (pid == 0) {
		close(go[1]);
		child_main(go[0], argv, signals, mount);
	}
	close(go[0]);
	r = attach(g, pid);
	/* A child that was killed meanwhile has closed its end: its status says so, no SIGPIPE is
	 * needed. */
	if (r == 0 && TEMP_FAILURE_RETRY(write(go[1], "", 1)) != 1 && errno != EPIPE)
		r = -errno;
	close(go[1]);
	if (r < 0) {
		waitpid(pid, NULL, 0);
		return r;
	}
	*ret_pid = pid;
	return 0;
}

/* From the terminal the command gets them too, being in the same process group: twice would be once
 * too often. */
static void pass_signals_on(const struct signals *signals, pid_t pid)
{
	bool from_process;
	int sig;

	while ((sig = signals_next(signals, &from_process)))
		if (from_process)
			kill(pid, sig);
}

int command_wait(pid_t pid, const struct signals *signals)
{
	cleanup_close int pidfd = pidfd_of(pid);
	struct pollfd fds[] = {
		{.fd = pidfd, .events = POLLIN},
		{.fd = signals->fd, .events = POLLIN},
	};
	int status = 0;

	/* Without a pidfd the wait below still waits; only signals are not passed on. */
	while (pidfd >= 0 && !fds[0].revents) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			pass_signals_on(signals, pid);
	}
	if (TEMP_FAILURE_RETRY(waitpid(pid, &status, 0)) < 0)
		return CLI_FAILURE;
	return WIFSIGNALED(status) ? COMMAND_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
}
