// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Groups: their tree, their making and removal, names, modes. The tree's shape changes under the
 * write lock only. Thread: the manager's loop; accessors also by readers between manager_rdlock()
 * and manager_unlock().
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

#define ID_SLOT_BITS 16 /* of a group's id; the generation above them */

_Static_assert(STATE_MAX_GROUPS <= 1 << ID_SLOT_BITS, "slots fit an id");
_Static_assert(STATE_MAX_GROUPS == LEASE_MAX_SLOTS, "every group has a lease slot");

uint64_t group_id(const struct group *g)
{
	return ((uint64_t)g->record->generation << ID_SLOT_BITS) | g->slot;
}

struct group *manager_root(struct manager *m)
{
	return m->groups[0];
}

struct group *manager_group(struct manager *m, uint64_t id)
{
	uint64_t slot = id & ((1U << ID_SLOT_BITS) - 1);
	struct group *g = slot < STATE_MAX_GROUPS ? m->groups[slot] : NULL;

	return g && group_id(g) == id ? g : NULL;
}

struct group *group_child(const struct group *g, const char *name)
{
	struct group *child;

	HASH_FIND_STR(g->children, name, child);
	return child;
}

struct group *group_parent(const struct group *g)
{
	return g->parent;
}

struct group *group_first_child(const struct group *g)
{
	return g->children;
}

struct group *group_next_sibling(const struct group *g)
{
	return g->hh.next;
}

const char *group_name(const struct group *g)
{
	return g->record->name;
}

unsigned group_nr_children(const struct group *g)
{
	return HASH_COUNT(g->children);
}

const struct file_attr *group_attr(const struct group *g, unsigned index)
{
	return &g->record->attr[index];
}

const struct group_record *group_record(const struct group *g)
{
	return g->record;
}

struct group *group_next(const struct group *top, const struct group *g)
{
	if (g->children)
		return g->children;
	while (g != top) {
		if (g->hh.next)
			return g->hh.next;
		g = g->parent;
	}
	return NULL;
}

size_t nr_members_below(const struct group *top)
{
	size_t nr = 0;

	for (const struct group *g = top; g; g = group_next(top, g)) {
		const struct process *p;

		DL_FOREACH (g->members, p)
			nr++;
	}
	return nr;
}

void group_count_event(struct group *g, enum group_event event, uint64_t n)
{
	atomic_inc(&g->record->events[event], n);
}

char *group_path(const struct group *g)
{
	size_t size = 0; /* each name and the separator after it: the last one's is the NUL */
	char *path, *at;

	for (const struct group *x = g; x->parent; x = x->parent)
		size += strlen(x->record->name) + 1;
	path = calloc(1, MAX(size, 1));
	if (!path)
		return NULL;
	at = path + size;
	for (const struct group *x = g; x->parent; x = x->parent) {
		size_t n = strlen(x->record->name);

		*--at = x == g ? 0 : '/';
		at -= n;
		memcpy(at, x->record->name, n);
	}
	return path;
}

/* The child whose name path begins with; *ret_len is the name's length. */
static struct group *child_on_path(const struct group *g, const char *path, size_t *ret_len)
{
	struct group *child = NULL;
	size_t n = 0;

	while (path[n] && !child) {
		n += path[n] == '/';
		n += strcspn(path + n, "/");
		HASH_FIND(hh, g->children, path, n, child);
	}
	*ret_len = n;
	return child;
}

struct group *group_above_path(struct manager *m, const char *path, const char **ret_rest)
{
	struct group *g = manager_root(m), *child;
	size_t n;

	while ((child = child_on_path(g, path, &n))) {
		g = child;
		path += n;
		path += *path == '/';
	}
	*ret_rest = path;
	return g;
}

struct group *group_by_path(struct manager *m, const char *path)
{
	const char *rest;
	struct group *g = group_above_path(m, path, &rest);

	return *rest ? NULL : g;
}

char *group_child_path(const struct group *parent, const char *name)
{
	cleanup_free char *above = group_path(parent);
	char *path;

	if (!above || asprintf(&path, "%s%s%s", above, *above ? "/" : "", name) < 0)
		return NULL;
	return path;
}

static unsigned group_depth(const struct group *g)
{
	unsigned depth = 0;

	for (; g->parent; g = g->parent)
		depth++;
	return depth;
}

/* ---- making ---- */

