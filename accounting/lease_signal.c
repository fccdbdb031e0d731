// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases by signal: a server's start and end, and the loop over what the kernel tells. Sizes in
 * pages. Thread: the manager's loop.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>

#include "accounting/lease_signal.h"
#include "accounting/task_stat.h"
#include "util/util.h"

void signal_emit(struct signal_lease *l, const struct lease_record *r)
{
	struct lease_record whole = *r;

	whole.lost = l->nr_lost;
	whole.nsec = now_usec() * 1000;
	l->base.fn(&whole, l->base.userdata);
}

/* ---- arming ---- */

/* Both events or none: the clock's records go to the ring of the other. */
static int signal_lease_arm(struct lease *lease, pid_t tid, unsigned events,
			    int ret_fds[LEASE_NR_EVENTS])
{
	struct signal_lease *l = signal_lease_of(lease);
	struct signal_process *p;
	struct signal_thread *t;
	bool is_init;
	pid_t tgid;
	int r;

	for (int i = 0; i < LEASE_NR_EVENTS; i++)
		if (!(events & LEASE_EVENT_BIT(i)))
			return -EINVAL;
	r = task_identify(tid, &tgid, &is_init);
	if (r)
		return r;
	p = signal_process_get(l, tgid);
	if (!p)
		return -ENOMEM;
	r = thread_arm(l, p, tid, &t);
	if (r) {
		signal_process_put(l, p);
		return r;
	}
	memcpy(ret_fds, t->fds, sizeof(t->fds));
	return 0;
}

static void signal_lease_disarm(struct lease *lease, const int fds[LEASE_NR_EVENTS])
{
	struct signal_lease *l = signal_lease_of(lease);
	struct signal_thread *t;

	HASH_FIND(hh, l->by_fd, &fds[0], sizeof(fds[0]), t);
	if (t) /* else it has ended before */
		thread_disarm(l, t);
}

/* ---- what an earlier server left ---- */

/* The descriptor is one opening, whoever has it: what is turned off here is off. */
static void signal_lease_inherited(struct lease *lease, int fd)
{
	struct signal_lease *l = signal_lease_of(lease);
	struct shared_member *m;
	struct shared_thread *s;
	uint64_t id, count;

	fcntl(fd, F_SETFL, 0);
	if (ioctl(fd, PERF_EVENT_IOC_ID, &id))
		return;
	s = lease_table_find_thread(l->table, id);
	if (!s) /* a clock */
		return;
	/* It used up its lease, and nobody read of it: it was stopped. */
	if (read(fd, &count, sizeof(count)) == sizeof(count) && count >= s->count + s->period) {
		m = lease_table_find_member(l->table, s->tgid);
		if (m)
			m->member.stopped = 1;
	}
	lease_table_remove_thread(l->table, s);
}

static void forget_strange_threads(struct signal_lease *l)
{
	cleanup_free bool *ours = calloc(LEASE_MAX_THREADS, sizeof(*ours));
	struct signal_thread *t;

	if (!ours)
		return;
	DL_FOREACH (l->threads, t)
		ours[t->shared - l->table->threads] = true;
	for (uint32_t i = 0; i < l->table->nr_threads; i++)
		if (l->table->threads[i].id && !ours[i])
			lease_table_remove_thread(l->table, &l->table->threads[i]);
}

static void signal_lease_inherited_all(struct lease *lease)
{
	struct signal_lease *l = signal_lease_of(lease);
	struct signal_process *p, *next;

	forget_strange_threads(l);
	HASH_ITER (hh, l->processes, p, next)
		if (!p->threads)
			signal_process_leave(l, p);
}

static bool is_perf_event(int dirfd, const char *name)
{
	char target[64];
	ssize_t n = readlinkat(dirfd, name, target, sizeof(target) - 1);

	if (n < 0)
		return false;
	target[n] = '\0';
	return !strcmp(target, "anon_inode:[perf_event]");
}

/* Whatever events this process still holds are of a server that is no more. */
static void signal_lease_release(struct lease *lease)
{
	struct signal_lease *l = signal_lease_of(lease);
	DIR *dir = opendir("/proc/self/fd");

	for (struct dirent *e; dir && (e = readdir(dir));)
		if (is_perf_event(dirfd(dir), e->d_name))
			signal_lease_inherited(lease, (int)strtol(e->d_name, NULL, 10));
	if (dir)
		closedir(dir);
	for (uint32_t i = 0; i < l->table->nr_members; i++)
		if (l->table->members[i].tgid && l->table->members[i].member.stopped)
			kill(l->table->members[i].tgid, SIGCONT);
}

/* ---- a server ---- */

int signal_watch(struct signal_lease *l, int fd, enum signal_source source, int number)
{
	struct epoll_event e = {
		.events = source == SOURCE_RING ? EPOLLIN | EPOLLET : EPOLLIN,
		.data.u64 = (uint64_t)source << 32 | (uint32_t)number,
	};

	return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) ? -errno : 0;
}

static void end_server(struct signal_lease *l)
{
	struct signal_process *p, *next;

	while (l->threads)
		thread_disarm(l, l->threads);
	HASH_ITER (hh, l->processes, p, next) {
		HASH_DEL(l->processes, p);
		if (p->pidfd >= 0)
			close(p->pidfd);
		free(p);
	}
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->timer_fd >= 0)
		close(l->timer_fd);
}

