/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The manager as the mounted tree sees it: groups, and what may be done to them.
 *
 * Threads. The manager's loop owns every group. Functions marked [loop] are called on it, from a
 * request's run(). Functions marked [read] may be called on any thread between manager_rdlock() and
 * manager_unlock(), which keep the tree's shape still: short, no waiting in between. Strings and
 * pointers they return are good until manager_unlock().
 */
#ifndef MEMCGFS_MANAGER_H
#define MEMCGFS_MANAGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "accounting/numa.h"
#include "manager/state.h"
#include "reclaim/pressure.h"
#include "shrinker/eventfd.h"

struct manager;
struct group;

struct lease;
struct hierarchy;
struct keeper_link;

struct manager_config {
	struct state *state;
	struct lease *lease;
	struct hierarchy *hierarchy;
	const int *guard_pipe;      /* guard_pipe_new()'s, or NULL: nothing is guarded (tests) */
	struct keeper_link *keeper; /* NULL: nobody to hold descriptors (tests) */
	const struct file_attr
		*default_attr; /* what a new group's control files begin with, from index 1 */
	unsigned nr_attr;
	unsigned sweep_percent; /* of a CPU, for looking at the page tables of big families */
};

/* In the server: adopt what state and hierarchy hold, then manager_run() until manager_quit(). 0 or
 * -errno. */
int manager_new(struct manager **ret, const struct manager_config *config);
struct manager *manager_free(struct manager *m); /* NULL-safe, returns NULL */
int manager_run(struct manager *m);              /* the exit status */

/* ---- requests ---- */

struct manager_request {
	void (*run)(struct manager *m, struct manager_request *r); /* [loop] */
	struct manager_request *next;
};

/* Any thread: have r->run() called on the manager's loop, in order of submission. r stays the
 * caller's. */
void manager_submit(struct manager *m, struct manager_request *r);

/* Any thread: end the loop, continue all that was stopped, and leave the process with status. */
void manager_quit(struct manager *m, int status);

void manager_rdlock(struct manager *m);
void manager_unlock(struct manager *m);

/* ---- the tree's shape [read] or [loop] ---- */

/* A group's id: generation and slot in one, never 0, never reused for another group in the life of
 * the state file. */
uint64_t group_id(const struct group *g);
struct group *manager_root(struct manager *m);
struct group *manager_group(struct manager *m, uint64_t id); /* NULL: removed */
struct group *group_child(const struct group *g, const char *name);
struct group *group_parent(const struct group *g); /* NULL for the root */
struct group *group_first_child(const struct group *g);
struct group *group_next_sibling(const struct group *g);
const char *group_name(const struct group *g);
unsigned group_nr_children(const struct group *g);

/* Mode, owner and time of the directory (index 0) or of control file `index`. */
const struct file_attr *group_attr(const struct group *g, unsigned index);

/* Settings and counters; read single u64 fields with atomic_get(). */
const struct group_record *group_record(const struct group *g);

/* Percent of the limit between which background reclaim works; 0 and 0: it does not. */
void group_watermarks(const struct group *g, unsigned *ret_high, unsigned *ret_low);

/*
 * What has a usage, a limit and the rest of a res_counter: memory, memory and swap together, memory
 * without page cache, and what the kernel uses for the members, which is part of none of these and
 * has no limit. TCP: of their sockets; looked up when somebody asks, the others whenever members
 * are counted.
 */
enum group_counter {
	COUNTER_MEMORY,
	COUNTER_MEMSW,
	COUNTER_RSS,
	COUNTER_KMEM,
	COUNTER_TCP,
	NR_COUNTERS,
};

/* What COUNTER_MEMORY counts. Shared memory is cache, as in memory.stat. */
enum control_type { CONTROL_ALL, CONTROL_RSS, CONTROL_CACHE };
/* At once: what is then over the limit is got back when members take more. 0, -EINVAL for the root.
 */
int group_set_control_type(struct manager *m, struct group *g, enum control_type type);
enum control_type group_control_type(const struct group *g);

const struct res_counter *group_counter(const struct group *g, enum group_counter counter);

/* The smallest limit of the group and those above it, in bytes. */
uint64_t group_hierarchical_limit(const struct group *g, enum group_counter counter);

/*
 * ---- what a group uses; 0 or -errno (-ENODEV: removed) ----
 *
 * Any thread, without the lock: these read files of the kernel's, which takes 10 us to 1 ms a
 * member, and nobody waits for them meanwhile.
 */

/* Fresh from the members' /proc files and the lease map; also raises max_usage. Bytes. Includes
 * children. */
int group_usage_bytes(struct manager *m, uint64_t id, enum group_counter counter, uint64_t *ret);
int group_max_usage_bytes(struct manager *m, uint64_t id, enum group_counter counter,
			  uint64_t *ret);

/* What figures are made of here. */
struct manager_sources {
	bool bpf;        /* page faults charge inside the kernel */
	bool page_cache; /* is charged, and shared memory by file */
	bool owners;     /* whose a page of page cache is, is known */
	bool frames;     /* pages can be told apart */
};
void manager_get_sources(const struct manager *m, struct manager_sources *ret);

