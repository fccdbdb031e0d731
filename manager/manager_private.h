/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of the manager. Everything here belongs to the manager's loop; what other threads may
 * read is marked "shape" and changes only under manager_wrlock(). Sizes in pages unless the name
 * says bytes.
 */
#ifndef MEMCGFS_MANAGER_PRIVATE_H
#define MEMCGFS_MANAGER_PRIVATE_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <systemd/sd-event.h>
#include <uthash.h>
#include <utlist.h>

#include "accounting/lease.h"
#include "accounting/owner_choice.h"
#include "accounting/process_usage.h"
#include "accounting/share_count.h"
#include "manager/hierarchy.h"
#include "manager/manager.h"
#include "reclaim/reclaim.h"

/* Events armed together for one process. All who descend from it inherited them, and they end when
 * the last of those has let go. */
struct lineage {
	unsigned events; /* LEASE_EVENT_BIT() */
	uint64_t *ids;   /* the keeper's names for fds */
	int *fds;
	unsigned nr_fds;
	unsigned nr_live; /* processes */
};

/* Processes that share pages since a fork, or one that has pages which others are charged for. */
struct family {
	unsigned nr_live;
	struct process *processes; /* by family_next */
	uint64_t nr_saved;         /* of all */
	uint64_t nr_copies; /* that may have been made of pages that count with their maker */
	unsigned count_nr;  /* manager.count_nr of when that was for a count */
	/* sweep.c */
	bool to_sweep;             /* is in manager.sweeps */
	uint64_t sweep_not_before; /* usec */
	struct family *sweep_prev, *sweep_next;
};

/* An open /proc/PID/status, closed by its last user. */
struct status_file {
	int fd;
	unsigned nr_users; /* atomic */
};

struct process {
	pid_t tgid;
	UT_hash_handle hh;           /* shape: manager.processes */
	struct process *prev, *next; /* shape: group.members */
	struct group *group;         /* shape; NULL once it has gone */
	struct status_file *status;  /* /proc/PID/status, proves who it is */
	int status_fd;               /* its descriptor */
	pid_t vm_of;                 /* shares_vm: whose it is */
	bool shares_vm;              /* between vfork and exec: the memory is the parent's */
	bool shared_outside;     /* who forked it is not known, and it did not exec since: may share
				    pages with it */
	struct lineage *lineage; /* the clock's, and where nothing is charged by time the faults' */
	struct lineage *faults;  /* far.c; NULL: faults are not charged */
	uint64_t faults_nsec;    /* since when all its threads have them */
	uint64_t arm_not_before; /* it should have, and could not; usec */
	struct family *family;
	struct process *family_prev, *family_next;
	struct borrowed *borrowed; /* shape; what others are charged for, or NULL */
	uint64_t born_usec;

