/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A mount that outlives its server: how the next one comes to speak to a kernel that has long been
 * introduced. */
#ifndef MEMCGFS_TAKEOVER_H
#define MEMCGFS_TAKEOVER_H

#define FUSE_USE_VERSION 34
#include <fuse_lowlevel.h>
#include <stdbool.h>

#include "manager/state.h"

/*
 * Before any thread receives from the session: have the kernel hand out again what an earlier
 * server did not answer, and bring the session through FUSE_INIT: the kernel's, which is noted in
 * state, or the one noted there. 0 or -errno after one log_error().
 */
int takeover_negotiate(struct fuse_session *session, struct state *state);

/* Process one request from the session; while that lasts, takeover_is_resent() speaks of it on this
 * thread. */
void takeover_process(struct fuse_session *session, const struct fuse_buf *buf);

/* Had the request that this thread is processing been given to an earlier server, which may have
 * done it and not said so? */
bool takeover_is_resent(void);
/* The kernel's number of it: no other request of this mount has it. */
uint64_t takeover_unique(void);

#endif
