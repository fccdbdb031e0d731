// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A thread's events, where nothing is inherited: page faults, whose overflow stops it, and a clock,
 * whose overflow does not; both write to the ring of the first. Sizes in pages. Thread: the
 * manager's loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>

#include "accounting/lease_signal.h"
#include "accounting/task_stat.h"
#include "util/util.h"

/* The lease of a thread that nothing limits: its overflows are read, but stop nobody. 256 MiB. */
#define PERIOD_UNLIMITED 65536
/* The clock of one that nothing limits, which must run to tell of forks: an hour of CPU time. */
#define TICK_UNLIMITED 3600000000000

/* Going over a list of threads until none is new; who clones faster than that gets away with it. */
#define ARM_ROUNDS 64

/* ---- the events ---- */

static int event_open(struct signal_lease *l, pid_t tid, struct perf_event_attr *attr)
{
	int fd;

	attr->type = PERF_TYPE_SOFTWARE;
	attr->sample_type = LEASE_RING_SAMPLE_TYPE;
	attr->sample_id_all = 1;
	attr->watermark = 1; /* every record wakes us, forks too */
	attr->wakeup_watermark = 1;
	attr->use_clockid = 1;
	attr->clockid = CLOCK_MONOTONIC;
	attr->exclude_kernel = l->exclude_kernel;
	fd = perf_event_open(attr, tid, -1);
	if (fd < 0 && (errno == EACCES || errno == EPERM) && !attr->exclude_kernel) {
		attr->exclude_kernel = 1;
		fd = perf_event_open(attr, tid, -1);
		l->exclude_kernel = fd >= 0;
	}
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -ENOSPC : -errno;
	return fd_place(fd, EVENT_FIRST_FD);
}

static int faults_open(struct signal_lease *l, pid_t tid, uint32_t period)
{
	struct perf_event_attr attr = {
		.config = PERF_COUNT_SW_PAGE_FAULTS,
		.sample_period = period,
	};

	return event_open(l, tid, &attr);
}

/*
 * Forks, execs and exits are told by the clock's event: a record that the other one writes for them
 * would be a stop too where the kernel signals whatever wakes (6.18 does).
 */
static int clock_open(struct signal_lease *l, pid_t tid, int faults)
{
	struct perf_event_attr attr = {
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.sample_period = TICK_UNLIMITED,
		.task = 1,
		.comm = 1,
		.comm_exec = 1,
	};
	int fd = event_open(l, tid, &attr), r;

	if (fd >= 0 && ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, faults)) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* To the thread, not to its process: a stop sent there goes to the main thread, which may wait for
 * a CPU while others run on. */
static int set_owner(int fd, pid_t tid)
{
	struct f_owner_ex owner = {.type = F_OWNER_TID, .pid = tid};

	return fcntl(fd, F_SETOWN_EX, &owner) ? -errno : 0;
}

static int events_open(struct signal_lease *l, struct signal_thread *t, uint32_t period,
		       uint64_t *ret_id)
{
	int r;

	t->fds[0] = faults_open(l, t->tid, period);
	if (t->fds[0] < 0)
		return t->fds[0];
	r = lease_ring_map(t->fds[0], &t->ring);
	if (r)
		return r == -EPERM ? -ENOSPC : r;
	t->fds[1] = clock_open(l, t->tid, t->fds[0]);
	if (t->fds[1] < 0)
		return t->fds[1];
	if (ioctl(t->fds[0], PERF_EVENT_IOC_ID, ret_id) ||
	    ioctl(t->fds[1], PERF_EVENT_IOC_ID, &t->clock_id) ||
	    fcntl(t->fds[0], F_SETSIG, SIGSTOP))
		return -errno;
	return set_owner(t->fds[0], t->tid);
}

static void events_close(struct signal_thread *t)
{
	t->ring = lease_ring_unmap(t->ring);
	for (int i = 0; i < LEASE_NR_EVENTS; i++)
		if (t->fds[i] >= 0)
			close(t->fds[i]);
}

