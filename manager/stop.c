// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stopping and continuing members. Only what we stopped is continued, and what somebody else wants
 * stopped stays so. Thread: the manager's loop.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

#define SIGNAL_BIT(n)  (1ULL << ((n)-1))
#define TERMINAL_STOPS (SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))

/* ---- the guard: whatever ends this server, the kernel continues what it had stopped ---- */

/* The server's forks (a new keeper) must not keep the guards of a dead server from going off. */
static int guard_write_fd = -1;

static void guard_close_in_child(void)
{
	if (guard_write_fd >= 0)
		close(guard_write_fd);
	guard_write_fd = -1;
}

/*
 * A pipe; each guard is a further opening of its read end with O_ASYNC and F_SETSIG SIGCONT for one
 * process. When the server dies the kernel closes its descriptors from the highest down; the write
 * end, placed highest, goes first, and tells the owners of the read ends that are still open.
 */
int guard_new(struct manager *m)
{
	struct rlimit rl;
	int high;

	if (pipe2(m->guard_pipe, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	if (!getrlimit(RLIMIT_NOFILE, &rl) && rl.rlim_cur > 16) {
		high = fcntl(m->guard_pipe[1], F_DUPFD_CLOEXEC, (int)MIN(rl.rlim_cur - 8, 1 << 20));
		if (high >= 0) {
			close(m->guard_pipe[1]);
			m->guard_pipe[1] = high;
		}
	}
	guard_write_fd = m->guard_pipe[1];
	pthread_atfork(NULL, NULL, guard_close_in_child);
	return 0;
}

void guard_free(struct manager *m)
{
	guard_write_fd = -1;
	for (int i = 0; i < 2; i++)
		if (m->guard_pipe[i] >= 0)
			close(m->guard_pipe[i]);
}

static int guard_open(struct manager *m, pid_t tgid)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", m->guard_pipe[0]);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fcntl(fd, F_SETSIG, SIGCONT) || fcntl(fd, F_SETOWN, tgid)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* Without a descriptor to spare it stays unguarded: the next server finds it by its mark in the
 * member map. */
static void guard_set(struct manager *m, struct process *p, bool on)
{
	if (p->guard_fd < 0 && on)
		p->guard_fd = guard_open(m, p->tgid);
	if (p->guard_fd >= 0)
		fcntl(p->guard_fd, F_SETFL, O_NONBLOCK | (on ? O_ASYNC : 0));
}

/* ---- */

static int process_signal(struct process *p, int sig)
{
	cleanup_close int pidfd = process_open(p->tgid, p->status_fd);

	if (pidfd < 0)
		return pidfd;
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) ? -errno : 0;
}

void process_stopped(struct manager *m, struct process *p)
{
	group_count_event(p->group, GROUP_EVENT_STOP, 1);
	if (!p->stopped) {
		p->stopped = true;
		p->stopped_usec = now_usec();
		/* The mark may have been cleared for the stop before this one. */
		lease_member_set(m->lease, p->tgid, p->group->slot, true);
		guard_set(m, p, true);
	}
	if (p->noted || p->waits_for)
		return;
	p->noted = true;
	DL_APPEND2(m->stops, p, wait_prev, wait_next);
}

void process_stop(struct manager *m, struct process *p)
{
	struct process_usage u;

	/* Stopped by somebody else it takes no memory, and is not ours to continue. */
	if (p->stopped || process_usage_read(p->status_fd, &u) || u.state == 'T' || u.state == 't')
		return;
	/* Written down before it is done. To a thread, as the lease's own stops are: one to the
	 * process would look like somebody else's. */
	if (lease_member_set(m->lease, p->tgid, p->group->slot, true) ||
	    syscall(SYS_tgkill, p->tgid, p->tgid, SIGSTOP))
		return;
	process_stopped(m, p);
}

/* Stop signals of others that came while it stood still, and would be lost by our SIGCONT. */
static uint64_t stops_of_others(const struct process_usage *u, bool *ret_stays)
{
	uint64_t pending = u->signals_pending & (TERMINAL_STOPS | SIGNAL_BIT(SIGSTOP));
	uint64_t handled = u->signals_caught | u->signals_ignored | u->signals_blocked;

	*ret_stays = pending & (SIGNAL_BIT(SIGSTOP) | ~handled);
	return pending;
}

/*
 * A SIGSTOP, or a terminal's stop that is not handled, that waits behind ours: the process stays as
 * it is, and its owner's SIGCONT continues it. One that has a handler is sent again after our
 * SIGCONT, which discards it.
 */
void process_continue(struct manager *m, struct process *p)
{
	struct process_usage u;
	uint64_t pending = 0;
	bool stays = false;

	if (!p->stopped)
		return;
	p->stopped = false;
	group_count_event(p->group, GROUP_EVENT_STOP_USEC, now_usec() - p->stopped_usec);
	if (!process_usage_read(p->status_fd, &u))
		pending = stops_of_others(&u, &stays);
	if (!stays)
		process_signal(p, SIGCONT);
	/* Only now: should we die in between, the next server continues it once more. */
	lease_member_set(m->lease, p->tgid, p->group->slot, false);
	guard_set(m, p, false);
	for (int sig = SIGTSTP; !stays && pending && sig <= SIGTTOU; sig++)
		if (pending & SIGNAL_BIT(sig))
			process_signal(p, sig);
}
