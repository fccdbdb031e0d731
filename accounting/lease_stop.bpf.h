/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of lease.bpf.c that stops a member that has no room.
 *
 * The kernel sends a program's signal from an interrupt, which may come any time after the program
 * (since Linux 6.14 always; before that where interrupts were off). A record written by the program
 * would be answered before there is anything to answer, and the member stand for ever: in a virtual
 * machine whose CPUs are taken away, one in a thousand. So the record is written when the signal is
 * generated, under the lock that a SIGCONT needs as well: whoever reads it comes after the stop.
 */
#ifndef MEMCGFS_LEASE_STOP_BPF_H
#define MEMCGFS_LEASE_STOP_BPF_H

/* The thread that a stop is on its way to: a program's signal is sent from the CPU it ran on. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u32);
} stopping SEC(".maps");

/*
 * Stop the current thread, and so its process, before it runs another user instruction; not when a
 * stop is on its way from here already, or the thread is ending.
 */
static __always_inline void stop_current(struct lease_member *member)
{
	u32 zero = 0, before, was_stopped = member->stopped;
	u32 *tid = bpf_map_lookup_elem(&stopping, &zero);

	if (!nr_daemons || !tid)
		return;
	before = *tid;
	*tid = (u32)bpf_get_current_pid_tgid();
	member->stopped = 1;
	if (bpf_send_signal_thread(SIGSTOP)) {
		*tid = before;
		member->stopped = was_stopped;
	}
}

/* p was sent SIGSTOP, by whomever. */
static __always_inline void stop_generated(struct task_struct *p)
{
	u32 zero = 0, tgid = (u32)p->tgid, *tid = bpf_map_lookup_elem(&stopping, &zero);
	struct lease_member *member = bpf_map_lookup_elem(&members, &tgid);
	struct lease_record *r;

	if (!tid || *tid != (u32)p->pid || !member)
		return;
	*tid = 0;
	r = record_new(LEASE_RECORD_STOP, tgid, member->slot);
	/* Once more: the ring may have been emptied before the server could see the loss. */
	if (!r)
		r = record_new(LEASE_RECORD_STOP, tgid, member->slot);
	if (r)
		bpf_ringbuf_submit(r, 0);
}

#endif
