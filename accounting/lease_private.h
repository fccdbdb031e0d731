/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of struct lease, for the files that implement lease.h. */
#ifndef MEMCGFS_LEASE_PRIVATE_H
#define MEMCGFS_LEASE_PRIVATE_H

#include "accounting/lease.h"

struct bpf_link;
struct lease_bpf;
struct ring_buffer;

struct lease {
	struct lease_bpf *skel;
	struct bpf_link *sched_link[4];
	struct bpf_link *files_link; /* reads out the table of files */
	int filemap_fd[2];        /* events that carry the page-cache programs; -1: not charged */
	struct lease_slot *slots; /* the map itself */
	uint64_t tick_pages;      /* lease_rate.c */
	struct ring_buffer *ring; /* of this server */
	lease_record_fn fn;
	void *userdata;
};

/* Pages that one thread can get within nsec, measured on the spot; 0: cannot be. */
uint64_t lease_rate_pages(uint64_t nsec);

#endif
