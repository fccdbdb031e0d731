// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Background reclaim: a group that passes the high mark is brought down to the low one while its
 * members run, so that they need not meet the limit (the background reclamation that was proposed
 * for the memory controller in 2007). The marks are parts of the group's own limit; a limit further
 * up has marks of its own, and what is below that is taken from together.
 *
 * Nobody polls for the high mark: a charge that leaves less room than the mark allows writes a
 * record, once. Then the group is counted, and if it is above the mark a round begins: batches, one
 * job each, until the low mark, or until so many of them, or until nothing comes back. A member
 * that meets the limit meanwhile waits for a batch at most. Sizes in pages. Thread: the manager's
 * loop.
 */
#include "manager/manager_private.h"
#include "util/util.h"

#define HIGH_PERCENT 75 /* a new group's: those of the 2007 patch, and what it was tried with */
#define LOW_PERCENT  50

/* One job: who waits at the limit meanwhile waits for it. */
#define BATCH_PAGES 1024

/* Of a round, as in the 2007 patch; then the high mark counts as passed anew. */
#define ROUND_BATCHES 128

/*
 * What must have been taken on top before the group is counted again, when it was not above its
 * mark in spite of its charges (faults that brought no memory), as a part of the limit. Counting
 * costs 20 us, as much as 15 faults.
 */
#define STEP_DIVISOR 32

/* ---- the marks ---- */

uint64_t watermarks_pack(unsigned high, unsigned low)
{
	return (uint64_t)high << 32 | low;
}

void group_watermarks(const struct group *g, unsigned *ret_high, unsigned *ret_low)
{
	uint64_t both = g->parent ? atomic_get(&g->record->watermarks) : 0;

	*ret_high = (unsigned)(both >> 32);
	*ret_low = (unsigned)both;
}

uint64_t watermarks_default(void)
{
	return watermarks_pack(HIGH_PERCENT, LOW_PERCENT);
}

/* What the limit is for, and the marks with it. */
static uint64_t counted(const struct group *g)
{
	return group_used(g, COUNTER_MEMORY);
}

static uint64_t step(const struct group *g)
{
	return MAX(bytes_to_pages(g->record->memory.limit) / STEP_DIVISOR, LEASE_PAGES);
}

/* False: the group has none. Members stop below the limit, further below it the more threads there
 * are, and less may be left by memory and swap: the high mark is always to be met before that. */
static bool marks(const struct group *g, uint64_t *ret_high, uint64_t *ret_low)
{
	uint64_t limit = bytes_to_pages(g->record->memory.limit);
	uint64_t ahead = MIN(step(g), BATCH_PAGES), highest = g->stop_usage;
	unsigned high, low;

	group_watermarks(g, &high, &low);
	if (!high || g->record->memory.limit >= LIMIT_MAX_BYTES)
		return false;
	highest -= MIN(highest, ahead);
	*ret_high = MIN(limit / 100 * high + limit % 100 * high / 100, highest);
	*ret_low = MIN(limit / 100 * low + limit % 100 * low / 100, *ret_high);
	return true;
}

int group_set_watermarks(struct manager *m, struct group *g, uint64_t high, uint64_t low)
{
	if (!g->parent || high > 100 || low > high || (!low && high))
		return -EINVAL;
	atomic_put(&g->record->watermarks, watermarks_pack((unsigned)high, (unsigned)low));
	background_forget(g);
	group_true_up(m, g);
	return 0;
}

uint64_t group_shortfall(const struct group *g)
{
	uint64_t high, low;

	return marks(g, &high, &low) ? counted(g) - MIN(counted(g), low) : 0;
}

/* ---- being told ---- */

/* The next charge of interest is at no less than this; before members stop in any case. */
static uint64_t wake_usage(const struct group *g, uint64_t high)
{
	return MAX(high, MIN(g->wake_not_below, g->stop_usage - MIN(g->stop_usage, LEASE_PAGES)));
}

void background_arm(struct manager *m, struct group *g, int64_t room)
{
	int part = group_counter_part(g, COUNTER_MEMORY);
	/* Charged by time it comes near its limit first, and to here again. */
	int64_t left = g->tick_pages ? group_headroom(g, part) : room;
	uint64_t high, low;

	g->stop_usage = (uint64_t)MAX((int64_t)counted(g) + left, 0);
	if (g->background != BACKGROUND_OFF || !marks(g, &high, &low)) {
		lease_slot_set_wake_room(m->lease, g->slot, LEASE_WAKE_OFF);
		return;
	}
	if (counted(g) <= low || counted(g) + step(g) <= g->sleep_usage)
		background_forget(g);
	lease_slot_set_wake_at(m->lease, g->slot, part);
	lease_slot_set_wake_room(m->lease, g->slot,
				 room - (int64_t)wake_usage(g, high) + (int64_t)counted(g));
}

void background_forget(struct group *g)
{
	g->wake_not_below = g->sleep_usage = 0;
}

static void nearby_go_on(struct manager *m, struct group *g);

