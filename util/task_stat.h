/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a thread is doing, as /proc/PID/task/TID/stat tells it. Any thread. */
#ifndef MEMCGFS_UTIL_TASK_STAT_H
#define MEMCGFS_UTIL_TASK_STAT_H

#include <stdbool.h>
#include <sys/types.h>

struct task_stat {
	char state;      /* R S D T t Z X … */
	bool ending;     /* on its way out (PF_EXITING) */
	int cpu;         /* that it runs on, or ran on; -1: not told */
	int rt_priority; /* 0: none */
};

/* 0, or -ESRCH. */
int task_stat_read(pid_t tgid, pid_t tid, struct task_stat *ret);
/* Parse the text of a stat file, whole or cut off after its flags. 0 or -EINVAL. */
int task_stat_parse(const char *text, struct task_stat *ret);

#endif
