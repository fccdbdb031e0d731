/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What every helper program of the integration tests needs. */
#ifndef MEMCGFS_TEST_HELPER_H
#define MEMCGFS_TEST_HELPER_H

#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAGE_BYTES    4096
#define MIB           (1024UL * 1024UL)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* One line to the test that started us, at once. */
static inline void say(const char *line)
{
	dprintf(STDOUT_FILENO, "%s\n", line);
}

/* Wait for a line, or the end, of stdin. Reads byte by byte: nothing meant for somebody else is
 * taken. */
static inline void await_line(void)
{
	char c;
	ssize_t n;

	do {
		n = read(STDIN_FILENO, &c, 1);
	} while ((n < 0 && errno == EINTR) || (n == 1 && c != '\n'));
}

static inline unsigned long number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 0);

	if (!*text || *end)
		errx(2, "%s: not a number", text);
	return n;
}

#endif