/* Nothing comes of it now: not again before the group has grown. Usage is fresh. */
static void sleep_on(struct manager *m, struct group *g, uint64_t growth)
{
	bool was_round = g->background != BACKGROUND_OFF;

	g->background = BACKGROUND_OFF;
	g->to_soft_limit = false;
	g->sleep_usage = counted(g);
	g->wake_not_below = counted(g) + growth;
	background_arm(m, g, group_room_wanted_of(m, g, group_counter_part(g, COUNTER_MEMORY)));
	if (was_round)
		nearby_go_on(m, g);
}

/* ---- rounds ---- */

static void round_begin(struct manager *m, struct group *g, uint64_t shortfall)
{
	g->background = BACKGROUND_ASKED;
	g->nr_batches = 0;
	if (!g->to_soft_limit)
		group_count_event(g, GROUP_EVENT_HIGH, 1);
	/* Who can free some is asked, and nothing paged out before they had time for it. */
	if (!group_ask_first(m, g, shortfall))
		background_page_out(m, g);
}

/* Pages over what the round is for: the low mark, or the soft limit. */
static uint64_t excess(const struct group *g)
{
	uint64_t high, goal;

	if (g->to_soft_limit)
		goal = bytes_to_pages(atomic_get(&g->record->soft_limit));
	else if (!marks(g, &high, &goal))
		return 0;
	return counted(g) - MIN(counted(g), goal);
}

/* Usage is fresh. Another batch, or this was the last. */
static void next_batch(struct manager *m, struct group *g)
{
	uint64_t nr_pages = excess(g);

	if (g->job) /* it goes on when that is done */
		return;
	if (!nr_pages) {
		sleep_on(m, g, 0);
	} else if (g->nr_batches++ >= ROUND_BATCHES) {
		if (g->to_soft_limit)
			sleep_on(m, g, 0); /* as long as the machine does not ask again */
		else
			round_begin(m, g, nr_pages);
	} else if (job_reclaim(m, g, MIN(nr_pages, BATCH_PAGES), JOB_BACKGROUND)) {
		sleep_on(m, g, step(g));
	}
}

/* Applications that were asked gave enough for now: they are asked again at the mark, rather than
 * paged out, though they may fill their caches as fast as they give them back. */
static bool is_below_mark(const struct group *g)
{
	uint64_t high, low;

	return !g->to_soft_limit && shrinkers_may_be_at_it(g) && marks(g, &high, &low) &&
	       counted(g) <= high;
}

void background_page_out(struct manager *m, struct group *g)
{
	if (g->background != BACKGROUND_ASKED)
		return;
	g->background = BACKGROUND_ON;
	group_true_up(m, g);
	if (is_below_mark(g))
		sleep_on(m, g, 0);
	else
		next_batch(m, g);
}

/* What is left cannot be had: the next time half way to the limit, for the program may free some.
 */
static void give_up(struct manager *m, struct group *g)
{
	sleep_on(m, g, MAX((g->stop_usage - MIN(g->stop_usage, counted(g))) / 2, step(g)));
}

void background_go_on(struct manager *m, struct group *g, bool progress)
{
	if (g->background != BACKGROUND_ON || g->job)
		return;
	group_true_up(m, g);
	if (progress)
		next_batch(m, g);
	else
		give_up(m, g);
}

/* ---- the mark ---- */

/* One above or below g: it takes from the same processes, and both would take what one is to. */
static bool round_nearby(const struct group *top)
{
	for (const struct group *g = top->parent; g; g = g->parent)
		if (g->background != BACKGROUND_OFF)
			return true;
	for (const struct group *g = top; g; g = group_next(top, g))
		if (g->background != BACKGROUND_OFF)
			return true;
	return false;
}

/* Usage is as last counted. */
static bool is_due(const struct group *g)
{
	uint64_t high, low;

	return g->background == BACKGROUND_OFF && marks(g, &high, &low) && counted(g) > high &&
	       counted(g) >= wake_usage(g, high);
}

static void look(struct manager *m, struct group *g)
{
	uint64_t high, low;

	if (g->background != BACKGROUND_OFF || !marks(g, &high, &low))
		return;
	g->put_off = false;
	group_true_up(m, g);
	if (is_due(g) && !round_nearby(g)) {
		round_begin(m, g, group_shortfall(g));
		return;
	}
	g->put_off = is_due(g);
	sleep_on(m, g, step(g));
}

/* A round of g's is over: those that were put off for it, if they are still above their marks. */
static void nearby_go_on(struct manager *m, struct group *top)
{
	for (struct group *g = top->parent; g; g = g->parent) {
		if (!g->put_off)
			continue;
		background_forget(g);
		look(m, g);
	}
	for (struct group *g = group_next(top, top); g; g = group_next(top, g)) {
		if (!g->put_off)
			continue;
		background_forget(g);
		look(m, g);
	}
}

void group_on_wake(struct manager *m, const struct lease_record *r)
{
	struct group *g = r->slot < STATE_MAX_GROUPS ? m->groups[r->slot] : NULL;

	if (g)
		look(m, g);
}

void background_on_count(struct manager *m, struct group *g)
{
	if (is_due(g))
		look(m, g);
}

void background_to_soft_limit(struct manager *m, struct group *g)
{
	if (round_nearby(g))
		return;
	group_true_up(m, g);
	if (counted(g) <= bytes_to_pages(atomic_get(&g->record->soft_limit)))
		return;
	g->to_soft_limit = true;
	round_begin(m, g, excess(g));
}
