// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The workers: a few threads that run jobs and post them back to the manager's loop.
 *
 * Reclaims of groups that have nothing in common run side by side: a slow disk is waited for by
 * those whose pages go there. Reclaims of a group and of one above or below it list the same
 * processes, whose hands both would move and whose shrinking both would take for what they got
 * back: they run one after the other. A kill waits for other kills alone, an attach for other
 * attaches, a sweep for other sweeps: three threads never reclaim.
 *
 * Threads: workers are made, given jobs and ended on the loop.
 */
#include <string.h>
#include <sys/prctl.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

#define NR_KEPT     3 /* for a kill, an attach and a sweep */
#define MIN_THREADS (1 + NR_KEPT)
#define MAX_THREADS (WORKER_MAX_RECLAIMS + NR_KEPT)

struct worker {
	struct manager *manager;
	pthread_t threads[MAX_THREADS];
	bool told; /* that a thread could not be had */

	pthread_mutex_t lock; /* all that follows */
	pthread_cond_t wake;
	unsigned nr_threads;
	struct job *waiting;   /* in order of submission */
	struct job *under_way; /* each on a thread */
	unsigned nr_reclaims;  /* in both */
	unsigned nr_reclaiming;
	bool end;
};

/* ---- which job is next: under the lock ---- */

static bool one_after_the_other(const struct job *a, const struct job *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind != JOB_RECLAIM)
		return true;
	for (size_t i = 0; i < STATE_MAX_GROUPS; i++)
		if (a->touches[i] && b->touches[i])
			return true;
	return false;
}

/* What was submitted first goes first, among those that cannot run together. */
static bool may_begin(const struct worker *w, const struct job *j)
{
	const struct job *x;

	if (j->kind == JOB_RECLAIM && w->nr_reclaiming + NR_KEPT >= w->nr_threads)
		return false;
	DL_FOREACH (w->under_way, x)
		if (one_after_the_other(x, j))
			return false;
	for (x = w->waiting; x != j; x = x->next)
		if (one_after_the_other(x, j))
			return false;
	return true;
}

static struct job *find_job(const struct worker *w)
{
	struct job *j;

	DL_FOREACH (w->waiting, j)
		if (may_begin(w, j))
			return j;
	return NULL;
}

static void job_begin(struct worker *w, struct job *j)
{
	DL_DELETE(w->waiting, j);
	DL_APPEND(w->under_way, j);
	w->nr_reclaiming += j->kind == JOB_RECLAIM;
	/* Who ended last looked for one job only, and may have made way for several. */
	if (w->waiting)
		pthread_cond_signal(&w->wake);
}

/* ---- on a worker ---- */

/* NULL: the end. */
static struct job *worker_take(struct worker *w)
{
	struct job *j = NULL;

	pthread_mutex_lock(&w->lock);
	while (!w->end && !(j = find_job(w)))
		pthread_cond_wait(&w->wake, &w->lock);
	if (j)
		job_begin(w, j);
	pthread_mutex_unlock(&w->lock);
	return j;
}

static void worker_give_back(struct worker *w, struct job *j)
{
	pthread_mutex_lock(&w->lock);
	DL_DELETE(w->under_way, j);
	w->nr_reclaiming -= j->kind == JOB_RECLAIM;
	w->nr_reclaims -= j->kind == JOB_RECLAIM;
	pthread_mutex_unlock(&w->lock);
	manager_submit(w->manager, &j->done);
}

static void *worker_main(void *userdata)
{
	struct worker *w = userdata;
	struct job *j;

	prctl(PR_SET_NAME, "memcgfs-reclaim");
	while ((j = worker_take(w))) {
		job_run(j);
		worker_give_back(w, j);
	}
	return NULL;
}

/* ---- on the loop ---- */

static int worker_add_thread(struct worker *w)
{
	int r = pthread_create(&w->threads[w->nr_threads], NULL, worker_main, w);

	if (r)
		return -r;
	pthread_mutex_lock(&w->lock);
	w->nr_threads++;
	pthread_mutex_unlock(&w->lock);
	return 0;
}

int worker_new(struct manager *m, struct worker **ret)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	w->manager = m;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	while (w->nr_threads < MIN_THREADS) {
		int r = worker_add_thread(w);

		if (r) {
			worker_free(w);
			return r;
		}
	}
	*ret = w;
	return 0;
}

/* Without another thread the job is for those there are. */
static void worker_grow(struct worker *w)
{
	int r = worker_add_thread(w);

	if (r && !w->told)
		log_warning("no more than %u threads for reclaim: %s, ignoring", w->nr_threads,
			    strerror(-r));
	w->told |= r != 0;
}

void worker_submit(struct worker *w, struct job *j)
{
	bool grow;

	pthread_mutex_lock(&w->lock);
	DL_APPEND(w->waiting, j);
	w->nr_reclaims += j->kind == JOB_RECLAIM;
	grow = w->nr_threads < MIN(w->nr_reclaims + NR_KEPT, MAX_THREADS);
	pthread_mutex_unlock(&w->lock);
	if (grow)
		worker_grow(w);
	pthread_cond_signal(&w->wake);
}

/* The jobs under way are finished first; those not begun are dropped. */
struct worker *worker_free(struct worker *w)
{
	struct job *j, *next;

	if (!w)
		return NULL;
	pthread_mutex_lock(&w->lock);
	w->end = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->nr_threads; i++)
		pthread_join(w->threads[i], NULL);
	DL_FOREACH_SAFE (w->waiting, j, next)
		job_free(j);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
	free(w);
	return NULL;
}
