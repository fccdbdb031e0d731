// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A server's start: the groups that the state file and the hierarchy know, and the processes in
 * them, become groups and processes again. What the hierarchy has decides which groups there are;
 * the state file has their settings, and in a hierarchy that others use as well it tells which are
 * ours. Thread: the manager's loop, before it runs; process_adopt() later, too.
 */
#include <errno.h>
#include <string.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

static void strings_free(char **strings, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(strings[i]);
	free(strings);
}

void process_adopt(struct manager *m, struct group *g, pid_t pid)
{
	struct lineage *lineage = m->adopted;
	struct lease_member member = {};
	struct process *p;

	if (process_find(m, pid))
		return;
	/* Nobody armed it: a daemon before us, or somebody who wrote to the hierarchy itself. */
	if (lease_member_get(m->lease, pid, &member) || !lineage)
		if (lineage_new(m, pid, group_base_events(m), &lineage))
			return;
	lease_member_set(m->lease, pid, g->slot, member.stopped);
	p = process_new(m, pid, g, lineage);
	if (!p) {
		int error = errno;

		lineage->nr_live++;
		lineage_put(m, lineage);
		if (error == ENOSPC)
			process_hold(m, pid, member.stopped);
		else /* it ended meanwhile */
			lease_member_remove(m->lease, pid);
		return;
	}
	process_count(m, p); /* what it has was charged long ago */
	if (member.stopped)
		process_stopped(m, p);
}

static int adopt_members(struct manager *m, struct group *g, const char *path)
{
	cleanup_free pid_t *pids = NULL;
	size_t nr;
	int r = hierarchy_read(m->hierarchy, path, false, &pids, &nr);

	if (r)
		return r;
	for (size_t i = 0; i < nr; i++)
		process_adopt(m, g, pids[i]);
	return 0;
}

static int adopt_children(struct manager *m, struct group *parent, bool fresh_map);

static int adopt_below(struct manager *m, struct group *g, const char *path, bool fresh_map)
{
	int r = adopt_members(m, g, path);

	return r ? r : adopt_children(m, g, fresh_map);
}

/*
 * A record is of a group that is there under its name. One of that name made anew by somebody else
 * has another id; one that has none yet was made by a server that died over it.
 */
static int adopt_record(struct manager *m, struct group *parent, uint32_t slot, bool fresh_map)
{
	struct group_record *rec = &m->state->group[slot];
	cleanup_free char *path = group_child_path(parent, rec->name);
	struct group *g;
	uint64_t id;
	int r = path ? hierarchy_get_id(m->hierarchy, path, &id) : -ENOMEM;

	if (r == -ENOENT || r == -ENOTDIR || (!r && rec->hierarchy_id && rec->hierarchy_id != id))
		return 0;
	if (r)
		return r;
	rec->hierarchy_id = id;
	g = group_adopt_record(m, slot, parent);
	if (!g)
		return -ENOMEM;
	if (fresh_map)
		lease_slot_init(m->lease, slot, parent->slot);
	return adopt_below(m, g, path, fresh_map);
}

static int adopt_records(struct manager *m, struct group *parent, bool fresh_map)
{
	int r = 0;

	for (uint32_t slot = 1; !r && slot < STATE_MAX_GROUPS; slot++) {
		const struct group_record *rec = &m->state->group[slot];

		if (rec->in_use && rec->parent == parent->slot && !m->groups[slot])
			r = adopt_record(m, parent, slot, fresh_map);
	}
	return r;
}

/* A group that the hierarchy has and the state file has not. */
static int adopt_found(struct manager *m, struct group *parent, const char *name, bool fresh_map)
{
	cleanup_free char *path = group_child_path(parent, name);
	struct group *g;
	int r = path ? group_adopt_new(m, parent, name, &g) : -ENOMEM;

	if (!r)
		r = hierarchy_get_id(m->hierarchy, path, &g->record->hierarchy_id);
	if (r)
		return r;
	log_info("group %s was found without settings", name);
	return adopt_below(m, g, path, fresh_map);
}

static int adopt_rest(struct manager *m, struct group *parent, bool fresh_map)
{
	cleanup_free char *path = group_path(parent);
	char **names = NULL;
	size_t nr = 0;
	int r = path ? hierarchy_children(m->hierarchy, path, &names, &nr) : -ENOMEM;

	for (size_t i = 0; !r && i < nr; i++)
		/* What is longer cannot have been made through us. */
		if (strlen(names[i]) <= STATE_NAME_MAX && !group_child(parent, names[i]))
			r = adopt_found(m, parent, names[i], fresh_map);
	strings_free(names, nr);
	return r;
}

static int adopt_children(struct manager *m, struct group *parent, bool fresh_map)
{
	int r = adopt_records(m, parent, fresh_map);

	return r || hierarchy_is_shared(m->hierarchy) ? r : adopt_rest(m, parent, fresh_map);
}

/* Records of groups that the hierarchy no longer has. */
static void drop_stale_records(struct manager *m)
{
	for (uint32_t slot = 1; slot < STATE_MAX_GROUPS; slot++)
		if (m->state->group[slot].in_use && !m->groups[slot])
			state_slot_free(m->state, slot);
}

/*
 * Where leases do not survive their server: members that were forked before their parents were
 * armed anew, and stops that nobody answered while there was no server.
 */
static void rearm_rest(struct manager *m)
{
	struct process *p, *next;

	if (lease_survives(m->lease))
		return;
	groups_reconcile(m);
	lineage_drop_inherited(m);
	HASH_ITER (hh, m->processes, p, next)
		process_reconcile_stop(m, p);
}

int groups_adopt(struct manager *m)
{
	bool fresh_map = !lease_slot_get_room(m->lease, 0); /* the programs were loaded just now */
	struct group *g;
	int r;

	r = group_adopt_root(m);
	if (r)
		return r;
	if (fresh_map)
		lease_slot_init(m->lease, 0, 0);
	r = lineage_adopt(m);
	if (r)
		return r;
	r = adopt_children(m, manager_root(m), fresh_map);
	if (r)
		return r;
	rearm_rest(m);
	drop_stale_records(m);
	listeners_adopt(m);
	for (g = manager_root(m); g; g = group_next(manager_root(m), g)) {
		atomic_put(&g->record->under_oom, 0);
		/* Also of who has no limit: one may have been on its way when the last server
		 * ended. */
		group_limited_changed(m, g);
	}
	lineage_drop_adopted_faults(m);
	return 0;
}
