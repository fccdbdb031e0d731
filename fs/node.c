// SPDX-License-Identifier: GPL-2.0-or-later
/* Inode numbers of the tree, and what stat(2) says of one. No state of its own. */
#include "fs/node.h"

#include <string.h>

#include "util/util.h"

#define ROOT_NODE  ((node_t)1) /* FUSE_ROOT_ID */
#define INDEX_BITS 8
#define FOREIGN    ((node_t)1 << 62) /* not 63: a place in a directory is a signed number */

_Static_assert(STATE_MAX_FILES <= 1 << INDEX_BITS, "an index fits its bits");

node_t node_of(const struct group *g, unsigned index)
{
	if (index == 0 && !group_parent(g))
		return ROOT_NODE;
	return (node_t)group_id(g) << INDEX_BITS | index;
}

unsigned node_index(node_t node)
{
	return node == ROOT_NODE ? 0 : (unsigned)(node & ((1U << INDEX_BITS) - 1));
}

node_t node_of_foreign(uint64_t id, unsigned index)
{
	return id < FOREIGN >> INDEX_BITS ? FOREIGN | id << INDEX_BITS | index : 0;
}

uint64_t node_foreign(node_t node)
{
	return node & FOREIGN ? (node & ~FOREIGN) >> INDEX_BITS : 0;
}

struct place node_place(struct manager *m, node_t node)
{
	uint64_t foreign = node_foreign(node);

	if (foreign)
		return (struct place){.foreign = foreign};
	return (struct place){.group = node == ROOT_NODE ? group_id(manager_root(m))
							 : node >> INDEX_BITS};
}

node_t node_of_place(const struct place *p)
{
	return p->foreign ? node_of_foreign(p->foreign, 0) : (node_t)p->group << INDEX_BITS;
}

struct group *node_group(struct manager *m, node_t node)
{
	unsigned index = node_index(node);
	struct group *g;

	if (node_foreign(node))
		return NULL;

	if (node == ROOT_NODE)
		return manager_root(m);
	g = manager_group(m, node >> INDEX_BITS);
	return g && (index == 0 || control_file(g, index)) ? g : NULL;
}

/* NULL: the group was removed, or that is a directory. */
static const struct control_file *node_file(struct manager *m, node_t node)
{
	const struct control_file *file = NULL;
	const struct group *g;

	manager_rdlock(m);
	g = node_group(m, node);
	if (g)
		file = control_file(g, node_index(node));
	manager_unlock(m);
	return file;
}

/* What a directory of others' has: names and places as in a group of ours. */
static const struct {
	const char *name;
	bool is_procs;
} foreign_files[] = {{"tasks", false}, {"cgroup.procs", true}};

unsigned foreign_file_index(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(foreign_files); i++)
		if (strcmp(foreign_files[i].name, name) == 0)
			return i + 1;
	return 0;
}

/* "": it is the directory */
static const char *foreign_file_name(node_t node)
{
	unsigned index = node_index(node);

	return index ? foreign_files[index - 1].name : "";
}

bool foreign_file_is_procs(node_t node)
{
	return foreign_files[node_index(node) - 1].is_procs;
}

static bool foreign_getattr(struct manager *m, node_t node, pid_t reader, struct stat *ret)
{
	unsigned index = node_index(node);
	struct stat st;

	if (foreign_stat(m, node_foreign(node), foreign_file_name(node), &st) < 0)
		return false;
	*ret = (struct stat){
		.st_ino = node,
		.st_mode = st.st_mode,
		.st_nlink = st.st_nlink,
		.st_uid = st.st_uid,
		.st_gid = st.st_gid,
		.st_size = index ? node_size(m, node, reader) : 0,
		.st_blksize = (blksize_t)page_size(),
		.st_mtim = st.st_mtim,
		.st_ctim = st.st_ctim,
		.st_atim = st.st_atim,
	};
	return true;
}

bool node_getattr(struct manager *m, node_t node, pid_t reader, struct stat *ret)
{
	struct group *g;
	off_t size;

	if (node_foreign(node))
		return foreign_getattr(m, node, reader, ret);
	size = node_size(m, node, reader);
	manager_rdlock(m);
	g = node_group(m, node);
	if (g)
		node_stat(g, node_index(node), size, ret);
	manager_unlock(m);
	return g;
}

bool node_exists(struct manager *m, node_t node)
{
	struct stat st;
	bool there;

	if (node_foreign(node))
		return foreign_stat(m, node_foreign(node), "", &st) == 0;
	manager_rdlock(m);
	there = node_group(m, node);
	manager_unlock(m);
	return there;
}

static int foreign_text(struct manager *m, node_t node, pid_t reader, char **ret, size_t *ret_len)
{
	int r;

	if (node_index(node) == 0)
		return -EINVAL;
	r = foreign_tasks(m, node_foreign(node), foreign_file_is_procs(node), reader, ret, ret_len);
	return r == -ENOENT ? -ENODEV : r;
}

/* Room for as much again as the list is long. */
static off_t list_size(size_t len)
{
	return (off_t)((2 * len / page_size() + 1) * page_size());
}

int node_text(struct manager *m, node_t node, pid_t reader, char **ret, size_t *ret_len)
{
	struct file_scan scan = {.manager = m, .reader = reader};
	const struct control_file *file = NULL;
	const struct group *g;
	int r = -ENODEV;

	if (node_foreign(node))
		return foreign_text(m, node, reader, ret, ret_len);
	manager_rdlock(m);
	g = node_group(m, node);
	if (g) {
		scan.group_id = group_id(g);
		file = control_file(g, node_index(node));
		r = file && file->read ? file->read(g, ret, ret_len) : -EINVAL;
	}
	manager_unlock(m);
	return file && file->scan ? file->scan(&scan, ret, ret_len) : r;
}

/*
 * A program that trusts st_size, or has the kernel trust it (sendfile(2)), reads no further. So
 * where the text is another one by then, and to know its length takes a look at each member, it is
 * what sysfs says of its files, a page, which programs know to be a guess; of a list there is room
 * for as much again.
 */
off_t node_size(struct manager *m, node_t node, pid_t reader)
{
	bool foreign = node_foreign(node);
	const struct control_file *file = foreign ? NULL : node_file(m, node);
	size_t len;
	char *text;

	if (!foreign && (!file || (!file->read && !file->scan)))
		return 0;
	if (file && file->scan && !file->is_list)
		return (off_t)page_size();
	if (node_text(m, node, reader, &text, &len) < 0)
		return 0;
	free(text);
	return foreign || file->is_list ? list_size(len) : (off_t)len;
}

void node_stat(const struct group *g, unsigned index, off_t size, struct stat *ret)
{
	const struct file_attr *attr = group_attr(g, index);
	mode_t mode = attr->mode & 07777;

	/* A file that this version has and the one that left the state file had not. */
	if (attr->mode == 0)
		mode = index == 0 ? 0755 : control_file(g, index)->mode;

	*ret = (struct stat){
		.st_ino = node_of(g, index),
		.st_mode = (index == 0 ? S_IFDIR : S_IFREG) | mode,
		.st_nlink = index == 0 ? 2 + (nlink_t)group_nr_children(g) : 1,
		.st_uid = attr->uid,
		.st_gid = attr->gid,
		.st_size = size,
		.st_blksize = (blksize_t)page_size(),
		.st_mtim.tv_sec = attr->mtime_sec,
		.st_ctim.tv_sec = attr->mtime_sec,
		.st_atim.tv_sec = attr->mtime_sec,
	};
}
