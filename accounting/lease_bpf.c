// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases whose overflow is charged by a BPF program: loading the programs, arming threads, and the
 * maps shared with them (lease.bpf.c). Units: pages. Thread: the manager's loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "accounting/lease_bpf.h"
#include "accounting/tracefs.h"
#include "accounting/lease_skeleton.h"
#include "util/log.h"
#include "util/util.h"

static int libbpf_to_log(enum libbpf_print_level level, const char *fmt, va_list args)
{
	char line[512];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(line, sizeof(line), fmt, args);
	line[strcspn(line, "\n")] = 0;
	log_debug("libbpf: %s", line);
	return 0;
}

/* The programs that follow members: without them no lease is complete. */
static int attach_sched(struct bpf_lease *l)
{
	struct bpf_program *const programs[] = {
		l->skel->progs.lease_fork,
		l->skel->progs.lease_exec,
		l->skel->progs.lease_exit,
		l->skel->progs.lease_signal,
	};

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
		l->sched_link[i] = bpf_program__attach(programs[i]);
		if (!l->sched_link[i])
			return -errno;
	}
	return 0;
}

/* Kernels without the tracepoint (before 5.10): what mlock(2) brought is seen at the next tick. */
static void attach_populate(struct bpf_lease *l)
{
	if (bpf_program__autoload(l->skel->progs.lease_populate))
		l->populate_link = bpf_program__attach(l->skel->progs.lease_populate);
}

static int attach_files_iterator(struct bpf_lease *l)
{
	union bpf_iter_link_info info = {
		.map.map_fd = (unsigned int)bpf_map__fd(l->skel->maps.files),
	};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts);

	opts.link_info = &info;
	opts.link_info_len = sizeof(info);
	l->files_link = bpf_program__attach_iter(l->skel->progs.lease_list_files, &opts);
	return l->files_link ? 0 : -errno;
}

static int attach_tracepoint(struct bpf_program *program, int id)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.config = (unsigned int)id,
		.sample_period = 1,
	};
	int fd = perf_event_open(&attr, -1, 0), r;

	if (fd < 0)
		return -errno;
	/* A program on a tracepoint runs for all of its hits, whatever task or CPU the event that
	 * carries it has. */
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, bpf_program__fd(program)) ||
	    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0)) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* Page cache is charged where tracefs tells the tracepoints' ids; else the daemon goes on without.
 */
static void attach_filemap(struct bpf_lease *l, const int ids[2])
{
	l->filemap_fd[0] = ids[0] < 0 ? ids[0]
				      : attach_tracepoint(l->skel->progs.lease_cache_add, ids[0]);
	if (l->filemap_fd[0] < 0)
		return;
	l->filemap_fd[1] =
		ids[1] < 0 ? ids[1] : attach_tracepoint(l->skel->progs.lease_cache_delete, ids[1]);
	if (l->filemap_fd[1] >= 0)
		return;
	close(l->filemap_fd[0]);
	l->filemap_fd[0] = -1;
}

/* Ids of the two page-cache tracepoints, and whether their records have the folio's order. */
static void find_filemap(int ids[2], bool *ret_has_order)
{
	cleanup_close int events = tracefs_open_events();

	ids[0] = ids[1] = -ENOENT;
	*ret_has_order = false;
	if (events < 0)
		return;
	ids[0] = tracefs_event_id(events, "filemap/mm_filemap_add_to_page_cache");
	ids[1] = tracefs_event_id(events, "filemap/mm_filemap_delete_from_page_cache");
	*ret_has_order =
		tracefs_event_has_field(events, "filemap/mm_filemap_add_to_page_cache", "order");
}

/* This process, and so all that it forks, is a daemon whose life the stops depend on. */
static int enter_daemon(struct bpf_lease *l)
{
	uint32_t key = (uint32_t)getpid(), one = 1;

	l->skel->bss->nr_daemons = 1;
	return bpf_map_update_elem(bpf_map__fd(l->skel->maps.daemons), &key, &one, BPF_ANY) ? -errno
											    : 0;
}

static int load_programs(struct bpf_lease *l, const int ids[2], bool has_order, bool with_tcp)
{
	l->skel = lease_bpf__open();
	if (!l->skel)
		return -errno;
	l->skel->rodata->filemap_has_order = has_order;
	bpf_lease_owners_size(l);
	if (ids[0] < 0 || ids[1] < 0) {
		bpf_program__set_autoload(l->skel->progs.lease_cache_add, false);
		bpf_program__set_autoload(l->skel->progs.lease_cache_delete, false);
	}
	bpf_program__set_autoload(
		l->skel->progs.lease_populate,
		libbpf_find_vmlinux_btf_id("mmap_lock_released", BPF_TRACE_RAW_TP) > 0);
	bpf_program__set_autoload(l->skel->progs.lease_sum_tcp, with_tcp);
	return lease_bpf__load(l->skel);
}

