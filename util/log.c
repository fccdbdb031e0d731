/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of the daemon: one line, one write(2), to stderr or to syslog. Any thread. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
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

void log_detach(int null_fd)
{
	log_target(true);
	for (int fd = 0; fd <= 2; fd++)
		dup2(null_fd, fd);
}

/* ---- in a signal handler ---- */

/* As much of text as there is room for. The new length. */
static size_t append(char *line, size_t len, size_t size, const char *text)
{
	while (*text && len < size)
		line[len++] = *text++;
	return len;
}

/* syslog(3) may not be called here: a datagram of our own. */
static void send_to_syslog(const char *line, size_t len)
{
	static const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = _PATH_LOG};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	sendto(fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&address,
	       sizeof(address));
	close(fd);
}

#define HANDLER_LINE_MAX 256
#define SYSLOG_PREFIX    "<27>" LOG_PREFIX /* LOG_DAEMON | LOG_ERR */

void log_from_handler(const char *const text[])
{
	bool to_syslog = __atomic_load_n(&syslog_on, __ATOMIC_ACQUIRE);
	char line[HANDLER_LINE_MAX + 1]; /* + 1: the newline */
	size_t len = append(line, 0, HANDLER_LINE_MAX, to_syslog ? SYSLOG_PREFIX : LOG_PREFIX);
	int saved_errno = errno;

	for (; *text; text++)
		len = append(line, len, HANDLER_LINE_MAX, *text);
	if (to_syslog)
		send_to_syslog(line, len);
	else
		write_line(line, len);
	errno = saved_errno;
}
