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
#include "util/log.h"
#include "util/util.h"

/* Generations of a process that forks while it is attached, each seen when the one before was set
 * right. */
#define SETTLE_ROUNDS 64

/* A list of so many pages, 64 MiB, takes 1 ms. */
#define LIST_AT_ONCE_PAGES 16384

/* What it used is not all used here now: rooms on both sides change. */
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
	if (p->group == to ? !process_count(m, p) : !process_recount(m, p, NULL))
		return;
	for (struct group *g = to; g->parent; g = g->parent)
		group_charge(m, g, (int64_t)(p->pages + p->nr_threads * g->tick_pages));
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
	int owner;       /* slot that what it has is charged to; -1: it stays with it */
	/* What it had is charged for with others; should it not get there, as before. */
	uint64_t saved, swap_saved, shared;
	struct owed_list owed;
	/* Of what is small the list is made at once: nothing is touched meanwhile. */
	unsigned image_nr, nr_rmdirs; /* then */
	bool has_list;
	int list_error;
	struct borrowed *list;
};

/*
 * What it has now stays charged where it is, as the kernel does it; a worker makes a list of that
 * before the kernel's part. Until then: all of it, less what it may have had anew.
 */
static void leave_behind(struct manager *m, struct attach *a, struct process *p, uint32_t owner)
{
	struct owed_list owed = p->owed;
	struct process_usage u;
	uint64_t faults = process_faults(p->tgid); /* first: what it touches now counts here */

	a->owner = (int)owner;
	a->saved = p->saved;
	a->swap_saved = p->swap_saved;
	a->shared = p->shared;
	a->owed = p->owed;
	a->image_nr = p->image_nr;
	a->nr_rmdirs = m->nr_rmdirs;
	p->moving = true;
	if (p->shares_vm || process_usage_read(p->status_fd, &u))
		return;
	if (p->joined_nsec)
		process_look_at_shmem(m, p, &u, false);
	process_forget_shmem(p, &u);
	a->has_list = u.rss_anon + u.swap <= LIST_AT_ONCE_PAGES;
	if (a->has_list)
		a->list_error = borrowed_take(p->tgid, p->borrowed, owner, &a->list);
	owed_add(&owed, owner, u.rss_anon - MIN(u.rss_anon, p->saved),
		 u.swap - MIN(u.swap, p->swap_saved));
	process_set_owed(m, p, &owed);
	process_save_all(p, &u, faults);
}

/* It is where it was. */
static void take_back(struct manager *m, const struct attach *a, struct process *p)
{
	if (a->owner < 0)
		return;
	p->moving = false;
	if (p->image_nr != a->image_nr)
		return;
	process_share_set(m, p,
			  &(struct share_member){
				  .counted = true,
				  .saved = a->saved,
				  .swap_saved = a->swap_saved,
				  .shared = a->shared,
				  .owed = a->owed,
				  .faults = p->faults_seen,
				  .anon = p->anon_seen,
			  },
			  true);
}

/*
 * A process that is not known yet: its place in the tables, and leases. In this order: who is made
 * while it is armed, and has not inherited all events, is told of.
 */
static int process_enter(struct manager *m, struct attach *a, const struct target *t,
			 struct group *g, struct process **ret)
{
	struct process *p = process_new(m, t->tgid, g, NULL);
	int r;

	if (!p)
		return -errno;
	/* What it shares it has now, and that stays behind. */
	process_set_shared_outside(m, p, false);
	leave_behind(m, a, p, 0);
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

static void attach_begin_next(struct manager *m);

static void attach_end(struct manager *m, int error)
{
	struct attach *a = m->attaches;

	LL_DELETE(m->attaches, a);
	/* Out of descriptors, wherever it shows: the budget is used up. */
	borrowed_put(a->list);
	a->done(error == -EMFILE || error == -ENFILE ? -ENOSPC : error, a->userdata);
	free(a->path);
	free(a);
}

/* ---- before the kernel's part ---- */

static int enter_known(struct manager *m, struct attach *a, struct process *p, struct group *g)
{
	int r;

	if (p->group == g)
		return 0;
	r = process_arm_for(m, p, g);
	if (r)
		return r;
	leave_behind(m, a, p, p->group->slot);
	precharge(m, g, p);
	r = lease_member_set(m->lease, p->tgid, g->slot, p->stopped);
	if (r) {
		take_back(m, a, p);
		process_rearm(m, p);
	} else {
		process_move(m, p, g);
	}
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
		r = enter_known(m, a, p, g);
	} else if (!g->parent || t->dead) {
		return 0;
	} else {
		r = process_enter(m, a, t, g, &p);
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
		take_back(m, a, p);
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

/* Who was forked while it was made has the same pages. */
static void give_to_newborn(struct manager *m, const struct attach *a, const struct process *p)
{
	struct process *x;

	if (!p->family || !p->borrowed)
		return;
	DL_FOREACH2(p->family->processes, x, family_next)
	if (x != p && x->born_usec >= a->since_usec && !x->borrowed)
		process_set_borrowed(m, x, borrowed_get(p->borrowed));
}

/* The list is there: from now on it says what is charged elsewhere. Without one all counts here. */
static void take_over(struct manager *m, struct attach *a, struct process *p)
{
	p->moving = false;
	if (p->image_nr != a->image_nr) /* all is its own */
		return;
	/* A list that was made while a group went has its slot, perhaps. */
	if (!a->list_error && a->nr_rmdirs != m->nr_rmdirs)
		a->list_error = -EAGAIN;
	if (a->list_error) {
		log_debug("process %d takes what it has along: %s", p->tgid,
			  strerror(-a->list_error));
		take_back(m, a, p);
		process_set_shared_outside(m, p, true);
		return;
	}
	process_set_borrowed(m, p, a->list);
	a->list = NULL;
	give_to_newborn(m, a, p);
	if (p->family)
		family_changed(m, p->family);
	else
		process_share_set(m, p, &(struct share_member){0}, true);
}

void attach_done(struct manager *m, struct job *j)
{
	struct process *p = j->nr ? j->processes[0] : NULL;
	struct attach *a = m->attaches;

	if (j->takes) {
		a->list_error = j->take_error;
		a->list = j->taken;
		j->taken = NULL;
	}
	if (j->error && p && p->group)
		leave(m, a, p);
	else if (p && p->group && a->owner >= 0)
		take_over(m, a, p);
	if (p)
		after_attach(m, a);
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
	a->owner = -1;
	r = target_find(a->tid, &a->caller, &t);
	if (r)
		return r;
	r = enter(m, a, &t, g, &p);
	if (!r) {
		r = job_attach(m, path, t.tid, a->whole, p, a->has_list ? -1 : a->owner);
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

void attach_inherit(struct manager *m, const struct group *from)
{
	struct attach *a = m->attaches; /* the others have not begun */

	if (!a)
		return;
	owed_rename(&a->owed, from->slot, from->parent->slot);
	if (a->owner == (int)from->slot)
		a->owner = (int)from->parent->slot;
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
		borrowed_put(a->list);
		free(a->path);
		free(a);
	}
	m->attaches = NULL;
}