static struct group *group_link(struct manager *m, uint32_t slot, struct group *parent)
{
	struct group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->slot = slot;
	g->record = &m->state->group[slot];
	g->parent = parent;
	manager_wrlock(m);
	m->groups[slot] = g;
	if (parent)
		HASH_ADD_KEYPTR(hh, parent->children, g->record->name, strlen(g->record->name), g);
	manager_unlock(m);
	return g;
}

static void group_unlink(struct manager *m, struct group *g)
{
	manager_wrlock(m);
	if (g->parent)
		HASH_DEL(g->parent->children, g);
	m->groups[g->slot] = NULL;
	manager_unlock(m);
	free(g);
}

static void record_init(struct manager *m, struct group_record *rec, const struct group *parent,
			const char *name)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	rec->parent = parent ? parent->slot : 0;
	rec->memory.limit = rec->memsw.limit = rec->kmem.limit = LIMIT_MAX_BYTES;
	rec->rss.limit = LIMIT_MAX_BYTES;
	rec->tcp.limit = LIMIT_MAX_BYTES;
	rec->soft_limit = LIMIT_MAX_BYTES;
	rec->watermarks = watermarks_default();
	rec->swappiness = parent ? parent->record->swappiness : 60;
	rec->oom_kill_disable = parent ? parent->record->oom_kill_disable : 0;
	rec->attr[0] = (struct file_attr){.mode = S_IFDIR | 0755, .mtime_sec = now.tv_sec};
	for (unsigned i = 1; i < m->config.nr_attr; i++) {
		rec->attr[i] = m->config.default_attr[i];
		rec->attr[i].mtime_sec = now.tv_sec;
	}
	snprintf(rec->name, sizeof(rec->name), "%s", name);
}

/* A new record in a free slot, linked into the tree. NULL and *ret_error when there is no place. */
static struct group *group_new(struct manager *m, struct group *parent, const char *name,
			       int *ret_error)
{
	int slot = state_slot_new(m->state);
	struct group *g;

	if (slot < 0) {
		*ret_error = slot;
		return NULL;
	}
	record_init(m, &m->state->group[slot], parent, name);
	lease_slot_init(m->lease, (uint32_t)slot, parent->slot);
	g = group_link(m, (uint32_t)slot, parent);
	if (!g) {
		state_slot_free(m->state, (uint32_t)slot);
		*ret_error = -ENOMEM;
		return NULL;
	}
	for (const struct group *x = parent; x; x = x->parent)
		if (group_is_limited(x))
			lease_slot_set_limited(m->lease, g->slot, true);
	return g;
}

int group_mkdir(struct manager *m, struct group *parent, const char *name, mode_t mode,
		const struct caller *c, struct group **ret)
{
	return strpbrk(name, "/\n") ? -EINVAL : group_mkdir_at(m, parent, name, mode, c, ret);
}

int group_mkdir_at(struct manager *m, struct group *parent, const char *name, mode_t mode,
		   const struct caller *c, struct group **ret)
{
	cleanup_free char *path = NULL;
	struct group *g;
	int r;

	if (!*name || strlen(name) > STATE_NAME_MAX)
		return -ENAMETOOLONG;
	if (group_child(parent, name))
		return -EEXIST;
	if (group_depth(parent) + 1 >= LEASE_MAX_DEPTH)
		return -EAGAIN; /* as the kernel says past cgroup.max.depth */
	path = group_child_path(parent, name);
	if (!path)
		return -ENOMEM;
	g = group_new(m, parent, name, &r);
	if (!g)
		return r;
	r = hierarchy_mkdir(m->hierarchy, path);
	if (!r)
		r = hierarchy_get_id(m->hierarchy, path, &g->record->hierarchy_id);
	if (r) {
		uint32_t slot = g->slot;

		group_unlink(m, g);
		state_slot_free(m->state, slot);
		return r;
	}
	manager_wrlock(m); /* readers see it already */
	g->record->attr[0].mode = S_IFDIR | (mode & 07777);
	for (unsigned i = 0; i < m->config.nr_attr; i++) {
		g->record->attr[i].uid = c->uid;
		g->record->attr[i].gid = c->gid;
	}
	manager_unlock(m);
	*ret = g;
	return 0;
}

/* ---- what an earlier server left ---- */

int group_adopt_root(struct manager *m)
{
	struct group_record *rec = &m->state->group[0];

	if (!(rec->attr[0].mode & S_IFDIR))
		record_init(m, rec, NULL, "");
	return group_link(m, 0, NULL) ? 0 : -ENOMEM;
}

