/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real children for tests of reclaim: each sets up memory, stops, and looks at it when continued.
 * Thread: the test's. */
#ifndef MEMCGFS_STOPPED_CHILD_H
#define MEMCGFS_STOPPED_CHILD_H

#include <CUnit/Basic.h>

#include "accounting/process_usage.h"
#include "reclaim/reclaim.h"
#include "util/util.h"

#define MIB       ((size_t)1 << 20)
#define MIB_PAGES ((int64_t)(MIB / page_size()))

struct child {
	struct reclaim_process process;
};

/* What a child does before it says that it is ready and stops; a later SIGCONT lets it end. */
typedef void *(*child_fn)(void);
/* After the SIGCONT. Its result is the exit status. */
typedef int (*check_fn)(void *memory);

/* Started, set up, and stopped. */
struct child child_start(child_fn set_up, check_fn then);
/* Continued, waited for: its wait status. */
int child_finish(struct child *c);

struct process_usage child_usage(const struct child *c);
uint64_t child_resident(const struct child *c); /* anonymous and shmem pages */

/* ---- in the child ---- */

/* Anonymous memory; flags: MAP_PRIVATE or MAP_SHARED. */
char *child_map(size_t size, int flags);
/* Something of its own in every page; and is it there? 0 or 1. */
char *child_fill(char *at, size_t size);
int child_check(const char *at, size_t size);

/* 4 (untouched), 16 and 64 MiB of private memory. */
void *private_4(void);
void *private_16(void);
int check_16(void *memory);
void *private_64(void);
int check_64(void *memory);

#endif
