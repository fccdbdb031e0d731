/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory that the tree is mounted on: is it fit, and is it cleared in the end. One thread.
 */
#ifndef MEMCGFS_MOUNTPOINT_H
#define MEMCGFS_MOUNTPOINT_H

/* The absolute path of a directory that no memcgfs is mounted on, malloc'd. 0, or -errno after one
 * log_error(). */
int mountpoint_resolve(char **ret, const char *path);

/* Unmount the tree if it is still mounted there: at once, whoever uses it. */
void mountpoint_clear(const char *path);

#endif
