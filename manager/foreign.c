/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Groups that others made in a hierarchy that is theirs as well as ours. Nothing is kept of them:
 * the kernel's id names one, also for the server after this one, and each call asks the kernel. A
 * group of ours below one is called by its path from the nearest group of ours above it. Looking:
 * any thread, without the lock; changing: the manager's loop.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "manager/manager_private.h"
#include "util/util.h"

int group_open_dir(struct manager *m, uint64_t id)
{
	cleanup_free char *path = NULL;
	const struct group *g;
	int fd = -ENODEV;

	manager_rdlock(m);
	g = manager_group(m, id);
	if (g) {
		path = group_path(g);
		fd = path ? hierarchy_open(m->hierarchy, path) : -ENOMEM;
	}
	manager_unlock(m);
	return fd;
}

static int place_open(struct manager *m, const struct place *p)
{
	return p->foreign ? hierarchy_open_id(m->hierarchy, p->foreign)
			  : group_open_dir(m, p->group);
}

/* Path of `name` in the directory dir. */
static int path_below(struct manager *m, int dir, const char *name, char **ret)
{
	cleanup_free char *above = NULL;
	int r = hierarchy_path_of(m->hierarchy, dir, &above);

	if (r)
		return r;
	if (asprintf(ret, "%s%s%s", above, *above && *name ? "/" : "", name) < 0)
		return -ENOMEM;
	return 0;
}

/* Whose the directory `name` in dir is. */
static int place_of(struct manager *m, int dir, const char *name, uint64_t id, struct place *ret)
{
	cleanup_free char *path = NULL;
	const struct group *g;
	int r = path_below(m, dir, name, &path);

	if (r)
		return r;
	*ret = (struct place){.foreign = id};
	manager_rdlock(m);
	g = group_by_path(m, path);
	if (g)
		*ret = (struct place){.group = group_id(g)};
	manager_unlock(m);
	return 0;
}

int place_find(struct manager *m, const struct place *in, const char *name, struct place *ret)
{
	cleanup_close int dir = -1;
	struct stat st;

	if (!hierarchy_is_shared(m->hierarchy))
		return -ENOENT;
	dir = place_open(m, in);
	if (dir < 0)
		return dir;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? place_of(m, dir, name, st.st_ino, ret) : -ENOENT;
}

