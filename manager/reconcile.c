// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What no record told of: the members that there are, by the hierarchy, and who of them stands, by
 * the lease map, against those that are known. A read of each group's members, and of each member's
 * status. Thread: the manager's loop.
 */
#include <errno.h>

#include "manager/manager_private.h"
#include "util/util.h"

void process_reconcile_stop(struct manager *m, struct process *p)
{
	struct lease_member member;

	if (!p->stopped && !lease_member_get(m->lease, p->tgid, &member) && member.stopped)
		process_stopped(m, p);
}

/* Forks. Who is in the map has its events, or had; who is not was never armed. */
static void reconcile_member(struct manager *m, struct group *g, pid_t pid)
{
	struct lease_member member;
	struct process *p;

	if (lease_member_get(m->lease, pid, &member)) {
		process_adopt(m, g, pid);
		return;
	}
	errno = 0;
	p = process_member(m, pid);
	if (p)
		process_reconcile_stop(m, p);
	else if (errno == ENOSPC)
		process_hold(m, pid, member.stopped);
}

static void reconcile_group(struct manager *m, struct group *g)
{
	cleanup_free char *path = group_path(g);
	cleanup_free pid_t *pids = NULL;
	size_t nr;

	if (!path || hierarchy_read(m->hierarchy, path, false, &pids, &nr))
		return;
	for (size_t i = 0; i < nr; i++)
		reconcile_member(m, g, pids[i]);
}

/* Exits. */
static void reconcile_ends(struct manager *m)
{
	struct process *p, *next;

	HASH_ITER (hh, m->processes, p, next) {
		struct process_usage u;
		struct lease_record r = {
			.type = LEASE_RECORD_EXIT,
			.tgid = (unsigned)p->tgid,
			.slot = p->group->slot,
			.nsec = now_nsec(),
		};

		if (process_usage_read(p->status_fd, &u) == -ESRCH)
			process_on_exit(m, &r);
	}
}

void groups_reconcile(struct manager *m)
{
	reconcile_ends(m);
	for (struct group *g = manager_root(m); g; g = group_next(manager_root(m), g))
		if (g->parent)
			reconcile_group(m, g);
}
