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

/*
 * A line for cgroup.event_control: "<eventfd> <descriptor>[ <arguments>]", one blank between them,
 * white space around all of it dropped (in text, which arguments then point into). Numbers are
 * decimal; what no descriptor can be is INT_MAX. -EINVAL.
 */
struct event_control {
	int eventfd, control_file;
	const char *arguments; /* "" if there are none */
};
int parse_event_control(char *text, struct event_control *ret);

/* Which of nr words it is, white space around it dropped. -EINVAL. */
int parse_word(const char *text, const char *const *words, size_t nr);

/* Two percentages with white space between and around them, digits as above. -EINVAL, -ERANGE. */
int parse_watermarks(const char *text, uint64_t *ret_high, uint64_t *ret_low);
/*
 * A line for mempressure.shrinker: "<eventfd> <chunks>", decimal, the second with an optional sign;
 * white space around and between. -EINVAL, -ERANGE.
 */
int parse_shrinker(const char *text, int *ret_eventfd, int64_t *ret_chunks);

#endif