int foreign_stat(struct manager *m, uint64_t id, const char *file, struct stat *ret)
{
	cleanup_close int dir = hierarchy_open_id(m->hierarchy, id);

	if (dir < 0)
		return dir;
	return fstatat(dir, file, ret, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0 ? -errno : 0;
}

int foreign_tasks(struct manager *m, uint64_t id, bool procs, pid_t reader, char **ret,
		  size_t *ret_len)
{
	cleanup_close int dir = hierarchy_open_id(m->hierarchy, id);
	int fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, procs ? "cgroup.procs" : "tasks", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : tasks_text(fd, reader, ret, ret_len);
}

/* ---- listing ---- */

static bool is_group_dir(const struct dirent *e)
{
	return e->d_type == DT_DIR && strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
}

static int entries_append(struct place_entry **entries, size_t *nr, const struct dirent *e)
{
	struct place_entry *more = reallocarray(*entries, *nr + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	*entries = more;
	more[*nr] = (struct place_entry){.place.foreign = e->d_ino, .name = strdup(e->d_name)};
	if (!more[*nr].name)
		return -ENOMEM;
	(*nr)++;
	return 0;
}

static int entries_read(DIR *dir, struct place_entry **entries, size_t *nr)
{
	const struct dirent *e;
	int r = 0;

	errno = 0;
	while (!r && (e = readdir(dir)))
		if (is_group_dir(e))
			r = entries_append(entries, nr, e);
	return r ? r : -errno;
}

void place_entries_free(struct place_entry *entries, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(entries[i].name);
	free(entries);
}

int place_list(struct manager *m, const struct place *p, struct place_entry **ret, size_t *ret_nr)
{
	struct place_entry *entries = NULL;
	size_t nr = 0;
	DIR *dir;
	int r = 0, fd;

	*ret = NULL;
	*ret_nr = 0;
	if (!hierarchy_is_shared(m->hierarchy))
		return 0;
	fd = place_open(m, p);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return fd < 0 ? fd : -ENOMEM;
	r = entries_read(dir, &entries, &nr);
	for (size_t i = 0; !r && i < nr; i++)
		r = place_of(m, fd, entries[i].name, entries[i].place.foreign, &entries[i].place);
	closedir(dir);
	if (r) {
		place_entries_free(entries, nr);
		return r;
	}
	*ret = entries;
	*ret_nr = nr;
	return 0;
}

/* ---- changes ---- */

/* The group of ours that is nearest above the foreign one or is it; and from there its path, and
 * that of `name` in it. */
static int nearest(struct manager *m, uint64_t id, const char *name, struct group **ret,
		   char **ret_rest)
{
	cleanup_close int dir = hierarchy_open_id(m->hierarchy, id);
	cleanup_free char *path = NULL;
	const char *rest;
	int r = dir < 0 ? dir : path_below(m, dir, name, &path);

	if (r)
		return r;
	*ret = group_above_path(m, path, &rest);
	*ret_rest = strdup(rest);
	return *ret_rest ? 0 : -ENOMEM;
}

int foreign_mkdir(struct manager *m, uint64_t id, const char *name, mode_t mode,
		  const struct caller *c, struct group **ret)
{
	cleanup_free char *rest = NULL;
	struct group *g;
	int r = nearest(m, id, name, &g, &rest);

	if (r)
		return r;
	return *rest ? group_mkdir_at(m, g, rest, mode, c, ret) : -EEXIST;
}

/* Of the foreign directory `name` in p, or of one of ours that is called by its path. */
static int place_path(struct manager *m, const struct place *p, const char *name, char **ret)
{
	cleanup_close int dir = place_open(m, p);

	return dir < 0 ? dir : path_below(m, dir, name, ret);
}

int place_rmdir(struct manager *m, const struct place *in, const char *name)
{
	cleanup_free char *path = NULL;
	struct group *g;
	int r = hierarchy_is_shared(m->hierarchy) ? place_path(m, in, name, &path) : -ENOENT;

	if (r)
		return r;
	g = group_by_path(m, path);
	return g ? group_rmdir(m, g->parent, g->record->name) : hierarchy_rmdir(m->hierarchy, path);
}

/* Whether a group that is called by its path is below the directory at path. */
static bool is_below(const struct group *g, const char *path)
{
	size_t len = strlen(path);

	return strncmp(g->record->name, path, len) == 0 && g->record->name[len] == '/';
}

/* One of others', and what is ours in it: that is called by another path then. */
static int foreign_rename(struct manager *m, const char *path, const char *new_path)
{
	const char *old, *new;
	struct group *g = group_above_path(m, path, &old), *child, *next;
	char name[STATE_NAME_MAX + 1];
	int r;

	group_above_path(m, new_path, &new);
	if (!*new)
		return -EEXIST;
	HASH_ITER (hh, g->children, child, next)
		if (is_below(child, old) &&
		    strlen(child->record->name) - strlen(old) + strlen(new) > STATE_NAME_MAX)
			return -ENAMETOOLONG;
	r = hierarchy_rename(m->hierarchy, path, new_path);
	if (r)
		return r;
	HASH_ITER (hh, g->children, child, next) {
		if (!is_below(child, old))
			continue;
		snprintf(name, sizeof(name), "%s%s", new, child->record->name + strlen(old));
		group_set_name(m, child, name);
	}
	return 0;
}

int place_rename(struct manager *m, const struct place *in, const char *name, const char *new_name)
{
	cleanup_free char *path = NULL, *new_path = NULL;
	const char *rest;
	struct group *g;
	int r = hierarchy_is_shared(m->hierarchy) ? place_path(m, in, name, &path) : -ENOENT;

	if (!r)
		r = place_path(m, in, new_name, &new_path);
	if (r)
		return r;
	g = group_by_path(m, path);
	if (!g)
		return foreign_rename(m, path, new_path);
	group_above_path(m, new_path, &rest);
	return *rest ? group_rename_at(m, g, rest) : -EEXIST;
}

void foreign_attach(struct manager *m, uint64_t id, pid_t tid, bool whole, const struct caller *c,
		    group_done_fn done, void *userdata)
{
	cleanup_close int dir = hierarchy_open_id(m->hierarchy, id);
	cleanup_free char *path = NULL;
	const char *rest;
	int r = dir < 0 ? dir : path_below(m, dir, "", &path);

	if (r)
		done(r, userdata);
	else
		attach_at(m, group_above_path(m, path, &rest), path, tid, whole, c, done, userdata);
}
