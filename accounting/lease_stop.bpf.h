/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of lease.bpf.c that stops a member that has no room.
 *
 * The kernel may send a program's signal from an interrupt after the program (where interrupts were
 * off, and in newer kernels wherever it cannot be preempted). A record written by the program would
 * be answered before there is anything to answer, and the member stand for ever: in a virtual
 * machine whose CPUs are taken away, one stop in some thousands. So the record is written when the
 * signal is generated, under the lock that a SIGCONT needs as well: whoever reads it comes after
 * the stop.
 */
#ifndef MEMCGFS_LEASE_STOP_BPF_H
#define MEMCGFS_LEASE_STOP_BPF_H

/* The thread that stops are on their way to: a program's signal is sent from the CPU it ran on, and
 * before another thread runs there. More than one: a tick's, and that of what it interrupted. */
struct stops_under_way {
	u32 tid, nr;
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct stops_under_way);
} stopping SEC(".maps");

/* Stop the current thread, and so its process, before it runs another user instruction; not when it
 * is ending. */
static __always_inline void stop_current(struct lease_member *member)
{
	u32 zero = 0, tid = (u32)bpf_get_current_pid_tgid(), was_stopped = member->stopped;
	struct stops_under_way *s = bpf_map_lookup_elem(&stopping, &zero);

	if (!nr_daemons || !s)
		return;
	if (s->tid != tid)
		s->nr = 0; /* of one that ended instead */
	s->tid = tid;
	s->nr++;
	member->stopped = 1;
	if (bpf_send_signal_thread(SIGSTOP)) {
		s->nr--;
		member->stopped = was_stopped;
	}
}

/* p was sent SIGSTOP, by whomever. */
static __always_inline void stop_generated(struct task_struct *p)
{
	u32 zero = 0, tgid = (u32)p->tgid;
	struct stops_under_way *s = bpf_map_lookup_elem(&stopping, &zero);
	struct lease_member *member;
	struct lease_record *r;

	if (!s || s->tid != (u32)p->pid || !s->nr)
		return;
	s->nr--;
	member = bpf_map_lookup_elem(&members, &tgid);
	if (!member)
		return;
	/* Again: another's stop may have been answered since, and its mark taken away. */
	member->stopped = 1;
	r = record_new(LEASE_RECORD_STOP, tgid, member->slot);
	/* Once more: the ring may have been emptied before the server could see the loss. */
	if (!r)
		r = record_new(LEASE_RECORD_STOP, tgid, member->slot);
	if (r)
		bpf_ringbuf_submit(r, 0);
}

#endif
