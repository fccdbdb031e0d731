/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The hierarchy of the kernel's memory controller, where it is mounted already: found, opened, and
 * left as it is, but that its root's owner may write to it. The keeper's thread.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <libmount.h>

#include "manager/hierarchy_private.h"
#include "util/log.h"
#include "util/util.h"

#define CONTROLLER "memory"

/* What lies uppermost on mountpoint, from table. NULL: no mount begins there. */
static struct libmnt_fs *find_mount(struct libmnt_table *table, const char *mountpoint)
{
	cleanup_free struct libmnt_iter *iter = mnt_new_iter(MNT_ITER_FORWARD);
	struct libmnt_fs *fs;
	struct statx stx;

	if (!iter || statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0 ||
	    !(stx.stx_attributes & STATX_ATTR_MOUNT_ROOT))
		return NULL;
	while (mnt_table_next_fs(table, iter, &fs) == 0)
		if ((uint64_t)mnt_fs_get_id(fs) == stx.stx_mnt_id)
			return fs;
	return NULL;
}

static bool has_controller(struct libmnt_fs *fs)
{
	const char *type = mnt_fs_get_fstype(fs), *options = mnt_fs_get_fs_options(fs);

	return type && options && strcmp(type, "cgroup") == 0 &&
	       mnt_optstr_get_option(options, CONTROLLER, NULL, NULL) == 0;
}

/* Path of the mount's root in the hierarchy, malloc'd, "" for the hierarchy's own. -ENOENT: no such
 * mount. */
static int find_root(const char *mountpoint, char **ret)
{
	struct libmnt_table *table = mnt_new_table_from_file("/proc/self/mountinfo");
	struct libmnt_fs *fs = table ? find_mount(table, mountpoint) : NULL;
	const char *root = fs && has_controller(fs) ? mnt_fs_get_root(fs) : NULL;
	char *copy = NULL;
	int err = table ? -ENOENT : -ENOMEM;

	if (root) {
		copy = strdup(strcmp(root, "/") == 0 ? "" : root);
		err = copy ? 0 : -ENOMEM;
	}
	mnt_unref_table(table);
	if (copy)
		*ret = copy;
	return err;
}

bool hierarchy_over_is_at(const char *mountpoint)
{
	cleanup_free char *root = NULL;

	return find_root(mountpoint, &root) == 0;
}

static const struct hierarchy_kind kind = {.shared = true};

static int open_over(struct hierarchy **ret, const char *mountpoint)
{
	cleanup_free char *root = NULL;
	int err = find_root(mountpoint, &root);

	if (err < 0)
		return err;
	/* Whose members these are /proc/PID/cgroup does not tell us. */
	if (strncmp(root, "/..", 3) == 0)
		return -EXDEV;
	return hierarchy_new(ret, &kind, mountpoint, CONTROLLER, root);
}

int hierarchy_open_over(struct hierarchy **ret, const char *mountpoint)
{
	int err = open_over(ret, mountpoint);

	switch (-err) {
	case 0:
		break;
	case ENOENT:
		log_error("no cgroup v1 memory controller is mounted on %s, which --hierarchy=over "
			  "lies over",
			  mountpoint);
		break;
	case EWOULDBLOCK:
		log_error("another daemon has the memory hierarchy on %s", mountpoint);
		break;
	case EXDEV:
		log_error("the memory hierarchy on %s is outside of this cgroup namespace",
			  mountpoint);
		break;
	default:
		log_error("cannot open the memory hierarchy on %s: %s", mountpoint, strerror(-err));
	}
	return err;
}
