/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shortfall of memory, split over those who can free some: in proportion to what they offer, in
 * whole chunks, by largest remainder (Hamilton's method), and what no whole chunk was asked for is
 * carried over to the next time. Plain numbers in and out; any thread.
 */
#ifndef MEMCGFS_SPLIT_H
#define MEMCGFS_SPLIT_H

#include <stddef.h>
#include <stdint.h>

struct shrinker_offer {
	uint64_t chunks;      /* in: that it could free */
	uint64_t chunk_bytes; /* in: at least 1, at most INT64_MAX */
	int64_t carry_bytes;  /* in and out: its part of earlier shortfalls that was not asked for;
				 below 0: asked for in advance. Less than a chunk either way. 0 at
				 first */
	uint64_t ask;         /* out: chunks, not more than it offers */
};

/* Bytes asked for: less than a chunk each away from what was wanted, or all there is. */
uint64_t shrinker_split(struct shrinker_offer *offers, size_t nr, uint64_t bytes);

#endif
