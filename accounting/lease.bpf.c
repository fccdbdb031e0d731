// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The part of a lease that runs inside the kernel: charges room at each overflow, stops who has
 * none, and follows members through fork, exec and exit. Units: pages. Runs in the context of the
 * task it speaks of.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "accounting/lease_shared.h"

typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
typedef _Bool bool;
#define true 1
#define false 0

#define SIGKILL      9
#define SIGCONT      18
#define SIGSTOP      19
#define NOEXIST      1 /* BPF_NOEXIST */
#define LEASE_PERIOD LEASE_PAGES

/* Of <linux/perf_event.h>, whose struct perf_event_attr is declared here by its fields. */
#define SW_TASK_CLOCK  1
#define SW_PAGE_FAULTS 2
#define MAX_EVENTS     32 /* of a task that are looked at; others may have opened some, too */

/* The few kernel fields used, relocated at load time to where this kernel has them. */
typedef struct {
	int counter;
} atomic_t;
struct signal_struct {
	atomic_t live;
} __attribute__((preserve_access_index));
struct list_head {
	struct list_head *next;
} __attribute__((preserve_access_index));
struct perf_event_attr {
	u64 config, sample_period;
} __attribute__((preserve_access_index));
struct perf_event {
	struct list_head event_entry;
	struct perf_event_attr attr;
} __attribute__((preserve_access_index));
struct perf_event_context {
	struct list_head event_list;
} __attribute__((preserve_access_index));
struct task_io_accounting {
	u64 wchar;
} __attribute__((preserve_access_index));
struct mm_struct;
struct files_struct;
struct task_struct {
	int pid, tgid;
	struct task_struct *group_leader;
	struct files_struct *files;
	struct task_io_accounting ioac;
	struct mm_struct *mm;
	struct signal_struct *signal;
	struct perf_event_context *perf_event_ctxp;
} __attribute__((preserve_access_index));
/* Before 6.2 a task had a context for each kind of event; software events were in the second. */
struct task_struct___old {
	struct perf_event_context *perf_event_ctxp[2];
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, LEASE_MAX_SLOTS);
	__type(key, u32);
	__type(value, struct lease_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LEASE_MAX_MEMBERS);
	__type(key, u32);
	__type(value, struct lease_member);
} members SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LEASE_MAX_FILES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lease_file_key);
	__type(value, struct lease_file_owners);
} files SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, LEASE_RING_BYTES);
} ring SEC(".maps");

/* As many blocks as the machine has page frames for. Set before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct lease_owners);
} owners SEC(".maps");

/* Whether the page-cache tracepoints' records have `order` (kernels with large folios). Set before
 * loading. */
const volatile int filemap_has_order = 1;

unsigned int
	nr_daemons; /* of those that live: without any nobody is stopped, for nobody would go on */
unsigned int lost;  /* records that found the ring full */
unsigned int files_full; /* insertions of files that found the table of files full */

char _license[] SEC("license") = "GPL";

static __always_inline u32 current_tgid(void)
{
	return (u32)(bpf_get_current_pid_tgid() >> 32);
}

/* NULL: the ring is full, and the server sees that something was lost when it has read what is
 * there.
 */
static __always_inline struct lease_record *record_new(u32 type, u32 tgid, u32 slot)
{
	struct lease_record *r = bpf_ringbuf_reserve(&ring, sizeof(*r), 0);

	if (!r) {
		__sync_fetch_and_add(&lost, 1);
		return 0;
	}
	r->type = type;
	r->tgid = tgid;
	r->slot = slot;
	r->child = 0;
	r->shares_vm = 0;
	r->events = 0;
	r->written = 0;
	r->zero = 0;
	r->lost = lost;
	r->nsec = bpf_ktime_get_ns();
	return r;
}

static __always_inline s64 room_take(long long *room, s64 nr_pages)
{
	return __sync_fetch_and_add(room, -nr_pages) - nr_pages;
}

static __always_inline bool is_below_mark(const struct lease_slot *s, enum lease_part part,
					  s64 room, s64 part_room)
{
	if (!s->wake_at)
		return room < s->wake_room;
	return s->wake_at == part + 1 && part_room < s->wake_room;
}

/*
 * Charge (or, with nr_pages < 0, uncharge) slot and all above it. The first one without room, or 0.
 * ret_wake: the first one with less than its wake_room, or 0.
 */
static __always_inline u32 charge(u32 slot, enum lease_part part, s64 nr_pages, u32 *ret_wake)
{
	u32 full = 0;

	*ret_wake = 0;

	for (int i = 0; i < LEASE_MAX_DEPTH; i++) {
		struct lease_slot *s;
		s64 room, part_room;

		if (!slot)
			break;
		s = bpf_map_lookup_elem(&slots, &slot);
		if (!s)
			break;
		if (nr_pages > 0)
			__sync_fetch_and_add(&s->charged, (u64)nr_pages);
		room = room_take(&s->room, nr_pages);
		part_room = room_take(&s->part_room[part], nr_pages);
		if ((room < 0 || part_room < 0) && !full)
			full = slot;
		if (is_below_mark(s, part, room, part_room) && !*ret_wake)
			*ret_wake = slot;
		slot = s->parent;
	}
	return full;
}

