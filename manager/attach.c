// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Attaching: a process's lease, its place in the member map, and the kernel's membership, in this
 * order, so that it is never in a group without being charged to it; and back again if the last
 * step fails (attach_rollback of the 2008 patch). The kernel takes 2 to 11 ms for its part, because
 * it waits for all CPUs (cgroup_threadgroup_rwsem): a worker waits for it, and one attach is under
 * way at a time. Thread: the manager's loop.
 */
#include <errno.h>
#include <string.h>

#include "manager/manager_private.h"
#include "util/util.h"

/* Generations of a process that forks while it is attached, each seen when the one before was set
 * right. */
#define SETTLE_ROUNDS 64

/* What it used is used here now: rooms on both sides change. */
static void after_move(struct manager *m, struct group *from, struct group *to)
{
	struct group *const sides[] = {from, to};

	for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
		for (struct group *g = sides[i]; g && g->parent; g = g->parent) {
			group_true_up(m, g);
			group_settle(m, g);
		}
	}
}

static bool settle_born_since(struct manager *m, uint64_t since_usec)
{
	struct process *p, *next;
	bool moved = false;

	HASH_ITER (hh, m->processes, p, next) {
		cleanup_free char *path = NULL;
		const char *rest;
		struct group *g;

		if (p->born_usec < since_usec || hierarchy_of(m->hierarchy, p->tgid, &path))
			continue;
		g = group_above_path(m, path, &rest);
		if (g == p->group)
			continue;
		lease_member_set(m->lease, p->tgid, g->slot, p->stopped);
		process_move(m, p, g);
		moved = true;
	}
	return moved;
}

/*
 * Who was forked between entering the member map and the kernel's group: the kernel's group is
 * right. So it is for those whom they forked before they were set right themselves.
 */
static bool settle_newborn(struct manager *m, uint64_t since_usec)
{
	bool moved = false;

	for (int i = 0; i < SETTLE_ROUNDS; i++) {
		uint64_t now = now_usec();

		lease_dispatch(m->lease);
		if (!settle_born_since(m, since_usec))
			break;
		moved = true;
		since_usec = now; /* those before have been looked at */
	}
	return moved;
}

/*
 * What it brings along is charged before it can charge anything there itself; the true-up
 * afterwards sets it right, also when the move fails.
 */
static void precharge(struct manager *m, struct group *to, struct process *p)
{
	if (p->group == to ? !process_count(p) : !process_recount(m, p, NULL))
		return;
	for (struct group *g = to; g->parent; g = g->parent)
		lease_slot_set_room(m->lease, g->slot,
				    -(int64_t)(p->pages + p->nr_threads * g->tick_pages), 0);
}

/* An exit before the member map knew of the process is told of by nobody. */
static bool has_ended(const struct process *p)
{
	struct process_usage u;

	return process_usage_read(p->status_fd, &u) || (u.state == 'Z' && u.nr_threads <= 1);
}

static void process_leave(struct manager *m, struct process *p)
{
	lease_member_remove(m->lease, p->tgid);
	process_gone(m, p);
}

/*
 * A process that is not known yet: its place in the tables, and leases. In this order: who is made
 * while it is armed, and has not inherited all events, is told of.
 */
static int process_enter(struct manager *m, const struct target *t, struct group *g,
			 struct process **ret)
{
	struct process *p = process_new(m, t->tgid, g, NULL);
	int r;

	if (!p)
		return -errno;
	precharge(m, g, p);
	r = lease_member_set(m->lease, t->tgid, g->slot, false);
	if (!r)
		r = process_renew_lineage(m, p);
	if (!r)
		r = process_arm_for(m, p, g);
	if (!r && has_ended(p))
		r = -ESRCH;
	if (r) {
		process_leave(m, p);
		return r;
	}
	*ret = p;
	return 0;
}

/* ---- the queue ---- */

struct attach {
	struct attach *next;
	uint64_t group_id;
	char *path; /* in the hierarchy, if it is not the group's own */
	pid_t tid;
	bool whole;
	struct caller caller;
	group_done_fn done;
	void *userdata;

	/* Once it has begun. */
	uint64_t since_usec;
	uint64_t old_id; /* of the group that the process was in; 0: in none */
};

static void attach_begin_next(struct manager *m);

static void attach_end(struct manager *m, int error)
{
	struct attach *a = m->attaches;

	LL_DELETE(m->attaches, a);
	/* Out of descriptors, wherever it shows: the budget is used up. */
	a->done(error == -EMFILE || error == -ENFILE ? -ENOSPC : error, a->userdata);
	free(a->path);
	free(a);
}

/* ---- before the kernel's part ---- */

