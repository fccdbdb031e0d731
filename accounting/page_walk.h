/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process's pages, one by one, as /proc/PID/pagemap tells them, in the order of addresses: its
 * anonymous ones, resident and swapped out, or those of files, shared memory among them, that it
 * has mapped and that are resident. A walk belongs to one thread; any thread.
 */
#ifndef MEMCGFS_PAGE_WALK_H
#define MEMCGFS_PAGE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum page_kind { PAGES_ANON, PAGES_FILE };

struct page_entry {
	uint64_t vpn; /* address divided by the page's size */
	/*
	 * Where it is: the page frame's number, or the swap entry's type and offset (the low 27
	 * bits of it: 512 GiB a device). 16 TiB of memory have other numbers each. 0: not to be
	 * known here.
	 */
	uint32_t frame;
	bool swapped;
	bool exclusive; /* resident, and nobody else has it */
};

#define PAGE_WALK_ENTRIES 4096 /* of pagemap, read at once: 16 MiB of addresses */

struct page_walk {
	int fd;
	enum page_kind kind;
	uint64_t pos, end; /* pages */
	bool by_scan;      /* PAGEMAP_SCAN finds what is next */
	void *maps;        /* FILE: else /proc/PID/maps does */
	uint64_t maps_end;
	uint64_t *entries; /* read ahead */
	size_t at, nr;
	bool barren; /* of these none was of the kind */
};

/*
 * Page frames are told to CAP_SYS_ADMIN only: a thread that has it permitted has it effective while
 * the file is opened, and at no other time. 0, -ESRCH, or -errno.
 */
int page_walk_open(struct page_walk *w, pid_t pid, enum page_kind kind);
void page_walk_close(struct page_walk *w);

/*
 * The next pages, nr at most. How many, 0 at the end, or -errno. Costs 10 ms per GiB resident, of
 * huge pages a tenth of that; addresses that nothing is at cost nothing.
 */
ssize_t page_walk_next(struct page_walk *w, struct page_entry *pages, size_t nr);

/*
 * Those of the nr pages from vpn on; as many as there are, at most nr, into pages. For short
 * ranges: 1 us and 20 ns a page. Not to be mixed with page_walk_next().
 */
ssize_t page_walk_range(struct page_walk *w, uint64_t vpn, size_t nr, struct page_entry *pages);

/*
 * Whether a walk costs what the process has, and not what addresses it has reserved: PAGEMAP_SCAN
 * is there. Found once.
 */
bool page_walk_is_bounded(void);

/* Whether page frames can be told apart here; found once. */
bool page_frames_are_told(void);

#endif
