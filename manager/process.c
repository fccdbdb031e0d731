// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Member processes: the table of them, and how it follows fork, exec and exit. The lists are shape:
 * they change under the write lock. Thread: the manager's loop.
 */
#include <errno.h>
#include <string.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

struct process *process_find(struct manager *m, pid_t tgid)
{
	struct process *p;

	HASH_FIND_INT(m->processes, &tgid, p);
	return p;
}

/* A vfork child's memory is its parent's, until it execs; if that goes first it is the child's own.
 */
static void vm_share(struct manager *m, struct process *p, pid_t of)
{
	p->shares_vm = true;
	p->vm_of = of;
	m->nr_shares_vm++;
}

static void vm_unshare(struct manager *m, struct process *p)
{
	if (p->shares_vm)
		m->nr_shares_vm--;
	p->shares_vm = false;
}

/* Who shared p's memory has it now. */
static void vm_leave(struct manager *m, struct process *p)
{
	struct process *x, *next, *heir = NULL;

	vm_unshare(m, p);
	if (!m->nr_shares_vm)
		return;
	HASH_ITER (hh, m->processes, x, next) {
		if (!x->shares_vm || x->vm_of != p->tgid)
			continue;
		if (heir) {
			x->vm_of = heir->tgid;
			continue;
		}
		heir = x;
		vm_unshare(m, x);
		x->shared_outside = true;
	}
}

/* Takes status over. */
static struct process *process_add(struct manager *m, pid_t tgid, struct group *g,
				   struct lineage *lineage, struct status_file *status)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p) {
		status_file_put(status);
		return NULL;
	}
	p->tgid = tgid;
	p->group = g;
	p->lineage = lineage;
	p->guard_fd = -1;
	p->nr_threads = 1;
	p->born_usec = p->shmem_looked = now_usec();
	p->shared_outside = true;
	p->status = status;
	p->status_fd = status->fd;
	if (lineage)
		lineage->nr_live++;
	manager_wrlock(m);
	HASH_ADD_INT(m->processes, tgid, p);
	DL_APPEND(g->members, p);
	manager_unlock(m);
	return p;
}

struct process *process_new(struct manager *m, pid_t tgid, struct group *g, struct lineage *lineage)
{
	struct status_file *status = NULL;
	int error = status_file_open(tgid, &status);

	if (error || status->fd > m->max_status_fd) {
		status_file_put(status);
		errno = error == -ESRCH ? ESRCH : ENOSPC;
		return NULL;
	}
	return process_add(m, tgid, g, lineage, status);
}

void process_move(struct manager *m, struct process *p, struct group *g)
{
	manager_wrlock(m);
	DL_DELETE(p->group->members, p);
	p->group = g;
	DL_APPEND(g->members, p);
	m->nr_moves++;
	manager_unlock(m);
	process_rearm(m, p);
	if (!p->waits_for)
		return;
	process_unwait(m, p);
	process_note(m, p);
}

static void process_free(struct process *p)
{
	status_file_put(p->status);
	free(p);
}

void process_put(struct process *p)
{
	if (!--p->nr_jobs && !p->group)
		process_free(p);
}

void process_gone(struct manager *m, struct process *p)
{
	process_unwait(m, p);
	process_unguard(m, p);
	process_settled(m, p);
	process_drop_shmem(m, p);
	p->lineage = lineage_put(m, p->lineage);
	p->faults = lineage_put(m, p->faults);
	manager_wrlock(m);
	family_leave(m, p);
	HASH_DEL(m->processes, p);
	vm_leave(m, p);
	DL_DELETE(p->group->members, p);
	p->group = NULL;
	manager_unlock(m);
	if (!p->nr_jobs)
		process_free(p);
}

/* A process that must be a member, by the lease map, but is not known. */
static struct process *process_discover(struct manager *m, pid_t tgid)
{
	struct lease_member member;
	struct process *p;
	struct group *g;

