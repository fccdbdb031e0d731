// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading and writing control files. Reads are answered on FUSE threads, writes on the manager's
 * loop. A removed group's files are ENODEV, as in the kernel. An open file's handle is a number
 * that only names a snapshot; nothing is lost with it.
 */
#include "fs/tree.h"

#include <string.h>

#include "fs/parse.h"
#include "util/util.h"

void io_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *f = fs_of(req);

	if (!node_exists(f->manager, ino)) {
		fuse_reply_err(req, ENODEV);
		return;
	}
	fi->direct_io = 1;
	/* What may be attached is up to who opened the file, not to whom it was handed (as f_cred
	 * in the kernel). */
	fi->fh = (uint64_t)fuse_req_ctx(req)->uid << 32 |
		 __atomic_fetch_add(&f->next_handle, 1, __ATOMIC_RELAXED);
	fuse_reply_open(req, fi);
}

void io_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	snapshot_drop(fs_of(req)->snapshots, fi->fh);
	fuse_reply_err(req, 0);
}

/* As node_text(), or as it was a moment ago. */
static int text_now(fuse_req_t req, node_t node, char **ret, size_t *ret_len)
{
	struct fs *f = fs_of(req);
	bool is_figure = !node_foreign(node) && control_file_is_figure(node_index(node));
	uint64_t begin = now_nsec(), begun = figures_begin(f->figures);
	int r;

	if (is_figure && node_exists(f->manager, node) &&
	    figures_get(f->figures, node, ret, ret_len))
		return 0;
	r = node_text(f->manager, node, fuse_req_ctx(req)->pid, ret, ret_len);
	if (!r && is_figure)
		figures_put(f->figures, node, *ret, *ret_len, now_nsec() - begin, begun);
	return r;
}

/* The bytes from off, malloc'd: of what this open file began to be read as, or, from its beginning,
 * of the text now. */
static int read_at(fuse_req_t req, node_t node, uint64_t handle, size_t off, size_t size,
		   char **ret, size_t *ret_len)
{
	struct fs *f = fs_of(req);
	char *text;
	size_t len;
	int r;

	if (off > 0 && node_exists(f->manager, node) &&
	    snapshot_get(f->snapshots, handle, off, size, ret, ret_len))
		return 0;
	r = text_now(req, node, &text, &len);
	if (r < 0)
		return r;
	snapshot_put(f->snapshots, handle, text, len);
	off = MIN(off, len);
	len = MIN(size, len - off);
	memmove(text, text + off, len);
	*ret = text;
	*ret_len = len;
	return 0;
}

void io_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	cleanup_free char *text = NULL;
	size_t len = 0;
	int r = read_at(req, ino, fi->fh, (size_t)off, size, &text, &len);

	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_buf(req, text, len);
}

/* ---- writing ---- */

static void write_done(int error, void *userdata)
{
	struct request *r = userdata;

	figures_forget(r->fs->figures);
	if (error < 0) {
		request_end(r, error);
		return;
	}
	fuse_reply_write(r->req, r->size);
	request_free(r);
}

static int foreign_write(struct request *r)
{
	pid_t pid;
	int error = parse_pid(r->data, &pid);

	if (error < 0)
		return error;
	foreign_attach(r->fs->manager, node_foreign(r->node), pid, foreign_file_is_procs(r->node),
		       &r->caller, write_done, r);
	return -EINPROGRESS;
}

static void write_run(struct manager *m, struct manager_request *request)
{
	struct request *r = (struct request *)request;
	struct file_write write = {
		.manager = m,
		.group = node_group(m, r->node),
		.caller = &r->caller,
		.text = r->data,
		.dev = r->fs->dev,
		.looks = r->fs->looks,
		.request = r->unique,
		.again = r->resent,
		.done = write_done,
		.userdata = r,
	};
	int error = -ENODEV;

	if (node_foreign(r->node))
		error = foreign_write(r);
	else if (write.group)
		error = control_file(write.group, node_index(r->node))->write(&write);
	if (error != -EINPROGRESS)
		write_done(error, r);
}

static int writable(struct manager *m, node_t node)
{
	int r = -ENODEV;
	struct group *g;

	if (node_foreign(node))
		return node_index(node) ? 0 : -EINVAL;
	manager_rdlock(m);
	g = node_group(m, node);
	if (g)
		r = control_file(g, node_index(node))->write ? 0 : -EINVAL;
	manager_unlock(m);
	return r;
}

void io_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
	      struct fuse_file_info *fi)
{
	int error = size > FILE_WRITE_MAX ? -E2BIG : writable(fs_of(req)->manager, ino);
	struct request *r;

	(void)off; /* wherever in the file it goes, it is one command */
	if (error < 0) {
		fuse_reply_err(req, -error);
		return;
	}
	r = request_new(req, ino, write_run);
	if (!r)
		return;
	r->caller.uid = (uid_t)(fi->fh >> 32);
	if (request_set_data(r, buf, size))
		request_submit(r);
}
