/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory pressure: how much of what was looked at could be got back, averaged over a window, as in
 * the vmpressure patch of 2012 and mm/vmpressure.c. In pages. Any thread; no state of its own.
 */
#ifndef MEMCGFS_PRESSURE_H
#define MEMCGFS_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

enum pressure_level { PRESSURE_LOW, PRESSURE_MEDIUM, PRESSURE_CRITICAL, PRESSURE_NR_LEVELS };

/* Pages scanned before there is a level: SWAP_CLUSTER_MAX * 16. */
#define PRESSURE_WINDOW (32 * 16)

struct pressure_window {
	uint64_t scanned, reclaimed;
};

/* Reclaim looked at so many pages and got so many back. True when that fills the window: *ret is
 * its level, and another one begins. */
bool pressure_add(struct pressure_window *w, uint64_t scanned, uint64_t reclaimed,
		  enum pressure_level *ret);

#endif
