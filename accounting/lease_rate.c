// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How fast the machine gives a thread fresh memory. Sizes in pages.
 * Thread: whichever starts the lease.
 */
#include <sys/mman.h>

#include "accounting/lease_private.h"
#include "util/util.h"

/* Each chunk is timed for itself, and the fastest counts: it was not interrupted. 16 x 1 MiB take 3
 * ms where a page takes 0.7 us. */
#define CHUNK_BYTES (1 << 20)
#define NR_CHUNKS   16

/* Percent: memory touched before comes 10 % faster than fresh memory. */
#define MARGIN 125

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/*
 * In one call, without a fault for each page, where the kernel can (5.14): no other way gives small
 * pages faster. (Huge ones come three times as fast; they are among what is charged within a tick.)
 */
static void fill(char *chunk, long page_bytes)
{
	if (!madvise(chunk, CHUNK_BYTES, MADV_POPULATE_WRITE))
		return;
	for (long at = 0; at < CHUNK_BYTES; at += page_bytes)
		*(volatile char *)(chunk + at) = 1;
}

uint64_t lease_rate_pages(uint64_t nsec)
{
	long page_bytes = sysconf(_SC_PAGESIZE);
	uint64_t fastest = UINT64_MAX;
	char *memory = mmap(NULL, NR_CHUNKS * CHUNK_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return 0;
	madvise(memory, NR_CHUNKS * CHUNK_BYTES, MADV_NOHUGEPAGE);
	for (int i = 0; i < NR_CHUNKS; i++) {
		uint64_t took, begin = now_nsec();

		fill(memory + i * CHUNK_BYTES, page_bytes);
		took = now_nsec() - begin;
		fastest = MIN(fastest, took);
	}
	munmap(memory, NR_CHUNKS * CHUNK_BYTES);
	return nsec * (uint64_t)(CHUNK_BYTES / page_bytes) * MARGIN / 100 / MAX(fastest, 1) + 1;
}
