/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of a lease whose charges are BPF programs', for the files that implement it. */
#ifndef MEMCGFS_LEASE_BPF_H
#define MEMCGFS_LEASE_BPF_H

#include <pthread.h>

#include "accounting/lease_private.h"

struct bpf_link;
struct lease_bpf;
struct ring_buffer;

struct bpf_lease {
	struct lease base; /* its slots are the map itself */
	struct lease_bpf *skel;
	struct bpf_link *sched_link[4];
	struct bpf_link *populate_link; /* NULL: this kernel has no such tracepoint */
	struct bpf_link *files_link;    /* reads out the table of files */
	struct bpf_link *tcp_link;      /* sums what sockets hold; NULL: cannot be had */
	pthread_mutex_t tcp_lock;       /* one sum at a time, in this server */
	int filemap_fd[2];        /* events that carry the page-cache programs; -1: not charged */
	struct ring_buffer *ring; /* of this server */
	bool said_files_full;     /* by this server */
	uint32_t seen_lost;       /* records that found the ring full, as last told of */
};

static inline struct bpf_lease *bpf_lease_of(const struct lease *l)
{
	return (struct bpf_lease *)l;
}

int bpf_lease_files(const struct lease *l, const bool *want, struct lease_file **ret,
		    size_t *ret_nr);
int bpf_lease_files_move(struct lease *l, uint32_t slot, uint32_t to);
void bpf_lease_owners_size(struct bpf_lease *l); /* before loading */
void bpf_lease_owners_map(struct bpf_lease *l);
void bpf_lease_owners_unmap(struct bpf_lease *l);
/* Slot from's pages are slot to's from now on (0: nobody's). */
void bpf_lease_owners_move(struct lease *l, uint32_t from, uint32_t to);
int bpf_lease_shmem_get(const struct lease *l, uint64_t dev, uint64_t ino, uint64_t *ret_pages);
uint32_t bpf_lease_shmem_owner(const struct lease *l, uint64_t dev, uint64_t ino);
int bpf_lease_shmem_add(struct lease *l, uint32_t slot, uint64_t dev, uint64_t ino,
			int64_t nr_pages);

bool bpf_lease_knows_tcp(void); /* this kernel can run the program */
void bpf_lease_attach_tcp(struct bpf_lease *l);
int bpf_lease_tcp_bytes(struct lease *l, uint32_t slot, uint64_t *ret);

#endif