/* memory.stat's figures. Bytes, but for the pg* counts. */
struct group_stat {
	uint64_t cache, rss, rss_huge, shmem, mapped_file, dirty, writeback;
	uint64_t refault_anon, refault_file, swap, swapcached;
	uint64_t pgpgin, pgpgout, pgfault, pgmajfault;
	uint64_t inactive_anon, active_anon, inactive_file, active_file, unevictable;
};
/* Of this group alone, and with all groups below it. */
int group_stat(struct manager *m, uint64_t id, struct group_stat *ret_own,
	       struct group_stat *ret_total);

/* memory.numa_stat's figures: pages, all together and by a node's id. */
enum numa_list { NUMA_FILE, NUMA_ANON, NUMA_UNEVICTABLE, NR_NUMA_LISTS };
struct group_numa {
	uint64_t pages[NR_NUMA_LISTS];
	uint64_t by_node[NR_NUMA_LISTS][NUMA_MAX_NODES];
};
struct group_numa_stat {
	struct numa_nodes nodes;
	struct group_numa own, total; /* of this group alone, and with all groups below it */
};
/* *ret is malloc'd. */
int group_numa_stat(struct manager *m, uint64_t id, struct group_numa_stat **ret);

/* Text of tasks (procs: cgroup.procs) with pids as the process `reader` sees them. *ret is
 * malloc'd. */
int group_tasks(struct manager *m, uint64_t id, bool procs, pid_t reader, char **ret,
		size_t *ret_len);

/* Who writes: pid is a thread's id as the kernel's FUSE request gives it; for control files uid is
 * who opened it. */
struct caller {
	pid_t pid;
	uid_t uid;
	gid_t gid;
};

/*
 * A file of the kernel's in the group's directory of the hierarchy underneath, for what is not the
 * memory controller's. Reading: any thread, without the lock; *ret is malloc'd. Writing: [loop],
 * the answer is the kernel's.
 */
int group_read_kernel_file(struct manager *m, uint64_t id, const char *name, char **ret,
			   size_t *ret_len);
int group_write_kernel_file(struct manager *m, struct group *g, const char *name, const char *text);
/* Whether the kernel would let the caller do what needs CAP_SYS_ADMIN on the machine. */
bool caller_is_admin(const struct caller *c);

/*
 * ---- groups that others made, in a hierarchy that is theirs as well ----
 *
 * They are not limited and not counted, and have nothing but the lists of their members; what is
 * done to them the kernel answers. Without the lock.
 */

/* A directory of the tree: a group of ours, or by the kernel's id one of others'. The other is 0.
 */
struct place {
	uint64_t group, foreign;
};
/* What is called `name` in a place: not asked for what group_child() finds. -ENOENT. Any thread. */
int place_find(struct manager *m, const struct place *in, const char *name, struct place *ret);
struct place_entry {
	struct place place;
	char *name;
};
/* All groups in a place, those of ours included; none where nobody else makes any. Any thread. */
int place_list(struct manager *m, const struct place *p, struct place_entry **ret, size_t *ret_nr);
void place_entries_free(struct place_entry *entries, size_t nr);
/* Of the directory (file "") or a file in it, as the kernel says. Any thread. */
int foreign_stat(struct manager *m, uint64_t id, const char *file, struct stat *ret);
int foreign_tasks(struct manager *m, uint64_t id, bool procs, pid_t reader, char **ret,
		  size_t *ret_len);
/* [loop] A group of ours in one of theirs. */
int foreign_mkdir(struct manager *m, uint64_t id, const char *name, mode_t mode,
		  const struct caller *c, struct group **ret);
int place_rmdir(struct manager *m, const struct place *in, const char *name);
int place_rename(struct manager *m, const struct place *in, const char *name, const char *new_name);
void foreign_attach(struct manager *m, uint64_t id, pid_t tid, bool whole_process,
		    const struct caller *c, void (*done)(int error, void *userdata),
		    void *userdata);

/* ---- changes [loop]; 0 or -errno, nothing changed on failure ---- */

/* The directory and its files get the caller's uid and gid, the modes of
 * manager_config.default_attr. */
int group_mkdir(struct manager *m, struct group *parent, const char *name, mode_t mode,
		const struct caller *c, struct group **ret);
int group_rmdir(struct manager *m, struct group *parent, const char *name);
int group_rename(struct manager *m, struct group *parent, const char *name,
		 struct group *new_parent, const char *new_name);

/* mask: bits of MANAGER_ATTR_*. */
enum { MANAGER_ATTR_MODE = 1, MANAGER_ATTR_UID = 2, MANAGER_ATTR_GID = 4, MANAGER_ATTR_MTIME = 8 };
int group_set_attr(struct manager *m, struct group *g, unsigned index, const struct file_attr *a,
		   unsigned mask);

/* Extended attributes live on the group's directory in the hierarchy underneath. */
int group_set_xattr(struct manager *m, struct group *g, const char *name, const void *value,
		    size_t size, int flags);
