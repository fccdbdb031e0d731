/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-out of a program that runs meanwhile, on the CPU that it runs on. Any thread but the
 * manager's.
 *
 * Before the kernel writes a dirty page it flushes it from the TLB of each CPU that runs its
 * process (try_to_unmap_flush_dirty(), mm/vmscan.c): one interrupt a page, and the program is held
 * up as well. Where CPUs are virtual ones that is most of the cost: 4.4 us a page of a process that
 * sleeps, 24 us of one that runs on another CPU. So there page-out goes to the program's CPU, takes
 * turns with it, and goes after it when the scheduler gives it another. (With a real-time priority
 * it would have that CPU to itself, and the program be moved more often: dd | tail on zram met the
 * limit never, in place of 15 times, and took 1.6 times as long, in place of 1.2.)
 */
#ifndef MEMCGFS_FOLLOW_H
#define MEMCGFS_FOLLOW_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Pages between two looks at where the program runs; a look costs 12 us, a half of a page-out of
 * one of them from the wrong CPU. */
#define FOLLOW_PAGES 64

/*
 * How long an interrupt to another CPU takes, in ns, measured on the spot in some ms; 0: not known,
 * there is none, or it was not to be had. From then on programs are followed where that is slow.
 */
uint64_t follow_measure(void);
/* As if that had been measured. */
void follow_assume(uint64_t nsec);
/* Whether it is of use here. */
bool follow_pays(void);

struct follower {
	cpu_set_t allowed;
	int cpu; /* where we are to stay; -1: anywhere */
};

/*
 * Run fn in a thread that may follow: where it may run ends with it. Without another
 * thread it runs in this one, and f stays where it is.
 */
typedef void (*follow_fn)(struct follower *f, void *userdata);
void follow_run(follow_fn fn, void *userdata);
/* To where pid's only thread runs. Whether it runs; one that does with real-time priority is not to
 * be followed: it would not let go of its CPU. */
bool follow(struct follower *f, pid_t pid);

#endif
