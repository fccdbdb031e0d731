// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * At the limit: who stands still waits here while memory is got back, and goes on when there is
 * room. Sizes in pages. Thread: the manager's loop.
 */
#include <string.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

/* The part of the limit that is got back at one limit hit at most. */
#define RECLAIM_BATCH_DIVISOR 2

/* Rounds that bring something back and yet no room, before OOM or before a limit is refused: as
 * MAX_RECLAIM_RETRIES in the kernel. */
#define RECLAIM_MAX_ROUNDS 16

/* Who was stopped does stand after so long, or is held up by something that may go on for ever. */
#define LANDS_USEC 1000000

/* ---- waiting ---- */

static void process_wait(struct manager *m, struct process *p, struct group *g)
{
	lease_hold(m->lease, p->tgid);
	p->waits_for = g;
	DL_APPEND2(g->waiters, p, wait_prev, wait_next);
}

void process_unwait(struct manager *m, struct process *p)
{
	if (p->noted)
		DL_DELETE2(m->stops, p, wait_prev, wait_next);
	else if (p->waits_for)
		DL_DELETE2(p->waits_for->waiters, p, wait_prev, wait_next);
	if (p->waits_for && !p->waits_for->waiters)
		group_oom_end(p->waits_for);
	p->noted = false;
	p->waits_for = NULL;
	p->wait_prev = p->wait_next = NULL;
}

/* All of g's waiters go on, or on to wait for a group further up. */
static void group_release(struct manager *m, struct group *g)
{
	struct process *all = g->waiters, *p, *next;

	g->waiters = NULL;
	g->full_parts = 0;
	g->nr_rounds = 0;
	g->victim = 0;
	g->try_again = false;
	group_oom_end(g);
	DL_FOREACH_SAFE2(all, p, next, wait_next)
	{
		p->waits_for = NULL;
		p->wait_prev = p->wait_next = NULL;
		p->found_over = false;
		process_settle(m, p);
	}
}

/* ---- reclaim ---- */

/* Pages to get back in a round. */
static uint64_t reclaim_wanted(struct manager *m, const struct group *g)
{
	int64_t room = group_room_wanted(m, g);
	uint64_t limit = group_least_limit(g, group_counter_part(g, group_bound_counter(m, g)));
	uint64_t batch = MIN((uint64_t)RECLAIM_BATCH, limit / RECLAIM_BATCH_DIVISOR);

	return MAX(batch, LEASE_PAGES) + (room < 0 ? (uint64_t)-room : 0);
}

static void group_reclaim(struct manager *m, struct group *g)
{
	/* That is waited for, and then seen what is needed still: what is done for others, and that
	 * shrinkers that were asked have had their time. */
	if (g->job || g->ask_deadline)
		return;
	g->nr_rounds++;
	g->try_again = false;
	if (job_reclaim(m, g, reclaim_wanted(m, g), JOB_DIRECT))
		group_oom(m, g);
}

static void group_hit_limit(struct manager *m, struct group *g)
{
	atomic_inc(&group_counter_of(g, group_bound_counter(m, g))->failcnt, 1);
	group_count_event(g, GROUP_EVENT_MAX, 1);
	g->nr_rounds = g->squeeze = 0;
	group_ask_first(m, g, MAX(group_shortfall(g), reclaim_wanted(m, g)));
}

/* Whether there is room by a true-up, and after what idle members hold unused is taken back. */
static bool group_find_room(struct manager *m, struct group *g)
{
	group_true_up(m, g);
	if (group_room_wanted(m, g) > 0)
		return true;
	if (!lease_slot_recall(m->lease, g->slot))
		return false;
	group_true_up(m, g);
	return group_room_wanted(m, g) > 0;
}

/* Faults are charged, whether they bring memory or not. */
static bool process_has_grown(struct manager *m, struct process *p)
{
	uint64_t before = p->pages;

	return process_recount(m, p, NULL) && p->pages > before;
}