	/* As last counted. */
	uint64_t pages;    /* that count against limits */
	uint64_t anon;     /* RssAnon; atomic */
	uint64_t resident; /* RssAnon + RssFile + RssShmem */
	uint64_t swap;
	uint64_t kmem; /* page tables and kernel stacks */
	uint32_t nr_threads;
	bool active;               /* since the count before: running, or other pages */
	bool ran;                  /* since then; its only thread surely did not if it is false */
	bool was_running;          /* then */
	uint64_t nr_switches;      /* until then */
	uint64_t shmem_seen;       /* of RssShmem what is charged by file; atomic */
	uint64_t rss_shmem_looked; /* RssShmem when files were last looked for */
	uint64_t joined_nsec;      /* CLOCK_REALTIME: since when it is charged where it is */
	bool has_shmem;            /* a file of it was seen */
	bool shmem_grew;           /* at the last look: of what its group is charged for */
	bool shmem_due;            /* they are to be looked for, and were a moment ago */
	bool may_have_written;     /* at the tick that is being counted */
	uint64_t shmem_files;      /* pages of open tmpfs files and memfds, where none is charged by
				      file; atomic */
	uint64_t tick_written;     /* by the thread whose tick was last, until then */
	uint64_t written;          /* bytes written when those were last looked for */
	uint64_t shmem_looked, shmem_not_before; /* when that was, and when again */
	/* As its page table was last looked at, see struct share_member; the first two atomic. */
	uint64_t saved, swap_saved, shared;
	struct owed_list owed;
	uint64_t saved_counted; /* what the last count left out */
	uint64_t doubt;         /* and what of saved it did not, to be sure */
	uint64_t faults_seen;   /* page faults until then, atomic, */
	uint64_t anon_seen;     /* RssAnon then, atomic, */
	unsigned look_nr;       /* and how manieth look that was */
	uint64_t nr_copies;     /* and copies of shared pages it may have made since, */
	bool has_noted;         /* as was looked for after that */
	uint64_t unmaps_usec;   /* since when looks find too little of it; 0: they do not */
	bool unsettled;         /* is in manager.unsettled */
	bool last_look;         /* nothing changed but perhaps its shared memory */
	struct process *settle_prev, *settle_next;
	bool moving;       /* what it has is being listed: saved is all it had before */
	unsigned share_nr; /* changes whenever what was found out does not hold any more, */
	unsigned image_nr; /* and when it has another image */

	/* Reclaim. */
	uint64_t hand;
	unsigned nr_jobs; /* that hold a pointer here */

	/* Stops of ours. */
	bool stopped;
	bool found_over; /* by a look: what it brought was not charged */
	uint64_t stopped_usec;
	int guard_fd;            /* continues it should we die; -1 */
	bool noted;              /* is in manager.stops */
	struct group *waits_for; /* whose limit it waits at: is in its waiters */
	struct process *wait_prev, *wait_next;
};

/* A registration of an eventfd, whose state is in the state file. */
struct listener {
	struct listener_record *record;
	int fd;         /* the eventfd */
	bool deaf;      /* its owner meant us to wait: it is not told any more */
	bool full;      /* too full for what it was to be asked when last tried */
	uint64_t asked; /* the manager's how manieth try that was; 0: none */
	struct group *group;
	struct listener *prev, *next; /* shape: group.listeners */
};

struct job;

/* What a group and those below it use. */
struct group_pages {
	uint64_t usage, swap, kmem;
	uint64_t cache; /* of usage */
	uint64_t doubt; /* of usage */
};

/* Background reclaim: none, what is before the first page-out of a round, or batches. */
enum background { BACKGROUND_OFF, BACKGROUND_ASKED, BACKGROUND_ON };

/* Far from its limit a group is charged by time, near it by page faults. */
enum group_distance { GROUP_UNLIMITED, GROUP_FAR, GROUP_NEAR };

struct group {
	struct group_record *record;
	uint32_t slot;
	struct group *parent;    /* shape */
	struct group *children;  /* shape: by name */
	UT_hash_handle hh;       /* shape: parent->children */
	struct process *members; /* shape */

