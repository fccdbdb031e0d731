// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shrinkers: applications' caches, whose owners are asked over their eventfds to free so many
 * chunks. As in the 2013 patch what is asked for is taken to be freed: who could not says so by
 * adding it back. Thread: the manager's loop.
 */
#include <poll.h>

#include "manager/manager_private.h"
#include "shrinker/split.h"
#include "util/util.h"

/*
 * Asked at a time. Each costs 42 us of the loop, to see whether its owner is still there and to
 * tell it; those that come after have more to offer than these the next time.
 */
#define ASK_MAX 64

/*
 * How long they have, before pages go to swap instead: 2,000 chunks of a page are freed in that
 * time, and a thread that waits for its eventfd has run (the median is 0.2 ms, bench/RESULTS.md).
 * For some time after that they may still be at it.
 */
#define DEADLINE_USEC 10000
#define BUSY_USEC     100000

/* What a member with a shrinker may take above the limit until then, as a part of it: without it,
 * it could not answer. */
#define GRACE_DIVISOR 200

/* ---- what can be freed ---- */

static struct listener *find_shrinker(const struct group *g, uint64_t eventfd_id)
{
	struct listener *l;

	DL_FOREACH (g->listeners, l)
		if (l->record->kind == LISTENER_SHRINKER && l->record->eventfd_id == eventfd_id)
			return l;
	return NULL;
}

static uint64_t add_chunks(uint64_t chunks, int64_t more)
{
	if (more < 0)
		return chunks - MIN(chunks, -(uint64_t)more);
	return MIN(chunks + (uint64_t)more, (uint64_t)INT64_MAX);
}

int group_adjust_shrinker(struct manager *m, struct group *g, const struct caller *c, int number,
			  int64_t chunks, uint64_t request)
{
	struct eventfd_info info;
	struct listener *l;
	int r = eventfd_identify(c->pid, number, &info);

	(void)m;
	if (r)
		return r;
	l = find_shrinker(g, info.id);
	if (!l)
		return -ENOENT;
	if (l->record->last_write == request)
		return 0;
	atomic_put(&l->record->chunks, add_chunks(l->record->chunks, chunks));
	l->record->last_write = request;
	return 0;
}

/* ---- asking ---- */

/* Who is asked: who was not for the longest time first. */
struct ask {
	size_t nr;
	struct listener *listener[ASK_MAX];
	struct shrinker_offer offer[ASK_MAX];
};

static void ask_add(struct ask *ask, struct listener *l)
{
	size_t at = ask->nr;

	if (at == ASK_MAX && ask->listener[--at]->asked <= l->asked)
		return;
	for (; at && ask->listener[at - 1]->asked > l->asked; at--)
		ask->listener[at] = ask->listener[at - 1];
	ask->listener[at] = l;
	ask->nr = MIN(ask->nr + 1, (size_t)ASK_MAX);
}

/* One that was too full takes nobody's part before it has been read. */
static bool may_be_asked(struct listener *l)
{
	struct pollfd p = {.fd = l->fd, .events = POLLIN};

	if (l->record->kind != LISTENER_SHRINKER || !l->record->chunks)
		return false;
	l->full = l->full && poll(&p, 1, 0) == 1;
	return !l->full;
}

static void ask_collect(struct ask *ask, struct group *top)
{
	ask->nr = 0;
	for (struct group *g = top; g; g = top->parent ? group_next(top, g) : NULL) {
		struct listener *l;

		DL_FOREACH (g->listeners, l)
			if (may_be_asked(l))
				ask_add(ask, l);
	}
}

static void ask_split(struct ask *ask, uint64_t bytes)
{
	for (size_t i = 0; i < ask->nr; i++) {
		const struct listener_record *rec = ask->listener[i]->record;

		ask->offer[i] = (struct shrinker_offer){
			.chunks = rec->chunks,
			.chunk_bytes = rec->value,
			.carry_bytes = rec->carry_bytes,
		};
	}
	shrinker_split(ask->offer, ask->nr, bytes);
}

/* Those of them whose owners have gone go, each looked at once. Whether there were any. */
static bool ask_drop_gone(struct manager *m, struct ask *ask)
{
	unsigned looks = EVENTFD_MAX_LOOKS;
	size_t nr = 0, before = ask->nr;

	for (size_t i = 0; i < before; i++) {
		if (listener_is_held(ask->listener[i], &looks))
			ask->listener[nr++] = ask->listener[i];
		else
			listener_remove(m, ask->listener[i]);
	}
	ask->nr = nr;
	return nr < before;
}

