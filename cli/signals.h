/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The signals that would end a run half way: held back and read from a descriptor. Single-threaded
 * process. */
#ifndef MEMCGFS_CLI_SIGNALS_H
#define MEMCGFS_CLI_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

struct signals {
	sigset_t before; /* mask to give back to a child */
	int fd;          /* signalfd; -1: not held */
};

/*
 * Hold SIGHUP, SIGINT, SIGQUIT and SIGTERM, except those that the caller ignores (nohup, a
 * background job). SIGPIPE is held too, but never read: a reader of our messages that is gone is no
 * reason to leave things behind. 0 or -errno.
 */
int signals_hold(struct signals *ret);

/* In a child, before exec: the mask as it was. */
void signals_give_back(const struct signals *s);

void signals_close(struct signals *s); /* NULL-safe; they stay blocked: what is pending does not end
					  the exit */

/* The next held signal, or 0. *ret_from_process: sent by kill(2), not by the terminal to the whole
 * foreground group. */
int signals_next(const struct signals *s, bool *ret_from_process);

#endif