	uint64_t usage;                 /* pages, as last counted, children included */
	uint64_t swap;                  /* the same of what is swapped out */
	uint64_t kmem;                  /* and of kernel memory: not part of usage */
	uint64_t cache;                 /* of these: page cache */
	uint64_t left_pages, left_swap; /* charged here alone, and had by others' members; atomic */
	uint64_t doubt;                 /* of usage: what may be counted twice */
	enum group_distance distance;   /* from its limit, see far.c */
	uint64_t tick_pages;            /* FAR: charged for each tick of a thread; else 0 */
	uint64_t tick_margin;           /* FAR: what keeps it so */
	uint64_t near_usec;             /* NEAR: since when */
	uint64_t room_nsec;             /* what happened before was seen when room was last set */
	struct process *waiters;        /* members stopped at this group's limit */
	unsigned full_parts;            /* that they were stopped for: 1 << (part + 1), or'ed */
	int64_t room_set[LEASE_NR_PARTS + 1]; /* what rooms were last set to, by part + 1 */
	struct listener *listeners;           /* shape */
	unsigned nr_listeners, nr_thresholds;
	struct pressure_window pressure;
	uint64_t ask_deadline; /* until then shrinkers that were asked have time, usec; 0: none */
	uint64_t asked_usec;   /* when they last were */
	bool has_grace;        /* a member went on above the limit for it */
	struct job *job;       /* reclaim under way for this group */
	enum background background;
	bool to_soft_limit;      /* it is for that, not for the low mark */
	unsigned nr_batches;     /* of this round */
	uint64_t wake_not_below; /* usage that has proven to be of no interest to it */
	uint64_t sleep_usage;    /* what it was when that proved so */
	uint64_t stop_usage;     /* at which members stop, as of the last count */
	bool put_off;            /* a round is due, and one nearby was under way */
	unsigned squeeze;        /* its reserve is halved so often */
	unsigned nr_rounds; /* of reclaim since somebody last went on, or it last helped a write */
	pid_t victim;       /* killed and not yet gone */
	bool oom;           /* nothing left to reclaim, nobody killed */
	bool try_again;     /* reclaim once more when the retry timer runs out */

	struct reclaim_request *requests; /* the first is served */
	bool limit_pending;               /* a write of the limit waits for reclaim */
	enum group_counter limit_counter; /* that it is of */
	uint64_t limit_wanted_bytes;
	uint64_t limit_least_used; /* pages, since it was wanted */
	group_done_fn limit_done;
	void *limit_userdata;
};

struct mapped;
struct shmem_swapped;
struct worker;
struct reclaim_request;

struct manager {
	struct manager_config config;
	struct state *state;
	struct lease *lease;
	struct hierarchy *hierarchy;
	sd_event *event;
	sd_event_source *retry; /* looks again at groups that wait with nothing under way */
	sd_event_source *keeper_source;
	sd_event_source *pressure_source;       /* soft_limit.c; NULL: not wanted yet */
	bool no_pressure;                       /* cannot be had */
	pthread_rwlock_t lock;                  /* shape */
	struct group *groups[STATE_MAX_GROUPS]; /* shape: by slot */
	struct process *processes;              /* shape: by tgid */
	unsigned nr_moves;                      /* shape: of processes, from group to group */
	struct lineage *adopted;                /* of what an earlier server armed */
	struct status_file *ended;              /* status_file_ended() */
	struct process *stops;                  /* records not yet acted on, by wait_next */
	struct worker *worker;
	struct attach *attaches;                         /* the first is under way */
	struct listener *listeners[STATE_MAX_LISTENERS]; /* by place in the state file */
	unsigned nr_thresholds, nr_shrinkers, listeners_hand;
	uint64_t nr_asks; /* of single shrinkers */
	sd_event_source *threshold_timer, *deadline_timer;
	uint64_t next_lease_id, first_lease_id; /* of the events; the first of this server's */
	uint64_t tick_pages; /* that a thread may get in a tick; 0: nothing is charged by time */
	uint64_t nr_cpus, near_least_usec; /* far.c */
	uint64_t ask_usec;                 /* that shrinkers have to answer */
	struct held *held;                 /* processes there was no descriptor for */
	unsigned count_nr;                 /* of the group that is being counted */
	struct family *sweeps;             /* to be looked at by a worker, in this order */
	struct job *sweep;                 /* that is under way */
	sd_event_source *sweep_timer, *settle_timer;
	unsigned nr_rmdirs;
	uint64_t
		shmem_not_before; /* after a look that took long: the next one, of whomever; usec */
	struct mapped *mapped;
	struct shmem_swapped *shmem_swapped; /* shmem.c */
	struct process *unsettled;           /* ran a moment ago, by settle_next */

	pthread_mutex_t requests_lock;
	struct manager_request *requests, *requests_tail;
	int requests_fd;
	int exit_status;
	unsigned nr_shares_vm; /* processes */
	int max_status_fd;     /* past it the rest is kept for what must not fail */
	unsigned nr_lost;      /* records the kernel could not deliver, as last said */
};

