// SPDX-License-Identifier: GPL-2.0-or-later
/* Small files below /proc. Any thread. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "manager/manager_private.h"
#include "util/util.h"

ssize_t proc_read(const char *path, char *buf, size_t size)
{
	char full[96];

	snprintf(full, sizeof(full), "/proc/%s", path);
	return read_file_at(AT_FDCWD, full, buf, size);
}

static int tids_append(pid_t **tids, size_t *nr, size_t *room, pid_t tid)
{
	if (*nr == *room) {
		size_t bigger = *room ? 2 * *room : 16;
		pid_t *p = reallocarray(*tids, bigger, sizeof(*p));

		if (!p)
			return -ENOMEM;
		*tids = p;
		*room = bigger;
	}
	(*tids)[(*nr)++] = tid;
	return 0;
}

int proc_tasks(pid_t tgid, pid_t **ret, size_t *ret_nr)
{
	cleanup_free pid_t *tids = NULL;
	size_t nr = 0, room = 0;
	char path[32];
	DIR *dir;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", tgid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	for (struct dirent *e; !r && (e = readdir(dir));) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);

		if (tid > 0)
			r = tids_append(&tids, &nr, &room, tid);
	}
	closedir(dir);
	if (r)
		return r;
	*ret = tids;
	*ret_nr = nr;
	tids = NULL;
	return 0;
}
