// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases by BPF: whose each page of page cache is, by page frame. The programs write it, the server
 * reads it (lease_page_owner()), and writes it where a group goes. Thread: the manager's loop, but
 * for reading.
 */
#include <errno.h>
#include <sys/mman.h>

#include <bpf/libbpf.h>

#include "accounting/lease_bpf.h"
#include "accounting/lease_skeleton.h"
#include "accounting/zoneinfo.h"
#include "util/util.h"

#define OWNERS_A_BLOCK (1UL << LEASE_OWNERS_SHIFT)

/*
 * A machine whose memory is not told, or lies scattered over addresses that are mostly none, has
 * room for the first pages', and nobody's is known.
 */
#define MAX_SCATTER 4

void bpf_lease_owners_size(struct bpf_lease *l)
{
	uint64_t end = zoneinfo_end(), blocks = (end >> LEASE_OWNERS_SHIFT) + 1;
	long pages = sysconf(_SC_PHYS_PAGES);

	if (blocks <= UINT32_MAX && pages > 0 && end / MAX_SCATTER <= (uint64_t)pages)
		bpf_map__set_max_entries(l->skel->maps.owners, (uint32_t)blocks);
}

/* Without it no page's owner is known to readers. */
void bpf_lease_owners_map(struct bpf_lease *l)
{
	size_t size = bpf_map__max_entries(l->skel->maps.owners) * sizeof(struct lease_owners);
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			bpf_map__fd(l->skel->maps.owners), 0);

	if (at == MAP_FAILED)
		return;
	l->base.owners = at;
	l->base.nr_owners = size / sizeof(*l->base.owners->owner);
}

void bpf_lease_owners_unmap(struct bpf_lease *l)
{
	if (l->base.owners)
		munmap(l->base.owners, l->base.nr_owners * sizeof(*l->base.owners->owner));
	l->base.owners = NULL;
}

static bool block_has(const struct lease_owners *b, unsigned slot)
{
	bool has = false;

	for (size_t i = 0; i < OWNERS_A_BLOCK; i++)
		has |= b->owner[i] >> LEASE_OWNER_ORDER_BITS == slot;
	return has;
}

static void block_move(struct lease_owners *b, unsigned from, unsigned to)
{
	for (size_t i = 0; i < OWNERS_A_BLOCK; i++) {
		unsigned short was = b->owner[i], is = 0;

		if (was >> LEASE_OWNER_ORDER_BITS != from)
			continue;
		if (to)
			is = (unsigned short)((was & ((1 << LEASE_OWNER_ORDER_BITS) - 1)) |
					      to << LEASE_OWNER_ORDER_BITS);
		/* Unless the page has gone meanwhile. */
		__atomic_compare_exchange_n(&b->owner[i], &was, is, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	}
}

/* Else the next group in this slot would have them. 2 ms on a machine of 24 GiB. */
void bpf_lease_owners_move(struct lease *l, uint32_t from, uint32_t to)
{
	for (uint64_t i = 0; i < l->nr_owners / OWNERS_A_BLOCK; i++)
		if (block_has(&l->owners[i], from))
			block_move(&l->owners[i], from, to);
}
