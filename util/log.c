/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of the daemon: one line, one write(2), to stderr or to syslog. Any thread. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "util/log.h"
#include "util/util.h"

#define LOG_PREFIX   "memcgfs: "
#define LOG_LINE_MAX 2048 /* a group's name (1023 bytes) and text around it */

static bool syslog_on, verbose;

void log_target(bool to_syslog)
{
	if (to_syslog)
		openlog("memcgfs", LOG_PID, LOG_DAEMON);
	__atomic_store_n(&syslog_on, to_syslog, __ATOMIC_RELEASE);
}

void log_verbose(bool on)
{
	__atomic_store_n(&verbose, on, __ATOMIC_RELAXED);
}

/* Names of groups come from clients: a newline in one must not look like another message. */
static void make_printable(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
}

static void write_line(char *line, size_t len)
{
	ssize_t n;

	line[len++] = '\n';
	do {
		n = write(STDERR_FILENO, line, len);
	} while (n < 0 && errno == EINTR);
}

void log_message(int priority, const char *fmt, ...)
{
	char line[LOG_LINE_MAX + 1] = LOG_PREFIX; /* + 1: the newline */
	char *text = line + sizeof(LOG_PREFIX) - 1;
	int saved_errno = errno;
	va_list args;

	if (priority >= LOG_DEBUG && !__atomic_load_n(&verbose, __ATOMIC_RELAXED))
		return;
	va_start(args, fmt);
	if (vsnprintf(text, LOG_LINE_MAX - sizeof(LOG_PREFIX) + 1, fmt, args) < 0)
		*text = '\0';
	va_end(args);
	make_printable(text);
	if (__atomic_load_n(&syslog_on, __ATOMIC_ACQUIRE))
		syslog(priority, "%s", text);
	else
		write_line(line, strlen(line));
	errno = saved_errno;
}
