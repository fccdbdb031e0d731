// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * forkstorm PROCS_FILE AFTER MIB: a process forks as fast as it can while we write its pid to
 * PROCS_FILE, and AFTER times more once the write has returned. Every second child forks again and
 * ends, as daemons do. All that were born after the write must be listed in PROCS_FILE: prints
 * "members N" if they are, else "missing N of M" and exits 1. After a line on stdin each touches
 * MIB, "done" is said when all have, and after another line all end.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "helper.h"

#define MAX_BIRTHS 100000
#define BEFORE     50   /* births before the attach begins */
#define LIVING     1000 /* leaves at most while the attach goes on: the oldest end */

struct board {
	atomic_uint births, end;
	atomic_int pid[MAX_BIRTHS]; /* each leaf writes its own */
};

static struct board *board;
static int go[2], done[2], leave[2];
static size_t bytes;

static void await_end(int fd)
{
	char c;

	while (read(fd, &c, 1) < 0 && errno == EINTR)
		;
}

static _Noreturn void leaf(unsigned i)
{
	atomic_store(&board->pid[i], getpid());
	close(go[1]);
	close(done[0]);
	close(leave[1]);
	await_end(go[0]);
	volatile unsigned char *p =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t at = 0; at < bytes; at += PAGE_BYTES)
		p[at] = 1;
	close(done[1]);
	await_end(leave[0]);
	_exit(0);
}

static void end_leaf(unsigned i)
{
	pid_t pid;

	while (!(pid = atomic_load(&board->pid[i])))
		sched_yield();
	kill(pid, SIGKILL);
}

static _Noreturn void storm(void)
{
	signal(SIGCHLD, SIG_IGN);
	for (unsigned i = 0; i < atomic_load(&board->end); i++) {
		if (i >= LIVING && atomic_load(&board->end) == MAX_BIRTHS)
			end_leaf(i - LIVING);
		pid_t pid = fork();
		if (pid < 0)
			err(3, "fork");
		if (!pid) {
			if (i % 2 && fork())
				_exit(0);
			leaf(i);
		}
		atomic_store(&board->births, i + 1);
	}
	close(go[1]);
	close(done[0]);
	close(done[1]);
	close(leave[1]);
	await_end(leave[0]);
	_exit(0);
}

static void await_births(unsigned nr)
{
	while (atomic_load(&board->births) < nr)
		sched_yield();
}

static void attach(const char *file, pid_t pid)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", pid);
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, (size_t)len) != len)
		err(3, "%s", file);
	close(fd);
}

static bool listed(const int *pids, size_t nr, int pid)
{
	for (size_t i = 0; i < nr; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

static size_t read_pids(const char *file, int *pids, size_t max)
{
	FILE *f = fopen(file, "re");
	size_t nr = 0;

	if (!f)
		err(3, "%s", file);
	while (nr < max && fscanf(f, "%d", &pids[nr]) == 1)
		nr++;
	fclose(f);
	return nr;
}

/* Leaves born at `first` and later that the file does not list. */
static unsigned count_missing(const char *file, pid_t parent, unsigned first, unsigned end)
{
	static int pids[MAX_BIRTHS * 2];
	unsigned missing = 0;

	for (unsigned i = first; i < end; i++)
		while (!atomic_load(&board->pid[i]))
			sched_yield();
	size_t nr = read_pids(file, pids, ARRAY_SIZE(pids));
	for (unsigned i = first; i < end; i++)
		missing += !listed(pids, nr, atomic_load(&board->pid[i]));
	return missing + !listed(pids, nr, parent);
}

static void drive(const char *file, pid_t pid, unsigned after)
{
	char line[64];

	await_births(BEFORE);
	attach(file, pid);
	unsigned births = atomic_load(&board->births);
	unsigned end = births + 1 + after;
	if (end > MAX_BIRTHS)
		errx(3, "the attach took %u births", births);
	atomic_store(&board->end, end);
	await_births(end);
	unsigned missing = count_missing(file, pid, births + 1, end);
	if (missing)
		snprintf(line, sizeof(line), "missing %u of %u", missing, after);
	else
		snprintf(line, sizeof(line), "members %u", after);
	say(line);
	if (missing)
		exit(1);
}

static void run_leaves(void)
{
	await_line();
	close(go[1]);
	await_end(done[0]);
	say("done");
	await_line();
	close(leave[1]);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: forkstorm PROCS_FILE AFTER MIB");
	bytes = number(argv[3]) * MIB;
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (board == MAP_FAILED || pipe(go) || pipe(done) || pipe(leave))
		err(3, "set-up");
	atomic_store(&board->end, MAX_BIRTHS);
	pid_t pid = fork();
	if (pid < 0)
		err(3, "fork");
	if (!pid)
		storm();
	close(done[1]);
	close(go[0]);
	close(leave[0]);
	drive(argv[1], pid, (unsigned)number(argv[2]));
	run_leaves();
	waitpid(pid, NULL, 0);
	return 0;
}
