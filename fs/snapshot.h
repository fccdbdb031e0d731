/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text that an open file began to be read as, so that a reader who needs several reads, the one
 * that finds the end among them, sees one text. Kept by file handle, up to a fixed number of bytes;
 * what is not there, after a restart or because it made room, is made anew by the reader. Any
 * thread.
 */
#ifndef MEMCGFS_SNAPSHOT_H
#define MEMCGFS_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct snapshots;

int snapshots_new(struct snapshots **ret);
struct snapshots *snapshots_free(struct snapshots *s); /* NULL-safe, returns NULL */

/* Keep a copy of text for handle, in place of what was kept for it. Without memory for it nothing
 * is kept. */
void snapshot_put(struct snapshots *s, uint64_t handle, const char *text, size_t len);

/* A malloc'd copy of up to size bytes from offset; false: nothing is kept for handle. */
bool snapshot_get(struct snapshots *s, uint64_t handle, size_t offset, size_t size, char **ret,
		  size_t *ret_len);

void snapshot_drop(struct snapshots *s, uint64_t handle);

#endif
