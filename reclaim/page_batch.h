/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One batch of page-out: runs of one process's pages that one or two threads hand to
 * process_madvise(MADV_PAGEOUT). Addresses in bytes. page_batch_run is called on a worker's thread;
 * the lock is between it and its helper.
 */
#ifndef MEMCGFS_PAGE_BATCH_H
#define MEMCGFS_PAGE_BATCH_H

#include <pthread.h>

#include "reclaim/present_runs.h"

#define PAGE_BATCH_HUGE_BYTES (UINT64_C(1) << 21)

struct page_batch {
	int pidfd;
	struct vma_reader *vmas; /* of that process; under lock */
	struct page_run *runs;   /* used up; under lock */
	size_t nr, next;         /* under lock */
	uint64_t locked_end; /* end of the last mapping that could not be paged out; under lock */
	int error;           /* failure that ended it all; under lock */
	pthread_mutex_t lock;
};

/*
 * Page out the nr runs with nr_pages pages. What the process has unmapped or locked since they were
 * found is passed over. 0, or -ESRCH, -EPERM, -ENOSYS, … of process_madvise.
 */
int page_batch_run(struct page_batch *b, uint64_t nr_pages);

#endif
