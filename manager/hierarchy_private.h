/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of a hierarchy, for the files that make one: hierarchy_named.c, hierarchy_over.c. */
#ifndef MEMCGFS_HIERARCHY_PRIVATE_H
#define MEMCGFS_HIERARCHY_PRIVATE_H

#include <stdint.h>

#include "manager/hierarchy.h"

/* In what kinds of hierarchies differ once they are open. */
struct hierarchy_kind {
	bool shared; /* others make groups in it, too: only those that we know are ours */
	void (*end)(struct hierarchy *h); /* NULL: there is nothing to take down */
};

struct hierarchy {
	const struct hierarchy_kind *kind;
	int root_fd;  /* O_PATH */
	int lock_fd;  /* of the same directory, locked */
	int agent_fd; /* its release_agent; -1 where there is none */
	char *mountpoint;
	char *controller; /* what its lines in /proc/PID/cgroup say: "memory", "name=NAME" */
	char *prefix;     /* our root's path there: "" for the hierarchy's own */
	uint64_t mnt_id;  /* of the mount that we made; named only */
};

/* Open and lock what is mounted on mountpoint. -EWOULDBLOCK: another daemon has it. Does not log.
 */
int hierarchy_new(struct hierarchy **ret, const struct hierarchy_kind *kind, const char *mountpoint,
		  const char *controller, const char *prefix);
/* Its descriptors keep the mount busy. */
void hierarchy_close(struct hierarchy *h);

#endif
