/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the mounted tree answers, by the room's file that does it. Each is an operation of struct
 * fuse_lowlevel_ops. */
#ifndef MEMCGFS_TREE_H
#define MEMCGFS_TREE_H

#include "fs/request.h"

/*
 * How long the kernel may go by what it was told, in seconds. What a directory is called and who
 * owns it changes only through this mount, where the kernel sees it happen; a second bounds what it
 * would not see. A control file is there as long as its directory is. Its length is a guess as soon
 * as it is told.
 */
#define DIR_TIMEOUT        1.0
#define FILE_ENTRY_TIMEOUT 3600.0
#define FILE_ATTR_TIMEOUT  0.0

/* ---- tree.c: answered on the spot ---- */
void tree_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void tree_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void tree_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		  struct fuse_file_info *fi);
void tree_statfs(fuse_req_t req, fuse_ino_t ino);
void tree_reply_attr(fuse_req_t req, const struct stat *st);
void tree_reply_group(fuse_req_t req, const struct group *g);

/* ---- io.c: what is inside a control file ---- */
void io_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void io_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void io_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
	      struct fuse_file_info *fi);
void io_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* ---- change.c: groups come, go, and change names, modes and owners ---- */
void change_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void change_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void change_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		   const char *new_name, unsigned flags);
void change_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set,
		    struct fuse_file_info *fi);

/* ---- xattr.c ---- */
void xattr_set(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
	       int flags);
void xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void xattr_list(fuse_req_t req, fuse_ino_t ino, size_t size);
void xattr_remove(fuse_req_t req, fuse_ino_t ino, const char *name);

/* ---- refuse.c: what no control group does ---- */
void refuse_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		   struct fuse_file_info *fi);
void refuse_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void refuse_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void refuse_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void refuse_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);

#endif
