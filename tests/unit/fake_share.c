/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the world's processes share and have borrowed. A list of borrowed pages is their number;
 * what is left of it is as much as fp->borrowed_left says. Sizes in pages. Any thread.
 */
#include <string.h>

#include "accounting/mapped_count.h"
#include "accounting/owner_choice.h"
#include "accounting/share_count.h"
#include "tests/unit/fake_mechanisms.h"

struct borrowed {
	unsigned nr_users;
	uint64_t nr_pages;
	struct owed_list owed;
};

void owed_add(struct owed_list *list, uint32_t slot, uint64_t pages, uint64_t swap)
{
	size_t i = 0;

	if (!slot || (!pages && !swap))
		return;
	while (i < list->nr && list->owed[i].slot != slot)
		i++;
	if (i == list->nr)
		list->owed[list->nr++] = (struct owed){.slot = slot};
	list->owed[i].pages += pages;
	list->owed[i].swap += swap;
}

/* What is left is split as the whole was: of the oldest most. */
static void split(const struct borrowed *b, uint64_t left, struct owed_list *ret)
{
	for (size_t i = 0; i < b->owed.nr; i++) {
		uint64_t n = MIN(left, b->owed.owed[i].pages);

		owed_add(ret, b->owed.owed[i].slot, n, 0);
		left -= n;
	}
}

int borrowed_take(pid_t pid, const struct borrowed *before, uint32_t owner, struct borrowed **ret)
{
	const struct fake_process *fp = fake_by_pid(pid);
	uint64_t pages, left;
	struct borrowed *b;

	if (!world.lists_pages)
		return -EOPNOTSUPP;
	if (!fp)
		return -ESRCH;
	pages = atomic_get(&fp->rss_anon);
	left = before ? MIN(before->nr_pages, atomic_get(&fp->borrowed_left)) : 0;
	b = calloc(1, sizeof(*b));
	b->nr_users = 1;
	b->nr_pages = pages;
	if (before)
		split(before, left, &b->owed);
	owed_add(&b->owed, owner, pages - MIN(pages, left), 0);
	atomic_put(&((struct fake_process *)fp)->borrowed_left, pages);
	*ret = b;
	return 0;
}

struct borrowed *borrowed_get(struct borrowed *b)
{
	if (b)
		__atomic_fetch_add(&b->nr_users, 1, __ATOMIC_RELAXED);
	return b;
}

struct borrowed *borrowed_put(struct borrowed *b)
{
	if (b && __atomic_sub_fetch(&b->nr_users, 1, __ATOMIC_ACQ_REL) == 0)
		free(b);
	return NULL;
}

uint64_t borrowed_nr_pages(const struct borrowed *b)
{
	return b ? b->nr_pages : 0;
}

uint64_t borrowed_cost(const struct borrowed *b, uint64_t nr_pages)
{
	(void)nr_pages;
	return borrowed_nr_pages(b);
}

bool page_walk_is_bounded(void)
{
	return true;
}

void borrowed_move(struct borrowed *b, uint32_t from, uint32_t to)
{
	for (size_t i = 0; b && i < b->owed.nr; i++)
		if (b->owed.owed[i].slot == from)
			b->owed.owed[i].slot = to;
}

static void member_count(struct share_member *x, bool shares)
{
	const struct fake_process *fp = fake_by_pid(x->pid);
	uint64_t rss, pss;

	x->counted = fp;
	x->saved = x->shared = x->swap_saved = 0;
	x->owed.nr = 0;
	if (!fp)
		return;
	rss = atomic_get(&fp->rss_anon);
	pss = shares ? MIN(rss, atomic_get(&fp->pss_anon)) : rss;
	x->saved = rss - pss;
	if (!x->borrowed)
		return;
	x->saved += MIN(pss, MIN(x->borrowed->nr_pages, atomic_get(&fp->borrowed_left)));
	split(x->borrowed, atomic_get(&fp->borrowed_left), &x->owed);
}

int share_count(struct share_member *members, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		member_count(&members[i], (nr > 1 && !members[i].alone) || members[i].proportional);
	atomic_inc(&world.nr_share_counts, 1);
	return 0;
}

/* ---- pages by owner ---- */

struct owner_choice {
	struct borrowed *list;
	const bool *slots;
	bool rest;
};

struct owner_choice *owner_choice_new(struct borrowed *b, const bool *slots, bool rest,
				      struct owner_walk *w)
{
	struct owner_choice *c = calloc(1, sizeof(*c));

	(void)w;
	*c = (struct owner_choice){borrowed_get(b), slots, rest};
	return c;
}

void owner_walk_close(struct owner_walk *w)
{
	(void)w;
}

struct owner_choice *owner_choice_free(struct owner_choice *c)
{
	if (c)
		borrowed_put(c->list);
	free(c);
	return NULL;
}

void owner_choose(void *choice, pid_t pid, uint64_t start, size_t nr, bool *wanted)
{
	(void)choice;
	(void)pid;
	(void)start;
	(void)nr;
	(void)wanted;
}

uint64_t fake_chosen_pages(const struct owner_choice *c, const struct fake_process *fp,
			   uint64_t *ret_listed)
{
	struct owed_list owed = {0};
	uint64_t left = MIN(c->list->nr_pages, atomic_get(&fp->borrowed_left)), sum = 0;

	split(c->list, left, &owed);
	for (size_t i = 0; i < owed.nr; i++)
		sum += c->slots[owed.owed[i].slot] ? owed.owed[i].pages : 0;
	*ret_listed = sum;
	return sum + (c->rest ? atomic_get(&fp->rss_anon) - left : 0);
}

bool page_frames_are_told(void)
{
	return false;
}

int mapped_count(const struct lease *l, const pid_t *pids, size_t nr, uint64_t *nr_pages)
{
	(void)l;
	(void)pids;
	(void)nr;
	(void)nr_pages;
	return -EOPNOTSUPP;
}
