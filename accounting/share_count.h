/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counting processes that have pages in common since a fork: each page once, whoever has it, and
 * for the slot of who touched it first. Sizes in pages; any thread.
 */
#ifndef MEMCGFS_SHARE_COUNT_H
#define MEMCGFS_SHARE_COUNT_H

#include "accounting/borrowed.h"

struct share_member {
	pid_t pid;
	uint32_t slot; /* where what it touches is charged */
	const struct borrowed *borrowed;
	bool alone;        /* it shares pages with no other member */
	bool proportional; /* whom it shares pages with is not known */
	uint64_t faults;   /* the caller's own: page faults before the look, */
	uint64_t anon;     /* and resident pages */

	/* Results. */
	bool counted;    /* else it has gone, or could not be looked at, and the rest is 0 */
	uint64_t saved;  /* of its resident pages those that do not count in its slot, or do with
			    another member */
	uint64_t shared; /* those that count there with it, and others have as well */
	uint64_t swap_saved;   /* as saved, of what is swapped out */
	struct owed_list owed; /* what counts elsewhere with it */
};

/*
 * Costs 20 to 25 ms per GiB that the members have together, each for itself; of one that
 * is alone only what it borrowed is looked at. 0 or -ENOMEM. Of who is proportional, and of all
 * where page frames are not told, what is shared is told by the kernel's proportional shares,
 * wherever it is charged.
 */
int share_count(struct share_member *members, size_t nr);

#endif
