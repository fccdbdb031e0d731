/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of struct lease: what lease.c shares with the mechanisms behind it. Each has a struct
 * of its own that begins with this one.
 */
#ifndef MEMCGFS_LEASE_PRIVATE_H
#define MEMCGFS_LEASE_PRIVATE_H

#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "accounting/lease.h"

/* Members are as the functions of lease.h by the same name. NULL below the line: there is nothing
 * to do. */
struct lease_ops {
	enum lease_stop stop;
	bool survives, stops_always;
	void (*free)(struct lease *l);
	int (*server_start)(struct lease *l);
	int (*get_fd)(const struct lease *l);
	int (*dispatch)(struct lease *l);
	int (*arm)(struct lease *l, pid_t tid, unsigned events, int ret_fds[LEASE_NR_EVENTS]);
	int (*member_set)(struct lease *l, pid_t tgid, uint32_t slot, bool stopped);
	int (*member_get)(const struct lease *l, pid_t tgid, struct lease_member *ret);
	int (*member_remove)(struct lease *l, pid_t tgid);
	void (*release)(struct lease *l);
	/* ---- */
	void (*own_events)(struct lease *l, pid_t tid);
	void (*hold)(struct lease *l, pid_t tgid);
	bool (*continuing)(struct lease *l, pid_t tgid); /* NULL: true */
	void (*disarm)(struct lease *l, const int fds[LEASE_NR_EVENTS]);
	void (*inherited)(struct lease *l, int fd);
	void (*inherited_all)(struct lease *l);
	void (*set_limited)(struct lease *l, uint32_t slot);
	uint64_t (*held)(struct lease *l, uint32_t slot);
	bool (*recall)(struct lease *l, uint32_t slot);
	bool (*has_page_cache)(const struct lease *l);
	int (*files)(const struct lease *l, const bool *want, struct lease_file **ret,
		     size_t *ret_nr);
	int (*files_move)(struct lease *l, uint32_t slot, uint32_t to);
	int (*shmem_get)(const struct lease *l, uint64_t dev, uint64_t ino, uint64_t *ret_pages);
	uint32_t (*shmem_owner)(const struct lease *l, uint64_t dev, uint64_t ino);
	int (*shmem_add)(struct lease *l, uint32_t slot, uint64_t dev, uint64_t ino,
			 int64_t nr_pages);
	int (*tcp_bytes)(struct lease *l, uint32_t slot, uint64_t *ret);
};

struct lease {
	const struct lease_ops *ops;
	int bpf_error;
	uint64_t tick_pages; /* 0: nothing is charged by time */
	struct lease_slot
		*slots; /* LEASE_MAX_SLOTS, in memory that a server's death leaves alone */
	struct lease_owners *owners; /* NULL: not known here */
	uint64_t nr_owners;          /* page frames */
	lease_record_fn fn;          /* of this server */
	void *userdata;
	lease_keep_fn keep; /* NULL: nobody wants to keep descriptors */
	lease_drop_fn drop;
};

/*
 * Charge slot and all above it, as charge() in lease.bpf.c. The first without room, or 0. ret_wake:
 * the first that a LEASE_RECORD_WAKE is due for, or 0.
 */
uint32_t lease_charge(struct lease *l, uint32_t slot, int64_t nr_pages, uint32_t *ret_wake);

/* Of one thread on any CPU, or of any on one. The descriptor, or -1 and errno. */
static inline int perf_event_open(struct perf_event_attr *attr, pid_t tid, int cpu)
{
	attr->size = sizeof(*attr);
	return (int)syscall(SYS_perf_event_open, attr, tid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

int bpf_lease_new(struct lease **ret);
int signal_lease_new(struct lease **ret);

/* Pages that one thread can get within nsec, measured on the spot; 0: cannot be. */
uint64_t lease_rate_pages(uint64_t nsec);

#endif
