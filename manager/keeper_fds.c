/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which descriptors a new keeper goes on with: it is a copy of the server, and what the server had
 * opened for itself must close when that dies, above all the pipe whose end continues what we
 * stopped. No allocation after keeper_fds_remember. One thread.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "manager/keeper_private.h"

typedef uint8_t fd_map[KEEPER_FD_BITS / 8];

static fd_map at_start;

static bool fd_is_marked(const fd_map map, unsigned fd)
{
	return map[fd / 8] & (1U << (fd % 8));
}

static void fd_mark(fd_map map, int fd)
{
	if (fd >= 0 && fd < KEEPER_FD_BITS)
		map[fd / 8] |= (uint8_t)(1U << (fd % 8));
}

int keeper_fds_remember(int except)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;

	if (!dir)
		return -errno;
	while ((e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] != '.' && fd != dirfd(dir) && fd != except)
			fd_mark(at_start, fd);
	}
	closedir(dir);
	return 0;
}

static void close_unmarked(const fd_map map)
{
	unsigned begin = 0;

	for (unsigned fd = 0; fd < KEEPER_FD_BITS; fd++) {
		if (!fd_is_marked(map, fd))
			continue;
		if (fd > begin)
			close_range(begin, fd - 1, 0);
		begin = fd + 1;
	}
	close_range(begin, ~0U, 0);
}

void keeper_fds_close_others(const int *own, size_t nr_own)
{
	static fd_map map;
	unsigned pos = 0;
	uint64_t id;
	int fd;

	memcpy(map, at_start, sizeof(map));
	for (size_t i = 0; i < nr_own; i++)
		fd_mark(map, own[i]);
	while (keeper_table_next(&pos, false, &id, &fd))
		fd_mark(map, fd);
	close_unmarked(map);
}
