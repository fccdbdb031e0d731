/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A manager over the world of fake_mechanisms.h, stepped by the test: no threads but the workers',
 * and nothing is waited for by time. Sizes in pages.
 */
#ifndef MEMCGFS_MANAGER_FIXTURE_H
#define MEMCGFS_MANAGER_FIXTURE_H

#include <CUnit/Basic.h>

#include "manager/manager_private.h"
#include "tests/unit/fake_mechanisms.h"

#define FIXTURE_NR_ATTR 4

extern struct manager *mgr;
extern struct state *world_state;

/* A new world and a manager in it; and its end, which checks that no descriptor is left open. */
void world_begin(void);
void world_end(void);
/* The same world and state, another server. */
void world_restart(void);
void manager_stop(void);
int manager_start(bool with_keeper); /* as manager_new() */

/* Run the loop until nothing is under way: no record, no request, no job. */
void world_run(void);
/* Run the loop for what is ready now; a job may be under way still. */
void world_step(void);
/* Run the loop until done() is true, whatever else is under way. */
void world_run_until(bool (*done)(const void *userdata), const void *userdata);

/* Mode 0755, caller root, no background reclaim. */
struct group *group_make(struct group *parent, const char *name);
struct group *group_make_limited(struct group *parent, const char *name, uint64_t limit_pages);
/* The same with watermarks 75 50. */
struct group *group_make_marked(struct group *parent, const char *name, uint64_t limit);
/* A process of this size, not sharing, with a lease and in the map: a member of g. */
struct fake_process *member_make(struct group *g, uint64_t rss_anon);
struct process *member(const struct fake_process *fp); /* as the manager knows it; NULL: not */
/* So say the manager, the lease map and the hierarchy. */
void is_member(const struct fake_process *fp, const struct group *g);
int attach(struct group *g, const struct fake_process *fp); /* as root, the whole process */

/* group_attach(), and the errors its done() was called with; the others wait for that. */
struct attach_write {
	unsigned nr_done;
	int error;
};
void attach_write(struct attach_write *w, struct group *g, pid_t tid, bool whole,
		  const struct caller *c);
int attach_wait(const struct attach_write *w);
int attach_as(struct group *g, pid_t tid, bool whole, const struct caller *c);

/* It touches nr pages, however often it is stopped for it. Pages touched: fewer if it died, or was
 * left standing. */
uint64_t world_work(struct fake_process *fp, uint64_t nr);
bool stands(const struct fake_process *fp);

/* fp takes memory until it is stopped for it. */
void hit_limit(struct fake_process *fp);
/* The same, and a worker is then in the middle of reclaim for that; until go_on(), and
 * world_run(). */
void hit_limit_and_hold(struct fake_process *fp);
void go_on(void);
/* What happens every now and then while somebody waits. */
void look_again(void);

/* group_set_limit(), and the errors its done() was called with. */
struct limit_write {
	unsigned nr_done;
	int error;
	uint64_t limit_bytes; /* of the group when done() was called */
	struct group *g;
};
void limit_write(struct limit_write *w, struct group *g, uint64_t limit_pages);
/* The same, waited for. */
int limit_set(struct group *g, uint64_t limit_pages);

uint64_t usage_pages(const struct group *g); /* as published */
uint64_t usage_bytes_now(const struct group *g);
int64_t room_of(const struct group *g);
uint64_t failcnt(const struct group *g);
unsigned nr_waiters(const struct group *g);
uint64_t event_count(const struct group *g, enum group_event event);

/* All tests of a program. Exit status. */
int run_tests(const char *suite, CU_TestInfo *tests);

#endif
