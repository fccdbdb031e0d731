/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Inode numbers of the tree: which group, and which of its files, in one number, so that a server
 * knows what a client means without having been told before. The root directory is FUSE_ROOT_ID,
 * anything else (group id << 8) | index of the file, with index 0 for the directory. A group's id
 * must stay below 2^55.
 *
 * All functions that take a manager or a group, but node_text() and node_size(): between
 * manager_rdlock() and manager_unlock(), or on the manager's loop.
 */
#ifndef MEMCGFS_NODE_H
#define MEMCGFS_NODE_H

#include <sys/stat.h>

#include "fs/files.h"

typedef uint64_t node_t;

node_t node_of(const struct group *g, unsigned index);
unsigned node_index(node_t node);

/*
 * A directory of others', or one of its two lists: the kernel's id in the place of the group's, and
 * a bit that no group of ours has. 0: an id that does not fit, as no kernel has used yet.
 */
node_t node_of_foreign(uint64_t id, unsigned index);
uint64_t node_foreign(node_t node); /* 0: it is ours */
struct place node_place(struct manager *m, node_t node);
node_t node_of_place(const struct place *p);
/* The index of a file in such a directory, 0: there is none of that name. */
unsigned foreign_file_index(const char *name);
bool foreign_file_is_procs(node_t node);
/* False: it has gone. Any thread, without the lock, this and the next. */
bool node_exists(struct manager *m, node_t node);
bool node_getattr(struct manager *m, node_t node, pid_t reader, struct stat *ret);

/* NULL: the group was removed, or has no such file. */
struct group *node_group(struct manager *m, node_t node);

/*
 * Text of a control file as `reader` sees it, malloc'd. -ENODEV when its group was removed, -EINVAL
 * for a directory and where reading is not for. Any thread, without the lock.
 */
int node_text(struct manager *m, node_t node, pid_t reader, char **ret, size_t *ret_len);

/* What st_size says: room for that text; 0 for what has none. Any thread, without the lock. */
off_t node_size(struct manager *m, node_t node, pid_t reader);

void node_stat(const struct group *g, unsigned index, off_t size, struct stat *ret);

#endif
