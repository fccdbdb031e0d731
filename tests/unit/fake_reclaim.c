/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world's page-out and dropping of page cache, and a gate in front of them, so that a test can
 * let things happen while workers are in the middle. Sizes in pages. Thread: the workers'; the
 * gate's handles the test's.
 */
#include <pthread.h>
#include <time.h>

#include "reclaim/reclaim.h"
#include "tests/unit/fake_mechanisms.h"

#define GATE_TIMEOUT_SEC 30 /* nothing that goes well takes so long, under any sanitizer */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the gate, and the world's figures */
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool holding;
static pid_t whom; /* is held; 0: everybody */
static unsigned nr_held;

static void gate_wait_change(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += GATE_TIMEOUT_SEC;
	if (pthread_cond_timedwait(&changed, &lock, &t))
		abort();
}

static bool is_held(const struct reclaim_process *processes, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (processes[i].pid == whom)
			return true;
	return !whom;
}

/* Counts those who work on one process at once, which must not be. */
static void note_begin(const struct reclaim_process *processes, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct fake_process *fp = fake_by_pid(processes[i].pid);

		if (fp && fp->nr_reclaiming++)
			world.nr_overlaps++;
	}
}

static void note_end(const struct reclaim_process *processes, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		struct fake_process *fp = fake_by_pid(processes[i].pid);

		if (fp)
			fp->nr_reclaiming--;
	}
}

/* Comes back with the lock held. */
static void gate_pass(const struct reclaim_process *processes, size_t nr)
{
	pthread_mutex_lock(&lock);
	note_begin(processes, nr);
	if (!holding || !is_held(processes, nr))
		return;
	nr_held++;
	world.most_held = MAX(world.most_held, nr_held);
	pthread_cond_broadcast(&changed);
	while (holding)
		gate_wait_change();
	nr_held--;
	pthread_cond_broadcast(&changed);
}

static void gate_leave(const struct reclaim_process *processes, size_t nr)
{
	note_end(processes, nr);
	pthread_mutex_unlock(&lock);
}

void fake_reclaim_hold(pid_t pid)
{
	pthread_mutex_lock(&lock);
	holding = true;
	whom = pid;
	pthread_mutex_unlock(&lock);
}

void fake_reclaim_wait_held(unsigned nr)
{
	pthread_mutex_lock(&lock);
	while (nr_held < nr)
		gate_wait_change();
	pthread_mutex_unlock(&lock);
}

unsigned fake_reclaim_nr_held(void)
{
	unsigned nr;

	pthread_mutex_lock(&lock);
	nr = nr_held;
	pthread_mutex_unlock(&lock);
	return nr;
}

void fake_reclaim_go_on(void)
{
	pthread_mutex_lock(&lock);
	holding = false;
	pthread_cond_broadcast(&changed);
	while (nr_held)
		gate_wait_change();
	pthread_mutex_unlock(&lock);
}

void fake_reclaim_reset(void)
{
	holding = false;
	nr_held = 0;
}

uint64_t swap_free_pages(void)
{
	return atomic_get(&world.swap_free);
}

static uint64_t page_out_of(struct reclaim_process *rp, uint64_t nr_pages)
{
	struct fake_process *fp = fake_by_pid(rp->pid);
	uint64_t rss, take;

	if (!fp)
		return 0;
	rss = atomic_get(&fp->rss_anon);
	take = rss - MIN(rss, atomic_get(&fp->pinned));
	take = MIN(MIN(take, nr_pages), swap_free_pages());
	if (rp->choose) {
		uint64_t listed, chosen = fake_chosen_pages(rp->of, fp, &listed);

		take = MIN(take, chosen);
		atomic_inc(&fp->borrowed_left, -MIN(take, listed));
	}
	atomic_put(&fp->rss_anon, rss - take);
	atomic_inc(&fp->swap, take);
	atomic_inc(&fp->nr_paged_out, take);
	atomic_inc(&world.swap_free, -take);
	rp->nr_paged_out = take;
	rp->hand += take * page_size();
	return take;
}

void reclaim_prepare(void)
{
}

int64_t page_out(struct reclaim_process *processes, size_t nr, uint64_t nr_pages, unsigned kinds)
{
	uint64_t done = 0;

	gate_pass(processes, nr);
	world.nr_page_out++;
	world.wanted = nr_pages;
	world.nr_followed = 0;
	for (size_t i = 0; i < nr; i++)
		world.nr_followed += processes[i].runs_alone;
	if (world.page_out_max)
		nr_pages = MIN(nr_pages, world.page_out_max);
	for (size_t i = 0; i < nr && kinds & PAGE_OUT_ANON; i++)
		done += page_out_of(&processes[i], nr_pages - done);
	gate_leave(processes, nr);
	return (int64_t)done;
}

int64_t cache_drop(const struct reclaim_file *files, size_t nr_files,
		   const struct reclaim_process *processes, size_t nr_processes, uint64_t nr_pages)
{
	uint64_t done = 0;

	gate_pass(processes, nr_processes);
	world.nr_cache_drop++;
	world.wanted = nr_pages;
	for (size_t i = 0; i < nr_files && !world.cache_pinned; i++)
		done += fake_cache_shrink(files[i].ino, nr_pages - done);
	gate_leave(processes, nr_processes);
	return (int64_t)done;
}
