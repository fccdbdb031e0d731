/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The heir: a process that is forked while everything may still be done, holds what unmounting
 * takes, and waits. At the end, or when keeper and server are both dead, it takes down what they no
 * longer may.
 */
#ifndef MEMCGFS_HEIR_H
#define MEMCGFS_HEIR_H

#include <stdbool.h>

struct heir;

/*
 * Fork it, before there are threads. At the end take_down(userdata) is called in it, once. Whatever
 * is open now stays open in it until then, but for ready_fd (-1: none). background: as
 * keeper_run's. 0, or -errno after one log_error().
 */
int heir_fork(struct heir **ret, void (*take_down)(void *userdata), void *userdata, int ready_fd);

/*
 * In whichever process is the last: have it take down, wait until it has, and free. false: it had
 * died before, and nothing was taken down. NULL-safe: false.
 */
bool heir_end(struct heir *h);

#endif
