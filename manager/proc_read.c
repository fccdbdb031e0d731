// SPDX-License-Identifier: GPL-2.0-or-later
/* Small files below /proc. Any thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "accounting/task_stat.h"
#include "manager/manager_private.h"
#include "util/util.h"

ssize_t proc_read(const char *path, char *buf, size_t size)
{
	char full[96];

	snprintf(full, sizeof(full), "/proc/%s", path);
	return read_file_at(AT_FDCWD, full, buf, size);
}

struct tids {
	pid_t *tid;
	size_t nr, room;
};

static int tids_append(pid_t tid, void *userdata)
{
	struct tids *all = userdata;

	if (all->nr == all->room) {
		size_t bigger = all->room ? 2 * all->room : 16;
		pid_t *p = reallocarray(all->tid, bigger, sizeof(*p));

		if (!p)
			return -ENOMEM;
		all->tid = p;
		all->room = bigger;
	}
	all->tid[all->nr++] = tid;
	return 0;
}

int proc_tasks(pid_t tgid, pid_t **ret, size_t *ret_nr)
{
	struct tids all = {};
	int r = process_for_each_task(tgid, tids_append, &all);

	if (r) {
		free(all.tid);
		return r;
	}
	*ret = all.tid;
	*ret_nr = all.nr;
	return 0;
}