void manager_wrlock(struct manager *m);

static inline uint64_t bytes_to_pages(uint64_t bytes)
{
	return bytes / 4096;
}

static inline uint64_t pages_to_bytes(uint64_t pages)
{
	return pages * 4096;
}

/* A limit of memory and swap is never below that of memory: without the one there is none of the
 * other. */
static inline bool group_is_limited(const struct group *g)
{
	return g->limit_pending || g->record->memory.limit < LIMIT_MAX_BYTES ||
	       g->record->rss.limit < LIMIT_MAX_BYTES;
}

/* ---- group.c ---- */
int group_adopt_root(struct manager *m);
int group_adopt_new(struct manager *m, struct group *parent, const char *name, struct group **ret);
struct group *group_adopt_record(struct manager *m, uint32_t slot, struct group *parent);
void groups_free(struct manager *m);
/* Path below the hierarchy's root, malloc'd; NULL without memory. */
char *group_path(const struct group *g);
char *group_child_path(const struct group *parent, const char *name);
/* The group at path or the nearest above it, and from there what is left of the path. */
struct group *group_above_path(struct manager *m, const char *path, const char **ret_rest);
/* As without _at, by a name that may have slashes in it: see foreign.c. */
int group_mkdir_at(struct manager *m, struct group *parent, const char *name, mode_t mode,
		   const struct caller *c, struct group **ret);
int group_rename_at(struct manager *m, struct group *g, const char *new_name);
void group_set_name(struct manager *m, struct group *g, const char *name); /* here alone */
/* Next group of the subtree below top after g, parents first; NULL at the end. Start with g = top.
 */
struct group *group_next(const struct group *top, const struct group *g);
void group_count_event(struct group *g, enum group_event event, uint64_t n);
size_t nr_members_below(const struct group *top); /* top's own included */

struct group *group_by_path(struct manager *m, const char *path);

/* ---- adopt.c ---- */
int groups_adopt(struct manager *m);
/* pid, which the hierarchy has in g, becomes a member. */
void process_adopt(struct manager *m, struct group *g, pid_t pid);

/* ---- reconcile.c ---- */
/* Members come, go and stand as the hierarchy and the lease map have it. */
void groups_reconcile(struct manager *m);
/* The same for p's stop alone. */
void process_reconcile_stop(struct manager *m, struct process *p);

/* ---- foreign.c ---- */
int group_open_dir(struct manager *m, uint64_t id); /* in the hierarchy; any thread */

/* ---- attach.c ---- */
/* Charged to g, and listed in the hierarchy at path; NULL: at g's. */
void attach_at(struct manager *m, struct group *g, const char *path, pid_t tid, bool whole,
	       const struct caller *c, group_done_fn done, void *userdata);

/* ---- tasks.c ---- */
/* Text of a list, which is closed. Any thread. */
int tasks_text(int fd, pid_t reader, char **ret, size_t *ret_len);

/* ---- process.c ---- */
struct process *process_find(struct manager *m, pid_t tgid);
/* Enter a process that has a lineage into group g. NULL: gone or no memory. */
struct process *process_new(struct manager *m, pid_t tgid, struct group *g,
			    struct lineage *lineage);
void process_move(struct manager *m, struct process *p, struct group *g);
void process_gone(struct manager *m, struct process *p);
void process_put(struct process *p); /* a job lets go */
/* The member tgid: known, or not yet heard of but in the lease map. NULL: no member, or gone. */
struct process *process_member(struct manager *m, pid_t tgid);
void process_on_fork(struct manager *m, const struct lease_record *r);
void process_on_thread(struct manager *m, const struct lease_record *r);
/* Arm p anew with what every member has. 0 or -errno. */
int process_renew_lineage(struct manager *m, struct process *p);
void process_on_exec(struct manager *m, const struct lease_record *r);
void process_on_exit(struct manager *m, const struct lease_record *r);
/* Processes that stand still because there was no descriptor to follow them with: try again. */
void processes_retry_held(struct manager *m);
void process_hold(struct manager *m, pid_t tgid, bool stopped);
void processes_free(struct manager *m);