int thread_probe(struct signal_lease *l)
{
	struct signal_thread t = {.tid = (pid_t)syscall(SYS_gettid), .fds = {-1, -1}};
	uint64_t id;
	int r = events_open(l, &t, LEASE_PAGES, &id);

	events_close(&t);
	return r;
}

/* ---- the lease ---- */

/*
 * How the kernel counts a software event (perf_swevent_set_period()): the lease after an overflow
 * is last_period, and last_period becomes sample_period after it, and whenever the thread gets its
 * CPU. PERF_EVENT_IOC_PERIOD sets sample_period and ends the lease. So on a thread that is off its
 * CPU the new period counts from when it is back; on one that runs the next fault is an overflow,
 * and what follows is another lease as before. (PERF_SAMPLE_PERIOD would make every fault an
 * overflow.)
 *
 * Fails for a thread that has ended.
 */
void thread_renew(struct signal_thread *t, bool is_off_cpu)
{
	uint64_t period = t->shared->period;

	if (!t->renew)
		return;
	t->renew = false;
	ioctl(t->fds[0], PERF_EVENT_IOC_PERIOD, &period);
	t->sample = t->shared->period;
	if (is_off_cpu)
		t->last = t->sample;
	t->unsure = !is_off_cpu;
}

uint32_t thread_overflowed(struct signal_thread *t, uint64_t used)
{
	bool early = t->unsure && used < t->sample;
	uint32_t given = early || !t->unsure ? t->last : t->sample;

	/* It may have run when its lease was shortened, and have the longer one again. */
	if (t->unsure && !early && t->last > t->sample)
		t->renew = true;
	t->unsure = false;
	t->last = t->sample;
	return given;
}

void thread_set_period(struct signal_lease *l, struct signal_thread *t, uint32_t period)
{
	if (period == t->shared->period)
		return;
	slot_sums_change(l, t, period);
	t->shared->period = period;
	t->renew = true;
	if (!t->landing)
		thread_renew(t, false);
}

static void set_stops(struct signal_lease *l, struct signal_thread *t, bool stops)
{
	uint64_t tick = stops ? LEASE_TICK_NSEC : TICK_UNLIMITED;

	t->stopped = t->stops && !stops;
	t->stops = stops;
	l->sums_stale = true;
	fcntl(t->fds[0], F_SETFL, stops && !t->process->is_init ? O_ASYNC : 0);
	ioctl(t->fds[1], PERF_EVENT_IOC_PERIOD, &tick);
}

static bool is_limited(const struct signal_lease *l, const struct signal_process *p)
{
	return p->member && l->base.slots[p->member->member.slot].limited;
}

static uint32_t first_period(const struct signal_lease *l, const struct signal_process *p)
{
	if (!is_limited(l, p))
		return PERIOD_UNLIMITED;
	return p->is_init ? PERIOD_INIT : LEASE_PAGES;
}

void thread_set_limited(struct signal_lease *l, struct signal_thread *t)
{
	bool limited = is_limited(l, t->process);

	if (t->stops != limited)
		set_stops(l, t, limited);
	/* What it had was charged to nobody, or to another slot. */
	thread_set_period(l, t, first_period(l, t->process));
}

void thread_set_tid(struct signal_thread *t, pid_t tid)
{
	t->tid = tid;
	set_owner(t->fds[0], tid);
}

/* ---- arming ---- */

static int thread_enter(struct signal_lease *l, struct signal_process *p, struct signal_thread *t,
			uint32_t period, uint64_t id)
{
	int r = signal_watch(l, t->fds[0], SOURCE_RING, t->fds[0]);

	if (r)
		return r;
	t->shared = lease_table_add_thread(l->table, id, p->tgid);
	if (!t->shared)
		return -ENOSPC;
	t->shared->period = t->sample = t->last = period;
	t->process = p;
	DL_APPEND(l->threads, t);
	DL_APPEND2(p->threads, t, sib_prev, sib_next);
	HASH_ADD(hh, l->by_fd, fds[0], sizeof(t->fds[0]), t);
	l->sums_stale = true;
	if (p->member)
		thread_set_limited(l, t);
	return 0;
}

