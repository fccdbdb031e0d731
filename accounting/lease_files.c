// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases by BPF: the table of files with charged page cache, reading it out, and giving one slot's
 * charges to another. Units: pages. Thread: any for bpf_lease_files(), the manager's loop for
 * bpf_lease_files_move().
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "accounting/lease_bpf.h"
#include "accounting/lease_skeleton.h"
#include "util/util.h"

#define FILES_BATCH 256 /* entries a read(2): 256 * 48 bytes fit on the stack */

typedef int (*file_fn)(const struct lease_file_entry *e, void *userdata);

/* fn for every file of the table; it ends the walk by returning non-zero. */
static int for_each_file(const struct lease *l, file_fn fn, void *userdata)
{
	cleanup_close int fd = bpf_iter_create(bpf_link__fd(bpf_lease_of(l)->files_link));
	struct lease_file_entry batch[FILES_BATCH];

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n = read(fd, batch, sizeof(batch));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (size_t i = 0; i < (size_t)n / sizeof(*batch); i++) {
			int r = fn(&batch[i], userdata);

			if (r)
				return r;
		}
	}
}

struct listing {
	const bool *want;
	struct lease_file *files;
	size_t nr, room;
};

static int listing_add(const struct lease_file_entry *e, void *userdata)
{
	struct listing *x = userdata;
	uint64_t mine = 0;

	for (int i = 0; i < LEASE_FILE_OWNERS && !e->owners.is_shmem; i++)
		if (e->owners.nr_pages[i] > 0 && e->owners.slot[i] < LEASE_MAX_SLOTS &&
		    x->want[e->owners.slot[i]])
			mine += (uint64_t)e->owners.nr_pages[i];
	if (!mine)
		return 0;
	if (x->nr == x->room) {
		size_t room = x->room ? 2 * x->room : 64;
		struct lease_file *files = reallocarray(x->files, room, sizeof(*files));

		if (!files)
			return -ENOMEM;
		x->files = files;
		x->room = room;
	}
	x->files[x->nr++] = (struct lease_file){
		.dev_major = e->key.dev >> 20,
		.dev_minor = e->key.dev & 0xfffff,
		.ino = e->key.ino,
		.nr_pages = mine,
	};
	return 0;
}

int bpf_lease_files(const struct lease *l, const bool *want, struct lease_file **ret,
		    size_t *ret_nr)
{
	struct listing x = {.want = want};
	int r = for_each_file(l, listing_add, &x);

	if (r) {
		free(x.files);
		return r;
	}
	*ret = x.files;
	*ret_nr = x.nr;
	return 0;
}

struct moving {
	struct lease *lease;
	uint32_t from, to;
	int64_t nr_pages, nr_shmem;
};

static int move_owner(const struct lease_file_entry *e, void *userdata)
{
	struct moving *x = userdata;
	struct lease_file_owners o = e->owners;
	int target = -1;

	for (int i = 0; i < LEASE_FILE_OWNERS; i++)
		if (x->to && o.slot[i] == x->to)
			target = i;
	for (int i = 0; i < LEASE_FILE_OWNERS; i++) {
		if (o.slot[i] != x->from)
			continue;
		*(o.is_shmem ? &x->nr_shmem : &x->nr_pages) += o.nr_pages[i];
		if (target >= 0)
			o.nr_pages[target] += o.nr_pages[i];
		/* What shared memory nobody is charged for any more is known to be there. */
		o.slot[i] = target >= 0 ? 0 : x->to;
		if (!x->to && o.is_shmem)
			o.slot[i] = LEASE_SLOT_NOBODY;
		if (!o.slot[i])
			o.nr_pages[i] = 0;
		if (bpf_map_update_elem(bpf_map__fd(bpf_lease_of(x->lease)->skel->maps.files),
					&e->key, &o, BPF_EXIST) &&
		    errno != ENOENT)
			return -errno;
	}
	return 0;
}

int bpf_lease_files_move(struct lease *l, uint32_t slot, uint32_t to)
{
	struct moving x = {.lease = l, .from = slot, .to = to};
	int r;

	if (!lease_slot_get_cache(l, slot) && !lease_slot_get_shmem(l, slot))
		return 0;
	r = for_each_file(l, move_owner, &x);
	bpf_lease_owners_move(l, slot, to);
	__atomic_fetch_sub(&l->slots[slot].cache, (uint64_t)x.nr_pages, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&l->slots[slot].shmem, (uint64_t)x.nr_shmem, __ATOMIC_RELAXED);
	if (to) {
		__atomic_fetch_add(&l->slots[to].cache, (uint64_t)x.nr_pages, __ATOMIC_RELAXED);
		__atomic_fetch_add(&l->slots[to].shmem, (uint64_t)x.nr_shmem, __ATOMIC_RELAXED);
	}
	return r;
}
