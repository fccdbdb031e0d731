/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world's members and ring, with the rules of lease.bpf.c: a charge after each LEASE_PAGES
 * faults, a stop where there is no room and then its record, members followed through fork and
 * exit. Sizes in pages. Thread: the test's; a death's record also comes from a worker.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/unit/fake_mechanisms.h"

#define RING_RECORDS 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* ring, members */
static struct lease_record ring[RING_RECORDS];
static unsigned ring_first, ring_end, nr_lost;
static int ring_fd = -1;
static lease_record_fn record_fn;
static void *record_userdata;

void fake_lease_reset(void)
{
	fake_slots_reset();
	ring_first = ring_end = nr_lost = 0;
	if (ring_fd >= 0)
		close(ring_fd);
	ring_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* ---- the ring ---- */

/* False: no place. */
static bool record_add(struct lease_record r)
{
	bool fits;

	pthread_mutex_lock(&lock);
	fits = !world.lose_records && ring_end - ring_first < RING_RECORDS;
	nr_lost += !fits;
	r.lost = nr_lost;
	if (fits)
		ring[ring_end++ % RING_RECORDS] = r;
	pthread_mutex_unlock(&lock);
	if (fits)
		eventfd_write(ring_fd, 1);
	return fits;
}

bool fake_wake(uint32_t slot)
{
	return record_add((struct lease_record){.type = LEASE_RECORD_WAKE, .slot = slot});
}

static bool record_take(struct lease_record *ret)
{
	bool any;

	pthread_mutex_lock(&lock);
	any = ring_first != ring_end;
	if (any)
		*ret = ring[ring_first++ % RING_RECORDS];
	pthread_mutex_unlock(&lock);
	return any;
}

bool fake_ring_empty(void)
{
	bool empty;

	pthread_mutex_lock(&lock);
	empty = ring_first == ring_end;
	pthread_mutex_unlock(&lock);
	return empty;
}

int lease_server_start(struct lease *l, lease_record_fn fn, void *userdata)
{
	(void)l;
	record_fn = fn;
	record_userdata = userdata;
	return 0;
}

int lease_get_fd(const struct lease *l)
{
	(void)l;
	return ring_fd;
}

int lease_dispatch(struct lease *l)
{
	struct lease_record r;
	eventfd_t value;

	(void)l;
	eventfd_read(ring_fd, &value);
	while (record_take(&r))
		record_fn(&r, record_userdata);
	return 0;
}

/* ---- arming, members ---- */

uint64_t lease_get_tick_pages(const struct lease *l)
{
	(void)l;
	return world.tick_pages;
}

/* The events live as long as a descriptor of theirs: we hold the other end. */
static int arm_faults(struct fake_process *fp)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		abort();
	if (fp->faults_fd)
		close(fp->faults_fd);
	fp->faults_fd = ends[0];
	return ends[1];
}

bool fake_is_armed(const struct fake_process *fp)
{
	struct pollfd p = {.fd = fp->faults_fd};

	return fp->faults_fd && poll(&p, 1, 0) == 0;
}

int lease_arm(struct lease *l, pid_t tid, unsigned events, int ret_fds[LEASE_NR_EVENTS])
{
	struct fake_process *fp;

	(void)l;
	if (world.arm_error)
		return world.arm_error;
	fp = fake_by_pid(tid);
	for (unsigned i = 0; !fp && fake_by_index(i); i++) { /* a real child's thread */
		char path[48];
		struct fake_process *x = fake_by_index(i);

		snprintf(path, sizeof(path), "/proc/%d/task/%d", x->pid, tid);
		if (x->real ? !access(path, F_OK)
			    : tid > x->pid && tid < x->pid + (pid_t)x->nr_threads)
			fp = x;
	}
	if (!fp)
		abort();
	fp->nr_armed += !!(events & LEASE_EVENT_BIT(LEASE_CLOCK));
	ret_fds[LEASE_CLOCK] = ret_fds[LEASE_FAULTS] = -1;
	if (events & LEASE_EVENT_BIT(LEASE_CLOCK))
		ret_fds[LEASE_CLOCK] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (events & LEASE_EVENT_BIT(LEASE_FAULTS))
		ret_fds[LEASE_FAULTS] = arm_faults(fp);
	return 0;
}

/* Whose entry it is: of the living one with this pid, else of the last who had it. */
static struct fake_process *map_find(pid_t tgid)
{
	struct fake_process *fp = fake_by_pid(tgid), *dead = NULL;

