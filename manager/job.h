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
enum job_kind { JOB_RECLAIM, JOB_KILL, JOB_ATTACH, JOB_SWEEP };
/* Who waits for a reclaim: members at the limit and the writer of a limit, who asked for it, or
 * nobody. */
enum job_purpose { JOB_DIRECT, JOB_REQUEST, JOB_BACKGROUND };
struct job_share {
	size_t at;        /* in processes */
	unsigned nr;      /* its share_nr */
	uint64_t counted; /* its saved_counted */
};
/* Of a process to reclaim from. */
struct job_target {
	unsigned look_nr; /* the process's then, */
	uint64_t anon;    /* and its RssAnon as last counted */
	bool owes;        /* it is not of the groups that this is for, and only has what they are
			     charged for */
	struct owner_choice *choice; /* NULL: all of it counts with them */
	/* What is left of what it has borrowed, afterwards; where nobody shares it. */
	bool looks_after;
	unsigned share_nr;
	struct share_member found;
};
struct job {
	enum job_kind kind;
	enum job_purpose purpose;
	uint64_t group_id; /* 0: it was removed meanwhile */
	uint32_t slot;     /* its slot */
	struct process **processes;
	struct reclaim_process *list; /* same order */
	struct job_target *target;    /* same order */
	struct owner_walk walk;       /* their choices' */
	/* The entangled ones whose family is big, and which they are. JOB_SWEEP: all of one family.
	 */
	struct share_member *share;
	struct job_share *share_of;
	size_t nr_share;
	size_t nr;
	bool want[STATE_MAX_GROUPS];    /* slots whose page cache and borrowed pages may go */
	bool touches[STATE_MAX_GROUPS]; /* these, and those of all processes that are listed */
	uint64_t cache;                 /* pages */
	uint64_t nr_pages;              /* to get back */
	int part;                       /* that it is for: enum lease_part, or LEASE_ALL_PARTS */
	unsigned kinds; /* that may go to swap: enum page_out_kind, or'ed; 0: none (swappiness) */
	int dir_fd;     /* JOB_ATTACH: where to in the hierarchy */
	int target_fd;  /* and who: its status, proves that tid still names it */
	pid_t tid;
	bool whole;
	bool takes;                    /* JOB_ATTACH: a list of what the process has already */
	const struct borrowed *before; /* what was left of another at that time, */
	uint32_t owner;                /* and whose the rest is */
	/* Results. */
	uint64_t nr_dropped, nr_paged_out;
	bool passed_over; /* a member who was just coming */
	bool scanned;     /* something was looked for to get back; else the count was too high */
	struct borrowed *taken;
	int take_error;
	uint64_t sweep_usec; /* JOB_SWEEP: CPU time that it took */
	int error;           /* JOB_ATTACH */
	struct manager_request done;
	struct manager *manager;
	struct job *prev, *next; /* the workers' */
};
/* Start reclaim of nr_pages in g's subtree; 0 or -errno. g->job is set. */
int job_reclaim(struct manager *m, struct group *g, uint64_t nr_pages, enum job_purpose purpose);
int job_kill(struct manager *m, struct process *p);
/* The kernel's part of an attach: thread tid, or its whole process, to the group at path. p: it, as
 * a member; may be NULL. owner: the slot that what p has is charged to, -1: it stays with p. */
int job_attach(struct manager *m, const char *path, pid_t tid, bool whole, struct process *p,
	       int owner);
/* Look at p's family. 0 or -errno. */
int job_sweep(struct manager *m, struct process *p, struct job **ret);
void worker_submit(struct worker *w, struct job *j);
/* [a worker] */
void job_run(struct job *j);
/* [loop] a finished job */
void job_free(struct job *j);
void jobs_free_finished(struct manager *m);
void reclaim_done(struct manager *m, struct job *j); /* limit.c */
void attach_done(struct manager *m, struct job *j);
void sweep_done(struct manager *m, struct job *j); /* sweep.c */
/* What j paged out of its processes. */
void job_take_paged_out(struct manager *m, struct job *j);
/* What j's look found, for those that are as they were. Whether more is saved than was counted. */
bool job_take_shares(struct manager *m, struct job *j, bool whole);

#endif
