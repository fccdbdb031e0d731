/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel hierarchy that holds membership: a named cgroup v1 hierarchy without controllers, or
 * the one of the kernel's memory controller. Groups are named by their path below its root ("" is
 * the root, "a/b" a group). Reached through a descriptor opened before the tree is mounted over it.
 * Any thread.
 */
#ifndef MEMCGFS_HIERARCHY_H
#define MEMCGFS_HIERARCHY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct hierarchy;

/* Mount `none,name=NAME` on mountpoint and open it. 0 or -errno after one log_error(). */
int hierarchy_mount_named(struct hierarchy **ret, const char *mountpoint, const char *name);
/* Whether the kernel's memory controller is what lies on mountpoint. */
bool hierarchy_over_is_at(const char *mountpoint);
/* Open that one. 0 or -errno after one log_error(). */
int hierarchy_open_over(struct hierarchy **ret, const char *mountpoint);
/* After the tree over it has gone: unmount it if we mounted it, close, free. NULL-safe, returns
 * NULL. */
struct hierarchy *hierarchy_end(struct hierarchy *h);
struct hierarchy *hierarchy_free(struct hierarchy *h); /* close and free alone */

/* Others make groups in it as well: a group that we have no record of is not ours. */
bool hierarchy_is_shared(const struct hierarchy *h);
/* What names a group for as long as the hierarchy lives, also under another path. 0 or -errno. */
int hierarchy_get_id(struct hierarchy *h, const char *path, uint64_t *ret);

/* Descriptor of the directory of that id; -ENOENT. */
int hierarchy_open_id(struct hierarchy *h, uint64_t id);
/* Path of an open directory, malloc'd; -ENOENT when it was removed. */
int hierarchy_path_of(struct hierarchy *h, int dir, char **ret);

int hierarchy_mkdir(struct hierarchy *h, const char *path);
int hierarchy_rmdir(struct hierarchy *h,
		    const char *path); /* -EBUSY with tasks or children, from the kernel */
int hierarchy_rename(struct hierarchy *h, const char *path, const char *new_path);

/* Move thread tid (whole: its process) to the group of hierarchy_open(). -ESRCH, -EINVAL, … as the
 * kernel says. Takes milliseconds. */
int hierarchy_attach(int fd, pid_t tid, bool whole);

/*
 * Pids in the group at path: threads, or processes. *ret is malloc'd and sorted; pids of this
 * process's namespace. 0 or -errno.
 */
int hierarchy_read(struct hierarchy *h, const char *path, bool threads, pid_t **ret,
		   size_t *ret_nr);
/* The same in two steps; the second closes fd. The list is that of this group whatever becomes of
 * its path; -ENODEV when it was removed. */
int hierarchy_open_list(struct hierarchy *h, const char *path, bool threads);
int hierarchy_read_list(int fd, pid_t **ret, size_t *ret_nr);

/* Path of the group that pid is in, malloc'd ("" for the root); -ESRCH. */
int hierarchy_of(struct hierarchy *h, pid_t pid, char **ret);

/* Child groups' names of the group at path, malloc'd array of malloc'd strings. */
int hierarchy_children(struct hierarchy *h, const char *path, char ***ret, size_t *ret_nr);

/* Descriptor of the group's directory, to be closed by the caller; -errno. */
int hierarchy_open(struct hierarchy *h, const char *path);

/* Set the root's release_agent. 0 or -errno. */
int hierarchy_write_agent(struct hierarchy *h, const char *text);

#endif
