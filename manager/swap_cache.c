// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pages that were written to swap and are in memory still: on a swap file or partition most of
 * them, until the machine needs the memory; on zram none. The kernel's controller counts them as
 * memory and not as swap. Nothing tells of a page whether it is one of them, but the machine's sum
 * is known: what of it is not of pages that came back (slots in use that nobody's page table names)
 * is split over groups in proportion to what they have swapped out. So it is approximate, and it is
 * only told: page-out has done for the limit what it can. Any thread. Sizes in pages.
 */
#include <fcntl.h>

#include "manager/manager_private.h"
#include "util/util.h"

static uint64_t swapped_of_members(struct manager *m)
{
	uint64_t sum = 0;

	manager_rdlock(m);
	for (const struct group *g = manager_root(m)->children; g; g = g->hh.next)
		sum += bytes_to_pages(atomic_get(&g->record->swap_usage));
	manager_unlock(m);
	return sum;
}

uint64_t swap_cached_pages(struct manager *m, uint64_t swapped)
{
	uint64_t cached, used, came_back, all;
	char text[4096];

	if (!swapped || proc_read("meminfo", text, sizeof(text)) < 0)
		return 0;
	cached = bytes_to_pages(meminfo_kb(text, "\nSwapCached:") << 10);
	used = bytes_to_pages((meminfo_kb(text, "\nSwapTotal:") - meminfo_kb(text, "\nSwapFree:"))
			      << 10);
	if (!cached)
		return 0;
	all = MAX(swapped, swapped_of_members(m));
	came_back = used - MIN(used, all);
	cached -= MIN(cached, came_back);
	return (uint64_t)((double)MIN(cached, all) * (double)swapped / (double)all);
}

uint64_t usage_with_swap_cache(uint64_t usage, uint64_t cached, uint64_t limit)
{
	return MAX(usage, MIN(usage + cached, limit));
}
