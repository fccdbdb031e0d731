/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs of pages that a process has present and that MADV_PAGEOUT could take: PAGEMAP_SCAN where the
 * kernel has it (Linux 6.7), else /proc/PID/pagemap. Addresses in bytes. A scan belongs to one
 * thread at a time.
 */
#ifndef MEMCGFS_PRESENT_RUNS_H
#define MEMCGFS_PRESENT_RUNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "reclaim/vmas.h"

/* The kernel's struct page_region, so that PAGEMAP_SCAN fills it. */
struct page_run {
	uint64_t start, end;
	uint64_t categories; /* PAGE_RUN_HUGE or 0 */
};

#define PAGE_RUN_HUGE                                                              \
	(1U << 6) /* PAGE_IS_HUGE: mapped by a page-table entry of the level above \
		   */

struct present_scan {
	int pagemap_fd;
	unsigned kinds;
	bool by_ioctl;
	bool no_shmem; /* the process has none resident: no need to know where its shared mappings
			  are */
	struct vma_reader vmas;
};

/* kinds: enum page_out_kind, or'ed. 0 or -errno (-ESRCH: no such process). */
int present_scan_open(struct present_scan *s, pid_t pid, unsigned kinds);
void present_scan_close(struct present_scan *s);

/*
 * The next runs in [*pos, end), at most nr of them with at most max_pages pages. *pos moves to
 * where the next call goes on. Returns their number, 0 when *pos has reached end, or -errno.
 */
ssize_t present_scan_next(struct present_scan *s, uint64_t *pos, uint64_t end, uint64_t max_pages,
			  struct page_run *runs, size_t nr);

/* Where user-space addresses end. */
uint64_t present_scan_end(void);

#endif
