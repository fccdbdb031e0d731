// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stops that land late. The kernel writes an overflow's record first and sends its SIGSTOP after,
 * from an interrupt; a SIGCONT that answered the record in between would leave the process standing
 * with nothing in any ring. So who has not stopped yet is not continued before that.
 *
 * Where one thread's stop may have been taken back by the SIGCONT that answered another's, nothing
 * is waited for: the process is looked at again for a while, and whoever stands still is said to
 * have been stopped. Thread: the manager's loop.
 */
#include <signal.h>
#include <sys/timerfd.h>

#include "accounting/lease_signal.h"
#include "accounting/task_stat.h"

/* A look costs 5 us. The interrupt is late by what the CPU was taken away for, if that is a virtual
 * one. */
#define LOOK_NSEC 1000000
#define NR_LOOKS  50

/* Most interrupts come within 10 us of the record: they are not worth a timer. */
#define NR_LOOKS_AT_ONCE 4

static void timer_set(struct signal_lease *l, bool on)
{
	struct itimerspec when = {};

	if (l->timer_on == on)
		return;
	if (on)
		when.it_value.tv_nsec = when.it_interval.tv_nsec = LOOK_NSEC;
	if (!timerfd_settime(l->timer_fd, 0, &when, NULL))
		l->timer_on = on;
}

void late_watch(struct signal_lease *l, struct signal_process *p)
{
	if (!p->nr_looks)
		DL_APPEND2(l->late, p, late_prev, late_next);
	p->nr_looks = NR_LOOKS;
	timer_set(l, true);
}

void late_unwatch(struct signal_lease *l, struct signal_process *p)
{
	if (p->nr_looks)
		DL_DELETE2(l->late, p, late_prev, late_next);
	p->nr_looks = 0;
	p->is_awaited = false;
	timer_set(l, l->late);
}

/* SIGCONT takes back what is pending, too. */
static bool has_landed(const struct signal_thread *t)
{
	for (int i = 0; i < NR_LOOKS_AT_ONCE; i++)
		if (task_stands_still(t->process->tgid, t->tid) ||
		    task_has_stop_pending(t->process->tgid, t->tid))
			return true;
	return false;
}

/* All of them, but for those that perhaps never do. */
static bool process_has_landed(const struct signal_process *p)
{
	const struct signal_thread *t;

	for (t = p->threads; t; t = t->sib_next)
		if (t->landing && !t->dead && !t->taken_back && !has_landed(t))
			return false;
	return true;
}

static void thread_continuing(struct signal_lease *l, struct signal_thread *t)
{
	slot_lengthen_lease(l, t);
	if (task_stands_still(t->process->tgid, t->tid))
		thread_renew(t, true);
	else if (t->taken_back)
		late_watch(l, t->process);
	t->landing = false;
}

bool signal_lease_continuing(struct lease *lease, pid_t tgid)
{
	struct signal_lease *l = signal_lease_of(lease);
	struct signal_process *p = signal_process_lookup(l, tgid);
	struct signal_thread *t;

	if (!p)
		return true;
	if (!process_has_landed(p)) {
		late_watch(l, p);
		p->is_awaited = true;
		return false;
	}
	for (t = p->threads; t; t = t->sib_next)
		if (t->landing && !t->dead)
			thread_continuing(l, t);
	return true;
}

/* Any thread that is not ending will do: they stand still together. */
static bool process_stands_still(const struct signal_process *p)
{
	const struct signal_thread *t;

	for (t = p->threads; t; t = t->sib_next)
		if (!t->dead)
			return task_stands_still(p->tgid, t->tid);
	return task_stands_still(p->tgid, p->tgid);
}

/* Somebody else's SIGCONT took it back: nobody waits for it any more. */
static void forget_landing(struct signal_process *p)
{
	struct signal_thread *t;

	for (t = p->threads; t; t = t->sib_next)
		t->landing = false;
}

static void process_look(struct signal_lease *l, struct signal_process *p)
{
	bool landed = p->is_awaited ? process_has_landed(p) : process_stands_still(p);
	bool say = landed || p->is_awaited;

	if (!landed && p->nr_looks > 1) {
		p->nr_looks--;
		return;
	}
	if (!landed && p->is_awaited)
		forget_landing(p);
	late_unwatch(l, p);
	if (say && p->member)
		signal_process_say_stopped(l, p, p->member->member.slot);
	else if (say)
		kill(p->tgid, SIGCONT); /* was one until just now */
	signal_process_put(l, p);
}

void late_look(struct signal_lease *l)
{
	struct signal_process *p, *next;

	/* While p is in the list nobody frees it. */
	for (p = l->late; p; p = next) {
		next = p->late_next;
		process_look(l, p);
	}
}
