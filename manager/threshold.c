// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Thresholds: eventfds that are told when a group's usage passes a value, either way. In bytes.
 * Thread: the manager's loop.
 *
 * Usage is looked at whenever it is counted anyway: at each tick of a member, at stops, exits and
 * true-ups. What happens between those is not seen, above all memory given back (munmap(2),
 * madvise(2)) by who goes to sleep then: nothing wakes us for that. So, and only while there are
 * thresholds, their groups are counted every so often.
 */
#include <time.h>

#include "manager/manager_private.h"
#include "util/util.h"

/* The first of them: a threshold is for somebody who reacts, within seconds. And all looks together
 * take a hundredth of the loop's time at most. */
#define LOOK_USEC        100000
#define LOOK_COST_FACTOR 100

static uint64_t counter_bytes(const struct group *g, enum group_counter counter)
{
	return g->parent ? atomic_get(&group_counter(g, counter)->usage)
			 : machine_usage_bytes(counter);
}

/* A group's counters as of one look: the root's are a file's, which is read once for all who want
 * to know. */
struct counters {
	bool known[NR_COUNTERS];
	uint64_t bytes[NR_COUNTERS];
};

static bool is_above(const struct listener *l, struct counters *c)
{
	uint32_t counter = l->record->mode;

	if (!c->known[counter])
		c->bytes[counter] = counter_bytes(l->group, (enum group_counter)counter);
	c->known[counter] = true;
	return c->bytes[counter] >= l->record->value;
}

void thresholds_check(struct group *g)
{
	struct counters c = {};
	struct listener *l;

	if (!g->nr_thresholds)
		return;
	DL_FOREACH (g->listeners, l) {
		if (l->record->kind != LISTENER_THRESHOLD || l->record->above == is_above(l, &c))
			continue;
		l->record->above = !l->record->above;
		listener_notify(l);
	}
}

/* A look that is due stays when it is, however often somebody registers. */
static void arm(struct manager *m, uint64_t usec)
{
	int enabled;

	if (sd_event_source_get_enabled(m->threshold_timer, &enabled) > 0)
		return;
	sd_event_source_set_time_relative(m->threshold_timer, usec);
	sd_event_source_set_enabled(m->threshold_timer, SD_EVENT_ONESHOT);
}

/* Where one is on the way to the root, what is below it has been counted with it. */
static void look(struct manager *m, struct group *g)
{
	for (const struct group *x = g->parent; x && x->parent; x = x->parent)
		if (x->nr_thresholds)
			return;
	if (g->parent)
		group_true_up(m, g);
	else
		thresholds_check(g);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;
	uint64_t begin = now_usec();

	(void)s;
	(void)usec;
	for (struct group *g = manager_root(m); g; g = group_next(manager_root(m), g))
		if (g->nr_thresholds)
			look(m, g);
	if (m->nr_thresholds)
		arm(m, MAX(LOOK_USEC, (now_usec() - begin) * LOOK_COST_FACTOR));
	return 0;
}

void thresholds_adopt(struct manager *m)
{
	if (m->nr_thresholds)
		arm(m, 0);
}

/* Registered above it, or below it, nobody is told: only when it is passed from now on. */
void threshold_begin(struct manager *m, struct listener *l)
{
	struct counters c = {};

	l->record->above = is_above(l, &c);
	arm(m, LOOK_USEC);
}

int thresholds_new(struct manager *m)
{
	int r = sd_event_add_time(m->event, &m->threshold_timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
				  m);

	if (r < 0)
		return r;
	return sd_event_source_set_enabled(m->threshold_timer, SD_EVENT_OFF);
}
