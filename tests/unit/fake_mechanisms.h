/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small world for tests of the manager: processes with memory, groups in a hierarchy, a lease map
 * and a ring of records, all in this process's memory. Linked in place of accounting/, reclaim/,
 * the hierarchy, the keeper and proc_read(), it answers the manager's calls, and the world_*()
 * functions make things happen as the kernel would. Sizes in pages.
 *
 * Thread: the test's, which is also the manager's loop. What readers and workers see of a
 * process is atomic.
 */
#ifndef MEMCGFS_FAKE_MECHANISMS_H
#define MEMCGFS_FAKE_MECHANISMS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "accounting/lease.h"
#include "manager/keeper.h"
#include "util/util.h"

#define FAKE_MAX_PROCESSES 1024
#define FAKE_MAX_DIRS      64
#define FAKE_MAX_FILES     8
#define FAKE_PATH          128

/* Above the largest pid of any kernel (PID_MAX_LIMIT): never somebody's. Its threads are pid, pid +
 * 1, … */
#define FAKE_FIRST_PID 5000000
#define FAKE_PID_STEP  100

#define FAKE_FAULTS  107        /* that each process has had from its birth */
#define FAKE_PRIVATE UINT64_MAX /* pss_anon: nothing is shared */

struct fake_process {
	pid_t pid;
	bool real;    /* a child of the test: world_child() */
	bool undying; /* a SIGKILL is counted, but it takes world_exit() to end it */
	uint64_t alive;
	uint64_t rss_anon, rss_file, rss_shmem, swap, locked, page_tables;
	uint64_t pss_anon;      /* its share of rss_anon */
	uint64_t borrowed_left; /* what it still has of what it had when it was listed */
	uint64_t pinned;        /* of rss_anon: what no page-out takes */
	uint64_t shmem_files, written_bytes;
	uint64_t tcp_bytes;
	uint64_t nr_threads;
	uint64_t runs;            /* state R */
	uint64_t sleeps;          /* it does not run between two looks; else it may have */
	uint64_t stopped;         /* by whomever */
	bool lands_late;          /* its stop is on its way */
	bool unanswered;          /* by its lease, and no server heard of it */
	uint64_t pending, caught; /* signals, bit n - 1 */
	int oom_score_adj;
	uid_t uid;
	unsigned nr_faults;
	unsigned nr_copies;  /* faults that copied a page it shared */
	uint64_t nr_touched; /* faults that brought one; atomic */

	/* Its entry in the lease map, its place in the hierarchy. */
	bool member;
	struct lease_member lease;
	char dir[FAKE_PATH];

	/* What was done to it. */
	uint64_t nr_stops, nr_continues, nr_kills; /* signals */
	unsigned nr_holds, nr_continuings;         /* lease_hold(), lease_continuing() */
	uint64_t nr_paged_out;
	unsigned nr_reclaiming; /* workers in the middle of it */
	unsigned nr_owns;       /* lease_own_events() */
	unsigned nr_armed;      /* times a thread got a clock */
	int faults_fd; /* hung up when nobody holds its fault events any more; 0: none yet */
};

struct fake_world {
	uint64_t swap_free;
	bool lists_pages; /* what a process has can be listed; else it takes it along */
	uint64_t nr_share_counts;
	uint64_t page_out_max; /* that one call gets back; 0: no such bound */
	uint64_t tick_pages;   /* 0: nothing is charged by time */
	bool is_short;         /* the machine, of memory: 9 % of it is available, not 10 % */

	/* What calls say from now on; 0: as usual. */
	bool hierarchy_shared;
	int attach_error, mkdir_error, rmdir_error, rename_error, children_error, arm_error,
		member_set_error, usage_open_error, tcp_error;
	int keeper_replace_error;
	bool cache_pinned;         /* nothing of it is dropped: mapped, or dirty */
	bool lose_records;         /* the ring is full */
	bool leases_die;           /* with the server that armed them */
	uint64_t held;             /* pages of leases, until they are recalled */
	bool held_stays;           /* even then */
	void (*on_attach)(void);   /* in hierarchy_attach(), before the process is moved */
	void (*on_attached)(void); /* and after it was */
	void (*on_look)(const struct fake_process *fp); /* in hierarchy_of() */
	void (*on_usage_read)(void);                    /* in process_usage_read(), any thread */

