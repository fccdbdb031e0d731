/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the tree is mounted: --mount, MEMCGFS_MOUNT, or the mount table. Single-threaded. */
#ifndef MEMCGFS_CLI_MOUNT_H
#define MEMCGFS_CLI_MOUNT_H

#include <stdbool.h>
#include <stdio.h>

/* Path parts of the trees that `memcgctl run` mounts for itself: STATE/run-XXXXXX/tree. */
#define PRIVATE_PREFIX "run-"
#define PRIVATE_TREE   "tree"

/*
 * One line of a mount table, split in place and with \ooo undone. false: not a line of one. ret_dir
 * and ret_type point into line.
 */
bool mounts_parse_line(char *line, char **ret_dir, char **ret_type);

/*
 * The last tree in a mount table, which is the topmost where two share a directory. Trees that a
 * `run` mounted for itself count only with `private`, and then only when they are alone: -ENOTUNIQ
 * for several. *ret is malloc'd. 0, -ENOENT, -ENOTUNIQ, -ENOMEM.
 */
int mounts_find(FILE *table, bool private, char **ret);

/* Is the tree mounted on dir (an absolute path without symbolic links)? 1, 0 or -errno. */
int mount_is_there(const char *dir);

/*
 * The mount to use: option (--mount) if not NULL, else MEMCGFS_MOUNT, else the mount table of this
 * process. *ret is malloc'd. Errors as mounts_find, or those of opening the table.
 */
int mount_find(const char *option, bool private, char **ret);

#endif
