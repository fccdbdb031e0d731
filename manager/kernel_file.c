/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control files that the hierarchy underneath has itself, in each group's directory, and that mean
 * the same here: read and written there. None of a memory controller's. Reads on any thread,
 * without the lock; writes on the manager's loop.
 */
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "manager/manager_private.h"
#include "util/util.h"

/* release_agent is the longest. */
#define TEXT_MAX 4096

int group_read_kernel_file(struct manager *m, uint64_t id, const char *name, char **ret,
			   size_t *ret_len)
{
	cleanup_close int dir = group_open_dir(m, id);
	cleanup_free char *text = NULL;
	ssize_t len;

	if (dir < 0)
		return dir;
	text = malloc(TEXT_MAX + 1);
	if (!text)
		return -ENOMEM;
	len = read_file_at(dir, name, text, TEXT_MAX + 1);
	if (len < 0)
		return (int)len;
	*ret = text;
	*ret_len = (size_t)len;
	text = NULL;
	return 0;
}

int group_write_kernel_file(struct manager *m, struct group *g, const char *name, const char *text)
{
	cleanup_close int dir = -1;

	if (!strcmp(name, "release_agent"))
		return hierarchy_write_agent(m->hierarchy, text);
	dir = group_open_dir(m, group_id(g));
	return dir < 0 ? dir : write_file_at(dir, name, text, strlen(text));
}

static bool in_our_user_namespace(pid_t pid)
{
	struct stat ours, theirs;
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	return !stat(path, &theirs) && !stat("/proc/self/ns/user", &ours) &&
	       ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

bool caller_is_admin(const struct caller *c)
{
	static const char key[] = "\nCapEff:\t";
	char path[32], text[4096];
	const char *at;

	snprintf(path, sizeof(path), "%d/status", c->pid);
	if (proc_read(path, text, sizeof(text)) < 0)
		return false;
	at = strstr(text, key);
	return at && strtoull(at + strlen(key), NULL, 16) & (1ULL << CAP_SYS_ADMIN) &&
	       in_our_user_namespace(c->pid);
}
