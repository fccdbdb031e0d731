// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stopwatch FILE COMMAND...: run COMMAND and write "WALL CPU", both in seconds, to FILE; CPU is
 * user and system time with that of its children. Started inside a group it does not count what
 * getting there took. Exit status: COMMAND's.
 */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec * 1e-6;
}

int main(int argc, char **argv)
{
	struct rusage used;
	int status;

	if (argc < 3)
		errx(2, "usage: stopwatch FILE COMMAND...");
	FILE *f = fopen(argv[1], "w");
	if (!f)
		err(2, "%s", argv[1]);
	double begin = now();
	pid_t pid = vfork();
	if (pid < 0)
		err(2, "vfork");
	if (!pid) {
		execvp(argv[2], argv + 2);
		_exit(127);
	}
	while (wait4(pid, &status, 0, &used) < 0 && errno == EINTR)
		;
	double wall = now() - begin;
	fprintf(f, "%.6f %.6f\n", wall, seconds(used.ru_utime) + seconds(used.ru_stime));
	fclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
