/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of /proc/PID/cgroup. No state; any thread. */
#ifndef MEMCGFS_CGROUP_LINE_H
#define MEMCGFS_CGROUP_LINE_H

/*
 * "N:CONTROLLERS:/PATH": the path below prefix ("" or "/a/b"), without the slash, if controller is
 * one of CONTROLLERS. NULL for another hierarchy's line, and for a path that is not below prefix.
 * Cuts the line's end off.
 */
const char *cgroup_line_path(char *line, const char *controller, const char *prefix);

#endif
