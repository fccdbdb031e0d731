// SPDX-License-Identifier: GPL-2.0-or-later
/* Lists of borrowed pages: runs of addresses, with a page frame for each page. Any thread. */
#include <errno.h>
#include <string.h>

#include "accounting/borrowed.h"
#include "util/util.h"

#define PAGES_AT_ONCE 256

/* Pages of one owner at addresses that follow one another. */
struct run {
	uint64_t vpn;
	size_t first; /* of its frames */
	uint32_t nr;
	uint16_t owner; /* atomic: its group may go */
	bool swapped;   /* then */
};

struct borrowed {
	unsigned nr_users; /* atomic */
	struct run *runs;
	size_t nr_runs, max_runs;
	uint32_t *frames;
	size_t nr_frames, max_frames;
};

void owed_add(struct owed_list *list, uint32_t slot, uint64_t pages, uint64_t swap)
{
	size_t i = 0;

	if (!slot || (!pages && !swap))
		return;
	while (i < list->nr && list->owed[i].slot != slot)
		i++;
	i = MIN(i, (size_t)MAX_OWED - 1);
	if (i == list->nr)
		list->owed[list->nr++] = (struct owed){.slot = slot};
	list->owed[i].pages += pages;
	list->owed[i].swap += swap;
}

/* ---- making ---- */

static int grow(void *array, size_t *max, size_t size)
{
	void **at = array;
	size_t more = *max ? 2 * *max : 64;
	void *bigger = reallocarray(*at, more, size);

	if (!bigger)
		return -ENOMEM;
	*at = bigger;
	*max = more;
	return 0;
}

static bool run_goes_on(const struct run *r, const struct page_entry *page, uint32_t owner)
{
	return r->vpn + r->nr == page->vpn && r->owner == owner && r->swapped == page->swapped &&
	       r->nr < UINT32_MAX;
}

static int add(struct borrowed *b, const struct page_entry *page, uint32_t owner)
{
	struct run *last = b->nr_runs ? &b->runs[b->nr_runs - 1] : NULL;

	if (b->nr_frames == b->max_frames && grow(&b->frames, &b->max_frames, sizeof(*b->frames)))
		return -ENOMEM;
	if (!last || !run_goes_on(last, page, owner)) {
		if (b->nr_runs == b->max_runs && grow(&b->runs, &b->max_runs, sizeof(*b->runs)))
			return -ENOMEM;
		last = &b->runs[b->nr_runs++];
		*last = (struct run){
			.vpn = page->vpn,
			.first = b->nr_frames,
			.owner = (uint16_t)owner,
			.swapped = page->swapped,
		};
	}
	last->nr++;
	b->frames[b->nr_frames++] = page->frame;
	return 0;
}

static int add_all(struct borrowed *b, struct page_walk *w, const struct borrowed *before,
		   uint32_t owner)
{
	struct page_entry pages[PAGES_AT_ONCE];
	struct borrowed_cursor c = {0};
	ssize_t n;

	while ((n = page_walk_next(w, pages, ARRAY_SIZE(pages))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			uint32_t whose = owner;

			(void)borrowed_find(before, &c, &pages[i], &whose);
			if (add(b, &pages[i], whose))
				return -ENOMEM;
		}
	}
	return (int)n;
}

/* Doubled while it grew. */
static void trim(struct borrowed *b)
{
	void *smaller = reallocarray(b->frames, b->nr_frames, sizeof(*b->frames));

	if (smaller)
		b->frames = smaller;
	smaller = reallocarray(b->runs, b->nr_runs, sizeof(*b->runs));
	if (smaller)
		b->runs = smaller;
}

int borrowed_take(pid_t pid, const struct borrowed *before, uint32_t owner, struct borrowed **ret)
{
	struct borrowed *b = calloc(1, sizeof(*b));
	struct page_walk w;
	int r;

	if (!b)
		return -ENOMEM;
	b->nr_users = 1;
	r = page_walk_open(&w, pid, PAGES_ANON);
	if (!r) {
		r = add_all(b, &w, before, owner);
		page_walk_close(&w);
	}
	if (r || !b->nr_frames)
		b = borrowed_put(b);
	else
		trim(b);
	if (!r)
		*ret = b;
	return r;
}

struct borrowed *borrowed_get(struct borrowed *b)
{
	if (b)
		__atomic_fetch_add(&b->nr_users, 1, __ATOMIC_RELAXED);
	return b;
}

