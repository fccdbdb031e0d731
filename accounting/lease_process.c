// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases by signal: processes, their place in the table of members, and what becomes of their
 * threads when that changes. Sizes in pages. Thread: the manager's loop.
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "accounting/lease_signal.h"
#include "accounting/task_stat.h"
#include "util/util.h"

struct signal_process *signal_process_lookup(const struct signal_lease *l, pid_t tgid)
{
	struct signal_process *p;

	HASH_FIND_INT(l->processes, &tgid, p);
	return p;
}

struct signal_process *signal_process_get(struct signal_lease *l, pid_t tgid)
{
	struct signal_process *p = signal_process_lookup(l, tgid);
	pid_t same;

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->tgid = tgid;
	p->pidfd = -1;
	task_identify(tgid, &same, &p->is_init);
	HASH_ADD_INT(l->processes, tgid, p);
	return p;
}

void signal_process_put(struct signal_lease *l, struct signal_process *p)
{
	if (p->threads || p->member || p->nr_looks)
		return;
	HASH_DEL(l->processes, p);
	free(p);
}

static void threads_set_limited(struct signal_lease *l, struct signal_process *p)
{
	struct signal_thread *t;

	l->sums_stale = true;
	for (t = p->threads; t; t = t->sib_next)
		if (!t->dead)
			thread_set_limited(l, t);
}

int signal_process_join(struct signal_lease *l, struct signal_process *p, uint32_t slot)
{
	p->member = lease_table_add_member(l->table, p->tgid, slot);
	if (!p->member)
		return -ENOSPC;
	threads_set_limited(l, p);
	return 0;
}

void signal_process_leave(struct signal_lease *l, struct signal_process *p)
{
	struct signal_thread *t, *next;

	for (t = p->threads; t; t = next) {
		next = t->sib_next;
		if (t->owned)
			thread_disarm(l, t);
	}
	if (p->member)
		lease_table_remove_member(l->table, p->member);
	p->member = NULL;
	threads_set_limited(l, p);
	if (p->pidfd >= 0)
		close(p->pidfd);
	p->pidfd = -1;
	signal_process_put(l, p);
}

/*
 * Those whose stop had not landed, and not before they went on: the renewal of a thread that runs
 * stops it at its next fault, and SIGCONT would take that stop back.
 */
static void renew_running(struct signal_process *p)
{
	struct signal_thread *t;

	for (t = p->threads; t; t = t->sib_next) {
		if (!t->dead)
			thread_renew(t, false);
	}
}

int signal_lease_member_set(struct lease *lease, pid_t tgid, uint32_t slot, bool stopped)
{
	struct signal_lease *l = signal_lease_of(lease);
	struct signal_process *p = signal_process_get(l, tgid);
	int r;

	if (!p)
		return -ENOMEM;
	if (!p->member) {
		r = signal_process_join(l, p, slot);
		if (r) {
			signal_process_put(l, p);
			return r;
		}
	} else if (p->member->member.slot != slot) {
		p->member->member.slot = slot;
		threads_set_limited(l, p);
	}
	if (p->member->member.stopped && !stopped) {
		renew_running(p);
		p->continued_nsec = now_usec() * 1000;
	}
	p->member->member.stopped = stopped;
	return 0;
}

int signal_lease_member_get(const struct lease *lease, pid_t tgid, struct lease_member *ret)
{
	const struct signal_process *p = signal_process_lookup(signal_lease_of(lease), tgid);

	if (!p || !p->member)
		return -ENOENT;
	*ret = p->member->member;
	return 0;
}

int signal_lease_member_remove(struct lease *lease, pid_t tgid)
{
	struct signal_lease *l = signal_lease_of(lease);
	struct signal_process *p = signal_process_lookup(l, tgid);

	if (!p || !p->member)
		return -ENOENT;
	signal_process_leave(l, p);
	return 0;
}

/*
 * Its stops may have been taken back by a SIGCONT that answered an earlier one. Who runs on is
 * stopped at its next fault, by a renewal, and at the latest when its main thread gets a signal
 * from here.
 */
void signal_lease_hold(struct lease *lease, pid_t tgid)
{
	struct signal_lease *l = signal_lease_of(lease);
	struct signal_process *p = signal_process_lookup(l, tgid);
	struct signal_thread *t;

	for (t = p ? p->threads : NULL; t; t = t->sib_next) {
		if (!t->landing || t->dead)
			continue;
		t->renew = true;
		if (!task_stands_still(tgid, t->tid))
			thread_renew(t, false);
	}
	syscall(SYS_tgkill, tgid, tgid, SIGSTOP);
}

void signal_lease_set_limited(struct lease *lease, uint32_t slot)
{
	struct signal_lease *l = signal_lease_of(lease);
	struct signal_thread *t;

	DL_FOREACH (l->threads, t)
		if (!t->dead && t->process->member && t->process->member->member.slot == slot &&
		    t->stops != (bool)l->base.slots[slot].limited)
			thread_set_limited(l, t);
}
