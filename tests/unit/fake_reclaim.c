/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world's page-out and dropping of page cache, and a gate in front of them, so that a test can
 * let things happen while the worker is in the middle. Sizes in pages. Thread: the worker's; the
 * gate's handles the test's.
 */
#include <pthread.h>
#include <time.h>

#include "reclaim/reclaim.h"
#include "tests/unit/fake_mechanisms.h"

#define GATE_TIMEOUT_SEC 30 /* nothing that goes well takes so long, under any sanitizer */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool holding, held;

static void gate_wait(const bool *until, bool value)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += GATE_TIMEOUT_SEC;
	while (*until != value)
		if (pthread_cond_timedwait(&changed, &lock, &t))
			abort();
}

static void gate_set(bool *what, bool value)
{
	*what = value;
	pthread_cond_broadcast(&changed);
}

static void gate_pass(void)
{
	pthread_mutex_lock(&lock);
	if (holding) {
		gate_set(&held, true);
		gate_wait(&holding, false);
		gate_set(&held, false);
	}
	pthread_mutex_unlock(&lock);
}

void fake_reclaim_hold(void)
{
	pthread_mutex_lock(&lock);
	gate_set(&holding, true);
	pthread_mutex_unlock(&lock);
}

void fake_reclaim_wait_held(void)
{
	pthread_mutex_lock(&lock);
	gate_wait(&held, true);
	pthread_mutex_unlock(&lock);
}

void fake_reclaim_go_on(void)
{
	pthread_mutex_lock(&lock);
	gate_set(&holding, false);
	gate_wait(&held, false);
	pthread_mutex_unlock(&lock);
}

void fake_reclaim_reset(void)
{
	holding = held = false;
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
	atomic_put(&fp->rss_anon, rss - take);
	atomic_inc(&fp->swap, take);
	atomic_inc(&fp->nr_paged_out, take);
	atomic_inc(&world.swap_free, -take);
	rp->nr_paged_out = take;
	rp->hand += take * page_size();
	return take;
}

int64_t page_out(struct reclaim_process *processes, size_t nr, uint64_t nr_pages, bool file_mapped)
{
	uint64_t done = 0;

	(void)file_mapped;
	gate_pass();
	world.nr_page_out++;
	world.wanted = nr_pages;
	if (world.page_out_max)
		nr_pages = MIN(nr_pages, world.page_out_max);
	for (size_t i = 0; i < nr; i++)
		done += page_out_of(&processes[i], nr_pages - done);
	return (int64_t)done;
}

int64_t cache_drop(const struct reclaim_file *files, size_t nr_files,
		   const struct reclaim_process *processes, size_t nr_processes, uint64_t nr_pages)
{
	uint64_t done = 0;

	(void)processes;
	(void)nr_processes;
	gate_pass();
	world.nr_cache_drop++;
	world.wanted = nr_pages;
	for (size_t i = 0; i < nr_files && !world.cache_pinned; i++)
		done += fake_cache_shrink(files[i].ino, nr_pages - done);
	return (int64_t)done;
}
