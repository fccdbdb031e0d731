/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Leases by signal on children of the test, which plays the manager: who has room goes on, who has
 * none is held where it is. Needs perf events for its own children only.
 */
#ifndef MEMCGFS_LEASE_FIXTURE_H
#define MEMCGFS_LEASE_FIXTURE_H

#include <CUnit/Basic.h>
#include <stdbool.h>

#include "accounting/lease.h"
#include "util/util.h"

#define PATIENCE_MSEC 10000 /* far beyond what anything here takes */
#define SLOT          1     /* that all children are members of */

extern struct lease *lease;

/* What the records said since child_start(). */
extern struct seen {
	unsigned nr[LEASE_RECORD_WAKE + 1];
	struct lease_record last[LEASE_RECORD_WAKE + 1];
	bool hold; /* whoever has no room is not let go on */
	bool held; /* and somebody was not */
} seen;

/* How far children are, in memory that is theirs and ours. */
extern struct progress {
	volatile long pages;
	volatile bool armed; /* children of children may begin */
} * progress;

struct child {
	pid_t pid;
	int go; /* closing it lets the child begin */
	int fds[LEASE_NR_EVENTS];
	bool armed;
};

/* ---- the manager ---- */

void on_record(const struct lease_record *r, void *userdata);
void let_go_on(pid_t tgid);
/* Dispatch until done() or for msec. Whether it came to that. */
bool dispatch_until(bool (*done)(void *arg), void *arg, int msec);
/* Dispatch until there was such a record. */
void expect_record(enum lease_record_type type);
/* For dispatch_until(): */
bool is_held(void *arg);     /* somebody is */
bool is_at(void *arg);       /* progress->pages is at least *(long *)arg */
bool has_stopped(void *arg); /* the process *(pid_t *)arg */

/* ---- children ---- */

/* A child that runs fn once it is let go, a member of SLOT with room pages left (LEASE_NO_LIMIT:
 * not limited). False: there is none. */
bool child_start(struct child *c, void (*fn)(void), int64_t room);
void child_go(struct child *c);
/* Disarm it. */
void child_forget(struct child *c);
/* It ends, that is told, and its place in the map is free. */
void child_finish(struct child *c);
/* The same for one that would not by itself. */
void child_kill(struct child *c);

/*
 * What they do. Nobody stops a thread or a child before the manager has heard of it: where its
 * pages are counted, it waits for that.
 */
void touch(long nr_pages);
void await_armed(void);

/* ---- */

/* A program's tests. Exit status: 77 where there are no perf events. */
int run_tests(const char *suite, CU_TestInfo *tests);

#endif
