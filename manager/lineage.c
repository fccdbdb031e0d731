// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lineages: the events that one attach armed, and the processes that inherited them. The keeper
 * holds the descriptors too, so that they outlive this server. Thread: the manager's loop.
 */
#include <string.h>

#include "manager/guard.h"
#include "manager/keeper.h"
#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

/* Attaching goes over the list of threads until it finds none that is new; who clones faster than
 * that is refused. */
#define ARM_ROUNDS 64

/* What the keeper knows an event by: a number, and what it is. */
#define LINEAGE_ID(number, event) ((uint64_t)(number)*LEASE_NR_EVENTS + (event))
#define LINEAGE_NUMBER(id)        ((id) / LEASE_NR_EVENTS)
#define LINEAGE_EVENT(id)         ((enum lease_event)((id) % LEASE_NR_EVENTS))

static int tid_compare(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

/* Takes fds over, of one thread; -1: without that event. 0 or -errno. */
static int lineage_add(struct manager *m, struct lineage *l, const int new_fds[LEASE_NR_EVENTS])
{
	unsigned nr = l->nr_fds + LEASE_NR_EVENTS;
	int *fds = reallocarray(l->fds, nr, sizeof(*fds));
	uint64_t *ids, number = m->next_lease_id;

	if (!fds)
		return -ENOMEM;
	l->fds = fds;
	ids = reallocarray(l->ids, nr, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	l->ids = ids;
	m->next_lease_id++;
	for (unsigned i = 0; i < LEASE_NR_EVENTS; i++) {
		l->fds[l->nr_fds + i] = new_fds[i];
		l->ids[l->nr_fds + i] = LINEAGE_ID(number, i);
		if (new_fds[i] >= 0 && m->config.keeper)
			keeper_keep(m->config.keeper, LINEAGE_ID(number, i), new_fds[i]);
	}
	l->nr_fds = nr;
	return 0;
}

int lineage_arm_thread(struct manager *m, struct lineage *l, pid_t tid, unsigned events)
{
	int fds[LEASE_NR_EVENTS], r;

	r = lease_arm(m->lease, tid, l->events & events, fds);
	if (r)
		return r;
	for (unsigned i = 0; !r && i < LEASE_NR_EVENTS; i++) {
		if (fds[i] < 0)
			continue;
		fds[i] = guard_place_event(fds[i]);
		r = fds[i] > m->max_status_fd ? -ENOSPC : 0;
	}
	if (!r)
		r = lineage_add(m, l, fds);
	if (!r)
		return 0;
	lease_disarm(m->lease, fds);
	for (unsigned i = 0; i < LEASE_NR_EVENTS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return r;
}

/* The threads that tgid has now, and those seen before; sorted. */
struct tids {
	pid_t *tid;
	size_t nr;
};

/* Arm the threads that were not seen before. How many there were, or -errno. */
static int arm_round(struct manager *m, struct lineage *l, struct tids *seen, pid_t tgid)
{
	struct tids now;
	int nr = 0, r;

	r = proc_tasks(tgid, &now.tid, &now.nr);
	if (r)
		return r;
	qsort(now.tid, now.nr, sizeof(*now.tid), tid_compare);
	for (size_t i = 0; !r && i < now.nr; i++) {
		if (seen->nr &&
		    bsearch(&now.tid[i], seen->tid, seen->nr, sizeof(*seen->tid), tid_compare))
			continue;
		r = lineage_arm_thread(m, l, now.tid[i], l->events);
		if (r == -ESRCH) /* ended meanwhile; the first thread stays in the list then */
			r = 0;
		nr++;
	}
	free(seen->tid);
	*seen = now;
	return r ? r : nr;
}

static void lineage_free(struct manager *m, struct lineage *l)
{
	for (unsigned i = 0; i < l->nr_fds; i += LEASE_NR_EVENTS)
		lease_disarm(m->lease, &l->fds[i]);
	for (unsigned i = 0; i < l->nr_fds; i++) {
		if (l->fds[i] < 0)
			continue;
		close(l->fds[i]);
		if (m->config.keeper)
			keeper_drop(m->config.keeper, l->ids[i]);
	}
	free(l->fds);
	free(l->ids);
	free(l);
}

int lineage_new(struct manager *m, pid_t tgid, unsigned events, struct lineage **ret)
{
	struct lineage *l = calloc(1, sizeof(*l));
	struct tids seen = {};
	int r = 1;

	if (!l)
		return -ENOMEM;
	l->events = events;
	/* A thread made by one that was armed already is armed from birth: a second lease on it
	 * does no harm. */
	for (int i = 0; r > 0 && i < ARM_ROUNDS; i++)
		r = arm_round(m, l, &seen, tgid);
	free(seen.tid);
	if (!r && !l->nr_fds)
		r = -ESRCH;
	if (r) {
		lineage_free(m, l);
		return r < 0 ? r : -EAGAIN;
	}
	*ret = l;
	return 0;
}

struct lineage *lineage_put(struct manager *m, struct lineage *l)
{
	if (l && !--l->nr_live && l != m->adopted)
		lineage_free(m, l);
	return NULL;
}

/* As keeper_next(), of the events among what the keeper holds. */
static bool next_event(struct manager *m, unsigned *pos, uint64_t *ret_id, int *ret_fd)
{
	while (keeper_next(m->config.keeper, pos, ret_id, ret_fd))
		if (!(*ret_id & KEEPER_LISTENER))
			return true;
	return false;
}

/*
 * What earlier servers armed. Whose events these are is not known any more. Clocks end together,
 * when the server does: an event without a task costs its descriptor only.
 */
int lineage_adopt(struct manager *m)
{
	unsigned pos = 0;
	uint64_t id;
	int fd;

	m->next_lease_id = 1;
	if (!m->config.keeper)
		return 0;
	while (next_event(m, &pos, &id, &fd)) {
		m->next_lease_id = MAX(m->next_lease_id, LINEAGE_NUMBER(id) + 1);
		if (m->adopted || !lease_survives(m->lease))
			continue;
		m->adopted = calloc(1, sizeof(*m->adopted));
		if (!m->adopted)
			return -ENOMEM;
	}
	m->first_lease_id = m->next_lease_id;
	return 0;
}

/* Once each process that needs them has fault events of this server's. */
void lineage_drop_adopted_faults(struct manager *m)
{
	unsigned pos = 0;
	uint64_t id;
	int fd;

	if (!m->config.keeper || !m->tick_pages)
		return;
	while (next_event(m, &pos, &id, &fd)) {
		if (LINEAGE_EVENT(id) != LEASE_FAULTS || LINEAGE_NUMBER(id) >= m->first_lease_id)
			continue;
		keeper_drop(m->config.keeper, id);
		close(fd);
	}
}

void lineage_drop_inherited(struct manager *m)
{
	unsigned pos = 0;
	uint64_t id;
	int fd;

	if (lease_survives(m->lease))
		return;
	while (m->config.keeper && next_event(m, &pos, &id, &fd)) {
		lease_inherited(m->lease, fd);
		keeper_drop(m->config.keeper, id);
		close(fd);
	}
	lease_inherited_all(m->lease);
}

/* ---- what the lease arms by itself ---- */

uint64_t lineage_keep(const int fds[LEASE_NR_EVENTS], void *userdata)
{
	struct manager *m = userdata;
	uint64_t number = m->next_lease_id++;

	for (unsigned i = 0; i < LEASE_NR_EVENTS; i++)
		keeper_keep(m->config.keeper, LINEAGE_ID(number, i), fds[i]);
	return number;
}

void lineage_unkeep(uint64_t number, void *userdata)
{
	struct manager *m = userdata;

	for (unsigned i = 0; i < LEASE_NR_EVENTS; i++)
		keeper_drop(m->config.keeper, LINEAGE_ID(number, i));
}
