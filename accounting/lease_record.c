// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the rings of threads tell, and what is done about it: overflows are charged, new threads and
 * children armed, ends noticed. Sizes in pages. Thread: the manager's loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>

#include "accounting/lease_signal.h"
#include "accounting/task_stat.h"
#include "util/log.h"
#include "util/util.h"

/* ---- overflows ---- */

void signal_process_say_stopped(struct signal_lease *l, struct signal_process *p, uint32_t slot)
{
	p->member->member.stopped = 1;
	signal_emit(l, &(struct lease_record){
			       .type = LEASE_RECORD_STOP,
			       .tgid = (unsigned)p->tgid,
			       .slot = slot,
		       });
}

/*
 * The first process of a pid namespace takes a stop from us, but not from its own event. Late: only
 * where there is no room. To a thread, as the others are.
 */
static void stop_init(struct signal_lease *l, struct signal_process *p, uint32_t full)
{
	if (full && !syscall(SYS_tgkill, p->tgid, p->tgid, SIGSTOP))
		signal_process_say_stopped(l, p, full);
}

static void on_overflow(struct signal_lease *l, struct signal_thread *t,
			const struct lease_ring_record *r)
{
	struct signal_process *p = t->process;
	bool stands = (t->stops || t->stopped) && !p->is_init;
	uint64_t used = r->count - t->shared->count;
	int64_t unused = (int64_t)t->shared->period - (int64_t)used;
	uint32_t full, given = thread_overflowed(t, used);

	t->stopped = false;
	t->shared->count = r->count;
	if (!p->member)
		return;
	t->landing = stands;
	t->taken_back = r->nsec < p->continued_nsec;
	full = slot_give_lease(l, t, given, unused);
	if (stands) {
		signal_process_say_stopped(l, p, full ? full : p->member->member.slot);
		return;
	}
	thread_renew(t, false);
	if (p->is_init)
		stop_init(l, p, full);
}

/* Somebody should look at what it uses. */
static void say_tick(struct signal_lease *l, const struct signal_process *p)
{
	const struct shared_member *m = p->member;
	const struct signal_thread *t = p->threads;

	if (!m || !l->base.slots[m->member.slot].limited)
		return;
	signal_emit(l, &(struct lease_record){
			       .type = LEASE_RECORD_TICK,
			       .tgid = (unsigned)m->tgid,
			       .child = (unsigned)(t ? t->tid : m->tgid),
			       .written = LEASE_WRITTEN_UNKNOWN,
			       .slot = m->member.slot,
		       });
}

/* ---- fork ---- */

/* Whether it runs in its parent's memory (vfork, posix_spawn). Not known without kcmp(2): then both
 * are counted by share. */
static bool shares_vm(pid_t parent, pid_t child)
{
	return syscall(SYS_kcmp, parent, child, KCMP_VM, 0, 0) == 0;
}