void process_settle(struct manager *m, struct process *p)
{
	for (struct group *g = p->group; g->parent; g = g->parent) {
		bool busy = g->waiters || (g->job && g->job->purpose == JOB_DIRECT);
		unsigned full =
			group_full_parts(m, g, p->found_over || !group_has_limit_on_part(g));

		if (!group_is_limited(g) || (!busy && !full))
			continue;
		g->full_parts = busy ? g->full_parts | full : full;
		if (!busy && group_find_room(m, g)) {
			g->full_parts = 0;
			continue;
		}
		/* Where all wait for memory that nobody gives back, who takes none may be who does.
		 */
		if (g->oom && !process_has_grown(m, p))
			continue;
		/* Its going on was counted when it began. */
		if (g->has_grace && process_has_grace(m, p, g))
			continue;
		if (!g->waiters)
			group_hit_limit(m, g);
		g->has_grace = process_has_grace(m, p, g);
		if (g->has_grace)
			continue;
		process_wait(m, p, g);
		if (!busy) {
			group_reclaim(m, g);
			background_on_count(m, g);
		}
		return;
	}
	process_continue(m, p);
}

void stops_settle(struct manager *m)
{
	while (m->stops) {
		struct process *p = m->stops;

		process_unwait(m, p);
		process_settle(m, p);
	}
}

void process_on_stop(struct manager *m, const struct lease_record *r)
{
	struct process *p = process_member(m, (pid_t)r->tgid);

	if (p)
		process_stopped(m, p);
	else
		process_hold(m, (pid_t)r->tgid, true);
}

void group_settle(struct manager *m, struct group *g)
{
	if (!g->parent || g->job || !g->waiters)
		return;
	group_true_up(m, g);
	if (!group_is_limited(g) || group_room_wanted(m, g) > 0)
		group_release(m, g);
	else if (g->try_again)
		group_reclaim(m, g);
	else if (!g->ask_deadline)
		group_oom(m, g);
}

void group_settle_up(struct manager *m, struct group *g)
{
	for (; g; g = g->parent)
		group_settle(m, g);
}

static bool is_below(const struct group *g, const struct group *top)
{
	while (g && g != top)
		g = g->parent;
	return g;
}

/* Somebody is just coming, or going with what is charged here: what of it may be reclaimed is known
 * when it is there. */
static bool has_moving(const struct manager *m, const struct group *top)
{
	const struct process *p, *next;

	if (!m->attaches)
		return false;
	HASH_ITER (hh, m->processes, p, next) {
		bool here = p->moving && is_below(p->group, top);

		for (size_t i = 0; p->moving && i < p->owed.nr && !here; i++)
			here = is_below(m->groups[p->owed.owed[i].slot], top);
		if (here)
			return true;
	}
	return false;
}

/* Stopped in the middle of a system call: that it goes on with, and may be giving back memory that
 * is in no page table any more. */
static bool is_on_its_way(const struct process *p)
{
	struct process_usage u;

	return now_usec() < p->stopped_usec + LANDS_USEC && !process_usage_read(p->status_fd, &u) &&
	       strchr("RD", u.state);
}

static bool has_waiter_on_its_way(const struct group *g)
{
	const struct process *p;

	DL_FOREACH2(g->waiters, p, wait_next)
	{
		if (is_on_its_way(p))
			return true;
	}
	return false;
}

/* Page cache that did not go this time is being read or written, and goes when that is done. */
static bool has_cache(struct manager *m, struct group *top)
{
	if (group_counter_part(top, group_bound_counter(m, top)) == LEASE_RSS)
		return false;
	for (struct group *g = top; g; g = group_next(top, g))
		if (g->parent && lease_slot_get_cache(m->lease, g->slot))
			return true;
	return false;
}

/* After a round of reclaim: g's waiters go on, or another round, or, when that is of no use, OOM.
 */
