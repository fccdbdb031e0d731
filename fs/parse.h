/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers as the kernel's control files take them. Text ends at its NUL. 0, or -errno with *ret
 * untouched. Any thread.
 */
#ifndef MEMCGFS_PARSE_H
#define MEMCGFS_PARSE_H

#include <stdint.h>
#include <sys/types.h>

/*
 * A size: white space around it is dropped; "-1" is unlimited; else digits (0x: hex, 0: octal; none
 * at all: 0) and at most one suffix of kKmMgGtTpPeE. Arithmetic is modulo 2^64 as in memparse(),
 * then capped at LIMIT_MAX_BYTES; not rounded to pages. -EINVAL.
 */
int parse_bytes(const char *text, uint64_t *ret);

/* A small setting, as kstrtoull() does it: optional +, digits (0x, 0), optional newline. -EINVAL,
 * -ERANGE. */
int parse_u64(const char *text, uint64_t *ret);

/* A pid, white space around it dropped, as kstrtoint() does it; 0 stands for the writer. -EINVAL
 * also when out of range. */
int parse_pid(const char *text, pid_t *ret);

#endif
