/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of lease.bpf.c that knows who would continue a stopped member: the daemons, keeper and
 * servers, and whether one of them lives.
 */
#ifndef MEMCGFS_LEASE_DAEMONS_BPF_H
#define MEMCGFS_LEASE_DAEMONS_BPF_H

/*
 * Keeper and servers, by thread-group id: 1 until they are sent SIGKILL or exit. The first is
 * entered from outside, those it forks are entered here.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, u32);
	__type(value, u32);
} daemons SEC(".maps");

static __always_inline void daemon_ends(u32 tgid)
{
	u32 *alive = bpf_map_lookup_elem(&daemons, &tgid);

	if (alive && __sync_val_compare_and_swap(alive, 1, 0))
		__sync_fetch_and_add(&nr_daemons, -1);
}

static __always_inline void daemon_forks(u32 tgid, u32 child)
{
	u32 one = 1;

	if (!bpf_map_lookup_elem(&daemons, &tgid))
		return;
	__sync_fetch_and_add(&nr_daemons, 1);
	if (bpf_map_update_elem(&daemons, &child, &one, NOEXIST))
		__sync_fetch_and_add(&nr_daemons, -1);
}

/* Of Linux 6.13; before that only who has a guard (manager/guard.h) goes on. */
enum pid_type { PIDTYPE_TGID = 1 };
extern struct task_struct *bpf_task_from_pid(int pid) __ksym __weak;
extern void bpf_task_release(struct task_struct *p) __ksym __weak;
extern int bpf_send_signal_task(struct task_struct *p, int sig, enum pid_type type,
				u64 value) __ksym __weak;

static long continue_stopped(void *map, u32 *tgid, struct lease_member *member, void *userdata)
{
	struct task_struct *p;

	if (!member->stopped)
		return 0;
	p = bpf_task_from_pid((int)*tgid);
	if (!p)
		return 0;
	bpf_send_signal_task(p, SIGCONT, PIDTYPE_TGID, 0);
	bpf_task_release(p);
	return 0;
}

/*
 * Keeper and server are dead, or as good as dead: whoever was stopped goes on, also who was so
 * between the server's last look at the ring and its death, of whom nobody knows.
 */
static __always_inline void daemon_exits(u32 tgid)
{
	daemon_ends(tgid);
	if (bpf_map_delete_elem(&daemons, &tgid))
		return;
	if (!nr_daemons && bpf_send_signal_task)
		bpf_for_each_map_elem(&members, continue_stopped, 0, 0);
}

#endif
