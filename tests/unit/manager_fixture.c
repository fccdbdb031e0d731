/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A manager over the world of fake_mechanisms.h, stepped by the test. Thread: the test's. */
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/manager_fixture.h"
#include "tests/unit/run_suites.h"
#include "util/log.h"

#define STEP_TIMEOUT_USEC 30000000 /* nothing that goes well takes so long, under any sanitizer */

struct manager *mgr;
struct state *world_state;
static int nr_open_before;

static const struct file_attr default_attr[FIXTURE_NR_ATTR] = {
	[1] = {.mode = S_IFREG | 0644},
	[2] = {.mode = S_IFREG | 0444},
	[3] = {.mode = S_IFREG | 0200},
};

static int nr_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr;
}

int manager_start(bool with_keeper)
{
	static char somebody; /* a keeper that nobody looks into */
	struct manager_config config = {
		.state = world_state,
		.keeper = with_keeper ? (struct keeper_link *)&somebody : NULL,
		.default_attr = default_attr,
		.nr_attr = FIXTURE_NR_ATTR,
	};
	const struct sched_param normal = {};
	int r;

	r = manager_new(&mgr, &config);
	/* It asks for real-time priority for this thread: a test has no need of it, and others may
	 * want to run. */
	sched_setscheduler(0, SCHED_OTHER, &normal);
	return r;
}

void manager_stop(void)
{
	mgr = manager_free(mgr);
}

void world_restart(void)
{
	manager_stop();
	CU_ASSERT_EQUAL_FATAL(manager_start(false), 0);
}

void world_begin(void)
{
	char path[] = "/tmp/test_manager.XXXXXX";
	int fd = mkstemp(path);

	world_reset();
	nr_open_before = nr_open() - 1; /* without fd */
	close(fd);
	CU_ASSERT_EQUAL_FATAL(state_open(&world_state, path), 0);
	unlink(path);
	CU_ASSERT_EQUAL_FATAL(manager_start(false), 0);
}

/* Nobody who is dead may be in the map: whoever has the pid next would be charged, and stopped. */
static bool dead_in_map(void)
{
	const struct fake_process *fp;

	for (unsigned i = 0; (fp = fake_by_index(i)); i++)
		if (!atomic_get(&fp->alive) && fp->member)
			return true;
	return false;
}

void world_end(void)
{
	if (mgr && sd_event_get_state(mgr->event) != SD_EVENT_FINISHED)
		world_run();
	CU_ASSERT_FALSE(dead_in_map());
	manager_stop();
	world_state = state_close(world_state);
	fake_events_forget();
	CU_ASSERT_EQUAL(nr_open(), nr_open_before);
	world_reset();
}

/* ---- stepping ---- */

static void step_or_abort(void)
{
	if (sd_event_run(mgr->event, STEP_TIMEOUT_USEC) <= 0) {
		fprintf(stderr, "the manager's loop waits for something that does not come\n");
		abort();
	}
}

void world_step(void)
{
	while (sd_event_run(mgr->event, 0) > 0)
		;
	stops_settle(mgr);
}

static bool busy(void)
{
	const struct process *p, *next;

	if (mgr->stops || !fake_ring_empty())
		return true;
	for (struct group *g = manager_root(mgr); g; g = group_next(manager_root(mgr), g))
		if (g->job)
			return true;
	HASH_ITER (hh, mgr->processes, p, next) {
		if (p->nr_jobs)
			return true;
	}
	return false;
}

struct barrier {
	struct job job;
	bool passed;
};

static void barrier_pass(struct manager *m, struct manager_request *r)
{
	(void)m;
	((struct barrier *)((char *)r - offsetof(struct barrier, job.done)))->passed = true;
}

static void barrier_submit(struct barrier *b, enum job_kind kind, struct reclaim_process *nobody)
{
	*b = (struct barrier){.job = {.kind = kind, .manager = mgr, .list = nobody}};
	b->job.done.run = barrier_pass;
	for (size_t i = 0; i < STATE_MAX_GROUPS; i++)
		b->job.want[i] = true;
	worker_submit(mgr->worker, &b->job);
}

/* Jobs behind all others, about nobody and for all groups: when they are back, all that were before
 * them are done. */
void world_run(void)
{
	do {
		struct reclaim_process nobody = {.proc_fd = -1};
		struct barrier reclaims, kills;

		barrier_submit(&reclaims, JOB_RECLAIM, &nobody);
		barrier_submit(&kills, JOB_KILL, &nobody);
		while (!reclaims.passed || !kills.passed)
			step_or_abort();
	} while (busy());
}

void world_run_until(bool (*done)(const void *userdata), const void *userdata)
{
	stops_settle(mgr);
	while (!done(userdata))
		step_or_abort();
}

/* ---- groups ---- */

struct group *group_make(struct group *parent, const char *name)
{
	const struct caller root = {.pid = getpid()};
	struct group *g = NULL;

	CU_ASSERT_EQUAL_FATAL(group_mkdir(mgr, parent, name, 0755, &root, &g), 0);
	CU_ASSERT_EQUAL(group_set_watermarks(mgr, g, 0, 0), 0);
	return g;
}

struct group *group_make_limited(struct group *parent, const char *name, uint64_t limit_pages)
{
	struct group *g = group_make(parent, name);

	CU_ASSERT_EQUAL(limit_set(g, limit_pages), 0);
	return g;
}

struct group *group_make_marked(struct group *parent, const char *name, uint64_t limit)
{
	struct group *g = group_make_limited(parent, name, limit);

