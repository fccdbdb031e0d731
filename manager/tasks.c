// SPDX-License-Identifier: GPL-2.0-or-later
/* Text of tasks and cgroup.procs: what the kernel's hierarchy lists, in the reader's pids. Any
 * thread, under the read lock. */
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
	qsort(pids, nr, sizeof(*pids), compare_pids);
	return 0;
}

int group_tasks(struct manager *m, struct group *g, bool procs, pid_t reader, char **ret,
		size_t *ret_len)
{
	cleanup_free char *path = group_path(g);
	cleanup_free pid_t *pids = NULL;
	size_t nr, len = 0;
	char *text;
	int r;

	if (!path)
		return -ENOMEM;
	r = hierarchy_read(m->hierarchy, path, !procs, &pids, &nr);
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
