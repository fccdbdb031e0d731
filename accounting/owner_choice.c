// SPDX-License-Identifier: GPL-2.0-or-later
/* Choosing pages by owner: page frames are compared with the list, as when they are counted. */
#include "accounting/owner_choice.h"
#include "util/util.h"

#define PAGES_AT_ONCE 256

struct owner_choice {
	struct borrowed *list;
	const bool *slots;
	bool rest;
	struct owner_walk *walk;
	/* Where the list was last looked into, which is gone through in the order of addresses. */
	uint64_t vpn;
	struct borrowed_cursor cursor;
};

struct owner_choice *owner_choice_new(struct borrowed *b, const bool *slots, bool rest,
				      struct owner_walk *w)
{
	struct owner_choice *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->list = borrowed_get(b);
	c->slots = slots;
	c->rest = rest;
	c->walk = w;
	return c;
}

void owner_walk_close(struct owner_walk *w)
{
	if (w->pid)
		page_walk_close(&w->walk);
	w->pid = 0;
}

struct owner_choice *owner_choice_free(struct owner_choice *c)
{
	if (!c)
		return NULL;
	borrowed_put(c->list);
	free(c);
	return NULL;
}

static int open_walk(struct owner_walk *w, pid_t pid)
{
	int r;

	if (w->pid == pid)
		return 0;
	owner_walk_close(w);
	r = page_walk_open(&w->walk, pid, PAGES_ANON);
	if (!r)
		w->pid = pid;
	return r;
}

static bool is_wanted(struct owner_choice *c, const struct page_entry *page)
{
	uint32_t slot;

	if (page->vpn < c->vpn)
		c->cursor = (struct borrowed_cursor){0};
	c->vpn = page->vpn;
	return borrowed_find(c->list, &c->cursor, page, &slot) ? c->slots[slot] : c->rest;
}

void owner_choose(void *choice, pid_t pid, uint64_t start, size_t nr, bool *wanted)
{
	struct owner_choice *c = choice;
	uint64_t vpn = start / page_size();
	struct page_entry pages[PAGES_AT_ONCE];

	for (size_t i = 0; i < nr; i++)
		wanted[i] = c->rest;
	if (open_walk(c->walk, pid))
		return;
	for (size_t done = 0; done < nr; done += PAGES_AT_ONCE) {
		ssize_t n = page_walk_range(&c->walk->walk, vpn + done,
					    MIN(nr - done, ARRAY_SIZE(pages)), pages);

		for (ssize_t i = 0; i < n; i++)
			wanted[pages[i].vpn - vpn] = is_wanted(c, &pages[i]);
	}
}
