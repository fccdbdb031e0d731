// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Members that ran a moment ago. A member is counted at each of its ticks, and what it did after
 * the last one, up to 10 ms of its CPU time, would show nowhere until somebody asks: so those that
 * had a tick are counted once more every 100 ms until nothing changes any more. While all members
 * are idle there is no timer. Thread: the manager's loop.
 */
#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

/* At 30 us a count 1.5 % of a CPU, however many members there are: the others are next. */
#define SETTLE_USEC    100000
#define SETTLE_AT_ONCE 50

static int timer_arm(struct manager *m)
{
	int r = sd_event_source_set_time(m->settle_timer, now_usec() + SETTLE_USEC);

	return r < 0 ? r : sd_event_source_set_enabled(m->settle_timer, SD_EVENT_ONESHOT);
}

/* Its shared memory, too, however it got that: once, when it has come to rest. */
static bool process_settles(struct manager *m, struct process *p)
{
	uint64_t pages = p->pages, resident = p->resident, swap = p->swap;

	process_publish(m, p);
	if (p->pages != pages || p->resident != resident || p->swap != swap || p->shmem_due) {
		p->last_look = false;
		return false;
	}
	p->last_look = !p->last_look;
	if (p->last_look) {
		p->shmem_looked = 0;
		p->may_have_written = true;
	}
	return !p->last_look;
}

void process_on_shrunk(struct manager *m, const struct lease_record *r)
{
	struct process *p = process_find(m, (pid_t)r->tgid);

	if (!p)
		return;
	process_publish(m, p);
	process_unsettle(m, p);
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;
	/* Each once: who goes on running is there again, at the end. */
	const struct process *last = m->unsettled ? m->unsettled->settle_prev : NULL;
	const struct process *p = NULL;

	(void)s;
	(void)usec;
	for (int i = 0; i < SETTLE_AT_ONCE && m->unsettled && p != last; i++) {
		struct process *first = m->unsettled;

		p = first;
		process_settled(m, first);
		if (!process_settles(m, first))
			process_unsettle(m, first);
	}
	if (m->unsettled && timer_arm(m) < 0)
		log_warning("no timer for members that come to rest");
	return 0;
}

int settle_new(struct manager *m)
{
	int r = sd_event_add_time(m->event, &m->settle_timer, CLOCK_MONOTONIC, UINT64_MAX, 10000,
				  on_timer, m);

	return r < 0 ? r : sd_event_source_set_enabled(m->settle_timer, SD_EVENT_OFF);
}

void process_unsettle(struct manager *m, struct process *p)
{
	if (p->unsettled)
		return;
	p->unsettled = true;
	if (!m->unsettled)
		timer_arm(m);
	DL_APPEND2(m->unsettled, p, settle_prev, settle_next);
}

void process_settled(struct manager *m, struct process *p)
{
	if (p->unsettled)
		DL_DELETE2(m->unsettled, p, settle_prev, settle_next);
	p->unsettled = false;
}
