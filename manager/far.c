// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Groups far from their limit are charged by time. A page-fault event makes each fault 4 to 10 %
 * slower (doc/design.md); the clock's event costs nothing that can be measured. So as long as
 * all threads of a group could not reach the limit within a tick, no fault is counted: each thread
 * pays for a tick ahead, at its birth and at each of its ticks (lease.bpf.c), as much as it could
 * get in that time; when the tick is over it is counted, and what it did not get is given back. The
 * group comes near when that is no longer to be had: then each thread is armed with a fault event,
 * and held to the limit page by page. Sizes in pages. Thread: the manager's loop.
 */
#include <string.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

/*
 * So that a group does not come and go: ticks that there must be room for, above those that keep it
 * far, to go far; and how long it stays near at least. Arming 3,000 threads takes 50 to 77 ms.
 */
#define FAR_TICKS       4
#define NEAR_LEAST_USEC 1000000

/* More threads than these stay armed: 5 ms of the loop, in which no stop is answered. */
#define FAR_MAX_THREADS 256

/* Who cannot be armed is tried again after this time, and for a hundredth of it at most. */
#define ARM_RETRY_USEC  1000000
#define ARM_COST_FACTOR 100

void far_init(struct manager *m)
{
	long nr = sysconf(_SC_NPROCESSORS_ONLN);

	m->tick_pages = lease_get_tick_pages(m->lease);
	m->nr_cpus = nr > 0 ? (uint64_t)nr : 1;
	m->near_least_usec = NEAR_LEAST_USEC;
}

unsigned group_base_events(const struct manager *m)
{
	return LEASE_EVENT_BIT(LEASE_CLOCK) | (m->tick_pages ? 0 : LEASE_EVENT_BIT(LEASE_FAULTS));
}

static bool group_wants_faults(const struct group *g)
{
	for (; g->parent; g = g->parent)
		if (group_is_limited(g) && !g->tick_pages)
			return true;
	return false;
}

/* ---- processes ---- */

static void process_disarm(struct manager *m, struct process *p)
{
	p->faults = lineage_put(m, p->faults);
	p->faults_nsec = 0;
}

int process_arm_for(struct manager *m, struct process *p, const struct group *g)
{
	int error;

	if (!m->tick_pages || p->faults || !group_wants_faults(g))
		return 0;
	error = lineage_new(m, p->tgid, LEASE_EVENT_BIT(LEASE_FAULTS), &p->faults);
	if (error)
		return error;
	p->faults->nr_live++;
	p->faults_nsec = now_nsec();
	return 0;
}

/* Who cannot be armed now is counted, and stopped when over the limit, at each tick; and now and
 * then tried again. */
void process_rearm(struct manager *m, struct process *p)
{
	uint64_t begin = now_usec();
	int error;

	if (p->faults && !group_wants_faults(p->group)) {
		process_disarm(m, p);
		return;
	}
	if (begin < p->arm_not_before)
		return;
	error = process_arm_for(m, p, p->group);
	if (error && error != -ESRCH && !p->arm_not_before)
		log_warning("process %d cannot have a lease of faults, only its ticks are counted: "
			    "%s",
			    p->tgid, strerror(-error));
	p->arm_not_before =
		error ? begin + MAX(ARM_RETRY_USEC, (now_usec() - begin) * ARM_COST_FACTOR) : 0;
}

/* What it got before it was armed is in no room yet. Only ever lowers rooms, as
 * process_on_tick(). */
void process_arm_late(struct manager *m, struct process *p)
{
	bool was_armed = p->faults;

	process_rearm(m, p);
	if (was_armed || !p->faults || !process_recount(m, p, NULL))
		return;
	for (struct group *g = p->group; g->parent; g = g->parent) {
		if (group_is_limited(g) && !g->tick_pages)
			group_lower_rooms(m, g);
	}
}

/* Its parent's events are its own, if they were all there when it was forked: it inherits them some
 * time before it is seen. */
void process_inherit_faults(struct process *p, const struct process *parent,
			    const struct lease_record *r)
{
	if (!parent || !parent->faults || !(r->events & LEASE_EVENT_BIT(LEASE_FAULTS)) ||
	    parent->faults_nsec >= r->nsec)
		return;
	p->faults = parent->faults;
	p->faults->nr_live++;
	p->faults_nsec = r->nsec;
}

static void group_rearm(struct manager *m, struct group *top)
{
	for (struct group *g = top; g; g = group_next(top, g)) {
		struct process *p;

		DL_FOREACH (g->members, p)
			process_rearm(m, p);
	}
}

/* ---- groups ---- */

static uint64_t group_nr_threads(const struct group *top)
{
	uint64_t nr = 0;

	for (const struct group *g = top; g; g = group_next(top, g)) {
		const struct process *p;

		DL_FOREACH (g->members, p)
			nr += p->nr_threads;
	}
	return nr;
}

