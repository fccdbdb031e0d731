// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * contain SECONDS COMMAND...: run COMMAND in a session of its own and, when it ends, when SECONDS
 * have passed or when a signal asks for it, kill all that it started, daemons too: their orphans
 * come to us (PR_SET_CHILD_SUBREAPER). Nobody else is touched. Exit status: COMMAND's, 128 +
 * signal, or 124 after the time-out.
 */
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "helper.h"

#define MAX_PIDS 65536

/* The children of one thread-group, as the kernel lists them. */
static size_t add_children(pid_t pid, pid_t *pids, size_t nr)
{
	char path[64];
	int child;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		return nr;
	for (struct dirent *e; (e = readdir(tasks));) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", pid, e->d_name);
		FILE *f = fopen(path, "re");
		if (!f)
			continue;
		while (nr < MAX_PIDS && fscanf(f, "%d", &child) == 1)
			pids[nr++] = child;
		fclose(f);
	}
	closedir(tasks);
	return nr;
}

/* Signal every descendant; returns how many there were. */
static size_t signal_descendants(int sig)
{
	static pid_t pids[MAX_PIDS];
	size_t nr = add_children(getpid(), pids, 0);

	for (size_t i = 0; i < nr; i++)
		nr = add_children(pids[i], pids, nr);
	for (size_t i = 0; i < nr; i++)
		kill(pids[i], sig);
	return nr;
}

/* Stop all first, so that nobody forks a replacement while others die; then kill, and reap until
 * none is left. */
static void kill_descendants(void)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	size_t before = 0, now = signal_descendants(SIGSTOP);

	while (now != before) {
		before = now;
		now = signal_descendants(SIGSTOP);
	}
	for (int round = 0; round < 1000; round++) {
		signal_descendants(SIGKILL);
		pid_t pid;
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0)
			return;
		nanosleep(&pause, NULL);
	}
	warnx("something does not die");
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Wait for the command, the time-out, or a signal that ends us. */
static int watch(pid_t command, const sigset_t *set, time_t seconds)
{
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += seconds;
	for (;;) {
		int status;
		pid_t pid;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			if (pid == command)
				return status_of(status);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec >= end.tv_sec)
			return 124;
		struct timespec left = {.tv_sec = end.tv_sec - now.tv_sec};
		int sig = sigtimedwait(set, NULL, &left);
		if (sig > 0 && sig != SIGCHLD)
			return 128 + sig;
	}
}

int main(int argc, char **argv)
{
	sigset_t set, old;

	if (argc < 3)
		errx(2, "usage: contain SECONDS COMMAND...");
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		err(2, "PR_SET_CHILD_SUBREAPER");
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, &old);

	pid_t command = fork();
	if (command < 0)
		err(2, "fork");
	if (!command) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		setsid();
		signal(SIGINT, SIG_DFL); /* a background job of a shell has it ignored */
		execvp(argv[2], argv + 2);
		err(127, "%s", argv[2]);
	}
	int status = watch(command, &set, (time_t)number(argv[1]));
	kill_descendants();
	return status;
}
