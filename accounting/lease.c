// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The front of the lease mechanisms: which one it is (the ladder), and the slots, which are the
 * same for all. Units: pages. Thread: the manager's loop, but where lease.h says otherwise.
 */
#include <errno.h>
#include <string.h>

#include "accounting/lease_private.h"
#include "util/util.h"

const char *lease_stop_name(enum lease_stop stop)
{
	static const char *const names[] = {
		[LEASE_STOP_AUTO] = "auto",
		[LEASE_STOP_BPF] = "bpf",
		[LEASE_STOP_SIGNAL] = "signal",
		[LEASE_STOP_FREEZER] = "freezer",
	};

	return names[stop];
}

/* ---- the ladder ---- */

int lease_new(struct lease **ret, enum lease_stop wanted)
{
	int bpf_error = 0, r;

	/* It freezes 47 pages after a lease's end in the median, 221 at most (Linux 6.18), each
	 * time and for each process; 1 % of 16 MiB is 40. */
	if (wanted == LEASE_STOP_FREEZER)
		return -EOPNOTSUPP;
	if (wanted != LEASE_STOP_SIGNAL) {
		bpf_error = bpf_lease_new(ret);
		if (!bpf_error || wanted == LEASE_STOP_BPF)
			return bpf_error;
	}
	r = signal_lease_new(ret);
	if (!r)
		(*ret)->bpf_error = bpf_error;
	return r;
}

struct lease *lease_free(struct lease *l)
{
	if (l)
		l->ops->free(l);
	return NULL;
}

enum lease_stop lease_get_stop(const struct lease *l)
{
	return l->ops->stop;
}

int lease_get_bpf_error(const struct lease *l)
{
	return l->bpf_error;
}

bool lease_survives(const struct lease *l)
{
	return l->ops->survives;
}

bool lease_stops_always(const struct lease *l)
{
	return l->ops->stops_always;
}

/* ---- what each mechanism does in its own way ---- */

bool lease_has_page_cache(const struct lease *l)
{
	return l->ops->has_page_cache && l->ops->has_page_cache(l);
}

int lease_server_start(struct lease *l, lease_record_fn fn, void *userdata)
{
	l->fn = fn;
	l->userdata = userdata;
	return l->ops->server_start(l);
}

void lease_set_keep(struct lease *l, lease_keep_fn keep, lease_drop_fn drop)
{
	l->keep = keep;
	l->drop = drop;
}

int lease_get_fd(const struct lease *l)
{
	return l->ops->get_fd(l);
}

int lease_dispatch(struct lease *l)
{
	return l->ops->dispatch(l);
}

int lease_arm(struct lease *l, pid_t tid, unsigned events, int ret_fds[LEASE_NR_EVENTS])
{
	return l->ops->arm(l, tid, events, ret_fds);
}

uint64_t lease_get_tick_pages(const struct lease *l)
{
	return l->tick_pages;
}

void lease_own_events(struct lease *l, pid_t tid)
{
	if (l->ops->own_events)
		l->ops->own_events(l, tid);
}

void lease_disarm(struct lease *l, const int fds[LEASE_NR_EVENTS])
{
	if (l->ops->disarm)
		l->ops->disarm(l, fds);
}

void lease_inherited(struct lease *l, int fd)
{
	if (l->ops->inherited)
		l->ops->inherited(l, fd);
}

void lease_inherited_all(struct lease *l)
{
	if (l->ops->inherited_all)
		l->ops->inherited_all(l);
}

int lease_member_set(struct lease *l, pid_t tgid, uint32_t slot, bool stopped)
{
	return l->ops->member_set(l, tgid, slot, stopped);
}

int lease_member_get(const struct lease *l, pid_t tgid, struct lease_member *ret)
{
	return l->ops->member_get(l, tgid, ret);
}

int lease_member_remove(struct lease *l, pid_t tgid)
{
	return l->ops->member_remove(l, tgid);
}

