// SPDX-License-Identifier: GPL-2.0-or-later
/* The split of a shortfall (split.h). In bytes and chunks; no state, any thread. */
#include "shrinker/split.h"

#include <stdbool.h>

#include "util/util.h"

/*
 * Clients choose chunks and their size: products need more than 64 bits. Nobody has more than 2^63
 * bytes, so that the product of two sizes fits.
 */
__extension__ typedef __int128 wide;

static wide offered_bytes(const struct shrinker_offer *o)
{
	return MIN((wide)o->chunks * o->chunk_bytes, (wide)INT64_MAX);
}

/* Its whole chunks of `quota` bytes; the rest into carry_bytes, which may be more than a chunk if
 * it has no more to give. */
static wide take_whole_chunks(struct shrinker_offer *o, wide quota)
{
	wide chunks = quota > 0 ? quota / o->chunk_bytes : 0;

	o->ask = (uint64_t)MIN(chunks, (wide)o->chunks);
	quota -= (wide)o->ask * o->chunk_bytes;
	o->carry_bytes =
		(int64_t)MAX(MIN(quota, (wide)o->chunk_bytes - 1), 1 - (wide)o->chunk_bytes);
	return (wide)o->ask * o->chunk_bytes;
}

/* Is a's remainder the larger part of a chunk of its own? */
static bool is_larger(const struct shrinker_offer *a, const struct shrinker_offer *b)
{
	return (wide)a->carry_bytes * b->chunk_bytes > (wide)b->carry_bytes * a->chunk_bytes;
}

/* Who is to give one chunk more, if that is not more than is wanted; NULL: nobody. */
static struct shrinker_offer *find_largest(struct shrinker_offer *offers, size_t nr, wide left)
{
	struct shrinker_offer *best = NULL;

	for (size_t i = 0; i < nr; i++) {
		struct shrinker_offer *o = &offers[i];

		if (o->carry_bytes <= 0 || o->ask == o->chunks || o->chunk_bytes > left)
			continue;
		if (!best || is_larger(o, best))
			best = o;
	}
	return best;
}

uint64_t shrinker_split(struct shrinker_offer *offers, size_t nr, uint64_t bytes)
{
	wide total = 0, wanted, left, asked = 0;
	struct shrinker_offer *o;

	for (size_t i = 0; i < nr; i++)
		total += offered_bytes(&offers[i]);
	wanted = left = MIN((wide)MIN(bytes, (uint64_t)INT64_MAX), total);
	for (size_t i = 0; i < nr; i++) {
		wide quota = total ? wanted * offered_bytes(&offers[i]) / total : 0;

		left += offers[i].carry_bytes;
		asked += take_whole_chunks(&offers[i], quota + offers[i].carry_bytes);
	}
	left -= asked;
	while ((o = find_largest(offers, nr, left))) {
		o->ask++;
		o->carry_bytes -= (int64_t)o->chunk_bytes;
		left -= o->chunk_bytes;
		asked += o->chunk_bytes;
	}
	return (uint64_t)MIN(asked, (wide)UINT64_MAX);
}
