/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: a perf ring's content, size and positions. The reader never goes back, nor past the
 * end. */
#include <stdlib.h>
#include <string.h>

#include "accounting/lease_ring.h"
#include "util/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The ring is what follows the two positions, cut to a power of two; on the heap, where a byte too
 * far is seen. */
static void *ring_of(const uint8_t *data, size_t size, size_t *ret_size)
{
	size_t ring_size = 8;
	void *ring;

	if (size < ring_size)
		return NULL;
	while (ring_size * 2 <= size)
		ring_size *= 2;
	ring = malloc(ring_size);
	if (ring)
		memcpy(ring, data, ring_size);
	*ret_size = ring_size;
	return ring;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lease_ring_record r;
	uint64_t tail, head, before;
	cleanup_free void *ring = NULL;
	size_t ring_size;
	uint16_t ahead;

	if (size < sizeof(tail) + sizeof(ahead))
		return 0;
	memcpy(&tail, data, sizeof(tail));
	memcpy(&ahead, data + sizeof(tail), sizeof(ahead));
	ring = ring_of(data + sizeof(tail) + sizeof(ahead), size - sizeof(tail) - sizeof(ahead),
		       &ring_size);
	if (!ring)
		return 0;
	head = tail + ahead;
	for (;;) {
		before = tail;
		if (!lease_ring_parse(ring, ring_size, head, &tail, &r))
			break;
		if (tail == before || tail - before > head - before || r.type > LEASE_RING_LOST)
			abort();
	}
	if (tail != head)
		abort();
	return 0;
}