	/* What happened. */
	unsigned nr_page_out, nr_cache_drop, nr_keeper_replace, nr_thread_moves;
	unsigned nr_recalls, nr_inherited_leases;
	unsigned nr_overlaps; /* of workers over one process */
	unsigned most_held;   /* workers at once */
	uint64_t wanted;      /* by the last page_out() or cache_drop() */
	unsigned nr_followed; /* of the last page-out's processes, those that run alone */
	uint64_t peak;        /* of all processes' rss_anon together, since it was last set */
	uint64_t nr_kept;     /* descriptors that the keeper holds */
	uint64_t first_inherited, nr_inherited; /* ids that keeper_next() tells of */
};
extern struct fake_world world;

/* Forget everything. */
void world_reset(void);

/* ---- processes ---- */

struct fake_process *world_process(uint64_t rss_anon);
/* A real child of this test with so many threads, asleep, under its name; `dir` as all are: the
 * root. */
struct fake_process *world_child(unsigned nr_threads, const char *name);
/* For main(): does not return in a child of world_child(). */
void world_child_main(int argc, char **argv);
struct fake_process *fake_by_pid(pid_t pid);    /* NULL: none alive */
struct fake_process *fake_by_index(unsigned i); /* NULL past the last */
struct fake_process *fake_fork(const struct fake_process *parent,
			       pid_t pid); /* without a record; pid 0: a new one */
void fake_die(struct fake_process *fp);    /* with its record */

/* Of fp's pages those that a choice is for; *ret_listed: of these what was listed. */
struct owner_choice;
uint64_t fake_chosen_pages(const struct owner_choice *c, const struct fake_process *fp,
			   uint64_t *ret_listed);

/* Pages it touched, nr or less: until it was stopped. Charged as lease.bpf.c does it. */
uint64_t world_touch(struct fake_process *fp, uint64_t nr);
/* Faults that bring no memory. */
uint64_t world_fault(struct fake_process *fp, uint64_t nr);
/* Page cache of a file that it brought in. */
void world_read_file(struct fake_process *fp, uint64_t ino, uint64_t nr);
struct fake_process *world_fork(struct fake_process *fp, bool shares_vm);
/* The child has a pid that somebody had before. */
struct fake_process *world_fork_as(struct fake_process *fp, pid_t pid, bool shares_vm);
void world_exec(struct fake_process *fp, bool lost_lease);
void world_exit(struct fake_process *fp);
void world_tick(struct fake_process *fp);
/* Where charges are by time. */
bool fake_is_armed(const struct fake_process *fp); /* with fault events */
uint64_t fake_slot_tick_pages(uint32_t slot);
void fake_events_forget(void); /* close our ends */
/* Its stop, of which there was a record before, has come. */
void world_land(struct fake_process *fp);
/* A record that there are members nobody was told of. */
void world_miss(void);

/* ---- the lease map ---- */

bool fake_slot_limited(uint32_t slot);
uint32_t fake_slot_parent(uint32_t slot);
/* Page cache of slots with want[]: up to nr pages of it go. Pages gone. */
uint64_t fake_cache_shrink(uint64_t ino, uint64_t nr);
/* The first slot without room, or 0: charge nr_pages, a thread's next tick, page cache of a file.
 */
uint32_t fake_charge(uint32_t slot, int64_t nr_pages);
uint32_t fake_charge_tick(uint32_t slot);
bool fake_wake(uint32_t slot); /* false: no place for the record */
uint32_t fake_cache_charge(uint32_t slot, uint64_t ino, uint64_t nr);
void fake_slots_reset(void);
bool fake_ring_empty(void);
void fake_lease_reset(void);

/* ---- the hierarchy ---- */

bool fake_dir_exists(const char *path);
void fake_move(struct fake_process *fp, const char *path);
void fake_hierarchy_reset(void);
/* The keeper dies: its descriptor becomes readable, until keeper_replace(). */
void fake_keeper_die(void);

/* ---- reclaim, held where a worker would begin to page out or to drop ---- */

void fake_reclaim_hold(pid_t pid); /* where this process is among the victims; 0: everywhere */
void fake_reclaim_wait_held(unsigned nr_workers);
unsigned fake_reclaim_nr_held(void);
void fake_reclaim_go_on(void);
void fake_reclaim_reset(void);

#endif