ssize_t group_get_xattr(struct manager *m, struct group *g, const char *name, void *value,
			size_t size);
ssize_t group_list_xattr(struct manager *m, struct group *g, char *list, size_t size);
int group_remove_xattr(struct manager *m, struct group *g, const char *name);

/* How a change that takes a while ends: on the loop, perhaps before the call returns. */
typedef void (*group_done_fn)(int error, void *userdata);

/*
 * Move the thread tid, or its whole process, here. pid 0: the caller. tid is in the caller's pid
 * namespace. done(0), or done(-ESRCH), done(-EACCES: not the caller's), done(-EINVAL: a daemon of
 * ours), done(-ENOSPC: no descriptors left to follow it with), done(-ENODEV: the group goes
 * meanwhile), or another -errno of the kernel's.
 */
void group_attach(struct manager *m, struct group *g, pid_t tid, bool whole_process,
		  const struct caller *c, group_done_fn done, void *userdata);

/*
 * Set the limit; when usage is above it, reclaim first: done() is then called later, on the loop.
 * done(-EINVAL) for the root, and when the limit of memory would be above that of memory and swap.
 * done(0) when set, done(-EBUSY) when usage cannot be brought under it (limit unchanged),
 * done(-ENODEV) when the group goes meanwhile. bytes is rounded down to pages here.
 */
void group_set_limit(struct manager *m, struct group *g, enum group_counter counter, uint64_t bytes,
		     group_done_fn done, void *userdata);

/*
 * ---- eventfds that are told what happens (cgroup.event_control) [loop] ----
 *
 * Of one group, of one user but root, and of all groups together there are only so many. When that
 * is reached, those whose owners have ended, or have closed the eventfd, make room; -ENOSPC if
 * there are none.
 */
struct listener_spec {
	enum listener_kind kind;
	uint64_t value; /* as in struct listener_record */
	uint32_t mode;
	bool once; /* one eventfd registers it once, as a shrinker: -EEXIST */
};

/* Who hears of pressure in a group below: as the modes of memory.pressure_level. */
enum pressure_mode {
	PRESSURE_DEFAULT,   /* if nobody further down did */
	PRESSURE_HIERARCHY, /* always */
	PRESSURE_LOCAL,     /* never */
};

/* Takes over e->fd, -1 afterwards, if that succeeds. again: an earlier server was asked the same,
 * and may have done it. */
int group_listen(struct manager *m, struct group *g, const struct listener_spec *spec,
		 const struct caller *c, struct eventfd_taken *e, bool again);

/*
 * Shrinkers: the caches of applications. The caller's descriptor `number` names one of g's by its
 * eventfd: so many more chunks can be freed, or fewer, never less than none. -EBADF, -EINVAL (it is
 * no eventfd), -ENOENT (not of a shrinker of g). request: names the request for ever, so that it is
 * not done twice.
 */
int group_adjust_shrinker(struct manager *m, struct group *g, const struct caller *c, int number,
			  int64_t chunks, uint64_t request);

/* "PID EVENTFD CHUNK_BYTES CHUNKS ASKED" of each shrinker that lives, pids as the process `reader`
 * sees them. Any thread, without the lock. */
int group_shrinkers(struct manager *m, uint64_t id, pid_t reader, char **ret, size_t *ret_len);

/* The level of the last moment's reclaim in the group and below it. [read] */
enum pressure_level group_pressure_level(const struct group *g);

/* Percent of the limit; 0 and 0: no background reclaim. -EINVAL: not 0 < low <= high <= 100, or the
 * root, which has no limit. */
int group_set_watermarks(struct manager *m, struct group *g, uint64_t high, uint64_t low);

/*
 * Reclaim so much now: done(0), or done(-EAGAIN) when it fell short, as group_set_limit() calls it.
 * Of the root: of all groups.
 */
void group_reclaim_bytes(struct manager *m, struct group *g, uint64_t bytes, group_done_fn done,
			 void *userdata);
/* All that can be had: done(0) also when that is nothing. Root -EINVAL. */
void group_force_empty(struct manager *m, struct group *g, group_done_fn done, void *userdata);
/* Rounded down to pages here. Whatever the group uses. */
void group_set_soft_limit(struct manager *m, struct group *g, uint64_t bytes);
/* Kept, and nothing else. Root -EINVAL. Rounded down to pages here. */
int group_set_tcp_limit(struct manager *m, struct group *g, uint64_t bytes);

int group_reset_failcnt(struct manager *m, struct group *g, enum group_counter counter);
int group_reset_max_usage(struct manager *m, struct group *g,
			  enum group_counter counter); /* to the present usage */
int group_set_swappiness(struct manager *m, struct group *g,
			 uint64_t value); /* 0 to 200, else -EINVAL */
int group_set_oom_kill_disable(struct manager *m, struct group *g,
			       uint64_t value); /* 0 or 1; root -EINVAL */
/* What a member takes along that comes here: 0 to 3, else -EINVAL. Kept, without effect so far. */
int group_set_move_charge(struct manager *m, struct group *g, uint64_t value);

#endif
