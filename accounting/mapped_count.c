// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Mapped pages by owner. Page cache is told by its page frame; shared memory, whose insertions
 * nothing tells of, by its file. A bitmap of page frames (CRoaring) counts each once. Any thread.
 */
#include <errno.h>
#include <string.h>

#include <roaring/roaring.h>

#include "accounting/mapped_count.h"
#include "accounting/page_walk.h"
#include "accounting/process_usage.h"
#include "util/util.h"

#define PAGES_AT_ONCE 512

struct census {
	const struct lease *lease;
	roaring_bitmap_t *seen;
	uint64_t *nr_pages;
};

static void page_count(struct census *c, uint32_t slot, const struct page_entry *page)
{
	if (slot && slot < LEASE_MAX_SLOTS && roaring_bitmap_add_checked(c->seen, page->frame))
		c->nr_pages[slot]++;
}

static void files_count(struct census *c, pid_t pid)
{
	struct page_entry pages[PAGES_AT_ONCE];
	struct page_walk w;
	ssize_t n;

	if (page_walk_open(&w, pid, PAGES_FILE))
		return;
	while ((n = page_walk_next(&w, pages, ARRAY_SIZE(pages))) > 0)
		for (ssize_t i = 0; i < n; i++)
			page_count(c, lease_page_owner(c->lease, pages[i].frame), &pages[i]);
	page_walk_close(&w);
}

struct mapping_count {
	struct census *census;
	struct page_walk *walk;
};

static void mapping_count(const struct shmem_mapping *mapping, void *userdata)
{
	struct mapping_count *x = userdata;
	uint32_t slot = lease_shmem_owner(x->census->lease, mapping->dev, mapping->ino);
	struct page_entry pages[PAGES_AT_ONCE];
	uint64_t done = 0;

	while (slot && done < mapping->nr_pages) {
		size_t want = MIN(mapping->nr_pages - done, (uint64_t)ARRAY_SIZE(pages));
		ssize_t n = page_walk_range(x->walk, mapping->vpn + done, want, pages);

		if (n < 0)
			return;
		for (ssize_t i = 0; i < n; i++)
			page_count(x->census, slot, &pages[i]);
		done += want;
	}
}

static void shmem_count(struct census *c, pid_t pid)
{
	struct page_walk w;

	if (page_walk_open(&w, pid, PAGES_FILE))
		return;
	process_shmem_mappings(pid, mapping_count,
			       &(struct mapping_count){.census = c, .walk = &w});
	page_walk_close(&w);
}

static void process_census(struct census *c, pid_t pid)
{
	cleanup_close int fd = process_usage_open(pid);
	struct process_usage u;

	if (fd < 0 || process_usage_read(fd, &u))
		return;
	if (u.rss_file)
		files_count(c, pid);
	if (u.rss_shmem)
		shmem_count(c, pid);
}

int mapped_count(const struct lease *l, const pid_t *pids, size_t nr, uint64_t *nr_pages)
{
	struct census c = {.lease = l, .nr_pages = nr_pages};

	if (!lease_knows_owners(l) || !page_frames_are_told())
		return -EOPNOTSUPP;
	c.seen = roaring_bitmap_create();
	if (!c.seen)
		return -ENOMEM;
	memset(nr_pages, 0, LEASE_MAX_SLOTS * sizeof(*nr_pages));
	for (size_t i = 0; i < nr; i++)
		process_census(&c, pids[i]);
	roaring_bitmap_free(c.seen);
	return 0;
}
