/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A keeper and its servers, really forked, for tests that really kill them. The test plays whoever
 * started the daemon, and is the subreaper that orphans fall to. Thread: the test's.
 */
#ifndef MEMCGFS_KEEPER_FIXTURE_H
#define MEMCGFS_KEEPER_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "manager/keeper.h"

#define PATIENCE_MSEC 20000
#define NR_MANY       100

enum event { EVENT_START = 1, EVENT_DONE, EVENT_REPLACED, EVENT_END };

struct report {
	int event;
	pid_t pid, ppid;
	int value; /* START: inherited descriptors; DONE, REPLACED: the call's result */
};

/* The daemon under test, as this process knows it. */
extern struct daemon_under_test {
	pid_t keeper;
	int command_fd, report_fd, ready_fd, kept_fd, own_fd;
} daemon_;

int keeper_suite_init(void);
int keeper_suite_clean(void);

/* ---- what is run as the server ---- */

/* Does what server_command() says, until it is told to end. */
int server(struct keeper_link *link, void *userdata);
int dying_server(struct keeper_link *link, void *userdata);

/* ---- whoever started it ---- */

void daemon_start(int (*fn)(struct keeper_link *, void *), bool background);
/* The first server, in the foreground; what it reported. */
struct report server_start(void);
/* A digit: end with that status. Else the result: 'k' keep one descriptor, 'd' drop it, 'w' write
 * to it; 'o' open one of its own; 'm' keep NR_MANY; 't' start a thread; 'u' drop what was never
 * kept; 'e' end after the keeper. */
int server_command(char c);
struct report await_report(int event); /* the next one must be that */
int await_exit(pid_t pid);             /* exit status, or -signal */
void kill_hard(pid_t pid);

void assert_text(int fd, const char *expected);
/* Whether a writer still has the other end of the fifo. */
bool is_held(int fd);
void assert_hangup(int fd);
/* Nobody holds the report pipe any more: keeper and servers have all ended, and said nothing else
 * before. */
void assert_all_ended(void);
/* The keeper ends with `status`, after its last duty was done in it. */
void assert_end(pid_t keeper, int status);

#endif
