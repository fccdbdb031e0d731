/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Removing a group that may still have tasks. Single-threaded. */
#ifndef MEMCGFS_CLI_GROUP_REMOVE_H
#define MEMCGFS_CLI_GROUP_REMOVE_H

#include "cli/group.h"

/*
 * Remove g, which lies below parent. Processes left in it are moved to parent; those on their way
 * out are waited for. *ret_moved: processes that were moved and live. 0; -EBUSY with groups below
 * g; -ETIMEDOUT when tasks stay for ten seconds; else -errno of what failed.
 */
int group_remove(const struct group *g, const struct group *parent, unsigned *ret_moved);

#endif