	for (unsigned i = 0; !fp && fake_by_index(i); i++)
		if (fake_by_index(i)->pid == tgid)
			dead = fake_by_index(i);
	return fp ? fp : dead;
}

int lease_member_set(struct lease *l, pid_t tgid, uint32_t slot, bool stopped)
{
	struct fake_process *fp = map_find(tgid);

	(void)l;
	if (world.member_set_error)
		return world.member_set_error;
	pthread_mutex_lock(&lock);
	fp->member = true;
	fp->lease = (struct lease_member){.slot = slot, .stopped = stopped};
	pthread_mutex_unlock(&lock);
	return 0;
}

int lease_member_get(const struct lease *l, pid_t tgid, struct lease_member *ret)
{
	const struct fake_process *fp = map_find(tgid);
	int r = -ENOENT;

	(void)l;
	pthread_mutex_lock(&lock);
	if (fp && fp->member) {
		*ret = fp->lease;
		r = 0;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

int lease_member_remove(struct lease *l, pid_t tgid)
{
	struct fake_process *fp = map_find(tgid);
	int r = -ENOENT;

	(void)l;
	pthread_mutex_lock(&lock);
	if (fp && fp->member) {
		fp->member = false;
		r = 0;
	}
	pthread_mutex_unlock(&lock);
	return r;
}

/* ---- leases that end with their server ---- */

bool lease_survives(const struct lease *l)
{
	(void)l;
	return !world.leases_die;
}

void lease_set_keep(struct lease *l, lease_keep_fn keep, lease_drop_fn drop)
{
	(void)l;
	(void)keep;
	(void)drop;
}

void lease_inherited(struct lease *l, int fd)
{
	(void)l;
	(void)fd;
	world.nr_inherited_leases++;
}

/* Whose stop nobody answered. */
void lease_inherited_all(struct lease *l)
{
	struct fake_process *fp;

	(void)l;
	for (unsigned i = 0; (fp = fake_by_index(i)); i++)
		fp->lease.stopped |= fp->member && fp->unanswered;
}

void lease_own_events(struct lease *l, pid_t tid)
{
	struct fake_process *fp = fake_by_pid(tid);

	(void)l;
	if (fp)
		fp->nr_owns++;
}

/* The descriptors are open still. */
void lease_disarm(struct lease *l, const int fds[LEASE_NR_EVENTS])
{
	(void)l;
	for (int i = 0; i < LEASE_NR_EVENTS; i++)
		if (fds[i] >= 0 && fcntl(fds[i], F_GETFD) < 0)
			abort();
}

void lease_hold(struct lease *l, pid_t tgid)
{
	struct fake_process *fp = fake_by_pid(tgid);

	(void)l;
	if (fp)
		fp->nr_holds++;
}

/* Before the signal that ends the stop. */
bool lease_continuing(struct lease *l, pid_t tgid)
{
	struct fake_process *fp = fake_by_pid(tgid);

	(void)l;
	if (fp && fp->lease.stopped && atomic_get(&fp->stopped))
		fp->nr_continuings++;
	return !fp || !fp->lands_late;
}

bool lease_stops_always(const struct lease *l)
{
	(void)l;
	return world.leases_die;
}

static bool slot_is_below(uint32_t slot, uint32_t top)
{
	while (slot && slot != top)
		slot = fake_slot_parent(slot);
	return slot == top;
}

int lease_tcp_bytes(struct lease *l, uint32_t slot, uint64_t *ret)
{
	struct fake_process *fp;
	uint64_t sum = 0;

	(void)l;
	if (world.tcp_error)
		return world.tcp_error;
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; (fp = fake_by_index(i)); i++)
		if (atomic_get(&fp->alive) && slot_is_below(fp->lease.slot, slot))
			sum += fp->tcp_bytes;
	pthread_mutex_unlock(&lock);
	*ret = sum;
	return 0;
}

uint64_t lease_slot_get_held(struct lease *l, uint32_t slot)
{
	(void)l;
	return slot ? world.held : 0;
}

bool lease_slot_recall(struct lease *l, uint32_t slot)
{
	if (!lease_slot_get_held(l, slot))
		return false;
	world.nr_recalls++;
	if (!world.held_stays)
		world.held = 0;
	return true;
}

static void stop(struct fake_process *fp, uint32_t full)
{
	pthread_mutex_lock(&lock);
	fp->lease.stopped = 1;
	pthread_mutex_unlock(&lock);
	atomic_put(&fp->stopped, 1);
	record_add((struct lease_record){
		.type = LEASE_RECORD_STOP, .tgid = (unsigned)fp->pid, .slot = full});
}

/* ---- what processes do ---- */

void world_read_file(struct fake_process *fp, uint64_t ino, uint64_t nr)
{
	uint32_t full = fake_cache_charge(fp->lease.slot, ino, nr);

	if (full)
		stop(fp, full);
}

static void note_peak(void)
{
	struct fake_process *fp;
	uint64_t sum = 0;

	for (unsigned i = 0; (fp = fake_by_index(i)); i++)
		sum += atomic_get(&fp->rss_anon);
	world.peak = MAX(world.peak, sum);
}

static uint64_t faults(struct fake_process *fp, uint64_t nr, uint64_t pages_each)
{
	uint64_t done = 0;

	while (done < nr && atomic_get(&fp->alive) && !atomic_get(&fp->stopped)) {
		uint32_t full;

		atomic_inc(&fp->rss_anon, pages_each);
		atomic_inc(&fp->nr_touched, 1);
		done++;
		if (++fp->nr_faults % LEASE_PAGES || !fp->member ||
		    (world.tick_pages && !fake_is_armed(fp)))
			continue;
		full = fake_charge(fp->lease.slot, LEASE_PAGES);
		if (full)
			stop(fp, full);
	}
	note_peak();
	return done;
}

uint64_t world_touch(struct fake_process *fp, uint64_t nr)
{
	return faults(fp, nr, 1);
}

uint64_t world_fault(struct fake_process *fp, uint64_t nr)
{
	return faults(fp, nr, 0);
}

struct fake_process *world_fork_as(struct fake_process *fp, pid_t pid, bool shares_vm)
{
	struct fake_process *child = fake_fork(fp, pid);
	struct lease_record r = {.type = LEASE_RECORD_FORK,
				 .tgid = (unsigned)fp->pid,
				 .child = (unsigned)child->pid,
				 .slot = fp->lease.slot,
				 .shares_vm = shares_vm,
				 .events = ~0U,
				 .nsec = now_nsec()};
	uint32_t full;

	if (fake_is_armed(fp))
		child->faults_fd = dup(fp->faults_fd);
	else
		r.events = LEASE_EVENT_BIT(LEASE_CLOCK) |
			   (world.tick_pages ? 0 : LEASE_EVENT_BIT(LEASE_FAULTS));
	if (!fp->member)
		return child;
	full = fake_charge_tick(fp->lease.slot);
	record_add(r);
	if (full)
		stop(fp, full);
	return child;
}

struct fake_process *world_fork(struct fake_process *fp, bool shares_vm)
{
	return world_fork_as(fp, 0, shares_vm);
}

static void record_of(const struct fake_process *fp, enum lease_record_type type, bool lost_lease)
{
	struct lease_record r = {.type = type,
				 .tgid = (unsigned)fp->pid,
				 .child = type == LEASE_RECORD_TICK ? (unsigned)fp->pid : 0,
				 .written = fp->written_bytes,
				 .events = lost_lease ? 0 : ~0U,
				 .nsec = now_nsec()};
	bool member;

	pthread_mutex_lock(&lock);
	member = fp->member;
	r.slot = fp->lease.slot;
	pthread_mutex_unlock(&lock);
	if (member)
		record_add(r);
}

void world_exec(struct fake_process *fp, bool lost_lease)
{
	atomic_put(&fp->rss_anon, 0);
	atomic_put(&fp->pss_anon, FAKE_PRIVATE);
	record_of(fp, LEASE_RECORD_EXEC, lost_lease);
}

void world_tick(struct fake_process *fp)
{
	uint32_t full;

	if (!fp->lease.slot)
		return;
	record_of(fp, LEASE_RECORD_TICK, false);
	full = fake_charge_tick(fp->lease.slot);
	if (full)
		stop(fp, full);
}

void world_land(struct fake_process *fp)
{
	fp->lands_late = false;
	record_of(fp, LEASE_RECORD_STOP, false);
}

void world_miss(void)
{
	record_add((struct lease_record){.type = LEASE_RECORD_MISSED});
}

/* The memory goes before the record comes. */
void fake_die(struct fake_process *fp)
{
	atomic_put(&fp->rss_anon, 0);
	atomic_put(&fp->rss_shmem, 0);
	atomic_put(&fp->swap, 0);
	atomic_put(&fp->alive, 0);
	record_of(fp, LEASE_RECORD_EXIT, false);
	pthread_mutex_lock(&lock);
	fp->member = false;
	pthread_mutex_unlock(&lock);
}

void world_exit(struct fake_process *fp)
{
	fake_die(fp);
}
