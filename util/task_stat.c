// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/task_stat.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "util/util.h"

#define PF_EXITING 0x4 /* of include/linux/sched.h; the same since Linux 2.4 */

/* Of linux/Documentation/filesystems/proc.rst, counted from the state, which is 0. */
#define FIELD_CPU 36 /* the real-time priority after it */

static void parse_cpu(const char *at, struct task_stat *st)
{
	int cpu, rt_priority;

	for (int field = 0; at && field < FIELD_CPU; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, "%d %d", &cpu, &rt_priority) != 2)
		return;
	st->cpu = cpu;
	st->rt_priority = rt_priority;
}

int task_stat_parse(const char *text, struct task_stat *ret)
{
	const char *end = strrchr(text, ')'); /* of the name, which may be anything */
	struct task_stat st = {.cpu = -1};
	unsigned flags;

	/* state ppid pgrp session tty tpgid flags */
	if (!end || sscanf(end + 1, " %c %*d %*d %*d %*d %*d %u", &st.state, &flags) != 2)
		return -EINVAL;
	st.ending = flags & PF_EXITING;
	parse_cpu(end + 1 + strspn(end + 1, " "), &st);
	*ret = st;
	return 0;
}

int task_stat_read(pid_t tgid, pid_t tid, struct task_stat *ret)
{
	char path[48], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", tgid, tid);
	if (read_file_at(AT_FDCWD, path, text, sizeof(text)) <= 0 || task_stat_parse(text, ret))
		return -ESRCH;
	return 0;
}
