// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How long leases are where each overflow costs a stop: as long as the room allows. Sizes in pages.
 * Thread: the manager's loop.
 */
#include <string.h>

#include "accounting/lease_signal.h"
#include "util/util.h"

/* The part of the room that all leases together may have, and twice that before they are shortened.
 */
#define ROOM_DIVISOR 4

/* Beyond this a stop costs nothing any more: 0.36 s for 1 GiB at 1024 pages as without
 * (doc/design.md). */
#define PERIOD_MAX 1024

static void add_up(struct signal_lease *l)
{
	struct signal_thread *t;

	if (!l->sums_stale)
		return;
	l->sums_stale = false;
	memset(l->nr_threads, 0, sizeof(l->nr_threads));
	memset(l->held, 0, sizeof(l->held));
	DL_FOREACH (l->threads, t) {
		if (t->dead || !t->process->member)
			continue;
		for (uint32_t i = 0, s = t->process->member->member.slot; s && i < LEASE_MAX_DEPTH;
		     i++) {
			l->nr_threads[s]++;
			if (t->stops)
				l->held[s] += t->shared->period - LEASE_PAGES;
			s = l->base.slots[s].parent;
		}
	}
}

/* Pages that a thread of this slot may have in advance. */
static uint32_t affordable(struct signal_lease *l, uint32_t slot)
{
	int64_t period = PERIOD_MAX;

	add_up(l);
	for (int i = 0; slot && i < LEASE_MAX_DEPTH; i++) {
		int64_t room = MIN(lease_slot_get_room(&l->base, slot),
				   lease_slot_get_room_of(&l->base, slot, LEASE_RSS));

		period = MIN(period, room / (ROOM_DIVISOR * (int64_t)MAX(l->nr_threads[slot], 1)));
		slot = l->base.slots[slot].parent;
	}
	return (uint32_t)MAX(period, LEASE_PAGES);
}

/* What a thread may have at its overflow, to which the kernel has given it `given` pages. */
static uint32_t lease_wanted(struct signal_lease *l, const struct signal_thread *t, uint32_t given)
{
	if (!t->stops)
		return given;
	if (t->process->is_init)
		return PERIOD_INIT;
	return affordable(l, t->process->member->member.slot);
}

static uint32_t charge(struct signal_lease *l, const struct signal_thread *t, int64_t nr_pages)
{
	uint32_t slot = t->process->member->member.slot, wake;
	uint32_t full = lease_charge(&l->base, slot, nr_pages, &wake);

	if (wake)
		signal_emit(l, &(struct lease_record){
				       .type = LEASE_RECORD_WAKE,
				       .tgid = (unsigned)t->process->tgid,
				       .slot = wake,
			       });
	return full;
}

uint32_t slot_give_lease(struct signal_lease *l, struct signal_thread *t, uint32_t given,
			 int64_t unused)
{
	uint32_t may = lease_wanted(l, t, given);

	slot_sums_change(l, t, given);
	t->shared->period = given;
	/* Another period costs a system call, and if the thread has not stopped yet another stop.
	 */
	if (may < given / 2)
		thread_set_period(l, t, may);
	return charge(l, t, t->shared->period - unused);
}

void slot_lengthen_lease(struct signal_lease *l, struct signal_thread *t)
{
	uint32_t old = t->shared->period, may;

	if (!t->process->member)
		return;
	may = lease_wanted(l, t, old);
	if (may < 2 * old)
		return;
	thread_set_period(l, t, may);
	charge(l, t, may - old);
}

void slot_sums_change(struct signal_lease *l, const struct signal_thread *t, uint32_t period)
{
	uint32_t slot;

	if (l->sums_stale || t->dead || !t->stops || !t->process->member)
		return;
	slot = t->process->member->member.slot;
	for (int i = 0; slot && i < LEASE_MAX_DEPTH; i++) {
		l->held[slot] += (uint64_t)period - t->shared->period;
		slot = l->base.slots[slot].parent;
	}
}

uint64_t signal_lease_held(struct lease *lease, uint32_t slot)
{
	struct signal_lease *l = signal_lease_of(lease);

	add_up(l);
	return l->held[slot];
}

static bool is_below(const struct signal_lease *l, uint32_t slot, uint32_t top)
{
	for (int i = 0; slot && i < LEASE_MAX_DEPTH; i++) {
		if (slot == top)
			return true;
		slot = l->base.slots[slot].parent;
	}
	return false;
}

bool signal_lease_recall(struct lease *lease, uint32_t top)
{
	struct signal_lease *l = signal_lease_of(lease);
	struct signal_thread *t;

	if (!signal_lease_held(lease, top))
		return false;
	DL_FOREACH (l->threads, t)
		if (t->stops && t->process->member &&
		    is_below(l, t->process->member->member.slot, top))
			thread_set_period(l, t, LEASE_PAGES);
	return true;
}
