// SPDX-License-Identifier: GPL-2.0-or-later
/* mount(2) of the tree, and the options that come with it. Called by the keeper, before any thread.
 */
#include "fs/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "util/log.h"
#include "util/util.h"

struct mount_options {
	unsigned long flags; /* MS_* */
	bool allow_other, default_permissions;
};

struct flag {
	const char *name;
	unsigned long flags;
	bool on;
};

static const struct flag flags[] = {
	{"defaults", 0, true},
	{"ro", MS_RDONLY, true},
	{"rw", MS_RDONLY, false},
	{"nosuid", MS_NOSUID, true},
	{"suid", MS_NOSUID, false},
	{"nodev", MS_NODEV, true},
	{"dev", MS_NODEV, false},
	{"noexec", MS_NOEXEC, true},
	{"exec", MS_NOEXEC, false},
	{"sync", MS_SYNCHRONOUS, true},
	{"async", MS_SYNCHRONOUS, false},
	{"dirsync", MS_DIRSYNC, true},
	{"noatime", MS_NOATIME, true},
	{"atime", MS_NOATIME, false},
	{"nodiratime", MS_NODIRATIME, true},
	{"diratime", MS_NODIRATIME, false},
	{"relatime", MS_RELATIME, true},
	{"norelatime", MS_RELATIME, false},
	{"strictatime", MS_STRICTATIME, true},
	{"nostrictatime", MS_STRICTATIME, false},
	{"lazytime", MS_LAZYTIME, true},
	{"nolazytime", MS_LAZYTIME, false},
};

static int parse_option(struct mount_options *o, const char *name)
{
	if (strcmp(name, "allow_other") == 0) {
		o->allow_other = true;
		return 0;
	}
	if (strcmp(name, "default_permissions") == 0) {
		o->default_permissions = true;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (strcmp(flags[i].name, name) != 0)
			continue;
		if (flags[i].on)
			o->flags |= flags[i].flags;
		else
			o->flags &= ~flags[i].flags;
		return 0;
	}
	log_error("unknown mount option '%s'", name);
	return -EINVAL;
}

static int parse_options(struct mount_options *o, const char *options)
{
	cleanup_free char *copy = strdup(options ? options : "");
	char *rest = copy, *name;
	int r = 0;

	if (!copy) {
		log_error("cannot mount: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	while (r == 0 && (name = strsep(&rest, ",")))
		if (*name)
			r = parse_option(o, name);
	return r;
}

static int open_device(void)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int r = -errno;

	if (fd >= 0)
		return fd;
	log_error("cannot open /dev/fuse: %s%s", strerror(-r),
		  r == -ENOENT || r == -ENODEV ? " (is the kernel module fuse loaded?)" : "");
	return r;
}

/* Nobody serves it yet: the kernel is not to ask. */
static int mount_device(const char *mountpoint, dev_t *ret)
{
	struct statx st;

	if (statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC, STATX_TYPE, &st))
		return -errno;
	*ret = makedev(st.stx_dev_major, st.stx_dev_minor);
	return 0;
}

int fs_mount(const char *mountpoint, const char *options, dev_t *ret_dev)
{
	bool root = geteuid() == 0;
	/* As cgroupfs is mounted; and for root, who may come in is what the files' modes say. */
	struct mount_options o = {MS_NOSUID | MS_NODEV | MS_NOEXEC, root, root};
	cleanup_close int fd = -1;
	char data[128];
	int r = parse_options(&o, options);

	if (r < 0)
		return r;
	fd = open_device();
	if (fd < 0)
		return fd;
	snprintf(data, sizeof(data), "fd=%d,rootmode=40755,user_id=%u,group_id=%u%s%s", fd,
		 geteuid(), getegid(), o.default_permissions ? ",default_permissions" : "",
		 o.allow_other ? ",allow_other" : "");
	if (mount("memcgfs", mountpoint, "fuse.memcgfs", o.flags, data) < 0) {
		r = -errno;
		log_error("cannot mount on %s: %s%s", mountpoint, strerror(-r),
			  r == -EPERM ? " (mounting needs root)" : "");
		return r;
	}
	r = mount_device(mountpoint, ret_dev);
	if (r < 0) {
		log_error("cannot look at the mount on %s: %s", mountpoint, strerror(-r));
		umount2(mountpoint, MNT_DETACH);
		return r;
	}
	r = fd;
	fd = -1;
	return r;
}
