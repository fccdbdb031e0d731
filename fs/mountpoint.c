/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mount point before and after: what lies on it is read from /proc/self/mounts. One thread. */
#include <errno.h>
#include <mntent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "fs/mountpoint.h"
#include "util/log.h"
#include "util/util.h"

/* Whether the uppermost mount on path is a tree of ours: the last line that names it. */
static bool has_tree(const char *path)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	bool found = false;
	struct mntent *e;

	if (!f)
		return false;
	while ((e = getmntent(f)))
		if (strcmp(e->mnt_dir, path) == 0)
			found = strcmp(e->mnt_type, "fuse.memcgfs") == 0;
	endmntent(f);
	return found;
}

/* err, after one log_error(). */
static int log_unusable(const char *path, int err)
{
	if (err == -ENOTCONN || err == -ECONNABORTED)
		log_error("on %s lies a mount whose server has died: umount it first", path);
	else
		log_error("cannot use the mount point %s: %s", path, strerror(-err));
	return err;
}

int mountpoint_resolve(char **ret, const char *path)
{
	cleanup_free char *real = realpath(path, NULL);
	struct stat st;

	if (!real || stat(real, &st) < 0)
		return log_unusable(path, -errno);
	if (!S_ISDIR(st.st_mode))
		return log_unusable(path, -ENOTDIR);
	if (has_tree(real)) {
		log_error("a memcgfs is already mounted on %s", real);
		return -EBUSY;
	}
	*ret = real;
	real = NULL;
	return 0;
}

void mountpoint_clear(const char *path)
{
	if (!has_tree(path) || umount2(path, UMOUNT_NOFOLLOW) == 0)
		return;
	if (umount2(path, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
		log_warning("cannot unmount %s, ignoring: %m", path);
}
