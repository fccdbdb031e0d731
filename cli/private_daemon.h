/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A memcgfs for one run: started where none is mounted, ended with the run. Single-threaded. */
#ifndef MEMCGFS_CLI_PRIVATE_DAEMON_H
#define MEMCGFS_CLI_PRIVATE_DAEMON_H

#include "cli/signals.h"

struct private_daemon;

/*
 * Start one and wait until its tree is mounted. 0; a held signal's number (> 0) that came
 * meanwhile; or -errno after one line (the daemon's own, when it ended by itself). *ret is set only
 * with 0.
 */
int private_daemon_start(struct private_daemon **ret, const struct signals *signals);

const char *private_daemon_mount(const struct private_daemon *d);

/* End it, and remove what it left. NULL-safe, returns NULL. */
struct private_daemon *private_daemon_stop(struct private_daemon *d);

#endif
