// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sweeps: the page tables of families too big to be looked at while they are counted, by a worker,
 * one family at a time. A sweep is due a moment after something changed, whoever wants to know, and
 * takes no more than a part of a CPU ([accounting] sweep-percent): after one that took long the
 * family waits in proportion. Thread: the manager's loop.
 */
#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

/* What changed is likely to go on changing: a program that touches memory for a second is swept 20
 * times, for what is 2 % of its time. */
#define SWEEP_DELAY_USEC 50000

static void sweep_next(struct manager *m);

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata)
{
	(void)s;
	(void)usec;
	sweep_next(userdata);
	return 0;
}

int sweeps_new(struct manager *m)
{
	int r = sd_event_add_time(m->event, &m->sweep_timer, CLOCK_MONOTONIC, UINT64_MAX, 1000,
				  on_timer, m);

	if (r < 0)
		return r;
	return sd_event_source_set_enabled(m->sweep_timer, SD_EVENT_OFF);
}

static struct family *first_due(const struct manager *m)
{
	struct family *f, *first = NULL;

	DL_FOREACH2(m->sweeps, f, sweep_next)
	if (!first || f->sweep_not_before < first->sweep_not_before)
		first = f;
	return first;
}

static void timer_arm(struct manager *m, uint64_t usec)
{
	int r = sd_event_source_set_time(m->sweep_timer, usec);

	if (r >= 0)
		r = sd_event_source_set_enabled(m->sweep_timer, SD_EVENT_ONESHOT);
	if (r < 0)
		log_warning("no sweep of shared pages: %s", strerror(-r));
}

/* The worker has none, and whoever is due next begins now or when the timer says so. */
static void sweep_next(struct manager *m)
{
	struct family *f = m->sweep ? NULL : first_due(m);
	int r;

	if (!f)
		return;
	if (f->sweep_not_before > now_usec()) {
		timer_arm(m, f->sweep_not_before);
		return;
	}
	family_forget(m, f);
	r = job_sweep(m, f->processes, &m->sweep);
	if (r) {
		log_debug("no sweep of shared pages: %s", strerror(-r));
		f->sweep_not_before = now_usec() + SWEEP_DELAY_USEC;
		family_changed(m, f);
	}
}

void family_changed(struct manager *m, struct family *f)
{
	if (f->to_sweep || !family_is_swept(f->processes))
		return;
	f->to_sweep = true;
	f->sweep_not_before = MAX(f->sweep_not_before, now_usec() + SWEEP_DELAY_USEC);
	DL_APPEND2(m->sweeps, f, sweep_prev, sweep_next);
	if (!m->sweep)
		timer_arm(m, first_due(m)->sweep_not_before);
}

void family_forget(struct manager *m, struct family *f)
{
	if (f->to_sweep)
		DL_DELETE2(m->sweeps, f, sweep_prev, sweep_next);
	f->to_sweep = false;
}

/* The family of one that was swept, if it is that still. */
static struct family *family_of(const struct job *j)
{
	for (size_t i = 0; i < j->nr; i++)
		if (j->processes[i]->group && j->processes[i]->family)
			return j->processes[i]->family;
	return NULL;
}

void sweep_done(struct manager *m, struct job *j)
{
	struct family *f = family_of(j);

	m->sweep = NULL;
	job_take_shares(m, j, true);
	if (f)
		f->sweep_not_before =
			now_usec() + j->sweep_usec * 100 / MAX(m->config.sweep_percent, 1U);
	for (size_t i = 0; i < j->nr; i++)
		if (j->processes[i]->group)
			process_unsettle(m, j->processes[i]); /* and published */
	sweep_next(m);
}
