// SPDX-License-Identifier: GPL-2.0-or-later
/* Text of tasks and cgroup.procs: what the kernel's hierarchy lists, in the reader's pids. Any
 * thread, without the lock. */
#include <stdio.h>
#include <string.h>

#include "manager/manager_private.h"
#include "manager/pid_namespace.h"
#include "util/util.h"

#define PID_TEXT_MAX 12 /* digits of a pid, and the newline */

static int compare_pids(const void *a, const void *b)
{
	const pid_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* 0 or -errno. */
static int translate(pid_t *pids, size_t nr, pid_t reader)
{
	cleanup_close int ns = pid_namespace_open(reader);

	if (ns < 0)
		return ns == -ENOENT ? 0 : ns;
	for (size_t i = 0; i < nr; i++)
		pids[i] = pid_in_namespace(ns, pids[i]);
	if (nr)
		qsort(pids, nr, sizeof(*pids), compare_pids);
	return 0;
}

/* The kernel's list, open: a group may be renamed, and its name be another's, while it is read. */
static int open_list(struct manager *m, uint64_t id, bool threads)
{
	cleanup_free char *path = NULL;
	const struct group *g;
	int r = -ENODEV;

	manager_rdlock(m);
	g = manager_group(m, id);
	if (g) {
		path = group_path(g);
		r = path ? hierarchy_open_list(m->hierarchy, path, threads) : -ENOMEM;
	}
	manager_unlock(m);
	return r;
}

int tasks_text(int fd, pid_t reader, char **ret, size_t *ret_len)
{
	cleanup_free pid_t *pids = NULL;
	size_t nr, len = 0;
	char *text;
	int r;

	r = hierarchy_read_list(fd, &pids, &nr);
	if (r)
		return r;
	r = translate(pids, nr, reader);
	if (r)
		return r;
	text = malloc(nr * PID_TEXT_MAX + 1);
	if (!text)
		return -ENOMEM;
	for (size_t i = 0; i < nr; i++)
		len += (size_t)sprintf(text + len, "%d\n", pids[i]);
	text[len] = 0;
	*ret = text;
	*ret_len = len;
	return 0;
}

int group_tasks(struct manager *m, uint64_t id, bool procs, pid_t reader, char **ret,
		size_t *ret_len)
{
	int fd = open_list(m, id, !procs);

	return fd < 0 ? fd : tasks_text(fd, reader, ret, ret_len);
}
