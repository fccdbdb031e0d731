// SPDX-License-Identifier: GPL-2.0-or-later
#include "reclaim/follow.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include "reclaim/reclaim.h"
#include "util/log.h"
#include "util/task_stat.h"
#include "util/util.h"

/*
 * What a page-out costs by itself. A machine's own CPUs interrupt each other in 1 to 2 us, virtual
 * ones in 12 to 16.
 */
#define SLOW_NSEC 6000

#define NR_SAMPLES    31
#define PATIENCE_MSEC 20 /* for all of them: the other CPU may be busy */

static uint64_t interrupt_nsec;

/* ---- measuring ---- */

struct spinner {
	uint64_t count;
	bool end;
};

static void *spin(void *userdata)
{
	struct spinner *s = userdata;

	while (!__atomic_load_n(&s->end, __ATOMIC_RELAXED))
		__atomic_fetch_add(&s->count, 1, __ATOMIC_RELAXED);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/*
 * membarrier(2) interrupts the CPUs that run threads of this process, and waits for them. The
 * spinner's count tells whether it was one of those. The median, or 0.
 */
static uint64_t sample(struct spinner *s)
{
	uint64_t nsec[NR_SAMPLES], end = now_nsec() + PATIENCE_MSEC * 1000000ULL;
	size_t nr = 0;

	while (nr < NR_SAMPLES) {
		uint64_t count = __atomic_load_n(&s->count, __ATOMIC_RELAXED), before = now_nsec();

		if (before > end || syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
			return 0;
		nsec[nr] = now_nsec() - before;
		nr += __atomic_load_n(&s->count, __ATOMIC_RELAXED) != count;
	}
	qsort(nsec, NR_SAMPLES, sizeof(*nsec), compare);
	return nsec[NR_SAMPLES / 2];
}

static int start_on(pthread_t *ret, const cpu_set_t *cpus, void *(*fn)(void *), void *userdata)
{
	pthread_attr_t attr;
	int r = -pthread_attr_init(&attr);

	if (r)
		return r;
	r = -pthread_attr_setaffinity_np(&attr, sizeof(*cpus), cpus);
	if (!r)
		r = thread_start(ret, &attr, fn, userdata);
	pthread_attr_destroy(&attr);
	return r;
}

struct sampler {
	cpu_set_t others;
	uint64_t nsec;
};

/* It stays on its CPU. */
static void *sample_against(void *userdata)
{
	struct sampler *sampler = userdata;
	struct spinner spinner = {};
	pthread_t id;

	if (start_on(&id, &sampler->others, spin, &spinner))
		return NULL;
	sampler->nsec = sample(&spinner);
	__atomic_store_n(&spinner.end, true, __ATOMIC_RELAXED);
	pthread_join(id, NULL);
	return NULL;
}

uint64_t follow_measure(void)
{
	struct sampler sampler = {};
	int cpu = sched_getcpu();
	cpu_set_t here;
	pthread_t id;

	if (cpu < 0 || sched_getaffinity(0, sizeof(sampler.others), &sampler.others) ||
	    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		return 0;
	CPU_CLR((unsigned)cpu, &sampler.others);
	CPU_ZERO(&here);
	CPU_SET((unsigned)cpu, &here);
	if (CPU_COUNT(&sampler.others) && !start_on(&id, &here, sample_against, &sampler))
		pthread_join(id, NULL);
	follow_assume(sampler.nsec);
	return sampler.nsec;
}

void reclaim_prepare(void)
{
#if defined(__SANITIZE_THREAD__)
	/* In a server that was forked by a process with threads it takes these, whose stacks were
	 * those threads', for the same, and ends. */
	uint64_t nsec = 0;
#else
	uint64_t nsec = follow_measure();
#endif

	log_debug(
		"an interrupt to another CPU takes %llu ns: programs are %sfollowed to their CPUs",
		(unsigned long long)nsec, follow_pays() ? "" : "not ");
}

void follow_assume(uint64_t nsec)
{
	__atomic_store_n(&interrupt_nsec, nsec, __ATOMIC_RELAXED);
}

bool follow_pays(void)
{
	return __atomic_load_n(&interrupt_nsec, __ATOMIC_RELAXED) >= SLOW_NSEC;
}

/* ---- following ---- */

struct run {
	follow_fn fn;
	void *userdata;
	struct follower follower;
};

static void *run_main(void *userdata)
{
	struct run *run = userdata;

	run->fn(&run->follower, run->userdata);
	return NULL;
}

void follow_run(follow_fn fn, void *userdata)
{
	struct run run = {.fn = fn, .userdata = userdata, .follower.cpu = -1};
	pthread_t id;

	if (!sched_getaffinity(0, sizeof(run.follower.allowed), &run.follower.allowed) &&
	    !thread_start(&id, NULL, run_main, &run)) {
		pthread_join(id, NULL);
		return;
	}
	CPU_ZERO(&run.follower.allowed);
	fn(&run.follower, userdata);
}

/* The CPU that pid's only thread runs on now, or -1. */
static int runs_on(pid_t pid)
{
	struct task_stat st;

	if (task_stat_read(pid, pid, &st) || st.state != 'R' || st.rt_priority)
		return -1;
	return st.cpu;
}

bool follow(struct follower *f, pid_t pid)
{
	int cpu = runs_on(pid);
	cpu_set_t there;

	if (cpu < 0 || cpu == f->cpu || !CPU_ISSET((unsigned)cpu, &f->allowed))
		return cpu >= 0;
	CPU_ZERO(&there);
	CPU_SET((unsigned)cpu, &there);
	if (!sched_setaffinity(0, sizeof(there), &there))
		f->cpu = cpu;
	return true;
}
