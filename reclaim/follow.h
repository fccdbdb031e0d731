/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-out of a program that runs meanwhile, on the CPU that it runs on. On a worker's thread, but
 * follow_measure().
 *
 * Before the kernel writes a dirty page it flushes it from the TLB of each CPU that runs its
 * process (try_to_unmap_flush_dirty(), mm/vmscan.c): one interrupt a page, and the program is held
 * up as well. Where CPUs are virtual ones that is most of the cost: 4.4 us a page of a process that
 * sleeps, 24 us of one that runs on another CPU. So there the worker takes the program's CPU, as
 * direct reclaim would, and goes after it when the scheduler gives it another.
 */
#ifndef MEMCGFS_FOLLOW_H
#define MEMCGFS_FOLLOW_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Pages between two looks at where the program runs; a look costs 12 us, a third of a page-out of
 * one of them from the wrong CPU. */
#define FOLLOW_PAGES 64

struct follower {
	bool on;
	cpu_set_t before; /* where this thread may run */
	int nice;
};

/*
 * How long an interrupt to another CPU takes, in ns, measured on the spot in 1 to 3 ms; 0: not
 * known, there is none. From then on programs are followed where that is slow.
 */
uint64_t follow_measure(void);
/* As if that had been measured. */
void follow_assume(uint64_t nsec);

/* Nothing happens where it is of no use, or not allowed. */
void follow_begin(struct follower *f);
void follow(struct follower *f, pid_t pid);
void follow_end(struct follower *f);

#endif
