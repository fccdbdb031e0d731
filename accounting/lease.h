/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Charge leases: perf page-fault events whose overflow charges a slot's room, inside the kernel or
 * when its record is read, and that stop the process when there is none (doc/design.md). Knows
 * slots and processes, not groups. All sizes in pages.
 *
 * Thread: the manager's loop, but for lease_slot_get_*, which any thread may call.
 */
#ifndef MEMCGFS_LEASE_H
#define MEMCGFS_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "accounting/lease_shared.h"

struct lease; /* the machinery: programs or events, maps, rings */

enum lease_stop {
	LEASE_STOP_AUTO,    /* the first below that works */
	LEASE_STOP_BPF,     /* bpf_send_signal_thread(SIGSTOP) on the faulting thread */
	LEASE_STOP_SIGNAL,  /* F_SETSIG SIGSTOP on per-thread events */
	LEASE_STOP_FREEZER, /* as SIGNAL, the process frozen in place of stopped */
};

const char *lease_stop_name(enum lease_stop stop);

/* Called on lease_dispatch for each record from the kernel. */
typedef void (*lease_record_fn)(const struct lease_record *r, void *userdata);

/*
 * Set up the mechanism wanted. LEASE_STOP_AUTO: BPF, or whatever is wrong with that, signals.
 * LEASE_STOP_FREEZER is -EOPNOTSUPP. 0 or -errno, with LEASE_STOP_AUTO that of the last one tried;
 * *ret untouched then.
 */
int lease_new(struct lease **ret, enum lease_stop wanted);
struct lease *lease_free(
	struct lease *l); /* NULL-safe, returns NULL; closes this process's descriptors only */

enum lease_stop lease_get_stop(const struct lease *l);
/* Why it is not LEASE_STOP_BPF, -errno; 0: it is, or nobody wanted that. */
int lease_get_bpf_error(const struct lease *l);
/* Whether page-cache insertions are charged (needs tracefs). False with LEASE_STOP_SIGNAL:
 * lease_files() lists nothing. */
bool lease_has_page_cache(const struct lease *l);
/*
 * Whether what an earlier server armed goes on charging in this one. If not (LEASE_STOP_SIGNAL),
 * each member is to be armed anew, and what is left of the old is passed to lease_inherited().
 */
bool lease_survives(const struct lease *l);

/*
 * Whether members are stopped that nobody hears of until their records are read: at each overflow,
 * room or not.
 */
bool lease_stops_always(const struct lease *l);

/* After fork: open what each process must open for itself (the ring's mapping). 0 or -errno. */
int lease_server_start(struct lease *l, lease_record_fn fn, void *userdata);
/*
 * Where threads and children inherit nothing, the lease arms them by itself. keep is called for the
 * descriptors of each, with the userdata of lease_server_start(), and drop with what it returned
 * when they are closed. A server without keep has none that outlive it.
 */
typedef uint64_t (*lease_keep_fn)(const int fds[LEASE_NR_EVENTS], void *userdata);
typedef void (*lease_drop_fn)(uint64_t kept, void *userdata);
void lease_set_keep(struct lease *l, lease_keep_fn keep, lease_drop_fn drop);
int lease_get_fd(const struct lease *l); /* poll for POLLIN, then lease_dispatch */
int lease_dispatch(struct lease *l);     /* never blocks; 0 or -errno */

/*
 * Arm the thread tid, and every thread and child it will have, with events (LEASE_EVENT_BIT();
 * LEASE_STOP_SIGNAL: all). ret_fds: the descriptors that hold them, -1 for the others. 0, -ESRCH,
 * -ENOSPC (the descriptor budget is used up), or -errno.
 */
int lease_arm(struct lease *l, pid_t tid, unsigned events, int ret_fds[LEASE_NR_EVENTS]);
/*
 * For each child of a member: the kernel lets the events of two tasks that have nothing but what
 * one inherited from the other change places when it switches between them
 * (perf_event_context_sched_out()), and time that one has used is found with the other. Not with
 * this one from now on.
 */
void lease_own_events(struct lease *l, pid_t tid);
/* To be called before the descriptors that lease_arm() gave are closed. */
void lease_disarm(struct lease *l, const int fds[LEASE_NR_EVENTS]);
/*
 * fd was armed for an earlier server: it stops nobody from now on, and a stop of it that nobody
 * answered is in the member's mark afterwards. The caller closes it.
 */
void lease_inherited(struct lease *l, int fd);
/* That was all of it, and all members are armed: what is left in the map has gone. */
void lease_inherited_all(struct lease *l);

/*
 * Pages that a thread may get within LEASE_TICK_NSEC of CPU time, as fast as the machine gives
 * them; 0: nothing is charged by time (LEASE_STOP_SIGNAL).
 */
uint64_t lease_get_tick_pages(const struct lease *l);

/*
 * Which slot the process's charges go to from now on; children inherit it. stopped: whether it
 * stands still for its lease. 0 or -errno (-ENOSPC: table full).
 */
int lease_member_set(struct lease *l, pid_t tgid, uint32_t slot, bool stopped);
int lease_member_get(const struct lease *l, pid_t tgid,
		     struct lease_member *ret); /* 0 or -ENOENT */
