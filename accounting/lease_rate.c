// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How fast the machine gives a thread fresh memory. Sizes in pages.
 * Thread: whichever starts the lease.
 */
#include <sys/mman.h>

#include "accounting/lease_private.h"
#include "util/util.h"

/*
 * The same 1 MiB again and again, each time for itself, and the fastest counts: it was not
 * interrupted. 16 take 3 ms where a page takes 0.7 us. Not so much memory that is new each time: in
 * a virtual machine that may be new to its host, too, and take 28 times as long (5 ms for 1 MiB),
 * which members that come after somebody else do not wait for.
 */
#define CHUNK_BYTES (1 << 20)
#define NR_ROUNDS   16

/*
 * And never less than this, whatever disturbed all of them: what the kernel took for a page on the
 * slowest machine seen, under load. Too much only means that groups come near earlier.
 */
#define SLOWEST_PAGE_NSEC 2500

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
	char *chunk =
		mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (chunk == MAP_FAILED)
		return 0;
	madvise(chunk, CHUNK_BYTES, MADV_NOHUGEPAGE);
	for (int i = 0; i < NR_ROUNDS; i++) {
		uint64_t took, begin = now_nsec();

		fill(chunk, page_bytes);
		took = now_nsec() - begin;
		fastest = MIN(fastest, took);
		madvise(chunk, CHUNK_BYTES, MADV_DONTNEED); /* the next gets the same pages */
	}
	munmap(chunk, CHUNK_BYTES);
	fastest = MIN(fastest, (uint64_t)(CHUNK_BYTES / page_bytes) * SLOWEST_PAGE_NSEC);
	return nsec * (uint64_t)(CHUNK_BYTES / page_bytes) * MARGIN / 100 / MAX(fastest, 1) + 1;
}
