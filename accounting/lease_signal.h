/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of leases whose overflow is a SIGSTOP of the kernel's to the thread (F_SETSIG), and is
 * charged when its record is read. Nothing is inherited: each thread has events and a ring of its
 * own. Sizes in pages.
 *
 * A lease is charged when it is given, at the overflow of the one before it; so room is never less
 * than what is left once all threads have used up theirs, but for LEASE_PAGES each
 * (lease_slot_get_held()).
 *
 * Thread: the manager's loop.
 */
#ifndef MEMCGFS_LEASE_SIGNAL_H
#define MEMCGFS_LEASE_SIGNAL_H

#include <uthash.h>
#include <utlist.h>

#include "accounting/lease_private.h"
#include "accounting/lease_ring.h"

/*
 * Events are placed from this number up (as manager/guard.h has it): of a daemon that dies they go
 * before what continues the stopped.
 */
#define EVENT_FIRST_FD 1024

/* The lease of a thread that no event stops (in the first process of a pid namespace): each
 * overflow costs a record. */
#define PERIOD_INIT 64

#define LEASE_MAX_THREADS 16384 /* two descriptors each: more than KEEPER_MAX_FDS allows */

/* ---- what survives a server (lease_table.c): memory shared by the keeper and all servers ---- */

struct shared_member {
	pid_t tgid; /* 0: free */
	struct lease_member member;
};

struct shared_thread {
	uint64_t id;    /* the page-fault event's; 0: free */
	uint64_t count; /* of faults, at the last overflow that was read */
	pid_t tgid;
	uint32_t period;
};

struct lease_table {
	struct lease_slot slots[LEASE_MAX_SLOTS];
	/* Entries above nr_ were never used; none below first_free_ is free. */
	uint32_t nr_members, first_free_member;
	uint32_t nr_threads, first_free_thread;
	struct shared_member members[LEASE_MAX_MEMBERS];
	struct shared_thread threads[LEASE_MAX_THREADS];
};

struct lease_table *lease_table_new(void); /* NULL: no memory */
struct lease_table *lease_table_free(struct lease_table *t);
/* NULL: full. */
struct shared_member *lease_table_add_member(struct lease_table *t, pid_t tgid, uint32_t slot);
void lease_table_remove_member(struct lease_table *t, struct shared_member *m);
struct shared_thread *lease_table_add_thread(struct lease_table *t, uint64_t id, pid_t tgid);
void lease_table_remove_thread(struct lease_table *t, struct shared_thread *s);
/* The thread that has the event id, or the member tgid; NULL: unknown. Slow. */
struct shared_thread *lease_table_find_thread(struct lease_table *t, uint64_t id);
struct shared_member *lease_table_find_member(struct lease_table *t, pid_t tgid);

/* ---- of this server ---- */

struct signal_thread {
	struct signal_thread *prev, *next;         /* signal_lease.threads */
	struct signal_thread *sib_prev, *sib_next; /* process->threads */
	UT_hash_handle hh;                         /* signal_lease.by_fd, by fds[0] */
	struct signal_process *process;
	pid_t tid;
	int fds[LEASE_NR_EVENTS]; /* page faults, clock */
	struct perf_event_mmap_page *ring;
	struct shared_thread *shared;
	uint32_t sample, last; /* the kernel's sample_period and last_period, see lease_thread.c */
	bool unsure;           /* whether the thread ran when the former was set */
	uint64_t clock_id;
	bool owned;   /* the descriptors are ours to close */
	bool is_kept; /* and somebody keeps them, as */
	uint64_t kept;
	bool stops;      /* an overflow stops it */
	bool stopped;    /* one did before that was turned off, and may not have been read yet */
	bool landing;    /* the stop of the last overflow was not seen to have landed */
	bool taken_back; /* or perhaps never does: SIGCONT came after that */
	bool renew;      /* the kernel is to be told of the lease when the process goes on */
	bool dead;       /* freed at the end of the dispatch */
};

struct signal_process {
	UT_hash_handle hh; /* signal_lease.processes */
	pid_t tgid;
	struct signal_thread *threads;
	struct shared_member *member; /* NULL: is none (yet) */
	bool is_init;                 /* of a pid namespace: F_SETSIG does not stop it */
	int pidfd;                    /* its end is waited for; -1 */
	struct signal_process *late_prev, *late_next; /* signal_lease.late */
	unsigned nr_looks;       /* left, for a stop that lands late; 0: not in that list */
	bool is_awaited;         /* that stop: it goes on when it has landed */
	uint64_t continued_nsec; /* CLOCK_MONOTONIC, just after its last SIGCONT */
};

struct signal_lease {
	struct lease base; /* slots: the table's */
	struct lease_table *table;
	bool exclude_kernel; /* all that an unprivileged user may have */

	pid_t server; /* whose everything below is; 0: none yet */
	int epoll_fd, timer_fd;
	bool timer_on;
	struct signal_thread *threads, *by_fd;
	struct signal_process *processes, *late;
	unsigned depth; /* of dispatching */
	bool missed;    /* a LEASE_RECORD_MISSED is due */
	bool has_dead;
	unsigned nr_lost;

