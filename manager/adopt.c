// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A server's start: the groups that the state file and the hierarchy know, and the processes in
 * them, become groups and processes again. What the hierarchy has decides which groups there are;
 * the state file has their settings. Thread: the manager's loop, before it runs.
 */
#include <string.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

/* The record that an earlier server had for this child, or -ENOENT. */
static int find_record(struct manager *m, uint32_t parent, const char *name)
{
	for (uint32_t slot = 1; slot < STATE_MAX_GROUPS; slot++) {
		const struct group_record *rec = &m->state->group[slot];

		if (rec->in_use && rec->parent == parent && !strcmp(rec->name, name))
			return (int)slot;
	}
	return -ENOENT;
}

static void strings_free(char **strings, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(strings[i]);
	free(strings);
}

static void adopt_member(struct manager *m, struct group *g, pid_t pid)
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
	if (!p) { /* it ended meanwhile */
		lease_member_remove(m->lease, pid);
		lineage->nr_live++;
		lineage_put(m, lineage);
		return;
	}
	process_count(p); /* what it has was charged long ago */
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
		adopt_member(m, g, pids[i]);
	return 0;
}

void groups_reconcile(struct manager *m)
{
	for (struct group *g = manager_root(m); g; g = group_next(manager_root(m), g)) {
		cleanup_free char *path = g->parent ? group_path(g) : NULL;

		if (path)
			adopt_members(m, g, path);
	}
}

static int adopt_group(struct manager *m, struct group *parent, const char *name, bool fresh_map,
		       struct group **ret)
{
	int slot = find_record(m, parent->slot, name), r;

	if (slot < 0) {
		r = group_adopt_new(m, parent, name, ret);
		if (!r)
			log_info("group %s was found without settings", name);
		return r;
	}
	*ret = group_adopt_record(m, (uint32_t)slot, parent);
	if (!*ret)
		return -ENOMEM;
	if (fresh_map)
		lease_slot_init(m->lease, (uint32_t)slot, parent->slot);
	return 0;
}

static int adopt_children(struct manager *m, struct group *parent, const char *path, bool fresh_map)
{
	char **names = NULL;
	size_t nr = 0;
	int r = hierarchy_children(m->hierarchy, path, &names, &nr);

	for (size_t i = 0; !r && i < nr; i++) {
		struct group *g;
		cleanup_free char *below = NULL;

		if (strlen(names[i]) > STATE_NAME_MAX) /* cannot have been made through us */
			continue;
		r = adopt_group(m, parent, names[i], fresh_map, &g);
		if (r)
			break;
		below = group_path(g);
		r = below ? adopt_members(m, g, below) : -ENOMEM;
		if (!r)
			r = adopt_children(m, g, below, fresh_map);
	}
	strings_free(names, nr);
	return r;
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
	HASH_ITER (hh, m->processes, p, next) {
		struct lease_member member;

		if (!p->stopped && !lease_member_get(m->lease, p->tgid, &member) && member.stopped)
			process_stopped(m, p);
	}
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
	r = adopt_children(m, manager_root(m), "", fresh_map);
	if (r)
		return r;
	rearm_rest(m);
	drop_stale_records(m);
	listeners_adopt(m);
	for (g = manager_root(m); g; g = group_next(manager_root(m), g)) {
		atomic_put(&g->record->under_oom, 0);
		if (group_is_limited(g))
			group_limited_changed(m, g);
	}
	lineage_drop_adopted_faults(m);
	return 0;
}
