// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Jobs: what takes long is done by a worker on a copy of what it needs, and the result comes back
 * to the loop. Made and freed on the manager's loop; job_run() is a worker's.
 */
#include <stdio.h>
#include <string.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

/* Below this a count by share costs no more than the page-out it may save. */
#define SHARE_JOB_PAGES 16384

void job_free(struct job *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->nr; i++)
		process_put(j->processes[i]);
	free(j->processes);
	free(j->list);
	free(j->share_saved);
	if (j->dir_fd >= 0)
		close(j->dir_fd);
	if (j->target_fd >= 0)
		close(j->target_fd);
	free(j);
}

/* [loop] */
static void job_done(struct manager *m, struct manager_request *r)
{
	struct job *j = (struct job *)((char *)r - offsetof(struct job, done));

	if (j->kind == JOB_RECLAIM)
		reclaim_done(m, j);
	else if (j->kind == JOB_ATTACH)
		attach_done(m, j);
	job_free(j);
}

/* After the workers' end: what they posted and the loop did not come to. */
void jobs_free_finished(struct manager *m)
{
	struct manager_request *r, *next;

	for (r = m->requests; r; r = next) {
		next = r->next;
		if (r->run == job_done)
			job_free((struct job *)((char *)r - offsetof(struct job, done)));
	}
	m->requests = m->requests_tail = NULL;
}

static struct job *job_new(struct manager *m, enum job_kind kind, size_t room)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->kind = kind;
	j->manager = m;
	j->dir_fd = j->target_fd = -1;
	j->done.run = job_done;
	j->processes = calloc(room + 1, sizeof(*j->processes));
	j->list = calloc(room + 1, sizeof(*j->list));
	j->share_saved = calloc(room + 1, sizeof(*j->share_saved));
	if (!j->processes || !j->list || !j->share_saved) {
		job_free(j);
		return NULL;
	}
	return j;
}

static void job_add(struct job *j, struct process *p)
{
	j->list[j->nr] = (struct reclaim_process){
		.pid = p->tgid,
		.proc_fd = p->status_fd,
		.hand = p->hand,
		.rss = p->resident,
		.runs_alone = j->purpose == JOB_BACKGROUND && p->nr_threads == 1,
	};
	j->share_saved[j->nr] = process_shares_pages(p) && p->resident > SHARE_JOB_PAGES
					? (int64_t)p->share_counted
					: -1;
	j->processes[j->nr++] = p;
	p->nr_jobs++;
}

/* Page-out makes no room for memory and swap together. Who wants room under that limit is not
 * helped by it; who wants less memory in use is. */
static bool may_page_out(const struct group *g, enum job_purpose purpose)
{
	if (!atomic_get(&g->record->swappiness))
		return false;
	switch (purpose) {
	case JOB_DIRECT:
		return g->limit_pending ? g->limit_counter != COUNTER_MEMSW : group_swap_helps(g);
	case JOB_BACKGROUND:
		return g->to_soft_limit || group_swap_helps(g);
	case JOB_REQUEST:
		break;
	}
	return true;
}

int job_reclaim(struct manager *m, struct group *top, uint64_t nr_pages, enum job_purpose purpose)
{
	struct job *j = job_new(m, JOB_RECLAIM, nr_members_below(top));
	struct process *p;

	if (!j)
		return -ENOMEM;
	j->purpose = purpose;
	for (struct group *g = top; g; g = group_next(top, g)) {
		j->want[g->slot] = true;
		j->cache += group_cache(m, g);
		DL_FOREACH (g->members, p)
			if (!p->shares_vm)
				job_add(j, p);
	}
	j->group_id = group_id(top);
	j->slot = top->slot;
	j->nr_pages = nr_pages;
	j->anonymous = may_page_out(top, purpose);
	top->job = j;
	worker_submit(m->worker, j);
	return 0;
}

int job_kill(struct manager *m, struct process *p)
{
	struct job *j = job_new(m, JOB_KILL, 1);

	if (!j)
		return -ENOMEM;
	job_add(j, p);
	worker_submit(m->worker, j);
	return 0;
}

int job_attach(struct manager *m, const char *path, pid_t tid, bool whole, struct process *p)
{
	struct job *j = job_new(m, JOB_ATTACH, p ? 1 : 0);

	if (!j)
		return -ENOMEM;
	/* Both now: the one may be renamed, the other end, and its id go to somebody else. */
	j->dir_fd = hierarchy_open(m->hierarchy, path);
	j->target_fd = process_usage_open(tid);
	if (j->dir_fd < 0 || j->target_fd < 0) {
		int r = j->dir_fd < 0 ? j->dir_fd : j->target_fd;

		job_free(j);
		return r;
	}
	if (p)
		job_add(j, p);
	j->tid = tid;
	j->whole = whole;
	worker_submit(m->worker, j);
	return 0;
}

/* ---- on a worker ---- */

/*
 * Big processes that share pages: what is over the limit by RSS may not be so by share. Pages saved
 * beyond what the group's count left out already.
 */
static uint64_t count_by_share(struct job *j)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < j->nr; i++) {
		int64_t known = j->share_saved[i];
		struct process_usage u;
		uint64_t rss;

		if (known < 0)
			continue;
		j->share_saved[i] = -1;
		if (process_usage_read(j->list[i].proc_fd, &u))
			continue;
		rss = u.rss_anon + u.rss_shmem;
		if (process_usage_read_shared(j->list[i].pid, &u))
			continue;
		j->share_saved[i] = (int64_t)(rss - (u.rss_anon + u.rss_shmem));
		sum += (uint64_t)MAX(j->share_saved[i] - known, 0);
	}
	return sum;
}

static void drop_cache(struct job *j)
{
	cleanup_free struct reclaim_file *files = NULL;
	cleanup_free struct lease_file *listed = NULL;
	size_t nr;
	int64_t n;

	if (!j->cache || lease_files(j->manager->lease, j->want, &listed, &nr))
		return;
	files = calloc(nr + 1, sizeof(*files));
	if (!files)
		return;
	for (size_t i = 0; i < nr; i++)
		files[i] = (struct reclaim_file){listed[i].dev_major, listed[i].dev_minor,
						 listed[i].ino, listed[i].nr_pages};
	n = cache_drop(files, nr, j->list, j->nr, j->nr_pages);
	if (n > 0)
		j->nr_dropped = (uint64_t)n;
}

static void reclaim(struct job *j)
{
	bool swap = swap_free_pages(), files_left;
	int64_t n;

	if (count_by_share(j) >= j->nr_pages)
		return;
	j->scanned = true;
	drop_cache(j);
	if (j->nr_dropped >= j->nr_pages)
		return;
	files_left = j->cache > j->nr_dropped;
	/* Page-out takes what is anonymous too, as long as there is swap. */
	if (swap ? !j->anonymous : !files_left)
		return;
	n = page_out(j->list, j->nr, j->nr_pages - j->nr_dropped, files_left);
	if (n > 0)
		j->nr_paged_out = (uint64_t)n;
}

static int attach(const struct job *j)
{
	struct process_usage u;
	int r = process_usage_read(j->target_fd, &u);

	return r ? r : hierarchy_attach(j->dir_fd, j->tid, j->whole);
}

void job_run(struct job *j)
{
	switch (j->kind) {
	case JOB_RECLAIM:
		reclaim(j);
		break;
	case JOB_KILL:
		process_kill(j->list[0].pid, j->list[0].proc_fd);
		break;
	case JOB_ATTACH:
		j->error = attach(j);
		break;
	}
}
