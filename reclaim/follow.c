// SPDX-License-Identifier: GPL-2.0-or-later
#include "reclaim/follow.h"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "reclaim/reclaim.h"
#include "util/util.h"

/*
 * What a page-out costs by itself. A machine's own CPUs interrupt each other in 1 to 2 us, virtual
 * ones in 12 to 16.
 */
#define SLOW_NSEC 6000

#define NR_SAMPLES 31

/* It has to have the program's CPU, not a share of it: the program would fill what is paged out. */
#define FOLLOW_NICE (-20)

/* The 37th field after the name is the CPU; of linux/Documentation/filesystems/proc.rst. */
#define CPU_FIELD 37

static uint64_t interrupt_nsec;

/* ---- measuring ---- */

struct spinner {
	bool runs, end;
};

static void *spin(void *userdata)
{
	struct spinner *s = userdata;

	__atomic_store_n(&s->runs, true, __ATOMIC_SEQ_CST);
	while (!__atomic_load_n(&s->end, __ATOMIC_RELAXED))
		;
	return NULL;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* membarrier(2) interrupts the CPUs that run threads of this process, and waits for them. */
static uint64_t sample(void)
{
	uint64_t nsec[NR_SAMPLES];

	for (size_t i = 0; i < NR_SAMPLES; i++) {
		uint64_t before = now_nsec();

		if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
			return 0;
		nsec[i] = now_nsec() - before;
	}
	qsort(nsec, NR_SAMPLES, sizeof(*nsec), compare);
	return nsec[NR_SAMPLES / 2];
}

/* On other CPUs than ours, from its beginning. */
static int spinner_start(struct spinner *s, const cpu_set_t *cpus, pthread_t *ret)
{
	sigset_t before;
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r)
		return r;
	r = pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
	signals_block_others(&before);
	if (!r)
		r = pthread_create(ret, &attr, spin, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

static uint64_t measure_against(const cpu_set_t *cpus)
{
	struct spinner s = {};
	uint64_t nsec;
	pthread_t id;

	if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) ||
	    spinner_start(&s, cpus, &id))
		return 0;
	while (!__atomic_load_n(&s.runs, __ATOMIC_SEQ_CST))
		sched_yield();
	nsec = sample();
	__atomic_store_n(&s.end, true, __ATOMIC_RELAXED);
	pthread_join(id, NULL);
	return nsec;
}

uint64_t follow_measure(void)
{
	cpu_set_t before, here, others;
	uint64_t nsec = 0;
	int cpu = sched_getcpu();

	if (cpu < 0 || sched_getaffinity(0, sizeof(before), &before))
		return 0;
	others = before;
	CPU_CLR((unsigned)cpu, &others);
	CPU_ZERO(&here);
	CPU_SET((unsigned)cpu, &here);
	if (CPU_COUNT(&others) && !sched_setaffinity(0, sizeof(here), &here)) {
		nsec = measure_against(&others);
		sched_setaffinity(0, sizeof(before), &before);
	}
	follow_assume(nsec);
	return nsec;
}

void reclaim_prepare(void)
{
	follow_measure();
}

void follow_assume(uint64_t nsec)
{
	__atomic_store_n(&interrupt_nsec, nsec, __ATOMIC_RELAXED);
}

/* ---- following ---- */

void follow_begin(struct follower *f)
{
	*f = (struct follower){};
	if (__atomic_load_n(&interrupt_nsec, __ATOMIC_RELAXED) < SLOW_NSEC ||
	    sched_getaffinity(0, sizeof(f->before), &f->before))
		return;
	f->nice = getpriority(PRIO_PROCESS, 0);
	f->on = true;
}

/* The CPU that pid's only thread runs on now, or -1. */
static int runs_on(pid_t pid)
{
	char path[32], text[1024], *at;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0)
		return -1;
	at = strrchr(text, ')'); /* of the name, which may be anything */
	if (!at || strncmp(at, ") R", 3))
		return -1;
	for (int field = 0; at && field < CPU_FIELD; field++)
		at = strchr(at + 1, ' ');
	return at ? (int)strtol(at, NULL, 10) : -1;
}

void follow(struct follower *f, pid_t pid)
{
	cpu_set_t there;
	int cpu = f->on ? runs_on(pid) : -1;

	if (cpu < 0 || cpu == sched_getcpu() || !CPU_ISSET((unsigned)cpu, &f->before))
		return;
	CPU_ZERO(&there);
	CPU_SET((unsigned)cpu, &there);
	if (!sched_setaffinity(0, sizeof(there), &there))
		setpriority(PRIO_PROCESS, 0, FOLLOW_NICE);
}

void follow_end(struct follower *f)
{
	if (!f->on)
		return;
	setpriority(PRIO_PROCESS, 0, f->nice);
	sched_setaffinity(0, sizeof(f->before), &f->before);
	f->on = false;
}
