// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rosters: what a reader needs of a group's members, and of those of the groups below it, to read
 * their figures with the lock released. Nobody's fork or exit waits for such a reader.
 *
 * A roster takes some 250 bytes a process, half of what the manager itself keeps of it, and there
 * are as many rosters as threads that answer reads. Any thread. Sizes in pages.
 */
#include "manager/manager_private.h"
#include "manager/roster.h"
#include "util/util.h"

/* Entangled processes are looked at up to this size: 16 MiB, 0.4 ms. */
#define LOOK_PAGES 4096

static size_t count_groups(const struct group *top)
{
	size_t nr = 0;

	for (const struct group *g = top; g; g = group_next(top, g))
		nr++;
	return nr;
}

/* What members brought in since the group was made, without its children's. */
static uint64_t charged_here(const struct manager *m, const struct group *g)
{
	uint64_t charged = lease_slot_get_charged(m->lease, g->slot);

	for (const struct group *c = g->children; c; c = c->hh.next)
		charged -= MIN(charged, lease_slot_get_charged(m->lease, c->slot));
	return charged;
}

static void add_entangled(struct roster *r, const struct process *p)
{
	struct share_member *x = &r->entangled[r->nr_entangled];

	*x = process_share_member(p);
	x->faults = atomic_get(&p->faults_seen); /* as of what is known */
	x->anon = atomic_get(&p->anon_seen);
	borrowed_get(p->borrowed);
	r->entangled_at[r->nr_entangled++] = r->nr_members;
	/* Of one that is alone what it borrowed is all that is looked at. */
	r->entangled_pages += process_shares_pages(p) ? atomic_get(&p->anon)
						      : borrowed_nr_pages(p->borrowed);
}

static void roster_add(struct roster *r, const struct manager *m, const struct group *g)
{
	struct roster_group *rg = &r->groups[r->nr_groups++];
	const struct process *p;

	*rg = (struct roster_group){
		.slot = g->slot,
		.cache = g->parent ? lease_slot_get_cache(m->lease, g->slot) : 0,
		.shmem = g->parent ? lease_slot_get_shmem(m->lease, g->slot) : 0,
		.charged = charged_here(m, g),
		.left_pages = atomic_get(&g->left_pages),
		.left_swap = atomic_get(&g->left_swap),
	};
	DL_FOREACH (g->members, p) {
		struct process_view *v = &r->members[r->nr_members];

		*v = process_view(m, p, false);
		status_file_get(v->status);
		if (process_is_entangled(p) && !p->shares_vm)
			add_entangled(r, p);
		r->nr_members++;
		rg->nr_members++;
	}
}

/* Memory that is being unmapped has left the page table, and is not gone yet: see
 * process_share_found(). */
static uint64_t saved_at_least(const struct share_member *x, const struct process_view *v)
{
	struct process_usage u;
	uint64_t copies;

	if (!x->alone || x->saved >= v->saved || process_usage_read(v->status->fd, &u))
		return 0;
	copies = copies_since(x->pid, x->faults, x->anon, u.rss_anon);
	return v->saved - MIN(v->saved, copies);
}

/* What they share is looked at here, too, where that takes as long as for a count: who reads wants
 * to know what is true now. */
static void look_at_entangled(struct roster *r)
{
	if (!r->nr_entangled || r->entangled_pages > LOOK_PAGES ||
	    share_count(r->entangled, r->nr_entangled))
		return;
	for (size_t i = 0; i < r->nr_entangled; i++) {
		struct process_view *v = &r->members[r->entangled_at[i]];
		uint64_t least;

		if (!r->entangled[i].counted)
			continue;
		least = saved_at_least(&r->entangled[i], v);
		v->saved = MAX(r->entangled[i].saved, least);
		v->swap_saved = r->entangled[i].swap_saved;
	}
}

/* Under the lock. */
static int roster_fill(struct roster *r, const struct manager *m, const struct group *top)
{
	size_t nr = nr_members_below(top) + 1;

	r->groups = malloc(count_groups(top) * sizeof(*r->groups));
	r->members = malloc(nr * sizeof(*r->members));
	r->entangled = malloc(nr * sizeof(*r->entangled));
	r->entangled_at = malloc(nr * sizeof(*r->entangled_at));
	if (!r->groups || !r->members || !r->entangled || !r->entangled_at)
		return -ENOMEM;
	for (const struct group *g = top; g; g = group_next(top, g))
		roster_add(r, m, g);
	r->nr_moves = m->nr_moves;
	return 0;
}

int roster_new(struct manager *m, uint64_t id, struct roster **ret)
{
	struct roster *r = calloc(1, sizeof(*r));
	const struct group *top;
	int error;

	if (!r)
		return -ENOMEM;
	manager_rdlock(m);
	top = manager_group(m, id);
	error = top ? roster_fill(r, m, top) : -ENODEV;
	manager_unlock(m);
	if (error) {
		roster_free(r);
		return error;
	}
	look_at_entangled(r);
	*ret = r;
	return 0;
}

struct roster *roster_free(struct roster *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->nr_members; i++)
		status_file_put(r->members[i].status);
	for (size_t i = 0; i < r->nr_entangled; i++)
		borrowed_put((struct borrowed *)r->entangled[i].borrowed);
	free(r->entangled);
	free(r->entangled_at);
	free(r->members);
	free(r->groups);
	free(r);
	return NULL;
}
