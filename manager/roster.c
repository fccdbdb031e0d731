// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Rosters: what a reader needs of a group's members, and of those of the groups below it, to read
 * their figures with the lock released. Nobody's fork or exit waits for such a reader.
 *
 * A roster takes 32 bytes a process, a tenth of what the manager itself keeps of it, and there are
 * as many rosters as threads that answer reads. Any thread. Sizes in pages.
 */
#include "manager/manager_private.h"
#include "manager/roster.h"
#include "util/util.h"

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

static void roster_add(struct roster *r, const struct manager *m, const struct group *g)
{
	struct roster_group *rg = &r->groups[r->nr_groups++];
	const struct process *p;

	*rg = (struct roster_group){.cache = group_cache(m, g), .charged = charged_here(m, g)};
	DL_FOREACH (g->members, p) {
		struct process_view *v = &r->members[r->nr_members++];

		*v = process_view(p, false);
		status_file_get(v->status);
		rg->nr_members++;
	}
}

/* Under the lock. */
static int roster_fill(struct roster *r, const struct manager *m, const struct group *top)
{
	r->groups = malloc(count_groups(top) * sizeof(*r->groups));
	r->members = malloc((nr_members_below(top) + 1) * sizeof(*r->members));
	if (!r->groups || !r->members)
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
	*ret = r;
	return 0;
}

struct roster *roster_free(struct roster *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->nr_members; i++)
		status_file_put(r->members[i].status);
	free(r->members);
	free(r->groups);
	free(r);
	return NULL;
}
