// SPDX-License-Identifier: GPL-2.0-or-later
/* Names, attributes and listings of the mounted tree: answered on FUSE threads. */
#include "fs/tree.h"

#include <string.h>
#include <sys/statvfs.h>

#include "util/util.h"

/* Bytes of one listing, whatever the client asks for. */
#define READDIR_MAX ((size_t)64 << 10)

static void reply_entry(fuse_req_t req, const struct stat *st)
{
	bool is_dir = S_ISDIR(st->st_mode);
	struct fuse_entry_param entry = {
		.ino = st->st_ino,
		.attr = *st,
		.entry_timeout = is_dir ? DIR_TIMEOUT : FILE_ENTRY_TIMEOUT,
		.attr_timeout = is_dir ? DIR_TIMEOUT : FILE_ATTR_TIMEOUT,
	};

	fuse_reply_entry(req, &entry);
}

void tree_reply_group(fuse_req_t req, const struct group *g)
{
	struct stat st;

	node_stat(g, 0, 0, &st);
	reply_entry(req, &st);
}

void tree_reply_attr(fuse_req_t req, const struct stat *st)
{
	fuse_reply_attr(req, st, S_ISDIR(st->st_mode) ? DIR_TIMEOUT : FILE_ATTR_TIMEOUT);
}

/* NULL: there is no such name. Under the lock. */
static struct group *find_name(struct manager *m, node_t parent, const char *name,
			       unsigned *ret_index)
{
	struct group *g = node_index(parent) == 0 ? node_group(m, parent) : NULL;
	unsigned index = g ? control_file_index(g, name) : 0;

	*ret_index = index;
	return g && index == 0 ? group_child(g, name) : g;
}

/* The same of what is others', or in a directory of others'. */
static node_t find_place(struct manager *m, node_t parent, const char *name)
{
	unsigned index = node_foreign(parent) ? foreign_file_index(name) : 0;
	struct place in = node_place(m, parent), found;

	if (index)
		return node_of_foreign(in.foreign, index);
	return place_find(m, &in, name, &found) < 0 ? 0 : node_of_place(&found);
}

/* 0: there is no such name. */
static node_t find_node(struct manager *m, node_t parent, const char *name)
{
	node_t node = 0;
	unsigned index;
	struct group *g;

	manager_rdlock(m);
	g = find_name(m, parent, name, &index);
	if (g)
		node = node_of(g, index);
	manager_unlock(m);
	return node ? node : find_place(m, parent, name);
}

void tree_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct manager *m = fs_of(req)->manager;
	node_t node = find_node(m, parent, name);
	struct stat st;

	if (node && node_getattr(m, node, fuse_req_ctx(req)->pid, &st))
		reply_entry(req, &st);
	else
		fuse_reply_err(req, ENOENT);
}

void tree_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	if (node_getattr(fs_of(req)->manager, ino, fuse_req_ctx(req)->pid, &st))
		tree_reply_attr(req, &st);
	else
		fuse_reply_err(req, ENOENT);
}

void tree_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st = {
		.f_bsize = page_size(),
		.f_frsize = page_size(),
		.f_namemax = STATE_NAME_MAX,
	};

	(void)ino;
	fuse_reply_statfs(req, &st);
}

/* ---- listings ---- */

/*
 * Where a listing goes on, after which entry: 1 and 2 are "." and "..", 2 + index is a control
 * file, all below 256; from there on it is a child's inode number. Children are listed in that
 * order, so that none is listed twice or left out when others come and go in between.
 */
enum { OFF_DOT = 1, OFF_DOTDOT = 2 };

_Static_assert(OFF_DOTDOT + STATE_MAX_FILES < 256, "a child's inode number is above all of them");

struct listing {
	fuse_req_t req;
	char *buf;
	size_t size, used;
};

/* False: no room for it. */
static bool list(struct listing *l, const char *name, node_t ino, mode_t type, off_t off)
{
	struct stat st = {.st_ino = ino, .st_mode = type};
	size_t room = l->size - l->used;
	size_t need = fuse_add_direntry(l->req, l->buf + l->used, room, name, &st, off);

	if (need > room)
		return false;
	l->used += need;
	return true;
}

