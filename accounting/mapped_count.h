/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of page cache and shared memory that processes have mapped, by the slot they are charged
 * to: whoever mapped them, and however many did, each counts once and for its owner. Sizes in
 * pages; any thread.
 */
#ifndef MEMCGFS_MAPPED_COUNT_H
#define MEMCGFS_MAPPED_COUNT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "accounting/lease.h"

/*
 * nr_pages[slot] of LEASE_MAX_SLOTS; set. Costs 20 ms per GiB mapped, and some 50 us a process. Who
 * has gone meanwhile has nothing mapped. 0, -ENOMEM, or -EOPNOTSUPP: it is not known whose pages
 * are.
 */
int mapped_count(const struct lease *l, const pid_t *pids, size_t nr, uint64_t *nr_pages);

#endif
