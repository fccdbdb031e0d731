// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stopping and continuing members. Only what we stopped is continued, and what somebody else wants
 * stopped stays so. Thread: the manager's loop.
 */
#include <sys/syscall.h>

#include "manager/guard.h"
#include "manager/keeper.h"
#include "manager/manager_private.h"
#include "util/util.h"

#define SIGNAL_BIT(n)  (1ULL << ((n)-1))
#define TERMINAL_STOPS (SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))

/* The keeper holds it too. Without a descriptor to spare the process stays unguarded. */
static void process_guard(struct manager *m, struct process *p, bool on)
{
	if (p->guard_fd < 0 && on && m->config.guard_pipe) {
		p->guard_fd = guard_open(m->config.guard_pipe, p->tgid);
		if (p->guard_fd >= 0 && m->config.keeper)
			keeper_keep(m->config.keeper, KEEPER_LATE | (uint64_t)p->tgid, p->guard_fd);
	}
	if (p->guard_fd >= 0)
		guard_set(p->guard_fd, on);
}

void process_unguard(struct manager *m, struct process *p)
{
	if (p->guard_fd < 0)
		return;
	guard_set(p->guard_fd, false);
	if (m->config.keeper)
		keeper_drop(m->config.keeper, KEEPER_LATE | (uint64_t)p->tgid);
	close(p->guard_fd);
	p->guard_fd = -1;
}

/* Of an earlier server: who is still stopped gets a guard of ours. */
void guards_drop_inherited(struct manager *m)
{
	unsigned pos = 0;
	uint64_t id;
	int fd;

	if (!m->config.keeper)
		return;
	while (keeper_next(m->config.keeper, &pos, &id, &fd)) {
		if (!(id & KEEPER_LATE))
			continue;
		guard_set(fd, false);
		keeper_drop(m->config.keeper, id);
		close(fd);
	}
}

/*
 * Without a descriptor for a pidfd the pid must do: that the process lived a moment ago is known
 * from its status. Left stopped for want of a descriptor it would be so for ever.
 */
int process_signal(struct process *p, int sig)
{
	cleanup_close int pidfd = process_open(p->tgid, p->status_fd);
	struct process_usage u;

	if (pidfd >= 0)
		return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) ? -errno : 0;
	if (pidfd == -ESRCH || process_usage_read(p->status_fd, &u))
		return -ESRCH;
	return kill(p->tgid, sig) ? -errno : 0;
}

void process_note(struct manager *m, struct process *p)
{
	if (p->noted || p->waits_for)
		return;
	p->noted = true;
	DL_APPEND2(m->stops, p, wait_prev, wait_next);
}

void process_stopped(struct manager *m, struct process *p)
{
	group_count_event(p->group, GROUP_EVENT_STOP, 1);
	if (!p->stopped) {
		p->stopped = true;
		p->stopped_usec = now_usec();
		/* The mark may have been cleared for the stop before this one. */
		lease_member_set(m->lease, p->tgid, p->group->slot, true);
		process_guard(m, p, true);
	}
	process_note(m, p);
}

void process_stop(struct manager *m, struct process *p, pid_t tid)
{
	struct process_usage u;

	/* Stopped by somebody else it takes no memory, and is not ours to continue. */
	if (p->stopped || process_usage_read(p->status_fd, &u) || u.state == 'T' || u.state == 't')
		return;
	/* Written down before it is done. To a thread, as the lease's own stops are: one to the
	 * process would look like somebody else's. */
	if (lease_member_set(m->lease, p->tgid, p->group->slot, true) ||
	    syscall(SYS_tgkill, p->tgid, tid, SIGSTOP))
		return;
	process_stopped(m, p);
}

/*
 * Stop signals of others that came while it stood still, and that our SIGCONT discards. A SIGSTOP
 * means that it stays as it is: its owner's SIGCONT continues it. A terminal's stop is sent again
 * afterwards, for the kernel to do with it what it does (handler, stop, or nothing for an orphan).
 */
static uint64_t stops_of_others(const struct process_usage *u, bool *ret_stays)
{
	*ret_stays = u->signals_pending & SIGNAL_BIT(SIGSTOP);
	return u->signals_pending & TERMINAL_STOPS;
}

void process_continue(struct manager *m, struct process *p)
{
	struct process_usage u;
	uint64_t pending = 0;
	bool stays = false;

	if (!p->stopped || !lease_continuing(m->lease, p->tgid))
		return;
	p->stopped = false;
	group_count_event(p->group, GROUP_EVENT_STOP_USEC, now_usec() - p->stopped_usec);
	if (!process_usage_read(p->status_fd, &u))
		pending = stops_of_others(&u, &stays);
	if (!stays)
		process_signal(p, SIGCONT);
	/* Only now: should we die in between, the next server continues it once more. */
	lease_member_set(m->lease, p->tgid, p->group->slot, false);
	/* Where its next stop is heard of late, should there be nobody left to hear of it. */
	process_guard(m, p, !stays && lease_stops_always(m->lease));
	for (int sig = SIGTSTP; !stays && sig <= SIGTTOU; sig++)
		if (pending & SIGNAL_BIT(sig))
			process_signal(p, sig);
}