/* A kernel that does not take the sum over sockets, which nothing else needs, has the rest. */
static int load_what_can_be(struct bpf_lease *l, const int ids[2], bool has_order)
{
	bool with_tcp = bpf_lease_knows_tcp();
	int r = load_programs(l, ids, has_order, with_tcp);

	if (!r || !with_tcp)
		return r;
	lease_bpf__destroy(l->skel);
	return load_programs(l, ids, has_order, false);
}

static int load(struct bpf_lease *l)
{
	bool has_order;
	int ids[2], r;

	find_filemap(ids, &has_order);
	r = load_what_can_be(l, ids, has_order);
	if (r)
		return r;
	l->base.slots = mmap(NULL, LEASE_MAX_SLOTS * sizeof(*l->base.slots), PROT_READ | PROT_WRITE,
			     MAP_SHARED, bpf_map__fd(l->skel->maps.slots), 0);
	if (l->base.slots == MAP_FAILED) {
		l->base.slots = NULL;
		return -errno;
	}
	bpf_lease_owners_map(l);
	r = attach_sched(l);
	if (!r)
		r = attach_files_iterator(l);
	if (!r)
		r = enter_daemon(l);
	if (r)
		return r;
	attach_filemap(l, ids);
	attach_populate(l);
	bpf_lease_attach_tcp(l);
	return 0;
}

static void bpf_lease_free(struct lease *lease)
{
	struct bpf_lease *l = bpf_lease_of(lease);

	ring_buffer__free(l->ring);
	for (size_t i = 0; i < ARRAY_SIZE(l->sched_link); i++)
		bpf_link__destroy(l->sched_link[i]);
	bpf_link__destroy(l->populate_link);
	bpf_link__destroy(l->files_link);
	bpf_link__destroy(l->tcp_link);
	for (size_t i = 0; i < ARRAY_SIZE(l->filemap_fd); i++)
		if (l->filemap_fd[i] >= 0)
			close(l->filemap_fd[i]);
	if (l->base.slots)
		munmap(l->base.slots, LEASE_MAX_SLOTS * sizeof(*l->base.slots));
	if (l->base.owners)
		munmap((void *)l->base.owners, l->base.nr_owners * sizeof(*l->base.owners->owner));
	lease_bpf__destroy(l->skel);
	free(l);
}

static bool bpf_lease_has_page_cache(const struct lease *l)
{
	return bpf_lease_of(l)->filemap_fd[0] >= 0;
}

static int on_record(void *userdata, void *data, size_t size)
{
	struct lease *l = userdata;

	if (size >= sizeof(struct lease_record))
		l->fn(data, l->userdata);
	return 0;
}

static int bpf_lease_server_start(struct lease *lease)
{
	struct bpf_lease *l = bpf_lease_of(lease);

	l->seen_lost = l->skel->bss->lost;
	l->ring = ring_buffer__new(bpf_map__fd(l->skel->maps.ring), on_record, l, NULL);
	return l->ring ? 0 : -errno;
}

static int bpf_lease_get_fd(const struct lease *l)
{
	return ring_buffer__epoll_fd(bpf_lease_of(l)->ring);
}

static void warn_of_files(struct bpf_lease *l)
{
	if (l->said_files_full || !__atomic_load_n(&l->skel->bss->files_full, __ATOMIC_RELAXED))
		return;
	l->said_files_full = true;
	log_warning("page cache of more than %d files at a time: that of the others is not charged",
		    LEASE_MAX_FILES);
}

/* Forks, stops and ends that nobody told of. */
static void tell_of_lost(struct bpf_lease *l)
{
	uint32_t lost = __atomic_load_n(&l->skel->bss->lost, __ATOMIC_SEQ_CST);

	if (lost == l->seen_lost)
		return;
	l->seen_lost = lost;
	l->base.fn(&(struct lease_record){.type = LEASE_RECORD_MISSED, .lost = lost},
		   l->base.userdata);
}

static int bpf_lease_dispatch(struct lease *l)
{
	int r = ring_buffer__consume(bpf_lease_of(l)->ring);

	tell_of_lost(bpf_lease_of(l));
	warn_of_files(bpf_lease_of(l));
	return r < 0 ? r : 0;
}

/* One inherited software event with a program on its overflow. fd or -errno. */
static int arm_event(pid_t tid, uint64_t config, uint64_t period, const struct bpf_program *program)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = config,
		.sample_period = period,
		.inherit = 1,
	};
	int fd = perf_event_open(&attr, tid, -1), r;

	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -ENOSPC : -errno;
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, bpf_program__fd(program))) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

static int arm_one(struct bpf_lease *l, pid_t tid, enum lease_event event)
{
	if (event == LEASE_CLOCK)
		return arm_event(tid, PERF_COUNT_SW_TASK_CLOCK, LEASE_TICK_NSEC,
				 l->skel->progs.lease_tick);
	return arm_event(tid, PERF_COUNT_SW_PAGE_FAULTS, LEASE_PAGES,
			 l->skel->progs.lease_overflow);
}

