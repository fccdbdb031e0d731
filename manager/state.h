/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state file: every group's settings and counters, memory-mapped, so that they outlive the
 * server that writes them. Owned by the manager's loop; other threads read the u64 counters with
 * atomic_get().
 */
#ifndef MEMCGFS_STATE_H
#define MEMCGFS_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STATE_MAX_GROUPS 4096 /* as LEASE_MAX_SLOTS; slot 0 is the root */
#define STATE_NAME_MAX   1023 /* bytes of a group's name: what FUSE lets through */
#define STATE_MAX_FILES  64   /* control files per group, directory included as 0 */
#define STATE_MAX_LISTENERS                                                                    \
	4096 /* registrations of eventfds, in all groups: each is a descriptor here and in the \
		keeper, of KEEPER_MAX_FDS */

/* PAGE_COUNTER_MAX of the kernel, in bytes: "unlimited". */
#define LIMIT_MAX_BYTES 9223372036854771712ULL

struct file_attr {
	uint32_t mode; /* permission bits and file type */
	uint32_t uid, gid;
	uint32_t spare;
	int64_t mtime_sec;
};

/* res_counter of the 2007 patch, in bytes. */
struct res_counter {
	uint64_t usage; /* as last trued up */
	uint64_t max_usage;
	uint64_t limit;
	uint64_t failcnt;
};

enum group_event {
	GROUP_EVENT_MAX,                /* times the limit was hit: failcnt's, never reset */
	GROUP_EVENT_OOM,                /* times nothing could be reclaimed at the limit */
	GROUP_EVENT_OOM_KILL,           /* members killed for that */
	GROUP_EVENT_RECLAIM_DIRECT,     /* pages got back while somebody waited */
	GROUP_EVENT_STOP,               /* stops of a member by its lease */
	GROUP_EVENT_STOP_USEC,          /* microseconds members stood still for it */
	GROUP_EVENT_PAGED_OUT,          /* pages sent to swap */
	GROUP_EVENT_CACHE_DROPPED,      /* pages of page cache given back */
	GROUP_EVENT_HIGH,               /* times the high mark was passed */
	GROUP_EVENT_RECLAIM_BACKGROUND, /* pages got back for that */
	GROUP_EVENT_SHRINK_ASKED,       /* times applications were asked to free memory */
	GROUP_EVENT_SHRINK_CHUNKS,      /* chunks they were asked for */
	GROUP_EVENT_NR,
};

struct group_record {
	uint32_t in_use;
	uint32_t generation; /* +1 whenever the slot is taken: names the group together with the
				slot */
	uint32_t parent;     /* slot */
	uint32_t spare;
	struct res_counter memory, memsw; /* memsw: memory and swap together */
	struct res_counter kmem;          /* limit and failcnt never change */
	struct res_counter tcp;           /* failcnt never changes */
	struct res_counter rss;           /* of memory: what is no page cache */
	uint64_t swap_usage;              /* bytes swapped out, as last trued up */
	uint64_t control_type;            /* enum control_type: what memory counts */
	uint64_t oom_kill_disable, under_oom, swappiness;
	uint64_t oom_kill; /* victims in this very group */
	uint64_t pressure_level,
		pressure_usec; /* enum pressure_level, and when it was that; CLOCK_MONOTONIC */
	uint64_t watermarks;   /* percent of the limit: high << 32 | low; 0: none */
	uint64_t soft_limit;   /* bytes */
	uint64_t move_charge;  /* 1: of anonymous pages, 2: of file pages */
	uint64_t events[GROUP_EVENT_NR];
	struct file_attr attr[STATE_MAX_FILES];
	uint64_t hierarchy_id; /* hierarchy_get_id(); 0: not yet known */
	char name[STATE_NAME_MAX + 1];
};

enum listener_kind {
	LISTENER_NONE,
	LISTENER_THRESHOLD, /* a counter passes a value, either way */
	LISTENER_OOM,
	LISTENER_PRESSURE,
	LISTENER_SHRINKER,
};

/* Whose eventfd is told of what: a line written to cgroup.event_control. The keeper holds the
 * eventfd. */
struct listener_record {
	uint32_t kind; /* enum listener_kind; NONE: free. Written last */
	uint32_t uid;
	uint64_t group_id;
	uint64_t eventfd_id;  /* the kernel's name for it */
	int32_t tgid, number; /* who registered it, and its descriptor there */
	uint64_t
		value; /* THRESHOLD: bytes; PRESSURE: the least level; SHRINKER: bytes of a chunk */
	uint32_t mode; /* THRESHOLD: of which counter; PRESSURE: enum pressure_mode */
	uint32_t above;      /* THRESHOLD: the counter was, when last looked at */
	uint64_t chunks;     /* SHRINKER: that can be freed */
	int64_t carry_bytes; /* SHRINKER: its part of earlier shortfalls that was not asked for */
	uint64_t nr_asked;   /* SHRINKER: chunks so far */
	uint64_t last_write; /* SHRINKER: the request that changed chunks last */
};

struct state {
	uint32_t magic, version;
	uint64_t nr_starts; /* servers started so far */
	/* The FUSE negotiation of the first server, for those after it. */
	uint32_t fuse_init_len;
	uint8_t fuse_init[252];
	struct group_record group[STATE_MAX_GROUPS];
	uint64_t nr_listeners; /* that were ever in use: the first ones */
	struct listener_record listener[STATE_MAX_LISTENERS];
};

/* Map `path`, creating it, or adopting one that an earlier daemon left. 0 or -errno. */
int state_open(struct state **ret, const char *path);
struct state *state_close(struct state *s); /* NULL-safe, returns NULL */

/* A free slot's index, cleared and with its next generation; -ENOSPC. */
int state_slot_new(struct state *s);
void state_slot_free(struct state *s, uint32_t slot);
/* Any besides the root. */
bool state_has_groups(const struct state *s);

/* A free listener's index, cleared; -ENOSPC. */
int state_listener_new(struct state *s);

#endif
