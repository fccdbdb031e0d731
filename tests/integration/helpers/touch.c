// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * touch [OPTIONS] MIB: touch MIB of fresh memory as fast as possible.
 *   -p N  in N processes, each a program of its own    -t N  in N threads (of each process)
 *   -w    say "ready" and wait for a line first        -h    say "done N" and wait for a line
 * before the end; N: finished processes -r    read it all again, and fail if a page lost its
 * content -n N  N rounds with fresh memory each time; 0: for ever -s M  touch M MIB first and let
 * the processes be forks that share them The MIB are split over the processes, and theirs over the
 * threads.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "helper.h"

#define MAX_THREADS 256

struct options {
	unsigned long mib, processes, threads, rounds, shared_mib;
	bool wait, hold, reread, worker;
};

static unsigned char *fresh(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		err(3, "mmap");
	madvise(p, bytes, MADV_NOHUGEPAGE);
	return p;
}

static void fill(unsigned char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE_BYTES)
		*(volatile uint64_t *)(void *)(p + i) = i + 1;
}

static void check(const unsigned char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE_BYTES)
		if (*(const volatile uint64_t *)(const void *)(p + i) != i + 1)
			errx(4, "page %zu lost its content", i / PAGE_BYTES);
}

struct work {
	size_t bytes;
	const struct options *o;
};

static void *work(void *arg)
{
	const struct work *w = arg;

	for (unsigned long round = 1;; round++) {
		unsigned char *p = fresh(w->bytes);
		fill(p, w->bytes);
		if (w->o->reread)
			check(p, w->bytes);
		if (round == w->o->rounds)
			return NULL; /* kept: the holder wants to see it used */
		munmap(p, w->bytes);
	}
}

static void work_in_threads(const struct options *o)
{
	pthread_t thread[MAX_THREADS];
	struct work w = {.bytes = o->mib * MIB / o->threads & ~(size_t)(PAGE_BYTES - 1), .o = o};

	if (o->threads == 1) {
		work(&w);
		return;
	}
	for (unsigned long i = 0; i < o->threads; i++)
		if (pthread_create(&thread[i], NULL, work, &w))
			errx(3, "pthread_create");
	for (unsigned long i = 0; i < o->threads; i++)
		pthread_join(thread[i], NULL);
}

/*
 * One of several processes. A byte to WORKER_DONE says that it has finished, the end of
 * WORKER_LEAVE that it may go. A worker that dies closes WORKER_DONE as well, so its parent never
 * waits in vain.
 */
enum { WORKER_DONE = 3, WORKER_LEAVE = 4 };

static void work_as_worker(const struct options *o)
{
	char c;

	work_in_threads(o);
	if (write(WORKER_DONE, "d", 1) != 1)
		err(3, "done");
	close(WORKER_DONE);
	while (read(WORKER_LEAVE, &c, 1) < 0 && errno == EINTR)
		;
}

static void exec_worker(const struct options *o)
{
	char mib[24], threads[24], rounds[24];

	snprintf(mib, sizeof(mib), "%lu", o->mib);
	snprintf(threads, sizeof(threads), "-t%lu", o->threads);
	snprintf(rounds, sizeof(rounds), "-n%lu", o->rounds);
	execl("/proc/self/exe", "touch", "-W", threads, rounds, o->reread ? "-Wr" : "-W", mib,
	      NULL);
	err(3, "exec");
}

static pid_t start_worker(const struct options *o, int done, int leave)
{
	struct options mine = *o;
	pid_t pid = fork();

	if (pid < 0)
		err(3, "fork");
	if (pid)
		return pid;
	mine.mib /= o->processes;
	dup2(done, WORKER_DONE);
	dup2(leave, WORKER_LEAVE);
	if (close_range(WORKER_LEAVE + 1, ~0U, 0) < 0)
		err(3, "close_range");
	if (!o->shared_mib)
		exec_worker(&mine);
	work_as_worker(&mine);
	_exit(0);
}

/* A pipe whose descriptors are out of the way of WORKER_DONE and WORKER_LEAVE. */
static void high_pipe(int ends[2])
{
	int low[2];

	if (pipe(low) < 0)
		err(3, "pipe");
	for (int i = 0; i < 2; i++) {
		ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 10);
		close(low[i]);
	}
}

static void say_done(const struct options *o, unsigned finished)
{
	char line[32];

	if (!o->hold)
		return;
	snprintf(line, sizeof(line), "done %u", finished);
	say(line);
	await_line();
}

/* The worst of the workers' exit statuses; 128 + signal for a killed one. */
static int run_workers(const struct options *o)
{
	int done[2], leave[2], status, worst = 0;
	unsigned finished = 0;
	char c;

	high_pipe(done);
	high_pipe(leave);
	if (o->shared_mib)
		fill(fresh(o->shared_mib * MIB), o->shared_mib * MIB);
	for (unsigned long i = 0; i < o->processes; i++)
		start_worker(o, done[1], leave[0]);
	close(done[1]);
	while (read(done[0], &c, 1) == 1)
		finished++;
	say_done(o, finished);
	close(leave[1]);
	while (wait(&status) > 0) {
		int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		worst = code > worst ? code : worst;
	}
	return worst;
}

static void parse(int argc, char **argv, struct options *o)
{
	for (int c; (c = getopt(argc, argv, "p:t:n:s:whrW")) != -1;) {
		switch (c) {
		case 'p':
			o->processes = number(optarg);
			break;
		case 't':
			o->threads = number(optarg);
			break;
		case 'n':
			o->rounds = number(optarg);
			break;
		case 's':
			o->shared_mib = number(optarg);
			break;
		case 'w':
			o->wait = true;
			break;
		case 'h':
			o->hold = true;
			break;
		case 'r':
			o->reread = true;
			break;
		case 'W':
			o->worker = true;
			break;
		default:
			exit(2);
		}
	}
	if (optind != argc - 1 || !o->processes || !o->threads || o->threads > MAX_THREADS)
		errx(2, "usage: touch [-p N] [-t N] [-n N] [-s MIB] [-whr] MIB");
	o->mib = number(argv[optind]);
}

int main(int argc, char **argv)
{
	struct options o = {.processes = 1, .threads = 1, .rounds = 1};

	parse(argc, argv, &o);
	if (o.worker) {
		work_as_worker(&o);
		return 0;
	}
	if (o.wait) {
		say("ready");
		await_line();
	}
	if (o.processes > 1 || o.shared_mib)
		return run_workers(&o);
	work_in_threads(&o);
	say_done(&o, 1);
	return 0;
}