	/* Sums over the threads of each slot and all below it. */
	bool sums_stale;
	uint32_t nr_threads[LEASE_MAX_SLOTS];
	uint64_t held[LEASE_MAX_SLOTS]; /* beyond LEASE_PAGES each */
};

static inline struct signal_lease *signal_lease_of(const struct lease *l)
{
	return (struct signal_lease *)l;
}

/* What is in the epoll descriptor: one of these, and a number. */
enum signal_source { SOURCE_TIMER, SOURCE_RING, SOURCE_PIDFD };
int signal_watch(struct signal_lease *l, int fd, enum signal_source source, int number);

void signal_emit(struct signal_lease *l, const struct lease_record *r);

/* ---- lease_thread.c ---- */

/* Whether perf events, their rings and signals work here, found out on ourselves. 0 or -errno. */
int thread_probe(struct signal_lease *l);
/* 0, -ESRCH, -ENOSPC or -errno. */
int thread_arm(struct signal_lease *l, struct signal_process *p, pid_t tid,
	       struct signal_thread **ret);
/* The same for one that is ours, unless it is armed. */
int thread_arm_owned(struct signal_lease *l, struct signal_process *p, pid_t tid);
/* Arm those of the process that are not. */
void threads_arm_rest(struct signal_lease *l, struct signal_process *p);
/* No longer watched; freed now, or at the end of the dispatch. */
void thread_disarm(struct signal_lease *l, struct signal_thread *t);
void thread_free(struct signal_lease *l, struct signal_thread *t);
/* Its lease is period pages from now on; if it is about to stand still, when it goes on. */
void thread_set_period(struct signal_lease *l, struct signal_thread *t, uint32_t period);
/* Tell the kernel, if it is due. is_off_cpu: the thread stands still. */
void thread_renew(struct signal_thread *t, bool is_off_cpu);
/* An overflow after `used` faults: how many pages the kernel has given it now. */
uint32_t thread_overflowed(struct signal_thread *t, uint64_t used);
/* As its process's slot is limited or not. */
void thread_set_limited(struct signal_lease *l, struct signal_thread *t);
/* The thread has taken over the id of its process's main thread. */
void thread_set_tid(struct signal_thread *t, pid_t tid);

/* ---- lease_period.c ---- */

/*
 * Charge t's next lease. The kernel has given it one of `given` pages, and unused pages of the last
 * were charged. The slot that has no room for it, or 0.
 */
uint32_t slot_give_lease(struct signal_lease *l, struct signal_thread *t, uint32_t given,
			 int64_t unused);
/* It goes on: there may be more room by now. */
void slot_lengthen_lease(struct signal_lease *l, struct signal_thread *t);
/* A thread's lease is going to be period from now on. */
void slot_sums_change(struct signal_lease *l, const struct signal_thread *t, uint32_t period);
uint64_t signal_lease_held(struct lease *l, uint32_t slot);
bool signal_lease_recall(struct lease *l, uint32_t slot);

/* ---- lease_record.c ---- */

/* Read the thread's ring, and act on what is in it. */
void thread_dispatch(struct signal_lease *l, struct signal_thread *t);
/* Its events have gone, with or without it. */
void thread_ended(struct signal_lease *l, struct signal_thread *t);
/* Stops of the process's are said to the callback. */
void signal_process_say_stopped(struct signal_lease *l, struct signal_process *p, uint32_t slot);
/* A process whose end was waited for has come to it. */
void signal_process_ended(struct signal_lease *l, struct signal_process *p);

/* ---- lease_late.c ---- */

bool signal_lease_continuing(struct lease *lease, pid_t tgid);
/* Look for a stop of ours that has no record, or whose record has been acted on before it landed.
 */
void late_watch(struct signal_lease *l, struct signal_process *p);
void late_unwatch(struct signal_lease *l, struct signal_process *p);
/* The timer went off. */
void late_look(struct signal_lease *l);

/* ---- lease_process.c ---- */

struct signal_process *signal_process_lookup(const struct signal_lease *l, pid_t tgid);
/* NULL: no memory. */
struct signal_process *signal_process_get(struct signal_lease *l, pid_t tgid);
/* Unless it has threads, or is a member. */
void signal_process_put(struct signal_lease *l, struct signal_process *p);
int signal_process_join(struct signal_lease *l, struct signal_process *p, uint32_t slot);
void signal_process_leave(struct signal_lease *l, struct signal_process *p);

int signal_lease_member_set(struct lease *lease, pid_t tgid, uint32_t slot, bool stopped);
int signal_lease_member_get(const struct lease *lease, pid_t tgid, struct lease_member *ret);
int signal_lease_member_remove(struct lease *lease, pid_t tgid);
void signal_lease_hold(struct lease *lease, pid_t tgid);
void signal_lease_set_limited(struct lease *lease, uint32_t slot);

#endif