/* ---- lineage.c ---- */
/* Arm every thread of tgid with events (LEASE_EVENT_BIT()). 0 or -errno (-ESRCH, -ENOSPC). */
int lineage_new(struct manager *m, pid_t tgid, unsigned events, struct lineage **ret);
/* One thread more; those of l's events that are in events. 0 or -errno. */
int lineage_arm_thread(struct manager *m, struct lineage *l, pid_t tid, unsigned events);
struct lineage *lineage_put(struct manager *m,
			    struct lineage *l); /* one process fewer; returns NULL */
int lineage_adopt(struct manager *m);
void lineage_drop_adopted_faults(struct manager *m);
/* All members are armed anew: what earlier servers armed goes, where it does not go on charging. */
void lineage_drop_inherited(struct manager *m);
/* For lease_set_keep(). */
uint64_t lineage_keep(const int fds[LEASE_NR_EVENTS], void *userdata);
void lineage_unkeep(uint64_t first, void *userdata);

/* ---- far.c ---- */
void far_init(struct manager *m);
/* The events that every member has. */
unsigned group_base_events(const struct manager *m);
/* p was forked, or came into its group: fault events if its group wants them. */
void process_inherit_faults(struct process *p, const struct process *parent,
			    const struct lease_record *r);
void process_rearm(struct manager *m, struct process *p);
/* The same for one that its group did not know, or could not arm: counted, if it was armed now. */
void process_arm_late(struct manager *m, struct process *p);
/* Fault events for p, if g wants them of its members. 0 or -errno. */
int process_arm_for(struct manager *m, struct process *p, const struct group *g);
/* g's usage is fresh: is it far from its limit or near? True when it just came near: count again,
 * for only now all faults are charged. */
bool group_set_distance(struct manager *m, struct group *g);
/* What g's threads may get uncharged, when it is charged by time. */
uint64_t group_held_ticks(const struct group *g, uint64_t tick_pages);
/* p was counted: so much it had then, p->pages and p->nr_threads now. except is about to be set as
 * a whole. */
void process_charge_counted(struct manager *m, struct process *p, uint64_t pages_before,
			    uint64_t threads_before, const struct group *except);
void process_charge_birth(struct manager *m, const struct process *p, uint64_t fork_nsec);
void process_charge_exit(struct manager *m, const struct process *p, uint64_t exit_nsec);
void group_on_low(struct manager *m, const struct lease_record *r);
/* The tick that p's thread paid ahead at tick_nsec is over: what it got has been counted. */
void process_return_tick(struct manager *m, const struct process *p, uint64_t tick_nsec);

/* ---- counter.c ---- */
struct res_counter *group_counter_of(struct group *g, enum group_counter counter);
/* Publish usage as c's or g's, raising max_usage. Any thread. */
void counter_publish(struct res_counter *c, uint64_t usage_bytes);
/* What memory counts of it. */
enum control_type group_publish(struct group *g, struct group_pages pages);
/* What a counter counts of it. */
uint64_t group_pages_sum(struct group_pages p, enum group_counter counter, enum control_type type);
/* Pages of its figures as last counted. */
uint64_t group_used(const struct group *g, enum group_counter counter);
/* What a counter's limit is for: an enum lease_part, or LEASE_ALL_PARTS. */
int group_counter_part(const struct group *g, enum group_counter counter);
/* It or one above it: what is shared memory and what is not is to be known when it is counted. */
bool group_has_limit_on_part(const struct group *g);
/* Pages that may come until its limit is met; below 0: it was passed. */
int64_t group_counter_headroom(const struct group *g, enum group_counter counter);
/* The same of the first limit on a part; and the least of these limits, less what of it is swapped
 * out. */
