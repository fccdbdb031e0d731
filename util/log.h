/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages of the daemon: to stderr in the foreground, to syslog in the background. Any thread. */
#ifndef MEMCGFS_LOG_H
#define MEMCGFS_LOG_H

#include <stdbool.h>

/* to_syslog: false writes "memcgfs: MESSAGE" lines to stderr (the default). */
void log_target(bool to_syslog);

/* priority: LOG_ERR, LOG_WARNING, LOG_INFO or LOG_DEBUG of <syslog.h>. No newline at the end of
 * fmt. */
void log_message(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* LOG_DEBUG messages are dropped unless this was called with true. */
void log_verbose(bool on);

/*
 * One LOG_ERR line of text[], which NULL ends, as log_message() would write it; may be called in a
 * signal handler.
 */
void log_from_handler(const char *const text[]);

/* Let go of the terminal: messages go to syslog, and stdin, stdout and stderr to null_fd. */
void log_detach(int null_fd);

#define log_error(...)   log_message(3, __VA_ARGS__)
#define log_warning(...) log_message(4, __VA_ARGS__)
#define log_info(...)    log_message(6, __VA_ARGS__)
#define log_debug(...)   log_message(7, __VA_ARGS__)

#endif
