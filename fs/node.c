// SPDX-License-Identifier: GPL-2.0-or-later
/* Inode numbers of the tree, and what stat(2) says of one. No state of its own. */
#include "fs/node.h"

#include "util/util.h"

#define ROOT_NODE  ((node_t)1) /* FUSE_ROOT_ID */
#define INDEX_BITS 8

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

struct group *node_group(struct manager *m, node_t node)
{
	unsigned index = node_index(node);
	struct group *g;

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

int node_text(struct manager *m, node_t node, pid_t reader, char **ret, size_t *ret_len)
{
	struct file_scan scan = {.manager = m, .reader = reader};
	const struct control_file *file = NULL;
	const struct group *g;
	int r = -ENODEV;

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
	const struct control_file *file = node_file(m, node);
	size_t len, page = page_size();
	char *text;

	if (!file || (!file->read && !file->scan))
		return 0;
	if (file->scan && !file->is_list)
		return (off_t)page;
	if (node_text(m, node, reader, &text, &len) < 0)
		return 0;
	free(text);
	return (off_t)(file->is_list ? (2 * len / page + 1) * page : len);
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
