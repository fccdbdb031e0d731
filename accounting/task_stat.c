// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading /proc/PID/task and what is in it. Any thread. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "accounting/process_usage.h"
#include "accounting/task_stat.h"
#include "util/util.h"

bool task_stands_still(pid_t tgid, pid_t tid)
{
	struct task_stat st;

	return !task_stat_read(tgid, tid, &st) && st.state == 'T';
}

int task_status_read(pid_t tgid, pid_t tid, char **ret)
{
	cleanup_free char *text = malloc(STATUS_MAX_BYTES);
	char path[48];

	if (!text)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", tgid, tid);
	if (read_file_at(AT_FDCWD, path, text, STATUS_MAX_BYTES) <= 0)
		return -ESRCH;
	*ret = text;
	text = NULL;
	return 0;
}

bool task_has_stop_pending(pid_t tgid, pid_t tid)
{
	cleanup_free char *text = NULL;
	const char *pending;

	if (task_status_read(tgid, tid, &text))
		return false;
	pending = strstr(text, "\nSigPnd:\t");
	return pending &&
	       strtoull(pending + strlen("\nSigPnd:\t"), NULL, 16) & 1ULL << (SIGSTOP - 1);
}

int process_for_each_task(pid_t tgid, task_fn fn, void *userdata)
{
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
			r = fn(tid, userdata);
	}
	closedir(dir);
	return r;
}

static int is_alive(pid_t tid, void *userdata)
{
	const pid_t *tgid = userdata;
	struct task_stat st;

	return !task_stat_read(*tgid, tid, &st) && !st.ending;
}

bool process_is_ending(pid_t tgid)
{
	int r = process_for_each_task(tgid, is_alive, &tgid);

	return !r || r == -ESRCH;
}

int task_identify(pid_t tid, pid_t *ret_tgid, bool *ret_is_init)
{
	const char *tgid, *nspid, *last;
	cleanup_free char *text = NULL;
	int r = task_status_read(tid, tid, &text);

	if (r)
		return r;
	tgid = strstr(text, "\nTgid:\t");
	nspid = strstr(text, "\nNStgid:\t");
	if (!tgid)
		return -ESRCH;
	*ret_tgid = (pid_t)strtol(tgid + strlen("\nTgid:\t"), NULL, 10);
	*ret_is_init = false;
	if (!nspid)
		return 0;
	/* One number for each namespace, the innermost last. */
	nspid += strlen("\nNStgid:\t");
	last = nspid + strcspn(nspid, "\n");
	*ret_is_init = last - nspid > 2 && last[-1] == '1' && last[-2] == '\t';
	return 0;
}