int64_t group_headroom(const struct group *g, int part);
uint64_t group_least_limit(const struct group *g, int part);
/* Pages that may be resident if nothing but RSS comes, and the limit that is then met. */
uint64_t group_bound(const struct group *g);
uint64_t group_bound_limit(const struct group *g);
/* Whether page-out makes room: it makes none for memory and swap together. */
bool group_swap_helps(const struct group *g);

/* ---- count.c ---- */
/* Read what p uses into p->pages and the rest. False when it has gone. */
bool process_count(struct manager *m, struct process *p);
/* The same, and what changed is charged where that is done by time, but to except. */
bool process_recount(struct manager *m, struct process *p, const struct group *except);
/* It was looked at: publish what it uses in its groups. */
void process_publish(struct manager *m, struct process *p);
void group_publish_counted(struct group *g); /* what was counted last, and went since */
/* Count all of g's subtree; sets usage and max_usage of each group in it, and the room of g. */
void group_true_up(struct manager *m, struct group *g);
/* Pages the group may still be charged before somebody is stopped; negative: over. */
int64_t group_room_wanted(struct manager *m, const struct group *g);
/* The same of a part, or LEASE_ALL_PARTS. */
int64_t group_room_wanted_of(struct manager *m, const struct group *g, int part);
/* Whose limit is met first. */
enum group_counter group_bound_counter(struct manager *m, const struct group *g);
/* The parts that have none left, as group.full_parts: those that something was charged to since
 * they were set, or all. */
unsigned group_full_parts(const struct manager *m, const struct group *g, bool all);
/* Rooms become what they should be, where that is less. The least of these. */
int64_t group_lower_rooms(struct manager *m, struct group *g);
/* To what is charged by page faults; below 0: it is uncharged. */
void group_charge(struct manager *m, const struct group *g, int64_t nr_pages);
/* Pages that threads in top and below it may touch uncharged, or so many of them as are kept free.
 */
uint64_t group_reserve(const struct group *top, uint64_t limit);
void process_on_tick(struct manager *m, const struct lease_record *r);
/* Pages of page cache and shared memory charged to this group alone. */
uint64_t group_cache(const struct manager *m, const struct group *g);

/* ---- usage.c: any thread ---- */
uint64_t meminfo_kb(const char *text, const char *key);   /* a line of /proc/meminfo; 0: none */
uint64_t machine_usage_bytes(enum group_counter counter); /* what the root uses */

/* ---- tcp.c: any thread ---- */
int group_tcp_bytes(struct manager *m, uint64_t id, uint64_t *ret); /* published, too */

/* ---- status_file.c: any thread ---- */
int status_file_open(pid_t tgid, struct status_file **ret); /* 0, -ESRCH, -errno */
/* Of a process that ended before it could be opened: empty, as it is when a process has gone. */
int status_file_ended(struct status_file **ret); /* 0, -errno */
struct status_file *status_file_get(struct status_file *f);
struct status_file *status_file_put(struct status_file *f); /* NULL-safe, returns NULL */

/* ---- stop.c ---- */
void process_stopped(struct manager *m, struct process *p); /* it is: by its lease */
void process_note(struct manager *m, struct process *p);    /* to be settled: into manager.stops */
/* By its thread tid, which lives: its first may have ended. */
void process_stop(struct manager *m, struct process *p, pid_t tid);
void process_continue(struct manager *m, struct process *p);
/* By pidfd. 0, -ESRCH, or -errno. */
int process_signal(struct process *p, int sig);
void process_unguard(struct manager *m, struct process *p);
void guards_drop_inherited(struct manager *m);