	if (lease_member_get(m->lease, tgid, &member) || member.slot >= STATE_MAX_GROUPS)
		return NULL;
	g = m->groups[member.slot];
	if (!g)
		return NULL;
	p = process_new(m, tgid, g, m->adopted);
	if (p)
		process_arm_late(m, p);
	return p;
}

/* When its exit was not told of, for want of room in the ring, it is so until somebody asks for its
 * pid. */
static bool process_is_known(struct manager *m, pid_t tgid)
{
	struct process *p = process_find(m, tgid);
	struct process_usage u;

	if (!p)
		return false;
	if (process_usage_read(p->status_fd, &u) != -ESRCH)
		return true;
	process_gone(m, p);
	return false;
}

struct process *process_member(struct manager *m, pid_t tgid)
{
	return process_is_known(m, tgid) ? process_find(m, tgid) : process_discover(m, tgid);
}

/* ---- past the descriptor budget ---- */

struct held {
	pid_t tgid;
	bool stopped;
	struct held *next;
};

/*
 * Once it stands still at its lease it does so until there is a descriptor for it. (Without memory
 * for that note too it stays so until the next server.)
 */
void process_hold(struct manager *m, pid_t tgid, bool stopped)
{
	struct lease_member member;
	struct held *h;

	if (lease_member_get(m->lease, tgid, &member)) /* ended since */
		return;
	LL_FOREACH (m->held, h)
		if (h->tgid == tgid) {
			h->stopped |= stopped;
			return;
		}
	h = calloc(1, sizeof(*h));
	if (!h)
		return;
	if (!m->held)
		log_warning("process %d and perhaps others are held back: no descriptors left",
			    tgid);
	h->tgid = tgid;
	h->stopped = stopped;
	LL_PREPEND(m->held, h);
	retry_arm(m);
}

void processes_retry_held(struct manager *m)
{
	struct held *all = m->held, *h, *next;

	m->held = NULL;
	LL_FOREACH_SAFE(all, h, next)
	{
		struct lease_member member;
		struct process *p = process_member(m, h->tgid);

		if (p && h->stopped)
			process_stopped(m, p);
		else if (p)
			process_recount(m, p, NULL);
		else if (!lease_member_get(m->lease, h->tgid, &member)) {
			LL_PREPEND(m->held, h);
			continue;
		}
		free(h);
	}
}

/* ---- records ---- */

int process_renew_lineage(struct manager *m, struct process *p)
{
	struct lineage *fresh;
	int error = lineage_new(m, p->tgid, group_base_events(m), &fresh);

	if (error)
		return error;
	lineage_put(m, p->lineage);
	p->lineage = fresh;
	fresh->nr_live++;
	return 0;
}

/* It has these events. */
static void process_check_lineage(struct manager *m, struct process *p, unsigned events)
{
	int error = 0;

	if (group_base_events(m) & ~events)
		error = process_renew_lineage(m, p);
	if (error && error != -ESRCH)
		log_warning("process %d has no lease and cannot have one: %s", p->tgid,
			    strerror(-error));
}

/*
 * A child that has ended already, as a daemon's first one does, is a member until its exit record
 * all the same: its own children are of its family, and their events of its lineage.
 */
static struct process *process_born(struct manager *m, struct group *g, struct process *parent,
				    const struct lease_record *r)
{
	struct lineage *lineage = parent ? parent->lineage : m->adopted;
	struct process *p = process_new(m, (pid_t)r->child, g, lineage);

	if (!p && errno == ESRCH && parent)
		p = process_add(m, (pid_t)r->child, g, lineage, status_file_get(m->ended));
	else if (!p && errno == ENOSPC)
		process_hold(m, (pid_t)r->child, false);
	return p;
}

/*
 * A child's group is what the lease map gave it at its birth. While its parent is being attached
 * that may be ahead of the kernel's membership; group_attach() sets that right.
 */