/*
 * Tell that slot has less than its wake_room. Without a place for the record the next charge does
 * it: a slot stays below its mark. So it does, too, where several slots are.
 */
static __always_inline void wake_manager(u32 slot, u32 tgid)
{
	struct lease_slot *s = bpf_map_lookup_elem(&slots, &slot);
	struct lease_record *r;
	s64 wake_room;

	if (!s)
		return;
	r = record_new(LEASE_RECORD_WAKE, tgid, slot);
	if (!r)
		return;
	wake_room = s->wake_room;
	if (wake_room != LEASE_WAKE_OFF &&
	    __sync_val_compare_and_swap(&s->wake_room, wake_room, LEASE_WAKE_OFF) == wake_room)
		bpf_ringbuf_submit(r, 0);
	else
		bpf_ringbuf_discard(r, 0); /* somebody else did */
}

/*
 * Charge a thread's next tick of CPU time wherever that is how slot or a slot above it is charged.
 * The first one without room, or 0. ret_low: the first one without room for another, or 0.
 */
static __always_inline u32 charge_tick(u32 slot, u32 *ret_low)
{
	u32 full = 0;

	*ret_low = 0;

	for (int i = 0; i < LEASE_MAX_DEPTH; i++) {
		struct lease_slot *s;
		s64 nr_pages, room = 0, part_room = 0;

		if (!slot)
			break;
		s = bpf_map_lookup_elem(&slots, &slot);
		if (!s)
			break;
		nr_pages = (s64)s->tick_pages;
		if (nr_pages) {
			room = room_take(&s->room, nr_pages);
			part_room = room_take(&s->part_room[LEASE_RSS], nr_pages);
		}
		if (part_room < room)
			room = part_room;
		if (room < 0 && !full)
			full = slot;
		if (room < nr_pages && !*ret_low)
			*ret_low = slot;
		slot = s->parent;
	}
	return full;
}

#include "accounting/lease_stop.bpf.h"

SEC("perf_event")
int lease_overflow(struct bpf_perf_event_data *ctx)
{
	u32 tgid = current_tgid(), full, wake;
	struct lease_member *member;

	member = bpf_map_lookup_elem(&members, &tgid);
	if (!member)
		return 0;
	member->faulted += LEASE_PERIOD;
	full = charge(member->slot, LEASE_RSS, LEASE_PERIOD, &wake);
	if (wake)
		wake_manager(wake, tgid);
	if (full)
		stop_current(member);
	return 0;
}

static __always_inline u64 written_bytes(void)
{
	struct task_struct *p = (void *)bpf_get_current_task();

	if (!bpf_core_field_exists(p->ioac.wchar))
		return LEASE_WRITTEN_UNKNOWN;
	return BPF_CORE_READ(p, ioac.wchar);
}

SEC("perf_event")
int lease_tick(struct bpf_perf_event_data *ctx)
{
	u32 tgid = current_tgid(), slot, full, low;
	struct lease_member *member;
	struct lease_record *r;

	member = bpf_map_lookup_elem(&members, &tgid);
	if (!member || !member->slot)
		return 0;
	slot = member->slot;
	r = record_new(LEASE_RECORD_TICK, tgid, slot);
	full = charge_tick(slot, &low);
	if (r) {
		r->child = (u32)bpf_get_current_pid_tgid();
		r->written = written_bytes();
		bpf_ringbuf_submit(r, 0);
	}
	if (full && !member->stopped)
		stop_current(member);
	return 0;
}

#include "accounting/lease_daemons.bpf.h"

/*
 * For the thread that member's current one made. Who cannot is stopped. (Threads that end give
 * nothing back by themselves, so many short ones use the room up: the manager counts before that.)
 */
static __always_inline void pay_first_tick(struct lease_member *member, u32 tgid)
{
	u32 low, full = charge_tick(member->slot, &low);
	struct lease_record *r;

	if (full && !member->stopped) {
		stop_current(member);
	} else if (low) {
		r = record_new(LEASE_RECORD_LOW, tgid, low);
		if (r)
			bpf_ringbuf_submit(r, 0);
	}
}

static __always_inline struct perf_event_context *context_of(struct task_struct *p)
{
	struct task_struct___old *old = (void *)p;

	if (bpf_core_field_size(p->perf_event_ctxp) > sizeof(void *))
		return BPF_CORE_READ(old, perf_event_ctxp[1]);
	return BPF_CORE_READ(p, perf_event_ctxp);
}

