/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who a thread is and what it is doing, as /proc/PID/task/TID tells it. Any thread. */
#ifndef MEMCGFS_TASK_STAT_H
#define MEMCGFS_TASK_STAT_H

#include <stdbool.h>
#include <sys/types.h>

#include "util/task_stat.h"

/* The whole text of the thread's status file, malloc'd. 0, -ESRCH, or -ENOMEM. */
int task_status_read(pid_t tgid, pid_t tid, char **ret);
/* Whether a signal has stopped the thread, and it is off its CPU. */
bool task_stands_still(pid_t tgid, pid_t tid);
/* Whether a SIGSTOP that was sent to the thread, not to its process, waits for it. */
bool task_has_stop_pending(pid_t tgid, pid_t tid);
/* Whether no thread of the process will run another user instruction. */
bool process_is_ending(pid_t tgid);

/* The process that a thread is of, and whether that is the first one of a pid namespace below ours.
 * 0, or -ESRCH. */
int task_identify(pid_t tid, pid_t *ret_tgid, bool *ret_is_init);

/* fn for each thread of the process; it ends the walk by returning non-zero. That, 0, -ESRCH, or
 * another -errno. */
typedef int (*task_fn)(pid_t tid, void *userdata);
int process_for_each_task(pid_t tgid, task_fn fn, void *userdata);

#endif