static int bpf_lease_arm(struct lease *lease, pid_t tid, unsigned events,
			 int ret_fds[LEASE_NR_EVENTS])
{
	int fds[LEASE_NR_EVENTS], r = 0;

	for (int i = 0; i < LEASE_NR_EVENTS; i++) {
		fds[i] = -1;
		if (!r && events & LEASE_EVENT_BIT(i))
			fds[i] = arm_one(bpf_lease_of(lease), tid, (enum lease_event)i);
		if (!r && fds[i] < 0 && events & LEASE_EVENT_BIT(i))
			r = fds[i];
	}
	if (!r) {
		memcpy(ret_fds, fds, sizeof(fds));
		return 0;
	}
	for (int i = 0; i < LEASE_NR_EVENTS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return r;
}

/* Whatever event is opened on a task parts its events from those it inherited them from. */
static void bpf_lease_own_events(struct lease *l, pid_t tid)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.disabled = 1,
	};
	int fd = perf_event_open(&attr, tid, -1);

	(void)l;
	if (fd >= 0)
		close(fd);
}

/* What was seen of its growth stays: it would be charged once more at each stop. */
static int bpf_lease_member_set(struct lease *l, pid_t tgid, uint32_t slot, bool stopped)
{
	struct lease_member member = {};
	uint32_t key = (uint32_t)tgid;

	bpf_map_lookup_elem(bpf_map__fd(bpf_lease_of(l)->skel->maps.members), &key, &member);
	member.slot = slot;
	member.stopped = stopped;
	if (bpf_map_update_elem(bpf_map__fd(bpf_lease_of(l)->skel->maps.members), &key, &member,
				BPF_ANY))
		return errno == E2BIG ? -ENOSPC : -errno;
	return 0;
}

static int bpf_lease_member_get(const struct lease *l, pid_t tgid, struct lease_member *ret)
{
	uint32_t key = (uint32_t)tgid;

	return bpf_map_lookup_elem(bpf_map__fd(bpf_lease_of(l)->skel->maps.members), &key, ret)
		       ? -errno
		       : 0;
}

static int bpf_lease_member_remove(struct lease *l, pid_t tgid)
{
	uint32_t key = (uint32_t)tgid;

	return bpf_map_delete_elem(bpf_map__fd(bpf_lease_of(l)->skel->maps.members), &key) ? -errno
											   : 0;
}

static void bpf_lease_release(struct lease *l)
{
	uint32_t key, *at = NULL;

	__atomic_store_n(&bpf_lease_of(l)->skel->bss->nr_daemons, 0, __ATOMIC_SEQ_CST);
	/* Programs that looked before that have ended, and the signals that they sent are there. */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	for (uint32_t slot = 0; slot < LEASE_MAX_SLOTS; slot++) {
		__atomic_store_n(&l->slots[slot].room, LEASE_NO_LIMIT, __ATOMIC_RELAXED);
		for (int part = 0; part < LEASE_NR_PARTS; part++)
			__atomic_store_n(&l->slots[slot].part_room[part], LEASE_NO_LIMIT,
					 __ATOMIC_RELAXED);
	}
	while (!bpf_map_get_next_key(bpf_map__fd(bpf_lease_of(l)->skel->maps.members), at, &key)) {
		struct lease_member member;

		if (!lease_member_get(l, (pid_t)key, &member) && member.stopped)
			kill((pid_t)key, SIGCONT);
		at = &key;
	}
}

/* ---- */

static const struct lease_ops bpf_lease_ops = {
	.stop = LEASE_STOP_BPF,
	.survives = true,
	.free = bpf_lease_free,
	.server_start = bpf_lease_server_start,
	.get_fd = bpf_lease_get_fd,
	.dispatch = bpf_lease_dispatch,
	.arm = bpf_lease_arm,
	.own_events = bpf_lease_own_events,
	.member_set = bpf_lease_member_set,
	.member_get = bpf_lease_member_get,
	.member_remove = bpf_lease_member_remove,
	.release = bpf_lease_release,
	.has_page_cache = bpf_lease_has_page_cache,
	.files = bpf_lease_files,
	.files_move = bpf_lease_files_move,
	.shmem_get = bpf_lease_shmem_get,
	.shmem_owner = bpf_lease_shmem_owner,
	.shmem_add = bpf_lease_shmem_add,
	.tcp_bytes = bpf_lease_tcp_bytes,
};

/* One event on ourselves, so that a kernel without them is found out at start and not at the first
 * attach. */
static int probe_perf_events(struct lease *l)
{
	int fds[LEASE_NR_EVENTS], r = bpf_lease_arm(l, getpid(), ~0U, fds);

	if (r)
		return r;
	for (int i = 0; i < LEASE_NR_EVENTS; i++)
		close(fds[i]);
	return 0;
}

int bpf_lease_new(struct lease **ret)
{
	struct bpf_lease *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->base.ops = &bpf_lease_ops;
	pthread_mutex_init(&l->tcp_lock, NULL);
	l->filemap_fd[0] = l->filemap_fd[1] = -1;
	libbpf_set_print(libbpf_to_log);
	r = load(l);
	if (!r)
		r = probe_perf_events(&l->base);
	if (r) {
		bpf_lease_free(&l->base);
		return r;
	}
	l->base.tick_pages = lease_rate_pages(LEASE_TICK_NSEC);
	*ret = &l->base;
	return 0;
}
