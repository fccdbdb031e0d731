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

int node_text(struct manager *m, struct group *g, unsigned index, pid_t reader, char **ret,
	      size_t *ret_len)
{
	const struct control_file *file = control_file(g, index);
	struct file_read read = {.manager = m, .group = g, .reader = reader};

	return file && file->read ? file->read(&read, ret, ret_len) : -EINVAL;
}

off_t node_size(struct manager *m, struct group *g, unsigned index, pid_t reader)
{
	char *text;
	size_t len;

	if (index == 0 || node_text(m, g, index, reader, &text, &len) < 0)
		return 0;
	free(text);
	return (off_t)len;
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