void process_on_fork(struct manager *m, const struct lease_record *r)
{
	struct process *parent = process_find(m, (pid_t)r->tgid), *p;
	struct group *g = r->slot < STATE_MAX_GROUPS ? m->groups[r->slot] : NULL;
	struct lease_member member;

	if (!g || process_is_known(m, (pid_t)r->child))
		return;
	p = process_born(m, g, parent, r);
	if (!p)
		return;
	manager_wrlock(m);
	if (r->shares_vm)
		vm_share(m, p, (pid_t)r->tgid);
	p->shared_outside = !parent && !p->shares_vm;
	if (parent && !p->shares_vm)
		family_join(m, p, parent);
	if (parent)
		atomic_put(&p->joined_nsec, parent->joined_nsec);
	manager_unlock(m);
	process_inherit_faults(p, parent, r);
	if (p->status == m->ended) {
		process_charge_birth(m, p, r->nsec);
		return;
	}
	lease_own_events(m->lease, p->tgid);
	/* Until now its parent's clock may have gone on with the child: what it got is counted. */
	if (parent && m->tick_pages)
		process_recount(m, parent, NULL);
	process_check_lineage(m, p, r->events);
	process_arm_late(m, p);
	process_charge_birth(m, p, r->nsec);
	/* The table was full: the one place where the kernel could not do it itself. */
	if (lease_member_get(m->lease, p->tgid, &member) &&
	    lease_member_set(m->lease, p->tgid, g->slot, false))
		log_warning("process %d: no room in the table of members, it is not limited",
			    p->tgid);
}

/* A thread that was being made while its process was armed. */
void process_on_thread(struct manager *m, const struct lease_record *r)
{
	struct process *p = process_find(m, (pid_t)r->tgid);
	int error = 0;

	if (p && p->lineage && p->lineage->events & ~r->events)
		error = lineage_arm_thread(m, p->lineage, (pid_t)r->child, ~r->events);
	if (p && p->faults && p->faults->events & ~r->events && !error)
		error = lineage_arm_thread(m, p->faults, (pid_t)r->child, ~r->events);
	if (error && error != -ESRCH)
		log_warning("thread %u of process %d cannot have a lease: %s", r->child, p->tgid,
			    strerror(-error));
}

/* An exec that gains privileges drops all events. */
void process_on_exec(struct manager *m, const struct lease_record *r)
{
	struct process *p = process_find(m, (pid_t)r->tgid);

	if (!p)
		return;
	manager_wrlock(m);
	family_leave(m, p);
	vm_leave(m, p);
	p->shared_outside = false;
	manager_unlock(m);
	p->hand = 0;
	process_check_lineage(m, p, r->events);
	if (p->faults && !(r->events & LEASE_EVENT_BIT(LEASE_FAULTS))) {
		p->faults = lineage_put(m, p->faults);
		process_rearm(m, p);
	}
}

void process_on_exit(struct manager *m, const struct lease_record *r)
{
	struct process *p = process_find(m, (pid_t)r->tgid);
	struct owed_list owed;
	struct group *g;

	/* The kernel took it out, but it may have been written to since: continued, moved. */
	lease_member_remove(m->lease, (pid_t)r->tgid);
	if (!p)
		return;
	g = p->group;
	for (struct group *x = g; x; x = x->parent)
		if (x->victim == p->tgid)
			x->victim = 0;
	process_charge_exit(m, p, r->nsec);
	owed = p->owed;
	process_gone(m, p);
	group_settle_up(m, g);
	/* What it had of others' is free, too. */
	for (size_t i = 0; i < owed.nr; i++)
		if (owed.owed[i].slot && m->groups[owed.owed[i].slot])
			group_settle_up(m, m->groups[owed.owed[i].slot]);
}

void processes_free(struct manager *m)
{
	struct process *p, *next;
	struct held *h, *next_held;

	HASH_ITER (hh, m->processes, p, next) {
		process_continue(m, p);
		process_gone(m, p);
	}
	LL_FOREACH_SAFE(m->held, h, next_held)
	free(h);
}