int thread_arm(struct signal_lease *l, struct signal_process *p, pid_t tid,
	       struct signal_thread **ret)
{
	struct signal_thread *t = calloc(1, sizeof(*t));
	/* What is being attached is likely to be limited soon, and then has its first lease
	 * already. */
	uint32_t period = p->member ? first_period(l, p) : LEASE_PAGES;
	uint64_t id;
	int r;

	if (!t)
		return -ENOMEM;
	t->tid = tid;
	t->fds[0] = t->fds[1] = -1;
	r = events_open(l, t, period, &id);
	if (!r)
		r = thread_enter(l, p, t, period, id);
	if (r) {
		events_close(t);
		free(t);
		return r;
	}
	*ret = t;
	return 0;
}

static bool is_armed(const struct signal_process *p, pid_t tid)
{
	const struct signal_thread *t;

	for (t = p->threads; t; t = t->sib_next)
		if (t->tid == tid && !t->dead)
			return true;
	return false;
}

int thread_arm_owned(struct signal_lease *l, struct signal_process *p, pid_t tid)
{
	struct signal_thread *t;
	int r;

	if (is_armed(p, tid))
		return 0;
	r = thread_arm(l, p, tid, &t);
	if (r)
		return r;
	t->owned = true;
	t->is_kept = l->base.keep;
	if (t->is_kept)
		t->kept = l->base.keep(t->fds, l->base.userdata);
	return 0;
}

struct arming {
	struct signal_lease *lease;
	struct signal_process *process;
	bool found;
};

static int arm_one(pid_t tid, void *userdata)
{
	struct arming *a = userdata;

	if (is_armed(a->process, tid))
		return 0;
	a->found |= !thread_arm_owned(a->lease, a->process, tid);
	return 0;
}

/* Again while there are new ones: who was not armed told nobody of the threads it made. */
void threads_arm_rest(struct signal_lease *l, struct signal_process *p)
{
	struct arming a = {.lease = l, .process = p};
	int rounds = ARM_ROUNDS;

	do {
		a.found = false;
		process_for_each_task(p->tgid, arm_one, &a);
	} while (a.found && --rounds);
}

/* ---- disarming ---- */

void thread_free(struct signal_lease *l, struct signal_thread *t)
{
	struct signal_process *p = t->process;

	DL_DELETE(l->threads, t);
	DL_DELETE2(p->threads, t, sib_prev, sib_next);
	lease_table_remove_thread(l->table, t->shared);
	t->ring = lease_ring_unmap(t->ring);
	if (t->owned) {
		if (t->is_kept && l->base.drop)
			l->base.drop(t->kept, l->base.userdata);
		events_close(t);
	}
	free(t);
	signal_process_put(l, p);
}

/* Whether an overflow of it stopped the process, or is about to, and nobody has acted on it. */
static bool has_open_stop(struct signal_thread *t)
{
	bool open = t->landing;
	struct lease_ring_record r;

	while (lease_ring_next(t->ring, &r))
		open |= r.type == LEASE_RING_LOST ||
			(r.type == LEASE_RING_SAMPLE && r.id != t->clock_id);
	return open && (t->stops || t->stopped);
}

void thread_disarm(struct signal_lease *l, struct signal_thread *t)
{
	if (t->dead)
		return;
	fcntl(t->fds[0], F_SETFL, 0);
	ioctl(t->fds[0], PERF_EVENT_IOC_DISABLE, 0);
	if (has_open_stop(t)) {
		if (t->process->member)
			t->process->member->member.stopped = 1;
		late_watch(l, t->process);
	}
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, t->fds[0], NULL);
	HASH_DEL(l->by_fd, t);
	t->dead = true;
	l->sums_stale = true;
	if (l->depth)
		l->has_dead = true;
	else
		thread_free(l, t);
}
