// SPDX-License-Identifier: GPL-2.0-or-later
/* The worker: a thread that runs jobs one after the other and posts them back to the manager's
 * loop. */
#include <string.h>
#include <sys/prctl.h>

#include "manager/manager_private.h"
#include "util/util.h"

struct worker {
	struct manager *manager;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct job *first, *last;
	bool end;
};

static struct job *worker_take(struct worker *w)
{
	struct job *j;

	pthread_mutex_lock(&w->lock);
	while (!w->first && !w->end)
		pthread_cond_wait(&w->wake, &w->lock);
	j = w->end ? NULL : w->first;
	if (j) {
		w->first = j->next;
		if (!w->first)
			w->last = NULL;
	}
	pthread_mutex_unlock(&w->lock);
	return j;
}

static void *worker_main(void *userdata)
{
	struct worker *w = userdata;
	struct job *j;

	prctl(PR_SET_NAME, "memcgfs-reclaim");
	while ((j = worker_take(w))) {
		job_run(j);
		manager_submit(w->manager, &j->done);
	}
	return NULL;
}

int worker_new(struct manager *m, struct worker **ret)
{
	struct worker *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->manager = m;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	r = pthread_create(&w->thread, NULL, worker_main, w);
	if (r) {
		free(w);
		return -r;
	}
	*ret = w;
	return 0;
}

void worker_submit(struct worker *w, struct job *j)
{
	pthread_mutex_lock(&w->lock);
	j->next = NULL;
	if (w->last)
		w->last->next = j;
	else
		w->first = j;
	w->last = j;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

/* The job under way is finished first; those not begun are dropped. */
struct worker *worker_free(struct worker *w)
{
	struct job *j, *next;

	if (!w)
		return NULL;
	pthread_mutex_lock(&w->lock);
	w->end = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	LL_FOREACH_SAFE(w->first, j, next)
	job_free(j);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
	free(w);
	return NULL;
}