/* One more: a child may run before its parent, who could not pay for it, is found stopped. */
uint64_t group_held_ticks(const struct group *g, uint64_t tick_pages)
{
	return (group_nr_threads(g) + 1) * tick_pages;
}

/* Each thread that runs pays for the next tick before the last one is given back. */
static uint64_t ticks_under_way(const struct manager *m, uint64_t nr_threads)
{
	return MIN(nr_threads, m->nr_cpus) * m->tick_pages;
}

static bool group_is_far(const struct manager *m, struct group *g)
{
	uint64_t limit = group_bound(g), needed;
	uint64_t nr_threads = group_nr_threads(g);

	g->tick_margin = ticks_under_way(m, nr_threads);
	needed = g->usage + group_held_ticks(g, m->tick_pages) + g->tick_margin;
	if (g->distance == GROUP_FAR)
		return needed < limit;
	return needed + FAR_TICKS * m->tick_pages < limit && nr_threads <= FAR_MAX_THREADS &&
	       (g->distance != GROUP_NEAR || now_usec() >= g->near_usec + m->near_least_usec);
}

bool group_set_distance(struct manager *m, struct group *g)
{
	enum group_distance distance = GROUP_NEAR;

	if (!m->tick_pages || !g->parent)
		return false;
	if (!group_is_limited(g))
		distance = GROUP_UNLIMITED;
	else if (group_is_far(m, g))
		distance = GROUP_FAR;
	if (distance == g->distance)
		return false;
	g->distance = distance;
	g->tick_pages = distance == GROUP_FAR ? m->tick_pages : 0;
	if (distance == GROUP_NEAR) { /* before ticks are charged no more */
		g->near_usec = now_usec();
		group_rearm(m, g);
	}
	lease_slot_set_tick_pages(m->lease, g->slot, g->tick_pages);
	g->room_nsec = now_nsec(); /* no tick before was charged */
	if (distance != GROUP_NEAR)
		group_rearm(m, g);
	return distance == GROUP_NEAR;
}

/* ---- charges ---- */

/* Threads that ended need their tick no more; those that are new have paid. */
static int64_t ticks_given_back(const struct process *p, uint64_t threads_before,
				const struct group *g)
{
	uint64_t nr = threads_before - MIN(threads_before, p->nr_threads);

	return (int64_t)(nr * g->tick_pages);
}

void process_charge_counted(struct manager *m, struct process *p, uint64_t pages_before,
			    uint64_t threads_before, const struct group *except)
{
	int64_t more = (int64_t)p->pages - (int64_t)pages_before;

	if (!more && p->nr_threads >= threads_before)
		return;
	for (struct group *g = p->group; g && g->parent; g = g->parent) {
		if (!p->faults && m->tick_pages && more > 0)
			lease_slot_add_charged(m->lease, g->slot, (uint64_t)more);
		g->usage += (uint64_t)MAX(more, -(int64_t)g->usage);
		if (g->tick_pages && g != except)
			group_charge(m, g, more - ticks_given_back(p, threads_before, g));
	}
}

/* The program charged it at its birth; where that was before the room was last set, and it was not
 * known then, that is lost. */
void process_charge_birth(struct manager *m, const struct process *p, uint64_t fork_nsec)
{
	for (const struct group *g = p->group; g->parent; g = g->parent)
		if (g->tick_pages && fork_nsec <= g->room_nsec)
			group_charge(m, g, (int64_t)g->tick_pages);
}

/* What it had and what it held ahead is free, unless that was seen when the room was last set. */
void process_charge_exit(struct manager *m, const struct process *p, uint64_t exit_nsec)
{
	/* Those who shared its pages have them still. */
	uint64_t pages = process_shares_pages(p) ? 0 : p->pages;

	for (struct group *g = p->group; g->parent; g = g->parent) {
		g->usage -= MIN(g->usage, p->pages);
		g->swap -= MIN(g->swap, p->swap);
		g->kmem -= MIN(g->kmem, p->kmem);
		g->doubt -= MIN(g->doubt, p->doubt);
		group_publish_counted(g);
		if (!g->tick_pages || exit_nsec <= g->room_nsec)
			continue;
		if (p->nr_threads && !p->shares_vm)
			group_charge(m, g, -(int64_t)(pages + p->nr_threads * g->tick_pages));
	}
}

void process_return_tick(struct manager *m, const struct process *p, uint64_t tick_nsec)
{
	for (const struct group *g = p->group; g->parent; g = g->parent)
		if (g->tick_pages && tick_nsec > g->room_nsec)
			group_charge(m, g, -(int64_t)g->tick_pages);
}

void group_on_low(struct manager *m, const struct lease_record *r)
{
	struct group *g = r->slot < STATE_MAX_GROUPS ? m->groups[r->slot] : NULL;

	if (g && g->tick_pages && r->nsec > g->room_nsec)
		group_true_up(m, g);
}
