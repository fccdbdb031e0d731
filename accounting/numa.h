/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On which of the machine's memory nodes pages are: the nodes, what /proc/PID/numa_maps says of a
 * process, and how a figure is split over nodes. Any thread. All sizes in pages.
 */
#ifndef MEMCGFS_NUMA_H
#define MEMCGFS_NUMA_H

#include <stdint.h>
#include <sys/types.h>

#define NUMA_MAX_NODES 1024 /* as the kernel's largest configuration: NODES_SHIFT 10 */

/* Nodes that have memory, by rising id. At least one. */
struct numa_nodes {
	unsigned nr;
	unsigned id[NUMA_MAX_NODES];
};

/* By a node's id. */
struct numa_pages {
	uint64_t anon[NUMA_MAX_NODES]; /* shared memory included, as in the kernel's lists */
	uint64_t file[NUMA_MAX_NODES];
};

/* ---- numa.c: of text and numbers alone, exposed for tests and fuzzing ---- */

/* "0-3,8": rising, below NUMA_MAX_NODES, not empty. 0, or -EINVAL: *ret is untouched. */
int numa_nodes_parse(const char *text, struct numa_nodes *ret);

/*
 * Add what one line of numa_maps tells to *sum. Nothing, for memory of hugetlbfs: groups do not
 * count it. 0, or -EINVAL: *sum is untouched.
 */
int numa_maps_parse(const char *line, struct numa_pages *sum);

/* Split total in proportion to weight[id], by largest remainder: what is added to part[id] is total
 * together. Without any weight it is all the first node's. */
void numa_split(const struct numa_nodes *nodes, const uint64_t *weight, uint64_t total,
		uint64_t *part);

/* ---- numa_read.c ---- */

/* Where the kernel tells of none: node 0. */
void numa_nodes_read(struct numa_nodes *ret);

/* Add the process's pages to *sum. The kernel looks at each, which takes it about 10 ms per GiB. 0,
 * or -errno: *sum has some of them. */
int numa_maps_read(pid_t pid, struct numa_pages *sum);

/* Page cache of the whole machine, into ret[id] of each of the nodes. */
void numa_file_pages(const struct numa_nodes *nodes, uint64_t *ret);

#endif
