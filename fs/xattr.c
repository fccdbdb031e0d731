// SPDX-License-Identifier: GPL-2.0-or-later
/* Extended attributes: directories have those of the hierarchy underneath, control files have none.
 * On the manager's loop. */
#include "fs/tree.h"

#include <sys/xattr.h>

#include "util/util.h"

/* Largest value that is taken, in bytes: as one write to a control file. */
#define VALUE_MAX FILE_WRITE_MAX
/* Largest value or list that is given, in bytes: XATTR_SIZE_MAX, which is also XATTR_LIST_MAX. */
#define REPLY_MAX ((size_t)64 << 10)

/* A request on a directory, by name if there is one. NULL: answered. */
static struct request *xattr_request(fuse_req_t req, node_t node, const char *name,
				     request_run_fn run)
{
	struct request *r;

	if (node_index(node) != 0) {
		fuse_reply_err(req, ENOTSUP);
		return NULL;
	}
	r = request_new(req, node, run);
	return r && (!name || request_set_name(r, name)) ? r : NULL;
}

static void set_run(struct manager *m, struct manager_request *request)
{
	struct request *r = (struct request *)request;
	struct group *g = node_group(m, r->node);

	request_end(r, g ? group_set_xattr(m, g, r->name, r->data, r->size, r->flags) : -ENOENT);
}

void xattr_set(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
	       int flags)
{
	struct request *r;

	if (size > VALUE_MAX) {
		fuse_reply_err(req, E2BIG);
		return;
	}
	r = xattr_request(req, ino, name, set_run);
	if (!r || !request_set_data(r, value, size))
		return;
	r->flags = flags;
	request_submit(r);
}

static void remove_run(struct manager *m, struct manager_request *request)
{
	struct request *r = (struct request *)request;
	struct group *g = node_group(m, r->node);

	request_end(r, g ? group_remove_xattr(m, g, r->name) : -ENOENT);
}

void xattr_remove(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct request *r = xattr_request(req, ino, name, remove_run);

	if (r)
		request_submit(r);
}

/* The value of the attribute, or without a name the list of all; only its length if the client has
 * no room. */
static void get_run(struct manager *m, struct manager_request *request)
{
	struct request *r = (struct request *)request;
	struct group *g = node_group(m, r->node);
	cleanup_free char *reply = NULL;
	ssize_t len = -ENOENT;

	if (r->size > 0) {
		reply = malloc(r->size);
		if (!reply) {
			request_end(r, -ENOMEM);
			return;
		}
	}
	if (g)
		len = r->name ? group_get_xattr(m, g, r->name, reply, r->size)
			      : group_list_xattr(m, g, reply, r->size);
	if (len < 0) {
		request_end(r, (int)len);
		return;
	}
	if (reply)
		fuse_reply_buf(r->req, reply, (size_t)len);
	else
		fuse_reply_xattr(r->req, (size_t)len);
	request_free(r);
}

static void get(fuse_req_t req, node_t node, const char *name, size_t size)
{
	struct request *r = xattr_request(req, node, name, get_run);

	if (!r)
		return;
	r->size = MIN(size, REPLY_MAX);
	request_submit(r);
}

void xattr_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	get(req, ino, name, size);
}

void xattr_list(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	get(req, ino, NULL, size);
}