void lease_hold(struct lease *l, pid_t tgid)
{
	if (l->ops->hold)
		l->ops->hold(l, tgid);
}

bool lease_continuing(struct lease *l, pid_t tgid)
{
	return !l->ops->continuing || l->ops->continuing(l, tgid);
}

void lease_release(struct lease *l)
{
	l->ops->release(l);
}

int lease_files(const struct lease *l, const bool *want, struct lease_file **ret, size_t *ret_nr)
{
	if (l->ops->files)
		return l->ops->files(l, want, ret, ret_nr);
	*ret = NULL;
	*ret_nr = 0;
	return 0;
}

int lease_files_move(struct lease *l, uint32_t slot, uint32_t to)
{
	return l->ops->files_move ? l->ops->files_move(l, slot, to) : 0;
}

int lease_shmem_get(const struct lease *l, uint64_t dev, uint64_t ino, uint64_t *ret_pages)
{
	return l->ops->shmem_get ? l->ops->shmem_get(l, dev, ino, ret_pages) : -EOPNOTSUPP;
}

int lease_shmem_add(struct lease *l, uint32_t slot, uint64_t dev, uint64_t ino, int64_t nr_pages)
{
	return l->ops->shmem_add ? l->ops->shmem_add(l, slot, dev, ino, nr_pages) : -EOPNOTSUPP;
}

bool lease_knows_owners(const struct lease *l)
{
	return l->owners;
}

/* A folio's first page has its entry; folios of 2^n pages begin at multiples of that. */
uint32_t lease_page_owner(const struct lease *l, uint64_t frame)
{
	for (uint32_t order = 0; frame < l->nr_owners && order <= LEASE_MAX_ORDER; order++) {
		uint64_t first = frame & ~((1ULL << order) - 1);
		const struct lease_owners *block = &l->owners[first >> LEASE_OWNERS_SHIFT];
		unsigned owner = __atomic_load_n(
			&block->owner[first & ((1 << LEASE_OWNERS_SHIFT) - 1)], __ATOMIC_RELAXED);

		if (owner && (owner & ((1 << LEASE_OWNER_ORDER_BITS) - 1)) > order)
			return owner >> LEASE_OWNER_ORDER_BITS;
	}
	return 0;
}

uint32_t lease_shmem_owner(const struct lease *l, uint64_t dev, uint64_t ino)
{
	return l->ops->shmem_owner ? l->ops->shmem_owner(l, dev, ino) : 0;
}

int lease_tcp_bytes(struct lease *l, uint32_t slot, uint64_t *ret)
{
	return l->ops->tcp_bytes ? l->ops->tcp_bytes(l, slot, ret) : -EOPNOTSUPP;
}

/* ---- slots ---- */

void lease_slot_init(struct lease *l, uint32_t slot, uint32_t parent)
{
	struct lease_slot *s = &l->slots[slot];

	memset(s, 0, sizeof(*s));
	s->room = LEASE_NO_LIMIT;
	for (int part = 0; part < LEASE_NR_PARTS; part++)
		s->part_room[part] = LEASE_NO_LIMIT;
	s->wake_room = LEASE_WAKE_OFF;
	s->parent = parent;
}

void lease_slot_set_limited(struct lease *l, uint32_t slot, bool limited)
{
	__atomic_store_n(&l->slots[slot].limited, limited, __ATOMIC_RELAXED);
	if (l->ops->set_limited)
		l->ops->set_limited(l, slot);
}

void lease_slot_set_tick_pages(struct lease *l, uint32_t slot, uint64_t nr_pages)
{
	__atomic_store_n(&l->slots[slot].tick_pages, nr_pages, __ATOMIC_SEQ_CST);
}

static long long *room_of(const struct lease *l, uint32_t slot, int part)
{
	return part == LEASE_ALL_PARTS ? &l->slots[slot].room : &l->slots[slot].part_room[part];
}