int group_adopt_new(struct manager *m, struct group *parent, const char *name, struct group **ret)
{
	int r = 0;
	struct group *g = group_new(m, parent, name, &r);

	if (!g)
		return r;
	*ret = g;
	return 0;
}

struct group *group_adopt_record(struct manager *m, uint32_t slot, struct group *parent)
{
	return group_link(m, slot, parent);
}

/* A table of children is reached through the first of them: all tables go before any group. */
void groups_free(struct manager *m)
{
	for (uint32_t slot = 0; slot < STATE_MAX_GROUPS; slot++)
		if (m->groups[slot])
			HASH_CLEAR(hh, m->groups[slot]->children);
	for (uint32_t slot = 0; slot < STATE_MAX_GROUPS; slot++) {
		if (m->groups[slot])
			requests_forget(m->groups[slot]);
		free(m->groups[slot]);
		m->groups[slot] = NULL;
	}
}

/* ---- removal, renaming ---- */

/* Processes that the kernel no longer lists, but whose exit we have not been told of yet. */
static void group_orphan_members(struct manager *m, struct group *g)
{
	struct process *p, *next;

	DL_FOREACH_SAFE (g->members, p, next)
		process_gone(m, p);
}

int group_rmdir(struct manager *m, struct group *parent, const char *name)
{
	struct group *g = group_child(parent, name);
	struct listener *listeners;
	cleanup_free char *path = NULL;
	uint32_t slot;
	int r;

	if (!g)
		return -ENOENT;
	if (g->children || group_is_attached_to(m, g))
		return -EBUSY;
	path = group_path(g);
	if (!path)
		return -ENOMEM;
	r = hierarchy_rmdir(m->hierarchy, path);
	if (r)
		return r;
	group_limit_fail(g, -ENODEV);
	requests_fail(g, -ENODEV);
	group_orphan_members(m, g);
	/* What page cache is left is the parent's from now on; its counters had it already. */
	lease_files_move(m->lease, g->slot, parent->slot);
	slot = g->slot;
	if (g->job)
		g->job->group_id = 0;
	borrowed_inherit(m, g);
	shmem_inherit(m, g);
	attach_inherit(m, g);
	listeners = g->listeners;
	group_unlink(m, g);
	state_slot_free(m->state, slot);
	/* Now that it has gone: who is woken looks at once. */
	listeners_end(m, listeners);
	return 0;
}

int group_rename(struct manager *m, struct group *parent, const char *name,
		 struct group *new_parent, const char *new_name)
{
	struct group *g = group_child(parent, name);

	if (!g)
		return -ENOENT;
	if (parent != new_parent)
		return -EIO;
	return strpbrk(new_name, "/\n") ? -EINVAL : group_rename_at(m, g, new_name);
}

void group_set_name(struct manager *m, struct group *g, const char *name)
{
	manager_wrlock(m);
	HASH_DEL(g->parent->children, g);
	snprintf(g->record->name, sizeof(g->record->name), "%s", name);
	HASH_ADD_KEYPTR(hh, g->parent->children, g->record->name, strlen(g->record->name), g);
	manager_unlock(m);
}

int group_rename_at(struct manager *m, struct group *g, const char *new_name)
{
	cleanup_free char *path = NULL, *new_path = NULL;
	struct group *parent = g->parent;
	int r;

	if (!*new_name || strlen(new_name) > STATE_NAME_MAX)
		return -ENAMETOOLONG;
	if (group_child(parent, new_name))
		return -EEXIST;
	path = group_path(g);
	new_path = group_child_path(parent, new_name);
	if (!path || !new_path)
		return -ENOMEM;
	r = hierarchy_rename(m->hierarchy, path, new_path);
	if (r)
		return r;
	group_set_name(m, g, new_name);
	return 0;
}

/* ---- attributes ---- */

int group_set_attr(struct manager *m, struct group *g, unsigned index, const struct file_attr *a,
		   unsigned mask)
{
	struct file_attr *mine;

	if (index >= m->config.nr_attr)
		return -ENOENT;
	mine = &g->record->attr[index];
	manager_wrlock(m);
	if (mask & MANAGER_ATTR_MODE)
		mine->mode = (mine->mode & S_IFMT) | (a->mode & 07777);
	if (mask & MANAGER_ATTR_UID)
		mine->uid = a->uid;
	if (mask & MANAGER_ATTR_GID)
		mine->gid = a->gid;
	if (mask & MANAGER_ATTR_MTIME)
		mine->mtime_sec = a->mtime_sec;
	manager_unlock(m);
	return 0;
}
