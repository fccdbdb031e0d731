/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of lease.bpf.c that sums what TCP sockets of members hold. Units: bytes. Runs in the
 * reader's context, once for each thread on the machine.
 *
 * Files are looked at in place, under RCU, and not taken hold of as the kernel's own iterator over
 * files does (iter/task_file): whoever holds a file last closes it, and a close may wait as long as
 * its owner likes (SO_LINGER). What is read of a process that is ending may be nonsense, so that a
 * socket counts only if it and its file know each other.
 */
#ifndef MEMCGFS_LEASE_TCP_BPF_H
#define MEMCGFS_LEASE_TCP_BPF_H

#define MODE_TYPE     0170000 /* S_IFMT */
#define MODE_SOCKET   0140000 /* S_IFSOCK */
#define FAMILY_INET   2
#define FAMILY_INET6  10
#define PROTOCOL_TCP  6
#define BITS_PER_WORD 64
#define MAX_FD_WORDS \
	(1 << 20) /* more than fs.nr_open's greatest value needs; bpf_loop() takes 8 times it */

struct inode {
	unsigned short i_mode;
} __attribute__((preserve_access_index));
struct file {
	struct inode *f_inode;
	void *private_data;
} __attribute__((preserve_access_index));
struct fdtable {
	unsigned int max_fds;
	struct file **fd;
	unsigned long *open_fds;
} __attribute__((preserve_access_index));
struct files_struct {
	struct fdtable *fdt;
} __attribute__((preserve_access_index));
struct sock_common {
	unsigned short skc_family;
} __attribute__((preserve_access_index));
struct socket;
struct sock {
	struct sock_common __sk_common;
	unsigned short sk_protocol;
	int sk_forward_alloc, sk_wmem_queued;
	struct {
		atomic_t rmem_alloc;
	} sk_backlog;
	struct socket *sk_socket;
} __attribute__((preserve_access_index));
struct socket {
	struct file *file;
	struct sock *sk;
} __attribute__((preserve_access_index));
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

/* Sockets counted, and in which run that was. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LEASE_MAX_TCP_SEEN);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, u64);
} tcp_seen SEC(".maps");

/* Of the run under way, set by who began it: its number, whose sockets, and the sum so far. */
unsigned long long tcp_run, tcp_bytes;
unsigned int tcp_top;
unsigned long long tcp_nr_seen; /* insertions into tcp_seen since it was emptied */

/* When the table is full a socket that several processes hold counts once for each. */
static __always_inline bool is_first_look(u64 sk)
{
	u64 run = tcp_run, *seen = bpf_map_lookup_elem(&tcp_seen, &sk);

	if (seen && *seen == run)
		return false;
	if (seen) { /* in place: an update would make a new entry */
		*seen = run;
		return true;
	}
	tcp_nr_seen++;
	bpf_map_update_elem(&tcp_seen, &sk, &run, 0);
	return true;
}

static long forget_socket(void *map, const void *key, void *value, void *userdata)
{
	bpf_map_delete_elem(&tcp_seen, key);
	return 0;
}

/*
 * What the kernel has charged for a socket, in whole pages: what waits to be read, what waits to be
 * sent, and what is kept for the next of either (sk_mem_charge()).
 */
static __always_inline u64 socket_bytes(struct sock *sk)
{
	s64 bytes = BPF_CORE_READ(sk, sk_forward_alloc);

	bytes += BPF_CORE_READ(sk, sk_backlog.rmem_alloc.counter);
	bytes += BPF_CORE_READ(sk, sk_wmem_queued);
	return bytes > 0 ? (u64)bytes : 0;
}

static __always_inline bool is_tcp(struct sock *sk)
{
	unsigned short family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return (family == FAMILY_INET || family == FAMILY_INET6) &&
	       BPF_CORE_READ(sk, sk_protocol) == PROTOCOL_TCP;
}

static void count_file(struct file *file)
{
	struct socket *socket;
	struct sock *sk;

	if ((BPF_CORE_READ(file, f_inode, i_mode) & MODE_TYPE) != MODE_SOCKET)
		return;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (!sk || BPF_CORE_READ(socket, file) != file || BPF_CORE_READ(sk, sk_socket) != socket)
		return;
	if (is_tcp(sk) && is_first_look((u64)sk))
		__sync_fetch_and_add(&tcp_bytes, socket_bytes(sk));
}

/* Descriptors 64 * i and the next 63. */
static long count_word(u32 i, struct fdtable **fdt)
{
	unsigned long *words = BPF_CORE_READ(*fdt, open_fds), word;
	struct file **files = BPF_CORE_READ(*fdt, fd), *file;

	if (bpf_probe_read_kernel(&word, sizeof(word), words + i))
		return 1;
	for (u32 bit = 0; bit < BITS_PER_WORD && word; bit++, word >>= 1) {
		if (!(word & 1))
			continue;
		if (!bpf_probe_read_kernel(&file, sizeof(file), files + i * BITS_PER_WORD + bit) &&
		    file)
			count_file(file);
	}
	return 0;
}

/* Whether the process is a member of tcp_top or a slot below it. 0: every process is. */
static __always_inline bool is_wanted(u32 tgid)
{
	struct lease_member *member;
	u32 slot;

	if (!tcp_top)
		return true;
	member = bpf_map_lookup_elem(&members, &tgid);
	if (!member)
		return false;
	slot = member->slot;
	for (int i = 0; i < LEASE_MAX_DEPTH && slot; i++) {
		struct lease_slot *s;

		if (slot == tcp_top)
			return true;
		s = bpf_map_lookup_elem(&slots, &slot);
		if (!s)
			return false;
		slot = s->parent;
	}
	return false;
}

SEC("iter/task")
int lease_sum_tcp(struct bpf_iter__task *ctx)
{
	struct task_struct *p = ctx->task;
	struct files_struct *files;
	struct fdtable *fdt;
	u32 nr_words;

	if (!p) { /* the end */
		if (tcp_nr_seen > LEASE_MAX_TCP_SEEN / 2) {
			bpf_for_each_map_elem(&tcp_seen, forget_socket, 0, 0);
			tcp_nr_seen = 0;
		}
		return 0;
	}
	files = p->files;
	if (!files || (p->pid != p->tgid && files == p->group_leader->files))
		return 0;
	if (!is_wanted((u32)p->tgid))
		return 0;
	fdt = BPF_CORE_READ(files, fdt);
	nr_words = (BPF_CORE_READ(fdt, max_fds) + BITS_PER_WORD - 1) / BITS_PER_WORD;
	if (nr_words <= MAX_FD_WORDS)
		bpf_loop(nr_words, count_word, &fdt, 0);
	return 0;
}

#endif
