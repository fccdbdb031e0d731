// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * recount MIB: a process with MIB of memory and a child that shares it; the page tables of both are
 * looked at as a sweep does it, seven times. Prints the median in milliseconds for each GiB of the
 * two together.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "accounting/share_count.h"

#define PAGE_BYTES 4096
#define RUNS       7

static double now_msec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double msec[RUNS];

	if (argc != 2)
		errx(2, "usage: recount MIB");
	size_t mib = strtoul(argv[1], NULL, 10), bytes = mib << 20;
	volatile char *p =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		err(3, "mmap");
	madvise((void *)p, bytes, MADV_NOHUGEPAGE);
	for (size_t at = 0; at < bytes; at += PAGE_BYTES)
		p[at] = 1;
	pid_t pid = fork();
	if (pid < 0)
		err(3, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	for (int i = 0; i < RUNS; i++) {
		struct share_member m[] = {{.pid = getpid(), .slot = 1}, {.pid = pid, .slot = 1}};
		double begin = now_msec();

		if (share_count(m, 2) || !m[0].counted ||
		    m[0].saved + m[1].saved < bytes / PAGE_BYTES)
			errx(3, "they were not counted");
		msec[i] = now_msec() - begin;
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	qsort(msec, RUNS, sizeof(*msec), compare);
	printf("%.1f\n", msec[RUNS / 2] * 1024 / (2 * (double)mib));
	return 0;
}
