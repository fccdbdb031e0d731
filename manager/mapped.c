// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory.stat's mapped_file: pages charged to a group that somebody has mapped, of whatever group.
 * To know it of one group all members are looked at, so what was found is good for all groups, and
 * for a while: twenty times as long as it took, so that readers take a twentieth of a CPU for it at
 * most. Who comes while another looks does not wait, but has what was found before. Any thread.
 * Sizes in pages.
 */
#include "accounting/mapped_count.h"
#include "manager/manager_private.h"
#include "manager/roster.h"
#include "util/util.h"

#define MAPPED_LEAST_USEC  2000
#define MAPPED_COST_FACTOR 20

struct mapped {
	pthread_mutex_t lock; /* whoever looks */
	uint64_t until_usec;
	bool unknown;                     /* whose pages are is not told here */
	uint64_t found[STATE_MAX_GROUPS]; /* atomic */
	uint64_t pages[STATE_MAX_GROUPS]; /* the looker's */
};

_Static_assert(STATE_MAX_GROUPS == LEASE_MAX_SLOTS, "a figure for each group");

struct mapped *mapped_new(void)
{
	struct mapped *x = calloc(1, sizeof(*x));

	if (x)
		pthread_mutex_init(&x->lock, NULL);
	return x;
}

struct mapped *mapped_free(struct mapped *x)
{
	if (x)
		pthread_mutex_destroy(&x->lock);
	free(x);
	return NULL;
}

static int count_all(struct manager *m, struct mapped *x)
{
	cleanup_free pid_t *pids = NULL;
	struct roster *r;
	int error = roster_new(m, group_id(manager_root(m)), &r);

	if (error)
		return error;
	pids = calloc(r->nr_members + 1, sizeof(*pids));
	for (size_t i = 0; pids && i < r->nr_members; i++)
		pids[i] = r->members[i].shares_vm ? 0 : r->members[i].tgid;
	error = pids ? mapped_count(m->lease, pids, r->nr_members, x->pages) : -ENOMEM;
	roster_free(r);
	return error;
}

/* Under its lock. */
static void look(struct manager *m, struct mapped *x)
{
	uint64_t begin = now_usec();

	if (x->unknown || begin < x->until_usec)
		return;
	x->unknown = count_all(m, x) == -EOPNOTSUPP;
	for (size_t i = 0; i < STATE_MAX_GROUPS && !x->unknown; i++)
		atomic_put(&x->found[i], x->pages[i]);
	x->until_usec =
		begin + MAX((now_usec() - begin) * MAPPED_COST_FACTOR, (uint64_t)MAPPED_LEAST_USEC);
}

bool mapped_get(struct manager *m, const uint32_t *slots, size_t nr, uint64_t *ret_pages)
{
	struct mapped *x = m->mapped;
	bool unknown = false;

	if (!pthread_mutex_trylock(&x->lock)) {
		look(m, x);
		unknown = x->unknown;
		pthread_mutex_unlock(&x->lock);
	}
	for (size_t i = 0; i < nr; i++)
		ret_pages[i] = atomic_get(&x->found[slots[i]]);
	return !unknown;
}
