// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * members N KIB: N programs, each started by exec, that have KIB of memory of their own and sleep;
 * "ready US" is said when all do, with the microseconds that took, and they end with stdin.
 */
#include <err.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES 4096

extern char **environ;

static double now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Its stdout is the pipe that counts who is ready. */
static _Noreturn void member(const char *kib)
{
	size_t bytes = strtoul(kib, NULL, 10) << 10;
	volatile char *p;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		err(3, "mmap");
	for (size_t at = 0; at < bytes; at += PAGE_BYTES)
		p[at] = 1;
	if (write(STDOUT_FILENO, "x", 1) != 1)
		err(3, "ready");
	for (;;)
		pause();
}

static void start(char *self, char *kib, const posix_spawn_file_actions_t *actions)
{
	char *argv[] = {self, "-", kib, NULL};
	pid_t pid;
	int error = posix_spawn(&pid, self, actions, NULL, argv, environ);

	if (error)
		errx(3, "posix_spawn: %s", strerror(error));
}

int main(int argc, char **argv)
{
	posix_spawn_file_actions_t actions;
	int ready[2];
	char c;

	if (argc != 3)
		errx(2, "usage: members N KIB");
	if (!strcmp(argv[1], "-"))
		member(argv[2]);
	signal(SIGCHLD, SIG_IGN);
	if (pipe(ready))
		err(3, "pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ready[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ready[0]);
	posix_spawn_file_actions_addclose(&actions, ready[1]);
	unsigned long nr = strtoul(argv[1], NULL, 10);
	double begin = now_usec();
	for (unsigned long i = 0; i < nr; i++) {
		start("/proc/self/exe", argv[2], &actions);
		if (read(ready[0], &c, 1) != 1)
			err(3, "a member ended");
	}
	printf("ready %.0f\n", now_usec() - begin);
	fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	kill(0, SIGTERM); /* our own process group: see the caller */
	return 0;
}
