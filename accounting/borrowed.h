/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Borrowed pages: anonymous pages that a process has and others are charged for, because it touched
 * them before it came to where it is charged now. As the 2007 patch has it, a page stays with the
 * group of who touched it first until it is freed, wherever its task goes.
 *
 * A list is taken when the process moves, by address and page frame, and never changes; what is
 * left of it is found by comparing it with the process's page table. 4 bytes a page. Sizes in
 * pages; any thread.
 */
#ifndef MEMCGFS_BORROWED_H
#define MEMCGFS_BORROWED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "accounting/page_walk.h"

struct borrowed;

/* Slots that a process's pages are charged to, other than its own; what is beyond the last is put
 * down to that. Slot 0 is nobody's, and in no list. */
#define MAX_OWED 8
struct owed {
	uint32_t slot;
	uint64_t pages, swap;
};
struct owed_list {
	size_t nr;
	struct owed owed[MAX_OWED];
};
void owed_add(struct owed_list *list, uint32_t slot, uint64_t pages, uint64_t swap);

/*
 * All that pid has is charged to slot `owner` from now on, whatever becomes of it; what is left of
 * `before` (may be NULL), to whom it was. 0, -ESRCH, or -errno; *ret is NULL where there is
 * nothing.
 */
int borrowed_take(pid_t pid, const struct borrowed *before, uint32_t owner, struct borrowed **ret);
struct borrowed *borrowed_get(struct borrowed *b);    /* NULL-safe */
struct borrowed *borrowed_put(struct borrowed *b);    /* NULL-safe, returns NULL */
uint64_t borrowed_nr_pages(const struct borrowed *b); /* when it was taken; 0 for NULL */
/* What it takes to find out what is left of it with a process that has nr_pages, resident and
 * swapped out, in pages to look at. */
uint64_t borrowed_cost(const struct borrowed *b, uint64_t nr_pages);
/* What was slot `from`'s is slot `to`'s from now on, for whoever has the list. NULL-safe. */
void borrowed_move(struct borrowed *b, uint32_t from, uint32_t to);

/* What of it pid still has: in all, and by slot but for slot 0. 0, -ESRCH, or -errno. */
int borrowed_left(const struct borrowed *b, pid_t pid, uint64_t *ret_pages, uint64_t *ret_swap,
		  struct owed_list *ret_owed);

/* A place in a list, for pages in the order of addresses. Begin with {}. */
struct borrowed_cursor {
	size_t run;
};
/* Whether page is one of the list, and whose. b may be NULL. */
bool borrowed_find(const struct borrowed *b, struct borrowed_cursor *c,
		   const struct page_entry *page, uint32_t *ret_owner);

#endif
