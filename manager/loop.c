// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The manager's loop: records from the kernel, requests from other threads, results from the
 * workers. It owns all groups.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include "manager/keeper.h"
#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

void manager_rdlock(struct manager *m)
{
	pthread_rwlock_rdlock(&m->lock);
}

void manager_wrlock(struct manager *m)
{
	pthread_rwlock_wrlock(&m->lock);
}

void manager_unlock(struct manager *m)
{
	pthread_rwlock_unlock(&m->lock);
}

/* ---- requests ---- */

void manager_submit(struct manager *m, struct manager_request *r)
{
	bool first;

	r->next = NULL;
	pthread_mutex_lock(&m->requests_lock);
	first = !m->requests;
	if (first)
		m->requests = r;
	else
		m->requests_tail->next = r;
	m->requests_tail = r;
	pthread_mutex_unlock(&m->requests_lock);
	if (first)
		eventfd_write(m->requests_fd, 1);
}

static int on_requests(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct manager *m = userdata;
	struct manager_request *r, *next;
	eventfd_t value;

	(void)s;
	(void)revents;
	eventfd_read(fd, &value);
	pthread_mutex_lock(&m->requests_lock);
	r = m->requests;
	m->requests = m->requests_tail = NULL;
	pthread_mutex_unlock(&m->requests_lock);
	for (; r; r = next) {
		next = r->next;
		r->run(m, r);
	}
	stops_settle(m);
	return 0;
}

struct quit_request {
	struct manager_request request;
	int status;
};

static void run_quit(struct manager *m, struct manager_request *r)
{
	m->exit_status = ((struct quit_request *)r)->status;
	sd_event_exit(m->event, 0);
	free(r);
}

void manager_quit(struct manager *m, int status)
{
	struct quit_request *q = calloc(1, sizeof(*q));

	if (!q)
		_exit(status);
	q->request.run = run_quit;
	q->status = status;
	manager_submit(m, &q->request);
}

/* ---- records ---- */

static void on_record(const struct lease_record *r, void *userdata)
{
	struct manager *m = userdata;

	switch ((enum lease_record_type)r->type) {
	case LEASE_RECORD_STOP:
		process_on_stop(m, r);
		break;
	case LEASE_RECORD_FORK:
		process_on_fork(m, r);
		break;
	case LEASE_RECORD_THREAD:
		process_on_thread(m, r);
		break;
	case LEASE_RECORD_EXEC:
		process_on_exec(m, r);
		break;
	case LEASE_RECORD_EXIT:
		process_on_exit(m, r);
		break;
	case LEASE_RECORD_LOW:
		group_on_low(m, r);
		break;
	case LEASE_RECORD_TICK:
		process_on_tick(m, r);
		break;
	case LEASE_RECORD_SHRUNK:
		process_on_shrunk(m, r);
		break;
	case LEASE_RECORD_WAKE:
		group_on_wake(m, r);
		break;
	case LEASE_RECORD_MISSED:
		groups_reconcile(m);
		break;
	}
	if (r->lost != m->nr_lost) {
		log_warning("%u records of the kernel's were lost", r->lost - m->nr_lost);
		m->nr_lost = r->lost;
	}
}

static int on_lease(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct manager *m = userdata;

	(void)s;
	(void)fd;
	(void)revents;
	lease_dispatch(m->lease);
	stops_settle(m);
	return 0;
}

static int on_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata)
{
	struct manager *m = userdata;

	(void)s;
	(void)si;
	m->exit_status = 0;
	return sd_event_exit(m->event, 0);
}

static int watch_keeper(struct manager *m);

static int on_keeper(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	struct manager *m = userdata;
	int r;

	(void)s;
	(void)fd;
	if (!(revents & (EPOLLHUP | EPOLLERR | EPOLLIN)))
		return 0;
	m->keeper_source = sd_event_source_unref(m->keeper_source);
	log_warning("the keeper died: starting another");
	r = keeper_replace(m->config.keeper);
	if (!r)
		r = watch_keeper(m);
	if (r) {
		log_error("no other keeper can be started, ending: %s", strerror(-r));
		m->exit_status = KEEPER_FATAL;
		sd_event_exit(m->event, 0);
	}
	return 0;
}

static int watch_keeper(struct manager *m)
{
	if (!m->config.keeper)
		return 0;
	return sd_event_add_io(m->event, &m->keeper_source, keeper_get_fd(m->config.keeper),
			       EPOLLIN, on_keeper, m);
}

/* ---- the manager ---- */

static int add_signals(struct manager *m)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	r = sd_event_add_signal(m->event, NULL, SIGTERM, on_signal, m);
	return r < 0 ? r : sd_event_add_signal(m->event, NULL, SIGINT, on_signal, m);
}

