// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * spread [-c] THREADS TABLES: takes much of the kernel's memory and little of its own. THREADS
 * threads wait, TABLES pages are touched, so far from each other that each needs a page table of
 * its own, and with -c another process has the same memory. Says "ready", waits for a line, and
 * ends.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "helper.h"

#define TABLE_REACH (2 * MIB) /* of 512 entries */
#define STACK_BYTES (64 << 10)

static void *wait_main(void *arg)
{
	(void)arg;
	for (;;)
		pause();
	return NULL;
}

static int clone_main(void *arg)
{
	wait_main(arg);
	return 0;
}

static void start_threads(unsigned long nr)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	for (unsigned long i = 0; i < nr; i++)
		if (pthread_create(&thread, &attr, wait_main, NULL))
			errx(3, "pthread_create");
}

static void touch_far_apart(unsigned long nr)
{
	char *p;

	if (!nr)
		return;
	p = mmap(NULL, nr * TABLE_REACH, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		err(3, "mmap");
	madvise(p, nr * TABLE_REACH, MADV_NOHUGEPAGE);
	for (unsigned long i = 0; i < nr; i++)
		*(volatile char *)(p + i * TABLE_REACH) = 1;
}

static pid_t start_clone(void)
{
	char *stack = malloc(STACK_BYTES);
	pid_t pid = stack ? clone(clone_main, stack + STACK_BYTES, CLONE_VM | SIGCHLD, NULL) : -1;

	if (pid < 0)
		err(3, "clone");
	return pid;
}

int main(int argc, char **argv)
{
	bool with_clone = argc == 4 && !strcmp(argv[1], "-c");
	pid_t pid = 0;

	if (argc != 3 + with_clone)
		errx(2, "usage: spread [-c] THREADS TABLES");
	start_threads(number(argv[argc - 2]));
	touch_far_apart(number(argv[argc - 1]));
	if (with_clone)
		pid = start_clone();
	say("ready");
	await_line();
	if (pid) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	return 0;
}