struct borrowed *borrowed_put(struct borrowed *b)
{
	if (b && __atomic_sub_fetch(&b->nr_users, 1, __ATOMIC_ACQ_REL) == 0) {
		free(b->runs);
		free(b->frames);
		free(b);
	}
	return NULL;
}

/* A run is 1 us, as 50 pages of one; where there are more than these all the process has is walked.
 */
#define RUN_COST_PAGES 50
#define MAX_RUNS       256

uint64_t borrowed_cost(const struct borrowed *b, uint64_t nr_pages)
{
	if (!b)
		return 0;
	return b->nr_runs > MAX_RUNS ? nr_pages : b->nr_frames + RUN_COST_PAGES * b->nr_runs;
}

void borrowed_move(struct borrowed *b, uint32_t from, uint32_t to)
{
	for (size_t i = 0; b && i < b->nr_runs; i++)
		if (b->runs[i].owner == from)
			__atomic_store_n(&b->runs[i].owner, (uint16_t)to, __ATOMIC_RELAXED);
}

uint64_t borrowed_nr_pages(const struct borrowed *b)
{
	return b ? b->nr_frames : 0;
}

/* ---- comparing ---- */

/*
 * What is swapped out has lost its frame and is the same memory still. Another frame is another
 * page: a copy that the process made of one it shared, what it touched where it had given memory
 * back, or what was swapped out and came back since. That is charged to who brought it back, so
 * that what is left of a list only ever becomes less, and no group passes its limit by what others
 * do.
 */
static bool is_still(const struct run *r, uint32_t frame, const struct page_entry *page)
{
	return page->swapped || (!r->swapped && frame == page->frame);
}

bool borrowed_find(const struct borrowed *b, struct borrowed_cursor *c,
		   const struct page_entry *page, uint32_t *ret_owner)
{
	const struct run *r;

	while (b && c->run < b->nr_runs && b->runs[c->run].vpn + b->runs[c->run].nr <= page->vpn)
		c->run++;
	if (!b || c->run == b->nr_runs)
		return false;
	r = &b->runs[c->run];
	if (page->vpn < r->vpn || !is_still(r, b->frames[r->first + page->vpn - r->vpn], page))
		return false;
	*ret_owner = __atomic_load_n(&r->owner, __ATOMIC_RELAXED);
	return true;
}

struct left {
	uint64_t pages, swap;
	struct owed_list owed;
};

static void left_add(struct left *left, const struct borrowed *b, struct borrowed_cursor *c,
		     const struct page_entry *page)
{
	uint32_t owner;

	if (!borrowed_find(b, c, page, &owner))
		return;
	left->pages += !page->swapped;
	left->swap += page->swapped;
	owed_add(&left->owed, owner, !page->swapped, page->swapped);
}

static int walk_left(const struct borrowed *b, struct page_walk *w, struct left *left)
{
	struct page_entry pages[PAGES_AT_ONCE];
	struct borrowed_cursor c = {0};
	ssize_t n;

	while ((n = page_walk_next(w, pages, ARRAY_SIZE(pages))) > 0)
		for (ssize_t i = 0; i < n; i++)
			left_add(left, b, &c, &pages[i]);
	return (int)n;
}

static int run_left(const struct borrowed *b, size_t run, struct page_walk *w, struct left *left)
{
	const struct run *r = &b->runs[run];
	struct borrowed_cursor c = {.run = run};
	struct page_entry pages[PAGES_AT_ONCE];

	for (uint32_t done = 0; done < r->nr; done += PAGES_AT_ONCE) {
		ssize_t n = page_walk_range(w, r->vpn + done,
					    MIN((size_t)(r->nr - done), ARRAY_SIZE(pages)), pages);

		if (n < 0)
			return (int)n;
		for (ssize_t i = 0; i < n; i++)
			left_add(left, b, &c, &pages[i]);
	}
	return 0;
}

int borrowed_left(const struct borrowed *b, pid_t pid, uint64_t *ret_pages, uint64_t *ret_swap,
		  struct owed_list *ret_owed)
{
	struct left left = {0};
	struct page_walk w;
	int r = page_walk_open(&w, pid, PAGES_ANON);

	if (r)
		return r;
	if (b->nr_runs > MAX_RUNS)
		r = walk_left(b, &w, &left);
	for (size_t i = 0; i < b->nr_runs && b->nr_runs <= MAX_RUNS && !r; i++)
		r = run_left(b, i, &w, &left);
	page_walk_close(&w);
	if (r)
		return r;
	*ret_pages = left.pages;
	*ret_swap = left.swap;
	*ret_owed = left.owed;
	return 0;
}