/*
 * A server may be forked from another's image (a keeper that replaced one): nothing of that is
 * ours, not even the mappings.
 */
static void forget_server(struct signal_lease *l)
{
	if (l->server == getpid())
		end_server(l);
	l->threads = l->by_fd = NULL;
	l->processes = l->late = NULL;
	l->timer_on = l->missed = l->has_dead = false;
	l->depth = 0;
	l->epoll_fd = l->timer_fd = -1;
	l->sums_stale = true;
}

static int signal_lease_server_start(struct lease *lease)
{
	struct signal_lease *l = signal_lease_of(lease);

	forget_server(l);
	l->server = getpid();
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->epoll_fd < 0 || l->timer_fd < 0)
		return -errno;
	for (uint32_t i = 0; i < l->table->nr_members; i++) {
		struct shared_member *m = &l->table->members[i];
		struct signal_process *p = m->tgid ? signal_process_get(l, m->tgid) : NULL;

		if (p)
			p->member = m;
	}
	return signal_watch(l, l->timer_fd, SOURCE_TIMER, 0);
}

static int signal_lease_get_fd(const struct lease *l)
{
	return signal_lease_of(l)->epoll_fd;
}

/* ---- dispatching ---- */

static bool has_hung_up(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) == 1 && p.revents & POLLHUP;
}

static void on_event(struct signal_lease *l, const struct epoll_event *e)
{
	int number = (int)(uint32_t)e->data.u64;
	struct signal_process *p;
	struct signal_thread *t;
	uint64_t nr_times;

	switch ((enum signal_source)(e->data.u64 >> 32)) {
	case SOURCE_TIMER:
		if (read(l->timer_fd, &nr_times, sizeof(nr_times)) > 0)
			late_look(l);
		break;
	case SOURCE_PIDFD:
		p = signal_process_lookup(l, number);
		if (p)
			signal_process_ended(l, p);
		break;
	case SOURCE_RING:
		if (!(e->events & EPOLLHUP))
			break;
		HASH_FIND(hh, l->by_fd, &number, sizeof(number), t);
		if (!t || !has_hung_up(number)) /* a number that has been used again since */
			break;
		thread_dispatch(l, t);
		if (!t->dead)
			thread_ended(l, t);
		break;
	}
}

static void dispatch_events(struct signal_lease *l)
{
	struct epoll_event events[64];
	int n;

	do {
		n = epoll_wait(l->epoll_fd, events, (int)ARRAY_SIZE(events), 0);
		for (int i = 0; i < n; i++)
			on_event(l, &events[i]);
	} while (n == (int)ARRAY_SIZE(events));
}

static void sweep(struct signal_lease *l)
{
	struct signal_thread *t, *next;

	if (!l->has_dead)
		return;
	l->has_dead = false;
	DL_FOREACH_SAFE (l->threads, t, next)
		if (t->dead)
			thread_free(l, t);
}

/*
 * All rings are read, not only those that epoll_wait(2) tells of: a perf event is readable once,
 * and if this epoll descriptor is itself polled, that once may have been spent on the answer that
 * it is readable. A ring without news costs 20 ns.
 */
static int signal_lease_dispatch(struct lease *lease)
{
	struct signal_lease *l = signal_lease_of(lease);
	struct signal_thread *t;

	if (l->depth)
		return 0;
	l->depth++;
	dispatch_events(l);
	DL_FOREACH (l->threads, t) /* new ones are appended: theirs too */
		thread_dispatch(l, t);
	l->depth--;
	sweep(l);
	if (l->missed) {
		l->missed = false;
		signal_emit(l, &(struct lease_record){.type = LEASE_RECORD_MISSED});
	}
	return 0;
}

/* ---- */

static void signal_lease_free(struct lease *lease)
{
	struct signal_lease *l = signal_lease_of(lease);

	if (l->server == getpid())
		end_server(l);
	lease_table_free(l->table);
	free(l);
}

static const struct lease_ops signal_lease_ops = {
	.stop = LEASE_STOP_SIGNAL,
	.stops_always = true,
	.free = signal_lease_free,
	.server_start = signal_lease_server_start,
	.get_fd = signal_lease_get_fd,
	.dispatch = signal_lease_dispatch,
	.arm = signal_lease_arm,
	.member_set = signal_lease_member_set,
	.member_get = signal_lease_member_get,
	.member_remove = signal_lease_member_remove,
	.release = signal_lease_release,
	.hold = signal_lease_hold,
	.continuing = signal_lease_continuing,
	.disarm = signal_lease_disarm,
	.inherited = signal_lease_inherited,
	.inherited_all = signal_lease_inherited_all,
	.set_limited = signal_lease_set_limited,
	.held = signal_lease_held,
	.recall = signal_lease_recall,
};

int signal_lease_new(struct lease **ret)
{
	struct signal_lease *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->base.ops = &signal_lease_ops;
	l->table = lease_table_new();
	r = l->table ? thread_probe(l) : -ENOMEM;
	if (r) {
		signal_lease_free(&l->base);
		return r;
	}
	l->base.slots = l->table->slots;
	*ret = &l->base;
	return 0;
}
