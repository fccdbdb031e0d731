// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Groups made, removed, renamed, and given modes and owners. What can be refused by its looks is
 * refused on the FUSE thread; the rest is done on the manager's loop. A request that an earlier
 * server had, and that finds its work done, succeeds.
 */
#include "fs/tree.h"

#include <string.h>
#include <time.h>

#include "util/util.h"

/* The name of a group, on its way in: 0 or -errno. A newline would make /proc/PID/cgroup
 * unreadable. */
static int check_name(const char *name)
{
	if (strlen(name) > STATE_NAME_MAX)
		return -ENAMETOOLONG;
	return strchr(name, '\n') ? -EINVAL : 0;
}

/* ---- mkdir ---- */

static int make_group(struct manager *m, const struct request *r, struct group **ret)
{
	uint64_t foreign = node_foreign(r->node);
	struct group *parent = node_group(m, r->node), *g;
	int error;

	if (foreign)
		return foreign_mkdir(m, foreign, r->name, r->mode, &r->caller, ret);
	if (!parent)
		return -ENOENT;
	error = group_mkdir(m, parent, r->name, r->mode, &r->caller, ret);
	g = error == -EEXIST && r->resent ? group_child(parent, r->name) : NULL;
	if (!g)
		return error;
	*ret = g;
	return 0;
}

static void mkdir_run(struct manager *m, struct manager_request *request)
{
	struct request *r = (struct request *)request;
	struct group *g;
	int error = make_group(m, r, &g);

	if (error < 0) {
		request_end(r, error);
		return;
	}
	tree_reply_group(r->req, g);
	request_free(r);
}

void change_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	int error = check_name(name);
	struct request *r;

	if (error == 0 && fs_is_control_file(name))
		error = -EEXIST;
	if (error < 0) {
		fuse_reply_err(req, -error);
		return;
	}
	r = request_new(req, parent, mkdir_run);
	if (!r || !request_set_name(r, name))
		return;
	r->mode = S_IFDIR | (mode & 07777);
	request_submit(r);
}

/* ---- rmdir ---- */

static void rmdir_run(struct manager *m, struct manager_request *request)
{
	struct request *r = (struct request *)request;
	struct group *parent = node_group(m, r->node);
	struct place in = node_place(m, r->node);
	int error = parent && group_child(parent, r->name) ? group_rmdir(m, parent, r->name)
							   : place_rmdir(m, &in, r->name);

	request_end(r, error == -ENOENT && r->resent ? 0 : error);
}

void change_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct request *r;

	if (fs_is_control_file(name)) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	r = request_new(req, parent, rmdir_run);
	if (r && request_set_name(r, name))
		request_submit(r);
}

/* ---- rename ---- */

static int rename_group(struct manager *m, const struct request *r)
{
	struct group *parent = node_group(m, r->node);
	struct place in = node_place(m, r->node);

	if (parent && !group_child(parent, r->name) && r->resent &&
	    group_child(parent, r->new_name))
		return 0;
	if (!parent || !group_child(parent, r->name))
		return place_rename(m, &in, r->name, r->new_name);
	if (group_child(parent, r->new_name))
		return -EEXIST;
	return group_rename(m, parent, r->name, parent, r->new_name);
}

static void rename_run(struct manager *m, struct manager_request *request)
{
	struct request *r = (struct request *)request;

	request_end(r, rename_group(m, r));
}

/* In the kernel's order. */
static int check_rename(node_t parent, const char *name, node_t new_parent, const char *new_name,
			unsigned flags)
{
	int error = flags ? -EINVAL : check_name(new_name);

	if (error < 0)
		return error;
	if (fs_is_control_file(name))
		return -ENOTDIR;
	if (new_parent != parent)
		return -EIO;
	return fs_is_control_file(new_name) ? -EEXIST : 0;
}

void change_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent,
		   const char *new_name, unsigned flags)
{
	int error = check_rename(parent, name, new_parent, new_name, flags);
	struct request *r;

	if (error < 0) {
		fuse_reply_err(req, -error);
		return;
	}
	r = request_new(req, parent, rename_run);
	if (r && request_set_name(r, name) && request_set_new_name(r, new_name))
		request_submit(r);
}

/* ---- setattr ---- */

static int set_attr(struct manager *m, const struct request *r, struct stat *ret)
{
	struct group *g = node_group(m, r->node);
	unsigned index = node_index(r->node);
	int error;

	/* Whoever made it says who may do what with it. */
	if (node_foreign(r->node))
		return -EPERM;
	error = g ? group_set_attr(m, g, index, &r->attr, r->attr_mask) : -ENOENT;

	if (error == 0)
		node_stat(g, index, r->st_size, ret);
	return error;
}

static void setattr_run(struct manager *m, struct manager_request *request)
{
	struct request *r = (struct request *)request;
	struct stat st;
	int error = set_attr(m, r, &st);

	if (error < 0) {
		request_end(r, error);
		return;
	}
	tree_reply_attr(r->req, &st);
	request_free(r);
}

/* What is asked for, less the size: truncating a control file succeeds and changes nothing. */
static unsigned asked_attr(const struct stat *st, int to_set, mode_t type, struct file_attr *attr)
{
	unsigned mask = 0;

	*attr = (struct file_attr){
		.mode = type | (st->st_mode & 07777),
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime_sec = to_set & FUSE_SET_ATTR_MTIME_NOW ? time(NULL) : st->st_mtim.tv_sec,
	};
	if (to_set & FUSE_SET_ATTR_MODE)
		mask |= MANAGER_ATTR_MODE;
	if (to_set & FUSE_SET_ATTR_UID)
		mask |= MANAGER_ATTR_UID;
	if (to_set & FUSE_SET_ATTR_GID)
		mask |= MANAGER_ATTR_GID;
	if (to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW) &&
	    !(to_set & FUSE_SET_ATTR_SIZE))
		mask |= MANAGER_ATTR_MTIME;
	return mask;
}

void change_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set,
		    struct fuse_file_info *fi)
{
	struct manager *m = fs_of(req)->manager;
	unsigned index = node_index(ino);
	struct file_attr attr;
	unsigned mask = asked_attr(st, to_set, index ? S_IFREG : S_IFDIR, &attr);
	struct request *r;
	off_t size;

	if (mask == 0) {
		tree_getattr(req, ino, fi);
		return;
	}
	/* Here, because on the loop nobody may wait for a text. */
	size = node_size(m, ino, fuse_req_ctx(req)->pid);
	r = request_new(req, ino, setattr_run);
	if (!r)
		return;
	r->attr = attr;
	r->attr_mask = mask;
	r->st_size = size;
	request_submit(r);
}