	CU_ASSERT_EQUAL(group_set_watermarks(mgr, g, 75, 50), 0);
	return g;
}

static void note_done(int error, void *userdata)
{
	struct limit_write *w = userdata;

	w->nr_done++;
	w->error = error;
	w->limit_bytes = w->g->record->memory.limit;
}

void limit_write(struct limit_write *w, struct group *g, uint64_t limit_pages)
{
	*w = (struct limit_write){.g = g};
	group_set_limit(mgr, g, COUNTER_MEMORY, pages_to_bytes(limit_pages), note_done, w);
}

int limit_set(struct group *g, uint64_t limit_pages)
{
	struct limit_write w;

	limit_write(&w, g, limit_pages);
	if (!w.nr_done)
		world_run();
	CU_ASSERT_EQUAL(w.nr_done, 1);
	return w.error;
}

uint64_t usage_bytes_now(const struct group *g)
{
	uint64_t bytes = UINT64_MAX;

	CU_ASSERT_EQUAL(group_usage_bytes(mgr, group_id(g), COUNTER_MEMORY, &bytes), 0);
	return bytes;
}

uint64_t usage_pages(const struct group *g)
{
	return bytes_to_pages(g->record->memory.usage);
}

uint64_t event_count(const struct group *g, enum group_event event)
{
	return g->record->events[event];
}

int64_t room_of(const struct group *g)
{
	return lease_slot_get_room(mgr->lease, g->slot);
}

uint64_t failcnt(const struct group *g)
{
	return g->record->memory.failcnt;
}

unsigned nr_waiters(const struct group *g)
{
	const struct process *p;
	unsigned nr = 0;

	for (p = g->waiters; p; p = p->wait_next)
		nr++;
	return nr;
}

/* ---- members ---- */

struct fake_process *member_make(struct group *g, uint64_t rss_anon)
{
	cleanup_free char *path = group_path(g);
	struct fake_process *fp = world_process(rss_anon);

	fake_move(fp, path);
	CU_ASSERT_EQUAL_FATAL(lease_member_set(mgr->lease, fp->pid, g->slot, false), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(process_new(mgr, fp->pid, g, NULL));
	manager_wrlock(mgr);
	member(fp)->shared_outside = false;
	manager_unlock(mgr);
	process_rearm(mgr, member(fp));
	for (struct group *x = g; x; x = x->parent)
		group_true_up(mgr, x);
	return fp;
}

struct process *member(const struct fake_process *fp)
{
	return process_find(mgr, fp->pid);
}

void is_member(const struct fake_process *fp, const struct group *g)
{
	cleanup_free char *path = group_path(g);

	CU_ASSERT_PTR_NOT_NULL_FATAL(member(fp));
	CU_ASSERT_PTR_EQUAL(member(fp)->group, g);
	CU_ASSERT(fp->member);
	CU_ASSERT_EQUAL(fp->lease.slot, g->slot);
	CU_ASSERT_STRING_EQUAL(fp->dir, path);
}

static void note_attached(int error, void *userdata)
{
	struct attach_write *w = userdata;

	w->nr_done++;
	w->error = error;
}

void attach_write(struct attach_write *w, struct group *g, pid_t tid, bool whole,
		  const struct caller *c)
{
	*w = (struct attach_write){};
	group_attach(mgr, g, tid, whole, c, note_attached, w);
}

static bool is_attached(const void *userdata)
{
	return ((const struct attach_write *)userdata)->nr_done;
}

int attach_wait(const struct attach_write *w)
{
	world_run_until(is_attached, w);
	CU_ASSERT_EQUAL(w->nr_done, 1);
	return w->error;
}

int attach_as(struct group *g, pid_t tid, bool whole, const struct caller *c)
{
	struct pollfd pfd = {.fd = mgr->requests_fd, .events = POLLIN};
	struct attach_write w;

	attach_write(&w, g, tid, whole, c);
	/* What happens to the world on a worker is over before the loop goes on. */
	if (!w.nr_done)
		poll(&pfd, 1, STEP_TIMEOUT_USEC / 1000);
	return attach_wait(&w);
}

int attach(struct group *g, const struct fake_process *fp)
{
	const struct caller root = {.pid = getpid()};

	return attach_as(g, fp->pid, true, &root);
}

bool stands(const struct fake_process *fp)
{
	return atomic_get(&fp->stopped);
}

uint64_t world_work(struct fake_process *fp, uint64_t nr)
{
	uint64_t done = 0;

	while (done < nr) {
		uint64_t n = world_touch(fp, nr - done);

		if (!n)
			break;
		done += n;
		world_run();
	}
	return done;
}

/* ---- at the limit ---- */

void hit_limit(struct fake_process *fp)
{
	while (atomic_get(&fp->alive) && !stands(fp))
		world_touch(fp, LEASE_PAGES);
}

void hit_limit_and_hold(struct fake_process *fp)
{
	fake_reclaim_hold(0);
	hit_limit(fp);
	world_step();
	fake_reclaim_wait_held(1);
}

void go_on(void)
{
	fake_reclaim_go_on();
	world_run();
}

void look_again(void)
{
	oom_retry(mgr->retry, 0, mgr);
	world_run();
}

/* ---- the program ---- */

int run_tests(const char *suite, CU_TestInfo *tests)
{
	CU_SuiteInfo suites[] = {{suite, NULL, NULL, world_begin, world_end, tests},
				 CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