static int enter_known(struct manager *m, struct process *p, struct group *g)
{
	int r;

	if (p->group == g)
		return 0;
	r = process_arm_for(m, p, g);
	if (r)
		return r;
	precharge(m, g, p);
	r = lease_member_set(m->lease, p->tgid, g->slot, p->stopped);
	if (r)
		process_rearm(m, p);
	else
		process_move(m, p, g);
	return r;
}

/* ret_p: NULL where there is nothing to charge, and the kernel's list is all that changes. */
static int enter(struct manager *m, struct attach *a, const struct target *t, struct group *g,
		 struct process **ret_p)
{
	struct process *p;
	int r;

	/* A thread's charges go to its leader's group. */
	*ret_p = NULL;
	if (!a->whole && t->tid != t->tgid)
		return 0;
	lease_dispatch(m->lease); /* it may be a child not yet heard of */
	p = process_member(m, t->tgid);
	if (p) {
		a->old_id = group_id(p->group);
		r = enter_known(m, p, g);
	} else if (!g->parent || t->dead) {
		return 0;
	} else {
		r = process_enter(m, t, g, &p);
	}
	if (!r)
		*ret_p = p;
	return r;
}

/* ---- after it ---- */

static void leave(struct manager *m, const struct attach *a, struct process *p)
{
	struct group *old = a->old_id ? manager_group(m, a->old_id) : NULL;

	if (a->old_id && !old) /* somebody else moved it, and removed that group */
		old = manager_root(m);
	if (!old) {
		process_leave(m, p);
	} else if (old != p->group) {
		lease_member_set(m->lease, p->tgid, old->slot, p->stopped);
		process_move(m, p, old);
	}
}

static void after_attach(struct manager *m, const struct attach *a)
{
	struct group *old = a->old_id ? manager_group(m, a->old_id) : NULL;

	after_move(m, old, manager_group(m, a->group_id));
	/* Of an attach that failed, too. */
	if (settle_newborn(m, a->since_usec))
		after_move(m, old, manager_group(m, a->group_id));
}

void attach_done(struct manager *m, struct job *j)
{
	struct process *p = j->nr ? j->processes[0] : NULL;

	if (j->error && p && p->group)
		leave(m, m->attaches, p);
	if (p)
		after_attach(m, m->attaches);
	attach_end(m, j->error);
	attach_begin_next(m);
}

/* ---- */

/* 0: a worker is at it. */
static int attach_begin(struct manager *m, struct attach *a)
{
	struct group *g = manager_group(m, a->group_id);
	cleanup_free char *own = g && !a->path ? group_path(g) : NULL;
	const char *path = a->path ? a->path : own;
	struct process *p;
	struct target t;
	int r;

	if (!g || !path)
		return g ? -ENOMEM : -ENODEV;
	a->since_usec = now_usec();
	r = target_find(a->tid, &a->caller, &t);
	if (r)
		return r;
	r = enter(m, a, &t, g, &p);
	if (!r) {
		r = job_attach(m, path, t.tid, a->whole, p);
		if (r && p)
			leave(m, a, p);
	}
	if (r)
		after_attach(m, a);
	return r;
}

static void attach_begin_next(struct manager *m)
{
	while (m->attaches) {
		int r = attach_begin(m, m->attaches);

		if (!r)
			return;
		attach_end(m, r);
	}
}

void group_attach(struct manager *m, struct group *g, pid_t tid, bool whole, const struct caller *c,
		  group_done_fn done, void *userdata)
{
	attach_at(m, g, NULL, tid, whole, c, done, userdata);
}

void attach_at(struct manager *m, struct group *g, const char *path, pid_t tid, bool whole,
	       const struct caller *c, group_done_fn done, void *userdata)
{
	struct attach *a = calloc(1, sizeof(*a));
	char *copy = path ? strdup(path) : NULL;
	bool busy = m->attaches;

	if (!a || (path && !copy)) {
		free(a);
		free(copy);
		done(-ENOMEM, userdata);
		return;
	}
	*a = (struct attach){
		.group_id = group_id(g),
		.path = copy,
		.tid = tid,
		.whole = whole,
		.caller = *c,
		.done = done,
		.userdata = userdata,
	};
	LL_APPEND(m->attaches, a);
	if (!busy)
		attach_begin_next(m);
}

bool group_is_attached_to(const struct manager *m, const struct group *g)
{
	return m->attaches && m->attaches->group_id == group_id(g);
}

void attaches_free(struct manager *m)
{
	struct attach *a, *next;

	LL_FOREACH_SAFE(m->attaches, a, next)
	{
		free(a->path);
		free(a);
	}
	m->attaches = NULL;
}
