/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state directory: in it one directory for each daemon's --name, locked for as long as that
 * daemon lives, with its state file. One thread.
 */
#ifndef MEMCGFS_STATEDIR_H
#define MEMCGFS_STATEDIR_H

#include <stdbool.h>

struct statedir;

/*
 * Create what is missing of DIR/NAME, with mode 0700, and lock it. dir NULL: /run/memcgfs, or
 * $XDG_RUNTIME_DIR/memcgfs without root. The lock is held until the last process that inherited it
 * has ended. 0, or -errno after one log_error().
 */
int statedir_open(struct statedir **ret, const char *dir, const char *name);
struct statedir *statedir_close(struct statedir *d); /* NULL-safe, returns NULL */

/* Path of the state file. */
const char *statedir_state_path(const struct statedir *d);
/* Whether statedir_open() made DIR/NAME: nothing of an earlier daemon's is in it. */
bool statedir_is_new(const struct statedir *d);
/* Remove the state file and DIR/NAME. */
void statedir_remove(struct statedir *d);

#endif
