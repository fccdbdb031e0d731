// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Attaching: a process's lease, its place in the member map, and the kernel's membership, in this
 * order, so that it is never in a group without being charged to it; and back again if the last
 * step fails (attach_rollback of the 2008 patch). Thread: the manager's loop.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "manager/manager_private.h"
#include "manager/pid_namespace.h"
#include "util/log.h"
#include "util/util.h"

/* Generations of a process that forks while it is attached, each seen when the one before was set
 * right. */
#define SETTLE_ROUNDS 64

struct target {
	pid_t tid, tgid;
	bool dead; /* a zombie, and no thread of it lives */
	uid_t uid, saved_uid;
};

static const char *status_value(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? at + strlen(key) : NULL;
}

/* Who the thread is. 0, -ESRCH or -ENOMEM. */
static int target_read(pid_t tid, struct target *ret)
{
	const char *tgid, *uid, *state, *threads;
	cleanup_free char *text = malloc(STATUS_MAX_BYTES);
	char path[32];
	unsigned real, effective, saved;

	if (!text)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%d/status", tid);
	if (proc_read(path, text, STATUS_MAX_BYTES) < 0)
		return -ESRCH;
	tgid = status_value(text, "\nTgid:");
	uid = status_value(text, "\nUid:");
	state = status_value(text, "\nState:\t");
	threads = status_value(text, "\nThreads:");
	if (!tgid || !uid || !state || sscanf(uid, "%u %u %u", &real, &effective, &saved) != 3)
		return -ESRCH;
	*ret = (struct target){
		.tid = tid,
		.tgid = (pid_t)strtol(tgid, NULL, 10),
		.uid = real,
		.saved_uid = saved,
		.dead = *state == 'Z' && (!threads || strtol(threads, NULL, 10) <= 1),
	};
	return 0;
}

/* A memcgfs daemon at its limit would wait for itself. */
static bool is_daemon(pid_t tgid)
{
	struct stat ours, theirs;
	char path[32], comm[32];

	snprintf(path, sizeof(path), "%d/comm", tgid);
	if (proc_read(path, comm, sizeof(comm)) < 0 || strncmp(comm, "memcgfs", 7))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/exe", tgid);
	return !stat(path, &theirs) && !stat("/proc/self/exe", &ours) &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

static int target_find(pid_t tid, const struct caller *c, struct target *ret)
{
	cleanup_close int ns = -1;
	int r;

	if (!tid) {
		tid = c->pid;
	} else {
		ns = pid_namespace_open(c->pid);
		if (ns < 0 && ns != -ENOENT)
			return ns;
		if (ns >= 0)
			tid = pid_from_namespace(ns, tid);
		if (tid <= 0)
			return -ESRCH;
	}
	r = target_read(tid, ret);
	if (r)
		return r;
	if (is_daemon(ret->tgid))
		return -EINVAL;
	/* As cgroup1_procs_write() in the kernel has it. */
	if (c->uid && c->uid != ret->uid && c->uid != ret->saved_uid)
		return -EACCES;
	return 0;
}

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
		struct group *g;

		if (p->born_usec < since_usec || hierarchy_of(m->hierarchy, p->tgid, &path))
			continue;
		g = group_by_path(m, path);
		if (!g || g == p->group)
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

static int attach_known(struct manager *m, struct process *p, struct group *g,
			const struct target *t, bool whole, const char *path)
{
	struct group *old = p->group;
	int r;

	if (old == g)
		return hierarchy_attach(m->hierarchy, path, t->tid, whole);
	r = process_arm_for(m, p, g);
	if (r)
		return r;
	precharge(m, g, p);
	r = lease_member_set(m->lease, p->tgid, g->slot, p->stopped);
	if (!r)
		r = hierarchy_attach(m->hierarchy, path, t->tid, whole);
	if (r) {
		lease_member_set(m->lease, p->tgid, old->slot, p->stopped);
		process_rearm(m, p);
	} else {
		process_move(m, p, g);
	}
	after_move(m, old, g);
	return r;
}

static int attach_new(struct manager *m, struct group *g, const struct target *t, bool whole,
		      const char *path)
{
	struct process *p = NULL;
	int r = process_enter(m, t, g, &p);

	if (!r) {
		r = hierarchy_attach(m->hierarchy, path, t->tid, whole);
		if (r)
			process_leave(m, p);
	}
	after_move(m, NULL, g);
	return r;
}

static int attach(struct manager *m, struct group *g, pid_t tid, bool whole, const struct caller *c)
{
	cleanup_free char *path = group_path(g);
	uint64_t since = now_usec();
	struct group *old;
	struct process *p;
	struct target t;
	int r;

	if (!path)
		return -ENOMEM;
	r = target_find(tid, c, &t);
	if (r)
		return r;
	/* A thread's charges go to its leader's group: moving it alone changes what the kernel
	 * lists, no more. */
	if (!whole && t.tid != t.tgid)
		return hierarchy_attach(m->hierarchy, path, t.tid, false);
	lease_dispatch(m->lease); /* it may be a child not yet heard of */
	p = process_member(m, t.tgid);
	old = p ? p->group : NULL;
	if (p)
		r = attach_known(m, p, g, &t, whole, path);
	else if (!g->parent || t.dead) /* nothing to charge */
		r = hierarchy_attach(m->hierarchy, path, t.tid, whole);
	else
		r = attach_new(m, g, &t, whole, path);
	/* Of an attach that failed, too. */
	if (settle_newborn(m, since))
		after_move(m, old, g);
	return r;
}

/* Out of descriptors, wherever it shows: the budget is used up. */
int group_attach(struct manager *m, struct group *g, pid_t tid, bool whole, const struct caller *c)
{
	int r = attach(m, g, tid, whole, c);

	return r == -EMFILE || r == -ENFILE ? -ENOSPC : r;
}
