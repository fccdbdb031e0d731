/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens a file by device and inode number alone: by handle where the file system can (ext2/3/4),
 * else through a descriptor or mapping of one of the given processes. On a worker's thread.
 */
#ifndef MEMCGFS_OPEN_INODE_H
#define MEMCGFS_OPEN_INODE_H

#include <stdint.h>
#include <sys/types.h>

#include "reclaim/reclaim.h"

#define OPEN_INODE_DEVICES 8 /* mounts kept open at once */

struct inode_opener {
	const struct reclaim_process *processes;
	size_t nr_processes;
	unsigned looks_left; /* descriptors and mappings that may still be looked at */
	unsigned nr_mounts;  /* ever opened; the slot is this modulo OPEN_INODE_DEVICES */
	struct {
		dev_t dev;
		int fd; /* -errno when there is no mount of dev */
	} mount[OPEN_INODE_DEVICES];
};

/* The processes must stay in place until inode_opener_close. */
void inode_opener_init(struct inode_opener *o, const struct reclaim_process *processes,
		       size_t nr_processes);
void inode_opener_close(struct inode_opener *o);

/* The regular file's descriptor, for reading; -ENOENT when it is not found, or another -errno. */
int inode_opener_open(struct inode_opener *o, dev_t dev, uint64_t ino);

/*
 * Device and mount point of one line of /proc/self/mountinfo. 0, -EINVAL or -ENAMETOOLONG.
 * Exposed for tests.
 */
int mountinfo_parse(const char *line, dev_t *ret_dev, char *ret_path, size_t size);

#endif
