/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lease.bpf.c and lease.c share: the layout of maps and records. Fixed-width types only. */
#ifndef MEMCGFS_LEASE_SHARED_H
#define MEMCGFS_LEASE_SHARED_H

/*
 * Pages a thread may fault in between two charges. Measured on 512 MiB of fresh memory: 8 costs 1.4
 * % of a pure page-touching loop over a period of 1024, and keeps 8 threads within 56 pages.
 */
#define LEASE_PAGES 8

/* CPU time between two looks at a process for what raises no fault. 10 ms: 0.2 % of a CPU at 20 us
 * a look. */
#define LEASE_TICK_NSEC 10000000

#define LEASE_MAX_SLOTS   4096  /* groups; slot 0 is the root and never limited */
#define LEASE_MAX_DEPTH   32    /* of nesting, charged in one bounded loop */
#define LEASE_MAX_MEMBERS 32768 /* processes */
#define LEASE_MAX_FILES \
	262144              /* files with charged page cache: 4 MiB, and 100 bytes for each file */
#define LEASE_FILE_OWNERS 4 /* groups that can share one file's charges */
#define LEASE_MAX_TCP_SEEN \
	65536 /* sockets that are told apart in one sum: those of a group, 5 MiB at most */
#define LEASE_RING_BYTES  262144 /* 4,600 records of 48 + 8 bytes */
#define LEASE_SLOT_NOBODY (~0U)  /* owner of pages that are charged to no group */
#define LEASE_NO_LIMIT    (1LL << 60)
#define LEASE_WAKE_OFF    (-(1LL << 62))

/* What is charged is one or the other. */
enum lease_part {
	LEASE_RSS,   /* by page faults, or for them */
	LEASE_CACHE, /* page cache, and shared memory that is charged by file */
	LEASE_NR_PARTS,
};

struct lease_slot {
	long long room;                /* pages left; below 0: whoever charges is stopped */
	unsigned long long charged;    /* pages charged since the start */
	unsigned long long cache;      /* page-cache pages charged now */
	unsigned int parent;           /* 0 for top-level groups */
	unsigned int limited;          /* this group or one above it has a limit */
	unsigned long long tick_pages; /* charged for each thread and each LEASE_TICK_NSEC of its
					  CPU time, ahead; 0: page faults are charged instead */
	long long wake_room; /* a charge that leaves less room is told of, once, until this is set
				anew; LEASE_WAKE_OFF: none is */
	unsigned long long shmem; /* pages of shared memory charged now */
	/* As room, of what is charged as one part alone: enum lease_part. */
	long long part_room[LEASE_NR_PARTS];
	unsigned int wake_at; /* which room wake_room is of: 0 the whole's, else a part's + 1 */
	unsigned int zero;
	unsigned long long spare[6]; /* two cache lines each */
};

/* Value of the member map, by thread-group id. */
struct lease_member {
	unsigned int slot; /* where charges go */
	unsigned int
		stopped; /* stopped by a lease, not yet continued: for the server after this one */
	long long resident; /* RSS without files when last looked at, late by up to 32 pages a CPU.
			       0: not yet, all of it will be charged, and found to be too much */
	long long faulted;  /* pages charged by its faults since then */
	unsigned long long shrunk_nsec; /* when it was last told of to have shrunk */
};

/* The events that lease_arm() arms a thread with. */
enum lease_event {
	LEASE_FAULTS, /* charges LEASE_PAGES at each so many page faults */
	LEASE_CLOCK,  /* wakes at each LEASE_TICK_NSEC of CPU time, charges where that is charged */
	LEASE_NR_EVENTS,
};
#define LEASE_EVENT_BIT(event) (1U << (event))

enum lease_record_type {
	LEASE_RECORD_STOP = 1, /* tgid was stopped, for want of room */
	LEASE_RECORD_FORK,     /* member tgid created process child */
	LEASE_RECORD_THREAD,   /* a thread of member tgid created thread child while it was armed:
				  that has not all its events */
	LEASE_RECORD_EXEC,     /* member tgid replaced its image */
	LEASE_RECORD_EXIT,     /* member tgid's last thread ended */
	LEASE_RECORD_LOW,      /* slot has no room for the tick of another thread */
	LEASE_RECORD_TICK,     /* member tgid used another LEASE_TICK_NSEC of CPU */
	LEASE_RECORD_MISSED,   /* there may be members that no record told of */
	LEASE_RECORD_SHRUNK,   /* member tgid gave back a lot of its memory */
	LEASE_RECORD_WAKE,     /* tgid's charge left slot less than its wake_room */
};

#define LEASE_WRITTEN_UNKNOWN (~0ULL)

struct lease_record {
	unsigned int type;
	unsigned int tgid;
	unsigned int child; /* FORK: the child's thread-group id; THREAD: its id; TICK, GROWTH: the
			       thread */
	unsigned int slot;  /* the member's; WAKE: whose mark it is */
	unsigned int shares_vm; /* FORK: CLONE_VM without CLONE_THREAD (vfork) */
	unsigned int events; /* FORK, THREAD: LEASE_EVENT_BIT()s of the child; EXEC: of tgid now */
	unsigned int lost;   /* records that found the ring full so far */
	unsigned int zero;
	unsigned long long written; /* TICK: bytes that the thread has written so far */
	unsigned long long
		nsec; /* CLOCK_MONOTONIC; FORK, TICK: before anything was charged for it */
};

/*
 * Whose each page of page cache is, by page frame: of a folio's first page the slot and the folio's
 * order, LEASE_OWNER(); 0: nobody's, or not known. 2 bytes a page of the machine's memory, what the
 * struct page_cgroup of 2008 took 40 for.
 */
#define LEASE_OWNERS_SHIFT     11 /* in blocks of 4 KiB */
#define LEASE_OWNER_ORDER_BITS 4
#define LEASE_OWNER(slot, order) \
	((unsigned short)((slot) << LEASE_OWNER_ORDER_BITS | ((order) + 1)))
#define LEASE_MAX_ORDER 13
struct lease_owners {
	unsigned short owner[1 << LEASE_OWNERS_SHIFT];
};

struct lease_file_key {
	unsigned long long ino;
	unsigned int dev; /* kernel encoding: major << 20 | minor */
	unsigned int zero;
};

struct lease_file_owners {
	unsigned int slot[LEASE_FILE_OWNERS]; /* 0: free */
	int nr_pages[LEASE_FILE_OWNERS];
	/* Shared memory: no tracepoint tells of its insertions, the server finds them. */
	unsigned int is_shmem, zero;
};

/* As lease_list_files writes it. */
struct lease_file_entry {
	struct lease_file_key key;
	struct lease_file_owners owners;
};

#endif
