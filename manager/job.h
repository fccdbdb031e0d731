/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs, and the workers that run them: what takes long, on a copy of what it needs. Sizes in pages.
 * Thread: the manager's loop, but for what is marked. Included by manager_private.h.
 */
#ifndef MEMCGFS_JOB_H
#define MEMCGFS_JOB_H

#include "manager/manager_private.h"

/*
 * Reclaims at once, of groups that have nothing in common. Each waits for a disk or takes a CPU of
 * those it works for: with more, groups would not wait for each other's disks, but members that run
 * would wait for CPUs.
 */
#define WORKER_MAX_RECLAIMS 4

/*
 * Pages to get back at a time for somebody who waits: fewer rounds the more it is, and more pages
 * gone that are wanted again. See bench/RESULTS.md.
 */
#define RECLAIM_BATCH 2048

int worker_new(struct manager *m, struct worker **ret);
struct worker *worker_free(struct worker *w);
enum job_kind { JOB_RECLAIM, JOB_KILL, JOB_ATTACH };
/* Who waits for a reclaim: members at the limit and the writer of a limit, who asked for it, or
 * nobody. */
enum job_purpose { JOB_DIRECT, JOB_REQUEST, JOB_BACKGROUND };
struct job {
	enum job_kind kind;
	enum job_purpose purpose;
	uint64_t group_id; /* 0: it was removed meanwhile */
	uint32_t slot;     /* its slot */
	struct process **processes;
	struct reclaim_process *list; /* same order */
	int64_t *share_saved; /* in: asks for it, and is what is known of it, -1: does not ask; out:
				 RSS minus share, -1: not known */
	size_t nr;
	bool want[STATE_MAX_GROUPS]; /* slots whose page cache may be dropped */
	uint64_t cache;              /* pages */
	uint64_t nr_pages;           /* to get back */
	bool anonymous;              /* may be paged out (swappiness) */
	int dir_fd;                  /* JOB_ATTACH: where to in the hierarchy */
	int target_fd;               /* and who: its status, proves that tid still names it */
	pid_t tid;
	bool whole;
	/* Results. */
	uint64_t nr_dropped, nr_paged_out;
	bool scanned; /* something was looked for to get back; else the count was too high */
	int error;    /* JOB_ATTACH */
	struct manager_request done;
	struct manager *manager;
	struct job *prev, *next; /* the workers' */
};
/* Start reclaim of nr_pages in g's subtree; 0 or -errno. g->job is set. */
int job_reclaim(struct manager *m, struct group *g, uint64_t nr_pages, enum job_purpose purpose);
int job_kill(struct manager *m, struct process *p);
/* The kernel's part of an attach: thread tid, or its whole process, to the group at path. p: it, as
 * a member; may be NULL. */
int job_attach(struct manager *m, const char *path, pid_t tid, bool whole, struct process *p);
void worker_submit(struct worker *w, struct job *j);
/* [a worker] */
void job_run(struct job *j);
/* [loop] a finished job */
void job_free(struct job *j);
void jobs_free_finished(struct manager *m);
void reclaim_done(struct manager *m, struct job *j); /* limit.c */
void attach_done(struct manager *m, struct job *j);

#endif