/* Bytes that its owner was asked for. */
static uint64_t ask_one(struct manager *m, struct group *top, struct listener *l,
			const struct shrinker_offer *o)
{
	struct listener_record *rec = l->record;
	int r = o->ask ? eventfd_add(l->fd, o->ask) : 0;

	if (o->ask)
		l->asked = ++m->nr_asks;
	l->full = r == -EAGAIN;
	if (r == -EINTR) { /* somebody means us to wait */
		listener_remove(m, l);
		return 0;
	}
	if (r)
		return 0;
	rec->carry_bytes = o->carry_bytes;
	if (!o->ask)
		return 0;
	atomic_put(&rec->chunks, rec->chunks - o->ask);
	atomic_inc(&rec->nr_asked, o->ask);
	group_count_event(top, GROUP_EVENT_SHRINK_ASKED, 1);
	group_count_event(top, GROUP_EVENT_SHRINK_CHUNKS, o->ask);
	return o->ask * rec->value;
}

uint64_t group_ask(struct manager *m, struct group *top, uint64_t nr_pages)
{
	struct ask ask;
	uint64_t bytes = 0;

	if (!m->nr_shrinkers)
		return 0;
	/* When none of those is left the next are looked at, no more than once: each is 14 us in
	 * which no stop is answered. */
	ask_collect(&ask, top);
	if (ask_drop_gone(m, &ask) && !ask.nr) {
		ask_collect(&ask, top);
		ask_drop_gone(m, &ask);
	}
	ask_split(&ask, pages_to_bytes(nr_pages));
	for (size_t i = 0; i < ask.nr; i++)
		bytes += ask_one(m, top, ask.listener[i], &ask.offer[i]);
	return bytes_to_pages(bytes);
}

/* ---- waiting for them ---- */

/* At the first of the groups' deadlines: an earlier one that was set before stays. */
static void deadline_arm(struct manager *m, uint64_t usec)
{
	uint64_t before;
	int enabled;

	if (sd_event_source_get_enabled(m->deadline_timer, &enabled) > 0 &&
	    sd_event_source_get_time(m->deadline_timer, &before) >= 0 && before <= usec)
		return;
	sd_event_source_set_time(m->deadline_timer, usec);
	sd_event_source_set_enabled(m->deadline_timer, SD_EVENT_ONESHOT);
}

bool group_ask_first(struct manager *m, struct group *g, uint64_t nr_pages)
{
	uint64_t now = now_usec();

	if (g->ask_deadline)
		return true;
	if (group_ask(m, g, nr_pages))
		g->asked_usec = now;
	else if (!shrinkers_may_be_at_it(g))
		return false;
	g->ask_deadline = now + m->ask_usec;
	g->has_grace = false;
	deadline_arm(m, g->ask_deadline);
	return true;
}

bool shrinkers_may_be_at_it(const struct group *g)
{
	return g->asked_usec && now_usec() <= g->asked_usec + BUSY_USEC;
}

static bool has_shrinker(struct group *top, const struct process *p)
{
	for (struct group *g = top; g; g = group_next(top, g)) {
		const struct listener *l;

		DL_FOREACH (g->listeners, l)
			if (l->record->kind == LISTENER_SHRINKER && l->record->tgid == p->tgid)
				return true;
	}
	return false;
}

bool process_has_grace(struct manager *m, struct process *p, struct group *g)
{
	return g->ask_deadline && has_shrinker(g, p) && process_recount(m, p, NULL) &&
	       g->usage <= group_bound(g) + group_bound_limit(g) / GRACE_DIVISOR;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;
	uint64_t now = now_usec(), next = UINT64_MAX;

	(void)s;
	(void)usec;
	for (struct group *g = manager_root(m); g; g = group_next(manager_root(m), g)) {
		if (!g->ask_deadline)
			continue;
		if (g->ask_deadline > now) {
			next = MIN(next, g->ask_deadline);
			continue;
		}
		g->ask_deadline = 0;
		group_asked(m, g);
		background_page_out(m, g);
	}
	stops_settle(m);
	if (next != UINT64_MAX)
		deadline_arm(m, next);
	return 0;
}

int deadlines_new(struct manager *m)
{
	int r = sd_event_add_time(m->event, &m->deadline_timer, CLOCK_MONOTONIC, 0, 100,
				  on_deadline, m);

	m->ask_usec = DEADLINE_USEC;
	if (r < 0)
		return r;
	return sd_event_source_set_enabled(m->deadline_timer, SD_EVENT_OFF);
}