int lease_member_remove(struct lease *l, pid_t tgid);
/* A stopped member is to wait: see to it that it does stand still, as a level. */
void lease_hold(struct lease *l, pid_t tgid);
/*
 * To be called before a stop of ours ends. False: it is still on its way and would land after its
 * end; there is another LEASE_RECORD_STOP when it has come, and until then nothing is to be done.
 */
bool lease_continuing(struct lease *l, pid_t tgid);

/*
 * At the end of all servers: nobody is stopped any more, and those that are marked as stopped go
 * on. An exited member is in the map no longer, so that no other process can have its pid there.
 */
void lease_release(struct lease *l);

/* A slot's place in the tree, and whether it or one above it is limited. */
void lease_slot_init(struct lease *l, uint32_t slot, uint32_t parent);
void lease_slot_set_limited(struct lease *l, uint32_t slot, bool limited);
/* Charged to the slot (not to those above it) for each thread and tick of CPU time, ahead. */
void lease_slot_set_tick_pages(struct lease *l, uint32_t slot, uint64_t nr_pages);

/* room: pages that may still be charged before somebody is stopped; of all parts, and of each: what
 * is charged needs both. Where page cache is not charged, all is LEASE_RSS. */
#define LEASE_ALL_PARTS (-1) /* beside those of enum lease_part */
int64_t lease_slot_get_room(const struct lease *l, uint32_t slot);
void lease_slot_set_room(struct lease *l, uint32_t slot, int64_t room, int64_t room_seen);
int64_t lease_slot_get_room_of(const struct lease *l, uint32_t slot, int part);
void lease_slot_set_room_of(struct lease *l, uint32_t slot, int part, int64_t room,
			    int64_t room_seen);
/*
 * LEASE_RECORD_WAKE at the next charge that leaves less room than this, or finds it so; once.
 * LEASE_WAKE_OFF: never. wake_at: of which part's room that is.
 */
void lease_slot_set_wake_at(struct lease *l, uint32_t slot, int part);
void lease_slot_set_wake_room(struct lease *l, uint32_t slot, int64_t room);
/* Pages that threads may touch before their next charge, beyond LEASE_PAGES each. */
uint64_t lease_slot_get_held(struct lease *l, uint32_t slot);
/* Make that 0. Whether there was anything. */
bool lease_slot_recall(struct lease *l, uint32_t slot);
/* Pages charged since the start, and page cache charged now. add: what was found by counting. */
uint64_t lease_slot_get_charged(const struct lease *l, uint32_t slot);
void lease_slot_add_charged(struct lease *l, uint32_t slot, uint64_t nr_pages);
uint64_t lease_slot_get_cache(const struct lease *l, uint32_t slot);

/*
 * Shared memory (tmpfs, memfd, System V, shared anonymous): what the manager found of a file is
 * charged here, and uncharged inside the kernel when the file's pages go, whoever else is there
 * then. dev as in st_dev. Where page cache is not charged, this is not either: -EOPNOTSUPP.
 */
uint64_t lease_slot_get_shmem(const struct lease *l, uint32_t slot);
/* Pages of the file that are charged so far, or known to be charged to nobody. Any thread. 0, or
 * -errno. */
int lease_shmem_get(const struct lease *l, uint64_t dev, uint64_t ino, uint64_t *ret_pages);
/*
 * nr_pages more, of slot's (LEASE_SLOT_NOBODY: of nobody's, LEASE_SLOT_MOST: of whose most of it
 * is), and charged to it and all above it; or fewer, whoever's. 0, or -errno.
 */
#define LEASE_SLOT_MOST (LEASE_SLOT_NOBODY - 1)
int lease_shmem_add(struct lease *l, uint32_t slot, uint64_t dev, uint64_t ino, int64_t nr_pages);

/* Whether it is known whose pages of page cache are; and whose the one in this frame is, 0:
 * nobody's, or not known. Any thread. */
bool lease_knows_owners(const struct lease *l);
uint32_t lease_page_owner(const struct lease *l, uint64_t frame);
/* Whose most of a file of shared memory is; 0: nobody's. */
uint32_t lease_shmem_owner(const struct lease *l, uint64_t dev, uint64_t ino);

/* Page cache: list the files charged to slots for which want[slot] is true. *ret is malloc'd. Any
 * thread. */
struct lease_file {
	uint32_t dev_major, dev_minor;
	uint64_t ino, nr_pages;
};
int lease_files(const struct lease *l, const bool *want, struct lease_file **ret, size_t *ret_nr);

/*
 * Bytes that TCP sockets which members of the slot, and of those below it, have open hold (slot 0:
 * those that any process has), each socket once: what is to be read, to be sent, and kept in
 * advance. A connection that nobody has accepted is nobody's. 0 or -errno, -EOPNOTSUPP: not told
 * here. Any thread.
 */
int lease_tcp_bytes(struct lease *l, uint32_t slot, uint64_t *ret);

/* Charges of page cache in slot go to slot `to` (0: to nobody). */
int lease_files_move(struct lease *l, uint32_t slot, uint32_t to);

#endif