static __always_inline u32 event_bit(struct perf_event *event)
{
	u64 period = BPF_CORE_READ(event, attr.sample_period);
	u64 config = BPF_CORE_READ(event, attr.config);

	/* Not by attr.type: newer kernels (6.4) give the task clock one of its own. */
	if (config == SW_PAGE_FAULTS && period == LEASE_PAGES)
		return LEASE_EVENT_BIT(LEASE_FAULTS);
	if (config == SW_TASK_CLOCK && period == LEASE_TICK_NSEC)
		return LEASE_EVENT_BIT(LEASE_CLOCK);
	return 0;
}

/* Which of our events p has. */
static __always_inline u32 events_of(struct task_struct *p)
{
	struct perf_event_context *ctx = context_of(p);
	struct list_head *at;
	u32 events = 0;

	if (!ctx)
		return 0;
	at = BPF_CORE_READ(ctx, event_list.next);
	for (int i = 0; i < MAX_EVENTS && at && at != &ctx->event_list; i++) {
		events |= event_bit((void *)at -
				    bpf_core_field_offset(struct perf_event, event_entry));
		at = BPF_CORE_READ(at, next);
	}
	return events;
}

#include "accounting/lease_growth.bpf.h"

/*
 * While a process is armed its threads make others, and events are inherited some time before the
 * new thread can be seen.
 */
static __always_inline int thread_made(struct lease_member *member, struct task_struct *parent,
				       struct task_struct *child)
{
	u32 events = events_of(child), tgid = (u32)parent->tgid;
	struct lease_record *r;

	pay_first_tick(member, tgid);
	if (!(events_of(parent) & ~events))
		return 0;
	r = record_new(LEASE_RECORD_THREAD, tgid, member->slot);
	if (!r)
		return 0;
	r->child = (u32)child->pid;
	r->events = events;
	bpf_ringbuf_submit(r, 0);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int lease_fork(u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	u32 tgid = (u32)parent->tgid, child_tgid = (u32)child->tgid;
	struct lease_member *member, fresh = {};
	struct lease_record *r;

	if (tgid != child_tgid)
		daemon_forks(tgid, child_tgid);
	member = bpf_map_lookup_elem(&members, &tgid);
	if (!member)
		return 0;
	if (tgid == child_tgid)
		return thread_made(member, parent, child);
	fresh.slot = member->slot;
	growth_begin(&fresh, child->mm);
	bpf_map_update_elem(&members, &child_tgid, &fresh, 0);
	r = record_new(LEASE_RECORD_FORK, tgid, fresh.slot);
	pay_first_tick(member, tgid);
	if (!r)
		return 0;
	r->child = child_tgid;
	r->shares_vm = child->mm == parent->mm;
	r->events = events_of(child);
	bpf_ringbuf_submit(r, 0);
	return 0;
}

/* An exec that gains privileges drops the task's events before it gets here. */
SEC("tp_btf/sched_process_exec")
int lease_exec(u64 *ctx)
{
	struct task_struct *p = (void *)ctx[0];
	u32 tgid = (u32)p->tgid;
	struct lease_member *member;
	struct lease_record *r;

	member = bpf_map_lookup_elem(&members, &tgid);
	if (!member)
		return 0;
	growth_begin(member, p->mm);
	r = record_new(LEASE_RECORD_EXEC, tgid, member->slot);
	if (!r)
		return 0;
	r->events = events_of(p);
	bpf_ringbuf_submit(r, 0);
	return 0;
}

/* The last thread speaks for the process. Before Linux 6.16 its memory has gone by now (exit_mm).
 */
SEC("tp_btf/sched_process_exit")
int lease_exit(u64 *ctx)
{
	struct task_struct *p = (void *)ctx[0];
	u32 tgid = (u32)p->tgid;
	struct lease_member *member;
	struct lease_record *r;

	if (p->signal->live.counter)
		return 0;
	daemon_exits(tgid);
	member = bpf_map_lookup_elem(&members, &tgid);
	if (!member)
		return 0;
	r = record_new(LEASE_RECORD_EXIT, tgid, member->slot);
	if (r)
		bpf_ringbuf_submit(r, 0);
	bpf_map_delete_elem(&members, &tgid);
	return 0;
}

/* Of each signal on the machine. */
SEC("tp_btf/signal_generate")
int lease_signal(u64 *ctx)
{
	struct task_struct *p = (void *)ctx[2];
	int sig = (int)ctx[0];

	/* Between SIGKILL and exit much may happen; from here on it is dead for us. */
	if (sig == SIGKILL)
		daemon_ends((u32)p->tgid);
	else if (sig == SIGSTOP)
		stop_generated(p);
	return 0;
}

#include "accounting/lease_cache.bpf.h"
#include "accounting/lease_tcp.bpf.h"
