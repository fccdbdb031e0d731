/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world's slots and the page cache charged to them, with the rules of lease.bpf.c. Sizes in
 * pages. Any thread.
 */
#include <pthread.h>
#include <string.h>

#include "tests/unit/fake_mechanisms.h"

struct fake_file {
	uint64_t ino, nr_pages;
	uint32_t slot;
};

static struct lease_slot slots[LEASE_MAX_SLOTS];
static struct fake_file files[FAKE_MAX_FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* files */

void fake_slots_reset(void)
{
	memset(slots, 0, sizeof(slots));
	memset(files, 0, sizeof(files));
}

/* ---- slots ---- */

void lease_slot_init(struct lease *l, uint32_t slot, uint32_t parent)
{
	(void)l;
	__atomic_store_n(&slots[slot].room, LEASE_NO_LIMIT, __ATOMIC_RELAXED);
	for (int part = 0; part < LEASE_NR_PARTS; part++)
		__atomic_store_n(&slots[slot].part_room[part], LEASE_NO_LIMIT, __ATOMIC_RELAXED);
	slots[slot].wake_at = 0;
	__atomic_store_n(&slots[slot].charged, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&slots[slot].cache, 0, __ATOMIC_RELAXED);
	slots[slot].wake_room = LEASE_WAKE_OFF;
	slots[slot].parent = parent;
	slots[slot].limited = 0;
	slots[slot].tick_pages = 0;
}

void lease_slot_set_tick_pages(struct lease *l, uint32_t slot, uint64_t nr_pages)
{
	(void)l;
	slots[slot].tick_pages = nr_pages;
}

void lease_slot_add_charged(struct lease *l, uint32_t slot, uint64_t nr_pages)
{
	(void)l;
	__atomic_fetch_add(&slots[slot].charged, nr_pages, __ATOMIC_RELAXED);
}

uint64_t fake_slot_tick_pages(uint32_t slot)
{
	return slots[slot].tick_pages;
}

void lease_slot_set_limited(struct lease *l, uint32_t slot, bool limited)
{
	(void)l;
	slots[slot].limited = limited;
}

static long long *room_of(uint32_t slot, int part)
{
	return part == LEASE_ALL_PARTS ? &slots[slot].room : &slots[slot].part_room[part];
}

int64_t lease_slot_get_room_of(const struct lease *l, uint32_t slot, int part)
{
	(void)l;
	return __atomic_load_n(room_of(slot, part), __ATOMIC_RELAXED);
}

int64_t lease_slot_get_room(const struct lease *l, uint32_t slot)
{
	return lease_slot_get_room_of(l, slot, LEASE_ALL_PARTS);
}

void lease_slot_set_room_of(struct lease *l, uint32_t slot, int part, int64_t room,
			    int64_t room_seen)
{
	(void)l;
	__atomic_fetch_add(room_of(slot, part), room - room_seen, __ATOMIC_RELAXED);
}

void lease_slot_set_room(struct lease *l, uint32_t slot, int64_t room, int64_t room_seen)
{
	lease_slot_set_room_of(l, slot, LEASE_ALL_PARTS, room, room_seen);
}

void lease_slot_set_wake_at(struct lease *l, uint32_t slot, int part)
{
	(void)l;
	__atomic_store_n(&slots[slot].wake_at, (unsigned)(part + 1), __ATOMIC_RELAXED);
}

void lease_slot_set_wake_room(struct lease *l, uint32_t slot, int64_t room)
{
	(void)l;
	__atomic_store_n(&slots[slot].wake_room, room, __ATOMIC_RELAXED);
}

uint64_t lease_slot_get_charged(const struct lease *l, uint32_t slot)
{
	(void)l;
	return __atomic_load_n(&slots[slot].charged, __ATOMIC_RELAXED);
}

uint64_t lease_slot_get_cache(const struct lease *l, uint32_t slot)
{
	(void)l;
	return __atomic_load_n(&slots[slot].cache, __ATOMIC_RELAXED);
}

/* Charged by file it is in integration tests: here members are charged for what they show. */
uint64_t lease_slot_get_shmem(const struct lease *l, uint32_t slot)
{
	(void)l;
	(void)slot;
	return 0;
}

enum lease_stop lease_get_stop(const struct lease *l)
{
	(void)l;
	return LEASE_STOP_BPF;
}

uint32_t lease_shmem_owner(const struct lease *l, uint64_t dev, uint64_t ino)
{
	(void)l;
	(void)dev;
	(void)ino;
	return 0;
}

bool lease_knows_owners(const struct lease *l)
{
	(void)l;
	return false;
}

bool lease_has_page_cache(const struct lease *l)
{
	(void)l;
	return false;
}

int lease_shmem_get(const struct lease *l, uint64_t dev, uint64_t ino, uint64_t *ret_pages)
{
	(void)l;
	(void)dev;
	(void)ino;
	(void)ret_pages;
	return -EOPNOTSUPP;
}

int lease_shmem_add(struct lease *l, uint32_t slot, uint64_t dev, uint64_t ino, int64_t nr_pages)
{
	(void)l;
	(void)slot;
	(void)dev;
	(void)ino;
	(void)nr_pages;
	return -EOPNOTSUPP;
}

bool fake_slot_limited(uint32_t slot)
{
	return slots[slot].limited;
}

uint32_t fake_slot_parent(uint32_t slot)
{
	return slots[slot].parent;
}

static void wake(uint32_t slot, int64_t room)
{
	if (room < __atomic_load_n(&slots[slot].wake_room, __ATOMIC_RELAXED) && fake_wake(slot))
		__atomic_store_n(&slots[slot].wake_room, LEASE_WAKE_OFF, __ATOMIC_RELAXED);
}

static uint32_t charge(uint32_t slot, enum lease_part part, int64_t nr_pages)
{
	uint32_t full = 0;

	for (; slot; slot = slots[slot].parent) {
		int64_t room = __atomic_sub_fetch(&slots[slot].room, nr_pages, __ATOMIC_RELAXED);
		int64_t part_room = __atomic_sub_fetch(&slots[slot].part_room[part], nr_pages,
						       __ATOMIC_RELAXED);

		if (nr_pages > 0)
			__atomic_fetch_add(&slots[slot].charged, (uint64_t)nr_pages,
					   __ATOMIC_RELAXED);
		if ((room < 0 || part_room < 0) && !full)
			full = slot;
		if (nr_pages > 0 && !slots[slot].wake_at)
			wake(slot, room);
		else if (nr_pages > 0 && slots[slot].wake_at == part + 1)
			wake(slot, part_room);
	}
	return full;
}

uint32_t fake_charge(uint32_t slot, int64_t nr_pages)
{
	return charge(slot, LEASE_RSS, nr_pages);
}

uint32_t fake_charge_tick(uint32_t slot)
{
	uint32_t full = 0;

	for (; slot; slot = slots[slot].parent) {
		int64_t nr = (int64_t)slots[slot].tick_pages;

		if (nr &&
		    __atomic_sub_fetch(&slots[slot].part_room[LEASE_RSS], nr, __ATOMIC_RELAXED) < 0)
			full = full ? full : slot;
		if (nr && __atomic_sub_fetch(&slots[slot].room, nr, __ATOMIC_RELAXED) < 0 && !full)
			full = slot;
	}
	return full;
}

/* ---- page cache ---- */

int lease_files(const struct lease *l, const bool *want, struct lease_file **ret, size_t *ret_nr)
{
	size_t nr = 0;

	(void)l;
	*ret = calloc(FAKE_MAX_FILES, sizeof(**ret));
	pthread_mutex_lock(&lock);
	for (int i = 0; i < FAKE_MAX_FILES; i++)
		if (files[i].nr_pages && want[files[i].slot])
			(*ret)[nr++] = (struct lease_file){.ino = files[i].ino,
							   .nr_pages = files[i].nr_pages};
	pthread_mutex_unlock(&lock);
	*ret_nr = nr;
	return 0;
}

static void cache_add(uint32_t slot, uint64_t nr)
{
	if (slot)
		__atomic_fetch_add(&slots[slot].cache, nr, __ATOMIC_RELAXED);
}

int lease_files_move(struct lease *l, uint32_t slot, uint32_t to)
{
	(void)l;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < FAKE_MAX_FILES; i++) {
		if (!files[i].nr_pages || files[i].slot != slot)
			continue;
		cache_add(slot, -files[i].nr_pages);
		cache_add(to, files[i].nr_pages);
		files[i].slot = to;
	}
	pthread_mutex_unlock(&lock);
	return 0;
}

uint64_t fake_cache_shrink(uint64_t ino, uint64_t nr)
{
	uint64_t gone = 0;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < FAKE_MAX_FILES; i++) {
		if (files[i].ino != ino)
			continue;
		gone = MIN(nr, files[i].nr_pages);
		files[i].nr_pages -= gone;
		cache_add(files[i].slot, -gone);
		charge(files[i].slot, LEASE_CACHE, -(int64_t)gone);
	}
	pthread_mutex_unlock(&lock);
	return gone;
}

uint32_t fake_cache_charge(uint32_t slot, uint64_t ino, uint64_t nr)
{
	struct fake_file *f = &files[ino % FAKE_MAX_FILES];

	pthread_mutex_lock(&lock);
	*f = (struct fake_file){.ino = ino, .nr_pages = f->nr_pages + nr, .slot = slot};
	cache_add(slot, nr);
	pthread_mutex_unlock(&lock);
	return charge(slot, LEASE_CACHE, (int64_t)nr);
}
