// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * relay OFFSET MIB: two processes, forks of one, take turns on one CPU: the first touches fresh
 * memory for 5 ms of CPU time, then the other burns 5 ms; before all this OFFSET ms. What one used
 * of a tick may be taken for the other's. Ends when the first has MIB.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "helper.h"

#define TURN_NSEC 5000000

static uint64_t used_nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void burn(uint64_t nsec)
{
	uint64_t end = used_nsec() + nsec;

	while (used_nsec() < end)
		;
}

static void pass(int fd)
{
	if (write(fd, "", 1) != 1)
		_exit(3);
}

static void take(int fd)
{
	char c;

	if (read(fd, &c, 1) != 1)
		_exit(3);
}

static _Noreturn void toucher(size_t bytes, int out, int in)
{
	volatile unsigned char *p =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t at = 0;

	if (p == MAP_FAILED)
		err(3, "mmap");
	madvise((void *)p, bytes, MADV_NOHUGEPAGE);
	while (at < bytes) {
		uint64_t end = used_nsec() + TURN_NSEC;

		while (used_nsec() < end)
			for (int i = 0; i < 16 && at < bytes; i++, at += PAGE_BYTES)
				p[at] = 1;
		pass(out);
		take(in);
	}
	_exit(0);
}

static _Noreturn void burner(uint64_t offset_nsec, int out, int in)
{
	burn(offset_nsec);
	for (;;) {
		take(in);
		burn(TURN_NSEC);
		pass(out);
	}
}

int main(int argc, char **argv)
{
	int there[2], back[2], status;
	cpu_set_t one;

	if (argc != 3)
		errx(2, "usage: relay OFFSET MIB");
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	sched_setaffinity(0, sizeof(one), &one);
	if (pipe(there) || pipe(back))
		err(3, "pipe");
	pid_t first = fork();
	if (!first)
		toucher(number(argv[2]) * MIB, there[1], back[0]);
	pid_t second = fork();
	if (!second)
		burner(number(argv[1]) * 1000000, back[1], there[0]);
	if (first < 0 || second < 0)
		err(3, "fork");
	waitpid(first, &status, 0);
	kill(second, SIGKILL);
	waitpid(second, NULL, 0);
	return !WIFEXITED(status) || WEXITSTATUS(status);
}
