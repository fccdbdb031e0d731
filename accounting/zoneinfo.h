/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much memory the machine has, by page frame. Any thread. */
#ifndef MEMCGFS_ZONEINFO_H
#define MEMCGFS_ZONEINFO_H

#include <stdint.h>

/* One more than the highest page frame of any zone, as /proc/zoneinfo has it; 0: not told. */
uint64_t zoneinfo_end(void);
/* The same of its text. Exposed for tests and fuzzing. */
uint64_t zoneinfo_parse_end(const char *text);

#endif
