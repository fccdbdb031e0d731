/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes as people write and read them; bytes inside. Any thread. */
#ifndef MEMCGFS_CLI_SIZE_H
#define MEMCGFS_CLI_SIZE_H

#include <stdint.h>

#define SIZE_UNLIMITED UINT64_MAX
#define SIZE_TEXT      24 /* bytes that hold any uint64_t, or size_format()'s text, and a NUL */

/*
 * "64M", "1.5G", "100KiB", "4096", "4096B"; K, M, G, T, P, E are powers of 1024, in either case;
 * "max", "unlimited" and "-1" are SIZE_UNLIMITED. Fractions are rounded down to bytes. 0, -EINVAL,
 * -ERANGE.
 */
int size_parse(const char *text, uint64_t *ret_bytes);

/* "64M", "12.3M", "512B": about three digits and a unit; "max" from the kernel's
 * unlimited value on. */
void size_format(uint64_t bytes, char text[SIZE_TEXT]);

/* The value stands for "no limit" in a control file: LONG_MAX rounded down to pages, for any page
 * size up to 64 KiB. */
static inline int size_is_unlimited(uint64_t bytes)
{
	return bytes >= (uint64_t)INT64_MAX - 0xffff;
}

#endif
