/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Records of a perf event's ring: where the kernel's end, ours begins, and what of them a lease
 * wants to know. The events have the sample_type LEASE_RING_SAMPLE_TYPE and sample_id_all. Any
 * thread.
 */
#ifndef MEMCGFS_LEASE_RING_H
#define MEMCGFS_LEASE_RING_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LEASE_RING_SAMPLE_TYPE \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_READ)

enum lease_ring_type {
	LEASE_RING_SAMPLE, /* an overflow: id, pid, tid, nsec, count */
	LEASE_RING_FORK,   /* pid, tid of the new one; ppid, ptid of who made it */
	LEASE_RING_EXIT,   /* pid, tid of who ended */
	LEASE_RING_EXEC,   /* pid, tid of who replaced its image */
	LEASE_RING_LOST,   /* records were lost, or make no sense */
};

struct lease_ring_record {
	enum lease_ring_type type;
	pid_t pid, tid, ppid, ptid;
	uint64_t id;    /* of the event */
	uint64_t nsec;  /* CLOCK_MONOTONIC */
	uint64_t count; /* the event's, at that moment */
};

/*
 * The next record between *tail and head, which are the kernel's ever growing positions in size
 * bytes (a power of two) of data. *tail moves past it, and past what is not wanted. What cannot be
 * a record ends in LEASE_RING_LOST with *tail at head. False: there is none.
 */
bool lease_ring_parse(const void *data, size_t size, uint64_t head, uint64_t *tail,
		      struct lease_ring_record *ret);

/* Map the ring of an event, one page of records. 0 or -errno (-EPERM: the allowance of locked
 * memory is used up). */
int lease_ring_map(int fd, struct perf_event_mmap_page **ret);
/* NULL-safe, returns NULL. */
struct perf_event_mmap_page *lease_ring_unmap(struct perf_event_mmap_page *ring);

/* As lease_ring_parse(), from a mapped ring; the kernel has the place back afterwards. */
bool lease_ring_next(struct perf_event_mmap_page *ring, struct lease_ring_record *ret);

#endif
