/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the daemon's processes may still do once everything is set up: the capabilities they use
 * (privileges.c), and the system calls (sandbox.c) of a table (sandbox_calls.c). Both are for good:
 * every thread and process made from then on has them.
 */
#ifndef MEMCGFS_SANDBOX_H
#define MEMCGFS_SANDBOX_H

#include <seccomp.h>
#include <stddef.h>

enum sandbox_role {
	SANDBOX_DAEMON, /* keeper and servers: one is forked from the other, either way round */
	SANDBOX_HEIR,
	SANDBOX_NR_ROLES,
};

/*
 * Confine this process, which has one thread. A call that is not in the table fails with EPERM, and
 * is logged once per process. 0 or -errno after one log_error().
 */
int sandbox_enter(enum sandbox_role role);

/* ---- the two halves ---- */

/* Keep of the permitted capabilities those that the role uses; empty the bounding set. 0 or -errno.
 */
int privileges_drop(enum sandbox_role role);

#define SANDBOX_MAX_ARGS 2

/* A call that is allowed if its arguments compare as told. */
struct sandbox_call {
	int nr;
	unsigned nr_args;
	struct scmp_arg_cmp arg[SANDBOX_MAX_ARGS];
};

/* Calls for one purpose. */
struct sandbox_table {
	const struct sandbox_call *calls;
	size_t nr;
};

/* The role's tables, and how many there are. */
const struct sandbox_table *sandbox_tables(enum sandbox_role role, size_t *ret_nr);

#endif