int64_t lease_slot_get_room_of(const struct lease *l, uint32_t slot, int part)
{
	return __atomic_load_n(room_of(l, slot, part), __ATOMIC_RELAXED);
}

int64_t lease_slot_get_room(const struct lease *l, uint32_t slot)
{
	return lease_slot_get_room_of(l, slot, LEASE_ALL_PARTS);
}

/* What was charged since room_seen was read stays charged. */
void lease_slot_set_room_of(struct lease *l, uint32_t slot, int part, int64_t room,
			    int64_t room_seen)
{
	__atomic_fetch_add(room_of(l, slot, part), room - room_seen, __ATOMIC_RELAXED);
}

void lease_slot_set_room(struct lease *l, uint32_t slot, int64_t room, int64_t room_seen)
{
	lease_slot_set_room_of(l, slot, LEASE_ALL_PARTS, room, room_seen);
}

void lease_slot_set_wake_at(struct lease *l, uint32_t slot, int part)
{
	__atomic_store_n(&l->slots[slot].wake_at, (unsigned)(part + 1), __ATOMIC_RELAXED);
}

void lease_slot_set_wake_room(struct lease *l, uint32_t slot, int64_t room)
{
	__atomic_store_n(&l->slots[slot].wake_room, room, __ATOMIC_RELAXED);
}

uint64_t lease_slot_get_held(struct lease *l, uint32_t slot)
{
	return l->ops->held ? l->ops->held(l, slot) : 0;
}

bool lease_slot_recall(struct lease *l, uint32_t slot)
{
	return l->ops->recall && l->ops->recall(l, slot);
}

uint64_t lease_slot_get_charged(const struct lease *l, uint32_t slot)
{
	return __atomic_load_n(&l->slots[slot].charged, __ATOMIC_RELAXED);
}

void lease_slot_add_charged(struct lease *l, uint32_t slot, uint64_t nr_pages)
{
	__atomic_fetch_add(&l->slots[slot].charged, nr_pages, __ATOMIC_RELAXED);
}

/* A page that goes while it is being entered may be counted in the other order. */
uint64_t lease_slot_get_cache(const struct lease *l, uint32_t slot)
{
	int64_t nr_pages = (int64_t)__atomic_load_n(&l->slots[slot].cache, __ATOMIC_RELAXED);

	return (uint64_t)MAX(nr_pages, 0);
}

uint64_t lease_slot_get_shmem(const struct lease *l, uint32_t slot)
{
	int64_t nr_pages = (int64_t)__atomic_load_n(&l->slots[slot].shmem, __ATOMIC_RELAXED);

	return (uint64_t)MAX(nr_pages, 0);
}

/* Of what page faults are charged to. */
static bool is_below_mark(const struct lease_slot *s, int64_t room, int64_t part_room)
{
	if (!s->wake_at)
		return room < s->wake_room;
	return s->wake_at == LEASE_RSS + 1 && part_room < s->wake_room;
}

uint32_t lease_charge(struct lease *l, uint32_t slot, int64_t nr_pages, uint32_t *ret_wake)
{
	uint32_t full = 0;

	*ret_wake = 0;

	for (int i = 0; i < LEASE_MAX_DEPTH && slot; i++) {
		struct lease_slot *s = &l->slots[slot];
		int64_t room, part_room;

		__atomic_fetch_add(&s->charged, (uint64_t)nr_pages, __ATOMIC_RELAXED);
		room = __atomic_sub_fetch(&s->room, nr_pages, __ATOMIC_RELAXED);
		part_room =
			__atomic_sub_fetch(&s->part_room[LEASE_RSS], nr_pages, __ATOMIC_RELAXED);
		if ((room < 0 || part_room < 0) && !full)
			full = slot;
		if (is_below_mark(s, room, part_room) && !*ret_wake) {
			s->wake_room = LEASE_WAKE_OFF;
			*ret_wake = slot;
		}
		slot = s->parent;
	}
	return full;
}
