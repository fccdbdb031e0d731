/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the kernel's tracepoints are described. Any thread. */
#ifndef MEMCGFS_TRACEFS_H
#define MEMCGFS_TRACEFS_H

#include <stdbool.h>

/* Directory descriptor of tracefs's events/, mounting tracefs detached (seen by nobody) where it is
 * not mounted; -errno. */
int tracefs_open_events(void);

/* perf id of "system/event", or -errno. */
int tracefs_event_id(int events_fd, const char *event);

/* Does the record of "system/event" have this field? */
bool tracefs_event_has_field(int events_fd, const char *event, const char *field);

#endif