static int add_sources(struct manager *m)
{
	sd_event_source *lease;
	int r;

	m->requests_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->requests_fd < 0)
		return -errno;
	r = sd_event_add_io(m->event, &lease, lease_get_fd(m->lease), EPOLLIN, on_lease, m);
	if (r < 0)
		return r;
	/* Leases come before everything else that is ready. */
	sd_event_source_set_priority(lease, SD_EVENT_PRIORITY_IMPORTANT);
	sd_event_source_set_floating(lease, 1);
	sd_event_source_unref(lease);
	r = sd_event_add_io(m->event, NULL, m->requests_fd, EPOLLIN, on_requests, m);
	if (r < 0)
		return r;
	r = sd_event_add_time(m->event, &m->retry, CLOCK_MONOTONIC, UINT64_MAX, 1000, oom_retry, m);
	if (r < 0)
		return r;
	sd_event_source_set_enabled(m->retry, SD_EVENT_OFF);
	if (m->held) /* of those that were adopted */
		retry_arm(m);
	r = add_signals(m);
	return r < 0 ? r : watch_keeper(m);
}

static void lock_init(struct manager *m)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	/* Readers are many and short; the loop must not starve behind them. */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&m->lock, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&m->requests_lock, NULL);
}

/* Users feel this thread's lateness: first in line where that is allowed. */
static void prefer_this_thread(void)
{
	struct sched_param param = {.sched_priority = 1};

	if (!sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param))
		return;
	if (setpriority(PRIO_PROCESS, 0, -20))
		log_info("no priority for the manager's thread: %s, ignoring", strerror(errno));
}

/* Stopping, continuing and killing take descriptors, too; members must not use up the last. */
#define FD_RESERVE         64
#define FD_RESERVE_DIVISOR 8 /* of a small table */

/*
 * The kernel lets a process with threads wait for all CPUs, 7 to 12 ms (Linux 6.18), each time its
 * table of descriptors grows: let it be as big as it may ever be now.
 */
static void grow_descriptor_table(rlim_t size)
{
	cleanup_close int fd = eventfd(0, EFD_CLOEXEC), last = -1;

	if (fd >= 0)
		last = fcntl(fd, F_DUPFD_CLOEXEC, (int)MIN(size, KEEPER_MAX_FDS) - 1);
}

static void set_descriptor_budget(struct manager *m)
{
	struct rlimit rl;

	m->max_status_fd = INT32_MAX;
	if (getrlimit(RLIMIT_NOFILE, &rl))
		return;
	grow_descriptor_table(rl.rlim_cur);
	if (rl.rlim_cur < INT32_MAX)
		m->max_status_fd =
			(int)(rl.rlim_cur - MIN(rl.rlim_cur / FD_RESERVE_DIVISOR, FD_RESERVE));
}

static int manager_start(struct manager *m)
{
	int r;

	set_descriptor_budget(m);
	reclaim_prepare();
	prefer_this_thread();
	r = sd_event_new(&m->event);
	guards_drop_inherited(m);
	if (r >= 0)
		r = lease_server_start(m->lease, on_record, m);
	far_init(m);
	if (r >= 0 && m->config.keeper)
		lease_set_keep(m->lease, lineage_keep, lineage_unkeep);
	if (r >= 0)
		r = worker_new(m, &m->worker);
	if (r >= 0)
		r = status_file_ended(&m->ended);
	if (r >= 0)
		r = thresholds_new(m);
	if (r >= 0)
		r = deadlines_new(m);
	if (r >= 0)
		r = sweeps_new(m);
	if (r >= 0)
		r = settle_new(m);
	if (r >= 0)
		r = groups_adopt(m);
	if (r >= 0)
		soft_limits_watch(m);
	if (r >= 0)
		r = add_sources(m);
	return r < 0 ? r : 0;
}

int manager_new(struct manager **ret, const struct manager_config *config)
{
	struct manager *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return -ENOMEM;
	m->mapped = mapped_new();
	if (!m->mapped) {
		free(m);
		return -ENOMEM;
	}
	m->config = *config;
	m->state = config->state;
	m->lease = config->lease;
	m->hierarchy = config->hierarchy;
	m->requests_fd = -1;
	lock_init(m);
	r = manager_start(m);
	if (r) {
		manager_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

int manager_run(struct manager *m)
{
	int r;

	stops_settle(m); /* what an earlier server left standing */
	r = sd_event_loop(m->event);
	if (r < 0) {
		log_error("event loop: %s", strerror(-r));
		return EXIT_FAILURE;
	}
	return m->exit_status;
}

struct manager *manager_free(struct manager *m)
{
	if (!m)
		return NULL;
	m->worker = worker_free(m->worker);
	jobs_free_finished(m);
	attaches_free(m);
	processes_free(m);
	lease_set_keep(m->lease, NULL, NULL);
	listeners_free(m);
	groups_free(m);
	sd_event_source_unref(m->threshold_timer);
	sd_event_source_unref(m->deadline_timer);
	sd_event_source_unref(m->sweep_timer);
	sd_event_source_unref(m->settle_timer);
	sd_event_source_unref(m->retry);
	sd_event_source_unref(m->keeper_source);
	sd_event_source_unref(m->pressure_source);
	sd_event_unref(m->event);
	if (m->requests_fd >= 0)
		close(m->requests_fd);
	pthread_rwlock_destroy(&m->lock);
	pthread_mutex_destroy(&m->requests_lock);
	free(m->adopted);
	status_file_put(m->ended);
	mapped_free(m->mapped);
	free(m);
	return NULL;
}
