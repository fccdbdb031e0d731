// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Counting shared pages once: a bitmap of page frames and one of swap entries for each slot
 * (CRoaring). What a process has for itself goes into none. Any thread.
 */
#include <errno.h>
#include <string.h>

#include <roaring/roaring.h>

#include "accounting/process_usage.h"
#include "accounting/share_count.h"
#include "util/util.h"

#define PAGES_AT_ONCE 512

struct slot_set {
	uint32_t slot;
	roaring_bitmap_t *pages, *swap;
};

struct sets {
	struct slot_set *set;
	size_t nr;
};

static void sets_free(struct sets *s)
{
	for (size_t i = 0; i < s->nr; i++) {
		roaring_bitmap_free(s->set[i].pages);
		roaring_bitmap_free(s->set[i].swap);
	}
	free(s->set);
}

/* Slots are few: groups that processes of one family are in, or were in. */
static struct slot_set *sets_find(struct sets *s, uint32_t slot)
{
	struct slot_set *bigger, fresh = {.slot = slot};

	for (size_t i = 0; i < s->nr; i++)
		if (s->set[i].slot == slot)
			return &s->set[i];
	bigger = reallocarray(s->set, s->nr + 1, sizeof(*s->set));
	if (!bigger)
		return NULL;
	s->set = bigger;
	fresh.pages = roaring_bitmap_create();
	fresh.swap = roaring_bitmap_create();
	if (!fresh.pages || !fresh.swap) {
		if (fresh.pages)
			roaring_bitmap_free(fresh.pages);
		if (fresh.swap)
			roaring_bitmap_free(fresh.swap);
		return NULL;
	}
	s->set[s->nr] = fresh;
	return &s->set[s->nr++];
}

/* One page of m's. */
static int page_count(struct share_member *m, struct sets *s, const struct page_entry *page,
		      struct borrowed_cursor *c)
{
	uint32_t slot = m->slot;
	bool borrowed = borrowed_find(m->borrowed, c, page, &slot), fresh;
	struct slot_set *set;

	if (!borrowed && page->exclusive)
		return 0;
	if (borrowed && !slot) {
		m->saved += !page->swapped;
		m->swap_saved += page->swapped;
		return 0;
	}
	set = sets_find(s, slot);
	if (!set)
		return -ENOMEM;
	fresh = roaring_bitmap_add_checked(page->swapped ? set->swap : set->pages, page->frame);
	if (borrowed && fresh)
		owed_add(&m->owed, slot, !page->swapped, page->swapped);
	if (borrowed || !fresh) {
		m->saved += !page->swapped;
		m->swap_saved += page->swapped;
	} else {
		m->shared += !page->swapped;
	}
	return 0;
}

static int member_count(struct share_member *m, struct sets *s)
{
	struct page_entry pages[PAGES_AT_ONCE];
	struct borrowed_cursor c = {0};
	struct page_walk w;
	ssize_t n;
	int r = 0;

	if (page_walk_open(&w, m->pid, PAGES_ANON))
		return 0; /* not counted */
	while (!r && (n = page_walk_next(&w, pages, ARRAY_SIZE(pages))) > 0)
		for (ssize_t i = 0; i < n && !r; i++)
			r = page_count(m, s, &pages[i], &c);
	page_walk_close(&w);
	m->counted = !r && n == 0;
	return r;
}

/* Whose pages are exclusively its own, but for those it borrowed. */
static void alone_count(struct share_member *m)
{
	m->counted = !m->borrowed ||
		     !borrowed_left(m->borrowed, m->pid, &m->saved, &m->swap_saved, &m->owed);
}

/* The next best source: what processes share is told, not with whom. */
static void proportional_count(struct share_member *m)
{
	cleanup_close int fd = process_usage_open(m->pid);
	struct process_usage u;
	uint64_t rss;

	alone_count(m);
	if (!m->counted || fd < 0 || process_usage_read(fd, &u))
		return;
	rss = u.rss_anon;
	if (!process_usage_read_shared(m->pid, &u))
		m->saved = MIN(rss, m->saved + rss - u.rss_anon);
}

static void forget(struct share_member *m)
{
	*m = (struct share_member){
		.pid = m->pid,
		.slot = m->slot,
		.borrowed = m->borrowed,
		.alone = m->alone,
		.proportional = m->proportional,
		.faults = m->faults,
		.anon = m->anon,
	};
}

/* Those who have pages of their own slot's count them, whoever else has borrowed them: first. */
static int all_count(struct share_member *members, size_t nr, struct sets *s, bool borrowers)
{
	int r = 0;

	for (size_t i = 0; i < nr && !r; i++)
		if (!members[i].proportional && !members[i].alone &&
		    !members[i].borrowed != borrowers)
			r = member_count(&members[i], s);
	return r;
}

int share_count(struct share_member *members, size_t nr)
{
	bool by_frame = page_frames_are_told();
	struct sets s = {0};
	int r;

	for (size_t i = 0; i < nr; i++) {
		forget(&members[i]);
		if (members[i].proportional || (nr > 1 && !by_frame && !members[i].alone))
			proportional_count(&members[i]);
		else if (nr == 1 || members[i].alone)
			alone_count(&members[i]);
	}
	if (nr == 1 || !by_frame)
		return 0;
	r = all_count(members, nr, &s, false);
	if (!r)
		r = all_count(members, nr, &s, true);
	for (size_t i = 0; i < nr; i++)
		if (r || !members[i].counted)
			forget(&members[i]);
	sets_free(&s);
	return r;
}