static void reclaim_go_on(struct manager *m, struct group *g, bool progress)
{
	if (!g->waiters)
		return;
	group_true_up(m, g);
	if (!group_is_limited(g) || group_room_wanted(m, g) > 0) {
		group_release(m, g);
	} else if (g->ask_deadline) {
		return; /* to group_asked() */
	} else if ((!progress || g->nr_rounds >= RECLAIM_MAX_ROUNDS) && has_moving(m, g)) {
		/* Who is just coming may be reclaimed from when it is there: after_move(). */
		g->nr_rounds = 0;
		g->try_again = true;
	} else if (!progress && has_waiter_on_its_way(g)) {
		g->nr_rounds = 0;
		g->try_again = true;
		retry_arm(m);
	} else if (g->nr_rounds >= RECLAIM_MAX_ROUNDS) {
		group_oom(m, g);
	} else if (progress) {
		group_reclaim(m, g);
	} else if (has_cache(m, g)) {
		g->try_again = true;
		retry_arm(m);
	} else {
		group_oom(m, g);
	}
}

/*
 * The reserve is there so that threads cannot pass the limit with what they touch before their next
 * charge. With many of them that is much, and nobody is to be killed for what nobody has taken:
 * what is more than this part of the limit is given up first.
 */
#define SQUEEZE_DIVISOR 32

bool group_squeeze(struct manager *m, struct group *g)
{
	uint64_t limit = group_bound_limit(g);

	while (g->usage < group_bound(g) && group_reserve(g, limit) > limit / SQUEEZE_DIVISOR) {
		g->squeeze++;
		group_true_up(m, g);
		if (group_room_wanted(m, g) > 0) {
			group_release(m, g);
			return true;
		}
	}
	return false;
}

/* ---- changing the limit ---- */

void group_limited_changed(struct manager *m, struct group *top)
{
	for (struct group *g = top; g; g = group_next(top, g)) {
		bool limited = false;

		for (const struct group *x = g; x && !limited; x = x->parent)
			limited = group_is_limited(x);
		lease_slot_set_limited(m->lease, g->slot, limited);
	}
	group_true_up(m, top);
}

static void limit_done(struct group *g, int error)
{
	group_done_fn done = g->limit_done;

	g->limit_pending = false;
	g->limit_done = NULL;
	done(error, g->limit_userdata);
}

/* With the limit as it was. */
static void limit_give_up(struct manager *m, struct group *g, int error)
{
	limit_done(g, error);
	group_limited_changed(m, g);
}

void group_limit_fail(struct group *g, int error)
{
	if (g->limit_pending)
		limit_done(g, error);
}

static void limit_apply(struct manager *m, struct group *g, enum group_counter counter,
			uint64_t bytes)
{
	atomic_put(&group_counter_of(g, counter)->limit, bytes);
	background_forget(g);
	group_limited_changed(m, g);
}

/* Usage was above the limit wanted: is it still, after one more round of reclaim? */
static void limit_go_on(struct manager *m, struct group *g, bool progress)
{
	uint64_t wanted = bytes_to_pages(g->limit_wanted_bytes), used;

	group_true_up(m, g);
	used = group_used(g, g->limit_counter);
	if (used <= wanted) {
		limit_apply(m, g, g->limit_counter, g->limit_wanted_bytes);
		limit_done(g, 0);
		g->nr_rounds = 0;
		reclaim_go_on(m, g, true);
		return;
	}
	if (g->job || g->ask_deadline) /* when that is over: reclaim_done(), group_asked() */
		return;
	if (used < g->limit_least_used) {
		g->limit_least_used = used;
		g->nr_rounds = 0;
	}
	g->nr_rounds++;
	if (!progress || g->nr_rounds > RECLAIM_MAX_ROUNDS ||
	    job_reclaim(m, g, used - wanted, JOB_DIRECT)) {
		enum group_counter counter = g->limit_counter;

		limit_give_up(m, g, -EBUSY);
		g->nr_rounds = 0;
		/* Who waits at another limit has a round of its own. */
		reclaim_go_on(m, g, progress || counter != group_bound_counter(m, g));
	}
}