static bool list_dots(struct listing *l, node_t self, node_t parent, off_t after)
{
	return (after >= OFF_DOT || list(l, ".", self, S_IFDIR, OFF_DOT)) &&
	       (after >= OFF_DOTDOT || list(l, "..", parent, S_IFDIR, OFF_DOTDOT));
}

static bool list_files(struct listing *l, const struct group *g, off_t after)
{
	const struct group *parent = group_parent(g);

	if (!list_dots(l, node_of(g, 0), node_of(parent ? parent : g, 0), after))
		return false;
	for (unsigned i = 1; i <= control_file_last(); i++) {
		const struct control_file *file = control_file(g, i);
		off_t off = OFF_DOTDOT + (off_t)i;

		if (file && after < off && !list(l, file->name, node_of(g, i), S_IFREG, off))
			return false;
	}
	return true;
}

static int by_node(const void *a, const void *b)
{
	node_t x = node_of(*(struct group *const *)a, 0), y = node_of(*(struct group *const *)b, 0);

	return (x > y) - (x < y);
}

/* One that is called by a path is in a directory of others'. */
static bool is_listed(const struct group *g, off_t after)
{
	return node_of(g, 0) > (node_t)after && !strchr(group_name(g), '/');
}

/* 1, 0 when there was no room for all, or -errno. */
static int list_children(struct listing *l, const struct group *g, off_t after)
{
	cleanup_free struct group **children = NULL;
	size_t nr = 0;

	children = calloc(group_nr_children(g) + 1, sizeof(*children));
	if (!children)
		return -ENOMEM;
	for (struct group *c = group_first_child(g); c; c = group_next_sibling(c))
		if (is_listed(c, after))
			children[nr++] = c;
	qsort(children, nr, sizeof(*children), by_node);
	for (size_t i = 0; i < nr; i++) {
		node_t ino = node_of(children[i], 0);

		if (!list(l, group_name(children[i]), ino, S_IFDIR, (off_t)ino))
			return 0;
	}
	return 1;
}

static int list_group(struct manager *m, struct listing *l, node_t node, off_t after)
{
	const struct group *g;
	int r = -ENOENT;

	manager_rdlock(m);
	g = node_group(m, node);
	if (g)
		r = list_files(l, g, after) ? list_children(l, g, after) : 0;
	manager_unlock(m);
	return r;
}

/* ---- of others ---- */

static int by_place(const void *a, const void *b)
{
	node_t x = node_of_place(&((const struct place_entry *)a)->place),
	       y = node_of_place(&((const struct place_entry *)b)->place);

	return (x > y) - (x < y);
}

static void list_entry(struct listing *l, const struct place_entry *e, off_t after)
{
	node_t ino = node_of_place(&e->place);

	if (ino > (node_t)after && !list(l, e->name, ino, S_IFDIR, (off_t)ino))
		l->size = l->used; /* nor anything after it */
}

/* Groups that others made in the directory; in theirs, also those of ours. */
static int list_others(struct manager *m, struct listing *l, node_t node, off_t after)
{
	struct place in = node_place(m, node);
	struct place_entry *entries;
	size_t nr;
	int r = place_list(m, &in, &entries, &nr);

	if (r < 0)
		return r;
	if (nr > 0)
		qsort(entries, nr, sizeof(*entries), by_place);
	for (size_t i = 0; i < nr; i++)
		if (in.foreign || entries[i].place.foreign)
			list_entry(l, &entries[i], after);
	place_entries_free(entries, nr);
	return 0;
}

static int list_foreign(struct listing *l, node_t node, off_t after)
{
	static const char *const names[] = {"tasks", "cgroup.procs"};

	if (!list_dots(l, node, node, after))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		unsigned index = foreign_file_index(names[i]);
		off_t off = OFF_DOTDOT + (off_t)index;

		if (after < off && !list(l, names[i], node | index, S_IFREG, off))
			return 0;
	}
	return 1;
}

void tree_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct manager *m = fs_of(req)->manager;
	struct listing l = {.req = req, .size = MIN(size, READDIR_MAX)};
	int r;

	(void)fi;
	l.buf = malloc(l.size);
	if (!l.buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	r = node_foreign(ino) ? list_foreign(&l, ino, off) : list_group(m, &l, ino, off);
	if (r > 0)
		r = list_others(m, &l, ino, off);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_buf(req, l.buf, l.used);
	free(l.buf);
}
