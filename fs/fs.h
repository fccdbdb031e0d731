/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mounted tree: FUSE requests in, control-file text out. */
#ifndef MEMCGFS_FS_H
#define MEMCGFS_FS_H

#include "manager/manager.h"

struct fs;

/*
 * Mount FUSE over `mountpoint` with the comma-separated mount options (may be NULL), subtype
 * memcgfs. The descriptor of /dev/fuse, or -errno after one log_error(); and the device that
 * stat(2) of its files tells. Called by the keeper, before any server.
 */
int fs_mount(const char *mountpoint, const char *options, dev_t *ret_dev);

/*
 * Serve the mount on fuse_fd with a few threads of its own. A server after the first
 * (state->fuse_init_len != 0) replays the negotiation and asks for unanswered requests again. When
 * the mount goes away manager_quit(m, 0) is called. 0 or -errno.
 */
int fs_start(struct fs **ret, struct manager *m, struct state *state, int fuse_fd, dev_t dev);
struct fs *fs_stop(struct fs *f); /* NULL-safe, returns NULL; joins the threads */

/* What a new group's control files begin with: fills attr[1 ...] (owner 0); returns the number of
 * files + 1. */
unsigned fs_default_attr(struct file_attr attr[STATE_MAX_FILES]);

/* Is name one of the control files? A group cannot have it. */
bool fs_is_control_file(const char *name);

#endif
