/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Choosing a process's pages by who is charged for them, so that what is got back for one group is
 * not another's. One thread at a time.
 */
#ifndef MEMCGFS_OWNER_CHOICE_H
#define MEMCGFS_OWNER_CHOICE_H

#include "accounting/borrowed.h"

struct owner_choice;

/* The page table that is open: one, however many processes are chosen from in turn. Begin with {}.
 */
struct owner_walk {
	pid_t pid; /* 0: none is */
	struct page_walk walk;
};
void owner_walk_close(struct owner_walk *w);

/*
 * Pages that b lists and that are charged to one of slots, an array by slot that must stay as w
 * must; and the rest, what b does not list (any more), if so. NULL without memory.
 */
struct owner_choice *owner_choice_new(struct borrowed *b, const bool *slots, bool rest,
				      struct owner_walk *w);
struct owner_choice *owner_choice_free(struct owner_choice *c); /* NULL-safe, returns NULL */

/*
 * Sets wanted[i] for each of the nr pages from address start on: reclaim_process.choose, of: a
 * struct owner_choice. 1 us and 20 ns a page. Where a page table is not told, all is the rest.
 */
void owner_choose(void *choice, pid_t pid, uint64_t start, size_t nr, bool *wanted);

#endif