/* ---- limit.c ---- */
void process_on_stop(struct manager *m, const struct lease_record *r);
/* Act on all stops noted since the last call. */
void stops_settle(struct manager *m);
/* p stands still: find the group in whose limit's way it is, or let it go on. */
void process_settle(struct manager *m, struct process *p);
/* g may have room now: let its waiters go on, or reclaim, or OOM. */
void group_settle(struct manager *m, struct group *g);
/* The same for g and all above it. */
void group_settle_up(struct manager *m, struct group *g);
/* Shrinkers had their time: who waits for memory of g's goes on, or it is reclaimed for them. */
void group_asked(struct manager *m, struct group *g);
void process_unwait(struct manager *m, struct process *p);
void group_limited_changed(struct manager *m, struct group *g);
void group_limit_fail(struct group *g, int error);
/* Nothing can be reclaimed: is there room for g's waiters if less is kept in reserve? They go on
 * then. */
bool group_squeeze(struct manager *m, struct group *g);

/* ---- background.c ---- */
/* Pages above the low mark; 0: there is none. */
uint64_t group_shortfall(const struct group *g);
uint64_t watermarks_pack(unsigned high, unsigned low);
uint64_t watermarks_default(void);
/* g's usage is fresh and this is its room: where is the next charge of interest? */
/* room: of what its marks are of, as it was set. */
void background_arm(struct manager *m, struct group *g, int64_t room);
void group_on_wake(struct manager *m, const struct lease_record *r);
/* g's limit, or what it can get back, is not what it was: what was of no interest may be. */
void background_forget(struct group *g);
/* g->usage is right now, by a count of what charges do not see, or because the limit was met. */
void background_on_count(struct manager *m, struct group *g);
/* The machine is short of memory: a round down to the soft limit, if there is none under way. */
void background_to_soft_limit(struct manager *m, struct group *g);
/* What comes before the page-out is over. Nothing if the round has ended meanwhile. */
void background_page_out(struct manager *m, struct group *g);
/* A job of g's is done, it got something back or not, and nobody who waits began another. */
void background_go_on(struct manager *m, struct group *g, bool progress);

/* ---- reclaim_request.c ---- */
/* A job of g's is done, and nobody at the limit began another. */
void requests_go_on(struct manager *m, struct group *g, const struct job *j);
void requests_asked(struct manager *m, struct group *g); /* shrinkers had their time */
void requests_fail(struct group *g, int error);
void requests_forget(struct group *g); /* nobody is there to be told any more */

/* ---- soft_limit.c ---- */
/* Be told of pressure, if there are soft limits. */
void soft_limits_watch(struct manager *m);
void soft_limits_on_pressure(struct manager *m);

/* ---- oom.c ---- */
/* Nothing could be reclaimed for g. */
void group_oom(struct manager *m, struct group *g);
void group_oom_end(struct group *g);
void retry_arm(struct manager *m);
int oom_retry(sd_event_source *s, uint64_t usec, void *userdata);
/* Read a file below /proc. Length or -errno. */
ssize_t proc_read(const char *path, char *buf, size_t size);
int process_fault_counts(pid_t tgid, uint64_t *ret_minor, uint64_t *ret_major); /* stat.c */
/* Ids of a process's threads, malloc'd. 0, -ESRCH, or -errno. */
int proc_tasks(pid_t tgid, pid_t **ret, size_t *ret_nr);

/* ---- attach_target.c: any thread ---- */
struct target {
	pid_t tid, tgid;
	bool dead; /* a zombie, and no thread of it lives */
	uid_t uid, saved_uid;
};
/* Thread tid as c sees it, 0: c. -ESRCH, -EINVAL: a daemon of ours, -EACCES: not c's to move, or
 * another -errno. */
int target_find(pid_t tid, const struct caller *c, struct target *ret);

/* ---- attach.c ---- */
/* Somebody is on the way into g: known as its member, but not to the kernel. */
bool group_is_attached_to(const struct manager *m, const struct group *g);
/* from goes: what was charged to it is its parent's. */
void attach_inherit(struct manager *m, const struct group *from);
void attaches_free(struct manager *m); /* nobody waits for them any more */

#include "manager/accounts.h"
#include "manager/job.h"
#include "manager/listener.h"

#endif
