// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Requests in flight between a FUSE thread and the manager's loop. A client's interrupt is not
 * acted on: what was asked for is then under way on the loop, and the one answer there is tells how
 * it went. So nothing is answered twice.
 */
#include "fs/request.h"

#include <errno.h>

#include <string.h>

#include "fs/takeover.h"
#include "util/util.h"

/*
 * Requests in flight. Each is some hundred bytes and at most a page of the client's; a client
 * thread has one at a time, so this is a thousand threads that change limits at once.
 */
#define REQUESTS_MAX 1024

struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

struct request *request_new(fuse_req_t req, node_t node, request_run_fn run)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct fs *f = fs_of(req);
	struct request *r = NULL;
	unsigned before = __atomic_fetch_add(&f->nr_users, 1, __ATOMIC_RELAXED);

	if (before <= REQUESTS_MAX)
		r = calloc(1, sizeof(*r));
	if (!r) {
		fuse_reply_err(req, before <= REQUESTS_MAX ? ENOMEM : EAGAIN);
		fs_put(f);
		return NULL;
	}
	r->head.run = run;
	r->fs = f;
	r->req = req;
	r->node = node;
	r->caller = (struct caller){.pid = ctx->pid, .uid = ctx->uid, .gid = ctx->gid};
	r->resent = takeover_is_resent();
	r->unique = takeover_unique();
	return r;
}

static bool set_copy(struct request *r, char **to, const void *data, size_t size)
{
	*to = malloc(size + 1);
	if (!*to) {
		request_end(r, -ENOMEM);
		return false;
	}
	memcpy(*to, data, size);
	(*to)[size] = '\0';
	return true;
}

bool request_set_name(struct request *r, const char *name)
{
	return set_copy(r, &r->name, name, strlen(name));
}

bool request_set_new_name(struct request *r, const char *name)
{
	return set_copy(r, &r->new_name, name, strlen(name));
}

bool request_set_data(struct request *r, const void *data, size_t size)
{
	char *copy;

	if (!set_copy(r, &copy, data, size))
		return false;
	r->data = copy;
	r->size = size;
	return true;
}

void request_submit(struct request *r)
{
	manager_submit(r->fs->manager, &r->head);
}

void request_free(struct request *r)
{
	struct fs *f = r->fs;

	free(r->name);
	free(r->new_name);
	free(r->data);
	free(r);
	fs_put(f);
}

void request_end(struct request *r, int error)
{
	fuse_reply_err(r->req, -error);
	request_free(r);
}
