/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What readers of a group's figures take along, so that they count its members without the lock.
 * Sizes in pages.
 */
#ifndef MEMCGFS_ROSTER_H
#define MEMCGFS_ROSTER_H

#include "manager/manager_private.h"

/* ---- count.c ---- */
/* What it takes to count a process, besides its status. */
struct process_view {
	const struct manager *manager;
	struct status_file *status; /* not counted as a use */
	pid_t tgid;
	bool shares_vm, surely;
	uint64_t saved, swap_saved, shmem_files, shmem_seen, joined_nsec;
};
/* surely: rather too much than by an old look at its page table. */
struct process_view process_view(const struct manager *m, const struct process *p, bool surely);
/* Pages that count. u: as read from its status; rss_anon and rss_shmem become what counts of them.
 * Any thread. */
uint64_t process_view_pages(const struct process_view *v, struct process_usage *u);
uint64_t process_view_swap(const struct process_view *v, const struct process_usage *u);
/* Page tables, once for each address space, and kernel stacks. */
uint64_t process_view_kmem(const struct process_view *v, const struct process_usage *u);

/* ---- shmem.c ---- */
/* Of so many pages more that a member shows, those that will be charged when they are looked for.
 * Any thread. */
uint64_t process_view_new_shmem(const struct process_view *v, uint64_t more);

/* ---- roster.c: any thread, without the lock ---- */
struct roster_group {
	uint32_t slot;
	uint64_t cache, shmem;          /* pages charged to it alone */
	uint64_t charged;               /* pages its members brought in so far */
	uint64_t left_pages, left_swap; /* charged to it alone, and had by others */
	size_t nr_members;
};
struct roster {
	struct roster_group *groups; /* the group itself, then those below it */
	size_t nr_groups;
	struct process_view *members;   /* in the groups' order; their status is kept open */
	struct share_member *entangled; /* of these, and which */
	size_t *entangled_at, nr_entangled;
	uint64_t entangled_pages; /* that they have */
	size_t nr_members;
	unsigned nr_moves; /* manager.nr_moves then */
};
int roster_new(struct manager *m, uint64_t id, struct roster **ret); /* -ENODEV: no such group */
struct roster *roster_free(struct roster *r);                        /* NULL-safe, returns NULL */

#endif
