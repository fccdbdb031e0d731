/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command of `memcgctl run`: a child that is in its group before its first instruction.
 * Single-threaded. */
#ifndef MEMCGFS_CLI_COMMAND_H
#define MEMCGFS_CLI_COMMAND_H

#include <sys/types.h>

#include "cli/group.h"
#include "cli/signals.h"

/* As a shell has them. */
#define COMMAND_NOT_FOUND      127
#define COMMAND_NOT_EXECUTABLE 126
#define COMMAND_SIGNAL         128

/*
 * Start argv in g. mount: when not NULL, what the command finds in MEMCGFS_MOUNT. *ret_pid is a
 * child to be waited for with command_wait(). It shares the process group, and with it the
 * terminal. 0, or -errno after one line.
 */
int command_start(pid_t *ret_pid, const struct group *g, char *const *argv,
		  const struct signals *signals, const char *mount);

/*
 * Wait for its end, not for stops: those that hold it to a limit are nobody's business here.
 * Signals that were sent to this process alone are passed on. The exit status as a shell has it.
 */
int command_wait(pid_t pid, const struct signals *signals);

#endif
