/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The server's side of the mount: struct fs, and requests that change something, on their way from
 * the FUSE thread that took them to the manager's loop and back.
 */
#ifndef MEMCGFS_REQUEST_H
#define MEMCGFS_REQUEST_H

#define FUSE_USE_VERSION 34
#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "fs/event_look.h"
#include "fs/fs.h"
#include "fs/node.h"
#include "fs/figures.h"
#include "fs/snapshot.h"

struct fs {
	struct manager *manager;
	struct fuse_session *session;
	struct snapshots *snapshots;
	struct figures *figures;
	struct event_looks *looks;
	struct fs_threads *threads;
	dev_t dev;            /* of the mount, as stat(2) tells it */
	uint32_t next_handle; /* atomic */
	unsigned nr_users;    /* atomic: the owner, and each request in flight */
};

struct fs *fs_of(fuse_req_t req);
void fs_put(struct fs *f); /* one user fewer; the last one frees */

/* A request in flight. What it does not need stays empty. */
struct request {
	struct manager_request head; /* first: the manager gives it back */
	struct fs *fs;
	fuse_req_t req;
	struct caller caller;
	bool resent;     /* an earlier server had it, and may have done it */
	uint64_t unique; /* the kernel's number of it, the same then */
	node_t node, new_parent;
	char *name, *new_name; /* malloc'd */
	void *data;            /* malloc'd, with a NUL behind it */
	size_t size;           /* of data, or what the client has room for */
	int flags;
	mode_t mode;
	struct file_attr attr;
	unsigned attr_mask;
	off_t st_size; /* as it was when the request came */
};

typedef void (*request_run_fn)(struct manager *m, struct manager_request *r);

/*
 * A request for run() on the manager's loop. NULL: there is no memory or there are too many
 * (EAGAIN), and it has been answered. run() ends with exactly one of the functions below.
 */
struct request *request_new(fuse_req_t req, node_t node, request_run_fn run);

/* Copies of what the client sent. False: no memory, the request has been answered and is gone. */
bool request_set_name(struct request *r, const char *name);
bool request_set_new_name(struct request *r, const char *name);
bool request_set_data(struct request *r, const void *data, size_t size);

void request_submit(struct request *r);

/* Answer 0 or an error (0 or -errno) and free. */
void request_end(struct request *r, int error);
/* Free only: it has been answered. */
void request_free(struct request *r);

#endif