/* Whether the thread has children that are no members: it made them before it was armed. */
static int has_strange_children(pid_t tid, void *userdata)
{
	const struct signal_lease *l = userdata;
	char path[64], text[4096], *at = text, *end;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", tid, tid);
	if (read_file_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		return 1;
	for (;; at = end) {
		const struct signal_process *p;
		pid_t child = (pid_t)strtol(at, &end, 10);

		if (end == at)
			return 0;
		p = signal_process_lookup(l, child);
		if (!p || !p->member)
			return 1;
	}
}

/* Arm a child. False when it has gone, and whatever it made is to be looked for elsewhere. */
static bool child_arm(struct signal_lease *l, struct signal_process *child, pid_t tid)
{
	int r = thread_arm_owned(l, child, tid);

	if (r == -ESRCH)
		return false;
	if (r)
		log_warning("process %d cannot be armed and is not limited: %s", child->tgid,
			    strerror(-r));
	threads_arm_rest(l, child);
	if (process_for_each_task(child->tgid, has_strange_children, l))
		l->missed = true;
	return true;
}

static void on_new_process(struct signal_lease *l, struct signal_process *parent,
			   const struct lease_ring_record *r)
{
	struct signal_process *child;
	uint32_t slot;

	if (!parent->member)
		return;
	slot = parent->member->member.slot;
	child = signal_process_lookup(l, r->pid);
	if (child && child->pidfd >= 0) /* of the process that had this pid before */
		signal_process_ended(l, child);
	child = signal_process_get(l, r->pid);
	if (!child || child->member) {
		l->missed |= !child;
		return;
	}
	if (signal_process_join(l, child, slot))
		log_warning("process %d: no room in the table of members", child->tgid);
	if (!child_arm(l, child, r->tid)) {
		l->missed = true;
		signal_process_leave(l, child);
		return;
	}
	signal_emit(l, &(struct lease_record){
			       .type = LEASE_RECORD_FORK,
			       .tgid = (unsigned)parent->tgid,
			       .child = (unsigned)r->pid,
			       .slot = slot,
			       .shares_vm = shares_vm(parent->tgid, r->pid),
			       .events = ~0U, /* armed above, or below */
		       });
	child = signal_process_lookup(l, r->pid);
	if (child)
		say_tick(l, child);
}

/*
 * What is new runs for 30 to 100 us before it is armed, and longer where we have no priority over
 * it: so what it has used by then is looked at once.
 */
static void on_fork(struct signal_lease *l, struct signal_thread *t,
		    const struct lease_ring_record *r)
{
	struct signal_process *p = t->process;

	if (r->pid != p->tgid) {
		on_new_process(l, p, r);
		return;
	}
	if (thread_arm_owned(l, p, r->tid))
		threads_arm_rest(l, p); /* it has gone, perhaps after it made others */
	say_tick(l, p);
}

/* ---- exec and exit ---- */

static void say_exec(struct signal_lease *l, const struct signal_process *p, bool lost_lease)
{
	if (!p->member)
		return;
	signal_emit(l, &(struct lease_record){
			       .type = LEASE_RECORD_EXEC,
			       .tgid = (unsigned)p->tgid,
			       .slot = p->member->member.slot,
			       .events = lost_lease ? 0 : ~0U,
		       });
}

static void on_exec(struct signal_lease *l, struct signal_thread *t,
		    const struct lease_ring_record *r)
{
	if (t->tid != r->tid)
		thread_set_tid(t, r->tid);
	/* One that gains privileges loses its events after this record: an exit record tells. */
	say_exec(l, t->process, false);
}

void signal_process_ended(struct signal_lease *l, struct signal_process *p)
{
	pid_t tgid = p->tgid;

	if (p->member)
		signal_emit(l, &(struct lease_record){
				       .type = LEASE_RECORD_EXIT,
				       .tgid = (unsigned)tgid,
				       .slot = p->member->member.slot,
			       });
	p = signal_process_lookup(l, tgid);
	if (p)
		signal_process_leave(l, p);
}

/* Threads end before their memory does: the process has ended when its pidfd says so. */
static void process_await_end(struct signal_lease *l, struct signal_process *p)
{
	if (p->pidfd >= 0)
		return;
	p->pidfd = pidfd_open(p->tgid, 0);
	if (p->pidfd < 0 || signal_watch(l, p->pidfd, SOURCE_PIDFD, p->tgid))
		signal_process_ended(l, p);
}

static bool has_threads(const struct signal_process *p)
{
	const struct signal_thread *t;

	for (t = p->threads; t; t = t->sib_next)
		if (!t->dead)
			return true;
	return false;
}

void thread_ended(struct signal_lease *l, struct signal_thread *t)
{
	struct signal_process *p =
		t->process; /* stays while t is in its list, until the dispatch ends */

	t->landing = false;
	thread_disarm(l, t);
	if (has_threads(p) || !p->member)
		return;
	if (!process_is_ending(p->tgid))
		say_exec(l, p, true);
	if (p->member && !has_threads(p))
		process_await_end(l, p);
}

/* ---- */

/* It may stand still, have threads, and have children, that nobody told us of. */
static void on_lost(struct signal_lease *l, struct signal_process *p)
{
	l->nr_lost++;
	l->missed = true;
	threads_arm_rest(l, p);
	late_watch(l, p);
}

/* A ring holds fewer: no thread keeps us from the others. */
#define RECORDS_MAX 128

void thread_dispatch(struct signal_lease *l, struct signal_thread *t)
{
	struct lease_ring_record r;

	for (int i = 0; i < RECORDS_MAX && !t->dead && lease_ring_next(t->ring, &r); i++) {
		switch (r.type) {
		case LEASE_RING_SAMPLE:
			if (r.id == t->clock_id)
				say_tick(l, t->process);
			else
				on_overflow(l, t, &r);
			break;
		case LEASE_RING_FORK:
			on_fork(l, t, &r);
			break;
		case LEASE_RING_EXIT:
			thread_ended(l, t);
			break;
		case LEASE_RING_EXEC:
			on_exec(l, t, &r);
			break;
		case LEASE_RING_LOST:
			on_lost(l, t->process);
			break;
		}
	}
}