/* Memory is never allowed more than memory and swap together. */
static bool limit_is_valid(const struct group *g, enum group_counter counter, uint64_t bytes)
{
	if (!g->parent)
		return false;
	if (counter == COUNTER_RSS)
		return true;
	return counter == COUNTER_MEMORY ? bytes <= g->record->memsw.limit
					 : bytes >= g->record->memory.limit;
}

void group_set_limit(struct manager *m, struct group *g, enum group_counter counter, uint64_t bytes,
		     group_done_fn done, void *userdata)
{
	uint64_t used;

	bytes = MIN(bytes, LIMIT_MAX_BYTES) & ~4095ULL;
	if (!limit_is_valid(g, counter, bytes)) {
		done(-EINVAL, userdata);
		return;
	}
	if (g->limit_pending) {
		done(-EBUSY, userdata);
		return;
	}
	group_true_up(m, g);
	if (group_used(g, counter) <= bytes_to_pages(bytes)) {
		limit_apply(m, g, counter, bytes);
		group_settle(m, g);
		done(0, userdata);
		return;
	}
	g->limit_pending = true;
	g->limit_counter = counter;
	g->limit_wanted_bytes = bytes;
	g->limit_done = done;
	g->limit_userdata = userdata;
	g->limit_least_used = UINT64_MAX;
	g->nr_rounds = 0;
	group_limited_changed(m, g);
	used = group_used(g, counter);
	group_ask_first(m, g, used - MIN(used, bytes_to_pages(bytes)));
	limit_go_on(m, g, true);
}

/* ---- what was waited for is over ---- */

void group_asked(struct manager *m, struct group *g)
{
	if (g->limit_pending)
		limit_go_on(m, g, true);
	else
		reclaim_go_on(m, g, true);
	requests_asked(m, g);
}

static bool job_take_results(struct manager *m, struct group *g, struct job *j)
{
	/* Where nothing was looked for, the count was too high. */
	bool progress = j->nr_dropped || j->nr_paged_out || !j->scanned;

	for (size_t i = 0; i < j->nr; i++)
		j->processes[i]->hand = j->list[i].hand;
	job_take_paged_out(m, j);
	progress |= job_take_shares(m, j, false);
	if (!g)
		return progress;
	group_count_event(g,
			  j->purpose == JOB_BACKGROUND ? GROUP_EVENT_RECLAIM_BACKGROUND
						       : GROUP_EVENT_RECLAIM_DIRECT,
			  j->nr_dropped + j->nr_paged_out);
	group_count_event(g, GROUP_EVENT_PAGED_OUT, j->nr_paged_out);
	group_count_event(g, GROUP_EVENT_CACHE_DROPPED, j->nr_dropped);
	if (j->passed_over && !has_moving(m, g))
		progress = true;
	/* A request is nobody's need, and none in the kernel. */
	if (j->scanned && j->purpose != JOB_REQUEST)
		group_add_pressure(m, g, j->nr_pages, j->nr_dropped + j->nr_paged_out);
	return progress;
}

void reclaim_done(struct manager *m, struct job *j)
{
	struct group *g = j->group_id ? manager_group(m, j->group_id) : NULL;
	bool progress = job_take_results(m, g, j), direct = j->purpose == JOB_DIRECT;

	if (!g)
		return;
	g->job = NULL;
	if (progress)
		background_forget(g);
	/* That nothing came back counts only for who asked for it. */
	if (g->limit_pending)
		limit_go_on(m, g, progress || !direct);
	else
		reclaim_go_on(m, g, progress || !direct);
	requests_go_on(m, g, j);
	background_go_on(m, g, progress);
}
