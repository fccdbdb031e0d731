// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What processes have of what other groups than theirs are charged for: left behind when they
 * moved, and counted with those groups until it is freed. Sizes in pages. Thread: the manager's
 * loop.
 */
#include "manager/manager_private.h"
#include "util/util.h"

void left_add(struct manager *m, uint32_t slot, int64_t pages, int64_t swap)
{
	struct group *g = slot < STATE_MAX_GROUPS ? m->groups[slot] : NULL;

	if (!g || !g->parent)
		return;
	atomic_put(&g->left_pages, g->left_pages + (uint64_t)MAX(pages, -(int64_t)g->left_pages));
	atomic_put(&g->left_swap, g->left_swap + (uint64_t)MAX(swap, -(int64_t)g->left_swap));
	for (; g->parent; g = g->parent) {
		g->usage += (uint64_t)MAX(pages, -(int64_t)g->usage);
		g->swap += (uint64_t)MAX(swap, -(int64_t)g->swap);
		/* Less is found at the next count. */
		if (pages > 0 && group_is_limited(g))
			group_charge(m, g, pages);
	}
}

static const struct owed *owed_find(const struct owed_list *list, uint32_t slot)
{
	static const struct owed none;

	for (size_t i = 0; i < list->nr; i++)
		if (list->owed[i].slot == slot)
			return &list->owed[i];
	return &none;
}

void process_set_owed(struct manager *m, struct process *p, const struct owed_list *owed)
{
	struct owed_list before = p->owed;

	p->owed = *owed;
	for (size_t i = 0; i < p->owed.nr; i++) {
		const struct owed *now = &p->owed.owed[i], *was = owed_find(&before, now->slot);

		left_add(m, now->slot, (int64_t)(now->pages - was->pages),
			 (int64_t)(now->swap - was->swap));
	}
	for (size_t i = 0; i < before.nr; i++) {
		const struct owed *was = &before.owed[i];

		if (!owed_find(&p->owed, was->slot)->slot)
			left_add(m, was->slot, -(int64_t)was->pages, -(int64_t)was->swap);
	}
}

void process_pay_back(struct manager *m, struct process *p, const bool *slots, uint64_t nr)
{
	struct owed_list owed = p->owed;

	for (size_t i = 0; i < owed.nr && nr; i++) {
		struct owed *x = &owed.owed[i];
		uint64_t n = slots[x->slot] ? MIN(nr, x->pages) : 0;

		x->pages -= n;
		x->swap += n;
		nr -= n;
		process_set_share(p, p->saved - MIN(p->saved, n), p->nr_copies);
		atomic_put(&p->swap_saved, p->swap_saved + n);
	}
	process_set_owed(m, p, &owed);
	p->share_nr++; /* looks under way may have seen it before */
	if (p->family)
		family_changed(m, p->family);
}

void process_anon_went(struct process *p, uint64_t before, uint64_t nr)
{
	struct process_usage u;

	if (!process_is_entangled(p) || process_usage_read(p->status_fd, &u))
		return;
	/* Not all of them were anonymous, perhaps. */
	nr = MIN(nr, before - MIN(before, u.rss_anon));
	atomic_put(&p->anon_seen, p->anon_seen - MIN(p->anon_seen, nr));
}

/* Slot 0 is nobody's, and in no list; and each slot is in it once. */
void owed_rename(struct owed_list *list, uint32_t from, uint32_t to)
{
	struct owed_list before = *list;

	list->nr = 0;
	for (size_t i = 0; i < before.nr; i++) {
		const struct owed *x = &before.owed[i];

		owed_add(list, x->slot == from ? to : x->slot, x->pages, x->swap);
	}
}

/* They counted there already. */
void borrowed_inherit(struct manager *m, struct group *from)
{
	struct group *to = from->parent;
	struct process *p, *next;

	m->nr_rmdirs++;
	HASH_ITER (hh, m->processes, p, next) {
		if (!p->borrowed && !p->owed.nr)
			continue;
		borrowed_move(p->borrowed, from->slot, to->slot);
		owed_rename(&p->owed, from->slot, to->slot);
		p->share_nr++; /* a look under way has the old slot */
		if (p->family)
			family_changed(m, p->family);
	}
	if (!to->parent)
		return;
	atomic_put(&to->left_pages, to->left_pages + from->left_pages);
	atomic_put(&to->left_swap, to->left_swap + from->left_swap);
}
