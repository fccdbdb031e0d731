// SPDX-License-Identifier: GPL-2.0-or-later
/* Who is to be attached: a thread's id in its writer's pid namespace, and whether that may be
 * moved. Any thread. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "manager/manager_private.h"
#include "manager/pid_namespace.h"
#include "util/util.h"

static const char *status_value(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? at + strlen(key) : NULL;
}

/* Who the thread is. 0, -ESRCH or -ENOMEM. */
static int target_read(pid_t tid, struct target *ret)
{
	const char *tgid, *uid, *state, *threads;
	cleanup_free char *text = malloc(STATUS_MAX_BYTES);
	char path[32];
	unsigned real, effective, saved;

	if (!text)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%d/status", tid);
	if (proc_read(path, text, STATUS_MAX_BYTES) < 0)
		return -ESRCH;
	tgid = status_value(text, "\nTgid:");
	uid = status_value(text, "\nUid:");
	state = status_value(text, "\nState:\t");
	threads = status_value(text, "\nThreads:");
	if (!tgid || !uid || !state || sscanf(uid, "%u %u %u", &real, &effective, &saved) != 3)
		return -ESRCH;
	*ret = (struct target){
		.tid = tid,
		.tgid = (pid_t)strtol(tgid, NULL, 10),
		.uid = real,
		.saved_uid = saved,
		.dead = *state == 'Z' && (!threads || strtol(threads, NULL, 10) <= 1),
	};
	return 0;
}

/* A memcgfs daemon at its limit would wait for itself. */
static bool is_daemon(pid_t tgid)
{
	struct stat ours, theirs;
	char path[32], comm[32];

	snprintf(path, sizeof(path), "%d/comm", tgid);
	if (proc_read(path, comm, sizeof(comm)) < 0 || strncmp(comm, "memcgfs", 7))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/exe", tgid);
	return !stat(path, &theirs) && !stat("/proc/self/exe", &ours) &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

int target_find(pid_t tid, const struct caller *c, struct target *ret)
{
	cleanup_close int ns = -1;
	int r;

	if (!tid) {
		tid = c->pid;
	} else {
		ns = pid_namespace_open(c->pid);
		if (ns < 0 && ns != -ENOENT)
			return ns;
		if (ns >= 0)
			tid = pid_from_namespace(ns, tid);
		if (tid <= 0)
			return -ESRCH;
	}
	r = target_read(tid, ret);
	if (r)
		return r;
	if (is_daemon(ret->tgid))
		return -EINVAL;
	/* As cgroup1_procs_write() in the kernel has it. */
	if (c->uid && c->uid != ret->uid && c->uid != ret->saved_uid)
		return -EACCES;
	return 0;
}
