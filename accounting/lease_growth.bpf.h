/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of lease.bpf.c that charges what raises no page fault: mlock(2), MAP_POPULATE,
 * MADV_POPULATE_WRITE. Whenever a member lets go of its lock on the address space its resident set
 * is compared with what was charged by faults since the last time, and the rest is charged. Units:
 * pages.
 */
#ifndef MEMCGFS_LEASE_GROWTH_BPF_H
#define MEMCGFS_LEASE_GROWTH_BPF_H

/*
 * More than the kernel's counters are late by: 32 pages for each CPU that the process was on since
 * (percpu_counter_batch). What is below this adds up.
 */
#define GROWTH_PAGES 128

enum { MM_FILEPAGES, MM_ANONPAGES, MM_SWAPENTS, MM_SHMEMPAGES, NR_MM_COUNTERS };

struct percpu_counter {
	s64 count;
} __attribute__((preserve_access_index));
struct mm_struct {
	struct percpu_counter rss_stat[NR_MM_COUNTERS];
} __attribute__((preserve_access_index));
/* Before 6.2. */
struct mm_rss_stat___old {
	s64 count[NR_MM_COUNTERS];
} __attribute__((preserve_access_index));
struct mm_struct___old {
	struct mm_rss_stat___old rss_stat;
} __attribute__((preserve_access_index));

static __always_inline s64 resident_pages(struct mm_struct *mm)
{
	struct mm_struct___old *old = (void *)mm;

	if (bpf_core_field_exists(old->rss_stat.count))
		return BPF_CORE_READ(old, rss_stat.count[MM_ANONPAGES]) +
		       BPF_CORE_READ(old, rss_stat.count[MM_SHMEMPAGES]);
	return BPF_CORE_READ(mm, rss_stat[MM_ANONPAGES].count) +
	       BPF_CORE_READ(mm, rss_stat[MM_SHMEMPAGES].count);
}

/* Whether slot or one above it is charged by faults: where time is charged ticks find it. */
static __always_inline bool is_charged_by_faults(u32 slot)
{
	for (int i = 0; i < LEASE_MAX_DEPTH && slot; i++) {
		struct lease_slot *s = bpf_map_lookup_elem(&slots, &slot);

		if (!s || !s->limited)
			break;
		if (!s->tick_pages && s->room < LEASE_NO_LIMIT / 2)
			return true;
		slot = s->parent;
	}
	return false;
}

static __always_inline void growth_begin(struct lease_member *member, struct mm_struct *mm)
{
	member->resident = mm ? resident_pages(mm) : 0;
	member->faulted = 0;
}

/*
 * So many pages given back at once, 1 MiB, are told of: else they show when the member next ticks,
 * and it may be idle from now on. As often as it ticks at most, and the manager looks again later.
 */
#define SHRUNK_PAGES 256

static __always_inline void tell_of_shrinking(struct lease_member *member, u32 tgid)
{
	u64 now = bpf_ktime_get_ns();
	struct lease_record *r;

	if (now < member->shrunk_nsec + LEASE_TICK_NSEC)
		return;
	member->shrunk_nsec = now;
	r = record_new(LEASE_RECORD_SHRUNK, tgid, member->slot);
	if (r)
		bpf_ringbuf_submit(r, 0);
}

/* Pages that nobody was charged for, since the last time; 0: too few to be sure. */
static __always_inline s64 growth(struct lease_member *member, u32 tgid, struct mm_struct *mm)
{
	s64 resident = resident_pages(mm), grown = resident - member->resident - member->faulted;

	if (resident + SHRUNK_PAGES <= member->resident)
		tell_of_shrinking(member, tgid);
	/* Faults that brought nothing are not to hide what comes later. */
	if (grown > 0 && grown < GROWTH_PAGES)
		return 0;
	member->resident = resident;
	member->faulted = 0;
	return grown > 0 && is_charged_by_faults(member->slot) ? grown : 0;
}

/* The end of every part of mlock(2) and its like, on the way back to the program, among other
 * things: for all tasks of the machine. Who is no member is let go at once. */
SEC("tp_btf/mmap_lock_released")
int lease_populate(u64 *ctx)
{
	struct task_struct *p = (void *)bpf_get_current_task_btf();
	u32 tgid = (u32)p->tgid, wake, full;
	struct lease_member *member;
	s64 nr_pages;

	if (!context_of(p) || p->mm != (void *)ctx[0])
		return 0;
	/* In slot 0, too: what it gives back may be another's. */
	member = bpf_map_lookup_elem(&members, &tgid);
	if (!member)
		return 0;
	nr_pages = growth(member, tgid, p->mm);
	if (!nr_pages)
		return 0;
	full = charge(member->slot, LEASE_RSS, nr_pages, &wake);
	if (wake)
		wake_manager(wake, tgid);
	if (full && !member->stopped)
		stop_current(member);
	return 0;
}

#endif
