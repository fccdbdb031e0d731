// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases by BPF: shared memory in the table of files. lease.bpf.c takes pages out as they go; what
 * it takes between a look at an entry and its change here, some microseconds, it has taken off the
 * slot and not off the entry, and the next comparison with the file takes it off the slot once
 * more. Units: pages. Thread: the manager's loop, but for bpf_lease_shmem_get() and
 * bpf_lease_shmem_owner(), which any thread may call.
 */
#include <errno.h>
#include <sys/sysmacros.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "accounting/lease_bpf.h"
#include "accounting/lease_skeleton.h"
#include "util/util.h"

static int files_fd(const struct lease *l)
{
	return bpf_map__fd(bpf_lease_of(l)->skel->maps.files);
}

static struct lease_file_key key_of(uint64_t dev, uint64_t ino)
{
	return (struct lease_file_key){.ino = ino, .dev = major(dev) << 20 | minor(dev)};
}

int bpf_lease_shmem_get(const struct lease *l, uint64_t dev, uint64_t ino, uint64_t *ret_pages)
{
	struct lease_file_key key = key_of(dev, ino);
	struct lease_file_owners o;
	int64_t sum = 0;

	*ret_pages = 0;
	if (bpf_map_lookup_elem(files_fd(l), &key, &o))
		return errno == ENOENT ? 0 : -errno;
	for (int i = 0; i < LEASE_FILE_OWNERS; i++)
		sum += o.nr_pages[i];
	*ret_pages = (uint64_t)MAX(sum, 0);
	return 0;
}

static int index_of_most(const struct lease_file_owners *o)
{
	int most = 0;

	for (int i = 1; i < LEASE_FILE_OWNERS; i++)
		if (o->nr_pages[i] > o->nr_pages[most])
			most = i;
	return most;
}

uint32_t bpf_lease_shmem_owner(const struct lease *l, uint64_t dev, uint64_t ino)
{
	struct lease_file_key key = key_of(dev, ino);
	struct lease_file_owners o;
	uint32_t slot;

	if (bpf_map_lookup_elem(files_fd(l), &key, &o))
		return 0;
	slot = o.slot[index_of_most(&o)];
	return slot < LEASE_MAX_SLOTS ? slot : 0;
}

/* Whose place is taken where all are: the first's, as owner_add() in lease_cache.bpf.h. */
static int index_of(struct lease_file_owners *o, uint32_t slot)
{
	if (slot == LEASE_SLOT_MOST)
		return index_of_most(o);
	for (int i = 0; i < LEASE_FILE_OWNERS; i++) {
		if (!o->slot[i])
			o->slot[i] = slot;
		if (o->slot[i] == slot)
			return i;
	}
	return 0;
}

static void charge(struct lease *l, uint32_t slot, int64_t nr_pages)
{
	if (!slot || slot >= LEASE_MAX_SLOTS)
		return;
	__atomic_fetch_add(&l->slots[slot].shmem, (uint64_t)nr_pages, __ATOMIC_RELAXED);
	for (int i = 0; i < LEASE_MAX_DEPTH && slot; i++) {
		struct lease_slot *s = &l->slots[slot];

		if (nr_pages > 0)
			__atomic_fetch_add(&s->charged, (uint64_t)nr_pages, __ATOMIC_RELAXED);
		__atomic_fetch_sub(&s->room, nr_pages, __ATOMIC_RELAXED);
		__atomic_fetch_sub(&s->part_room[LEASE_CACHE], nr_pages, __ATOMIC_RELAXED);
		slot = s->parent;
	}
}

static void owners_grow(struct lease *l, struct lease_file_owners *o, uint32_t slot,
			int64_t nr_pages)
{
	int i = index_of(o, slot);

	o->nr_pages[i] += (int)nr_pages;
	charge(l, o->slot[i], nr_pages);
}

static void owners_shrink(struct lease *l, struct lease_file_owners *o, int64_t nr_pages)
{
	while (nr_pages > 0) {
		int i = index_of_most(o);
		int64_t take = MIN(nr_pages, (int64_t)o->nr_pages[i]);

		if (take <= 0)
			return;
		o->nr_pages[i] -= (int)take;
		nr_pages -= take;
		charge(l, o->slot[i], -take);
	}
}

int bpf_lease_shmem_add(struct lease *l, uint32_t slot, uint64_t dev, uint64_t ino,
			int64_t nr_pages)
{
	struct lease_file_key key = key_of(dev, ino);
	struct lease_file_owners o = {.is_shmem = 1};

	if (!nr_pages)
		return 0;
	if (bpf_map_lookup_elem(files_fd(l), &key, &o) && errno != ENOENT)
		return -errno;
	/* Room in the table first: what is charged must be uncharged some day. */
	if (bpf_map_update_elem(files_fd(l), &key, &o, BPF_ANY))
		return -errno;
	if (nr_pages > 0)
		owners_grow(l, &o, slot, nr_pages);
	else
		owners_shrink(l, &o, -nr_pages);
	return bpf_map_update_elem(files_fd(l), &key, &o, BPF_ANY) ? -errno : 0;
}
