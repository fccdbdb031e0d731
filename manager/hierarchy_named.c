/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A named hierarchy without controllers: mounted at the start, unmounted at the end, and then seen
 * to that the kernel lets go of it. The keeper's thread.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "manager/hierarchy_private.h"
#include "util/log.h"
#include "util/util.h"

static const char *name_of(const struct hierarchy *h)
{
	return h->controller + strlen("name=");
}

/* The mount's id without asking its server for anything: over it may lie a FUSE mount that nobody
 * serves. */
static int mount_id(int dirfd, const char *path, uint64_t *ret)
{
	struct statx stx;
	int flags = AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH;

	if (statx(dirfd, path, flags, STATX_MNT_ID, &stx) < 0)
		return -errno;
	*ret = stx.stx_mnt_id;
	return 0;
}

/* Does the kernel still have it? */
static bool hierarchy_lives(struct hierarchy *h)
{
	char *path;

	if (hierarchy_of(h, getpid(), &path) < 0)
		return false;
	free(path);
	return true;
}

static bool hierarchy_is_empty(struct hierarchy *h)
{
	cleanup_free char **names = NULL;
	size_t nr = 0;

	if (hierarchy_children(h, "", &names, &nr) < 0)
		return false;
	for (size_t i = 0; i < nr; i++)
		free(names[i]);
	return nr == 0;
}

/*
 * Once unmounted, a hierarchy goes within 24 to 47 ms (measured, 2 CPUs). One that still has a
 * group then is kept, and for ever: the kernel looks for groups only when the last mount goes. A
 * removed group is there until the kernel's workers come to it; and until its last member that
 * ended has been reaped, by a parent that may take its time. It tells nobody of either, there is no
 * file to watch. So look until it must be taken for kept, then take hold of it and let go once
 * more; twice as long after each such try.
 */
#define UNPIN_LOOK_NSEC   5000000
#define UNPIN_LOOKS       20
#define UNPIN_SHORT_TRIES 2  /* 0.3 s: for the kernel's workers */
#define UNPIN_TRIES       10 /* 102 s: for somebody's parent */

static bool hierarchy_goes(struct hierarchy *h, long pause_nsec)
{
	const struct timespec pause = {
		.tv_sec = pause_nsec / 1000000000,
		.tv_nsec = pause_nsec % 1000000000,
	};

	for (int looks = 0; hierarchy_lives(h); looks++) {
		if (looks == UNPIN_LOOKS)
			return false;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return true;
}

/* As a mount and its end, without a place for it that others see. */
static int hierarchy_touch(const struct hierarchy *h)
{
	cleanup_close int fd = fsopen("cgroup", FSOPEN_CLOEXEC);

	if (fd < 0 || fsconfig(fd, FSCONFIG_SET_FLAG, "none", NULL, 0) < 0 ||
	    fsconfig(fd, FSCONFIG_SET_STRING, "name", name_of(h), 0) < 0 ||
	    fsconfig(fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	return 0;
}

/* True when it has gone, or nothing can be done for that. */
static bool hierarchy_unpin(struct hierarchy *h, int from, int to)
{
	for (int tries = from; tries < to; tries++)
		if (hierarchy_goes(h, (long)UNPIN_LOOK_NSEC << tries) || hierarchy_touch(h) < 0)
			return true;
	return false;
}

/*
 * Nobody is to wait for a parent that does not reap: a process of its own does. It holds nothing,
 * so another daemon may have the name, and the state directory, meanwhile.
 */
static void hierarchy_unpin_later(struct hierarchy *h)
{
	if (fork() != 0)
		return;
	setsid();
	close_range(0, ~0U, 0);
	hierarchy_unpin(h, UNPIN_SHORT_TRIES, UNPIN_TRIES);
	_exit(EXIT_SUCCESS);
}

static void named_end(struct hierarchy *h)
{
	bool empty = hierarchy_is_empty(h);
	uint64_t id;

	hierarchy_close(h);
	/* The id tells whether what is left there is ours. */
	if (mount_id(AT_FDCWD, h->mountpoint, &id) < 0 || id != h->mnt_id)
		return;
	if (umount2(h->mountpoint, UMOUNT_NOFOLLOW) < 0 &&
	    umount2(h->mountpoint, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
		log_warning("cannot unmount the hierarchy %s from %s, ignoring: %m", name_of(h),
			    h->mountpoint);
	else if (empty && !hierarchy_unpin(h, 0, UNPIN_SHORT_TRIES))
		hierarchy_unpin_later(h);
}

static const struct hierarchy_kind kind = {.end = named_end};

static void log_mount_error(const char *mountpoint, const char *name, int err)
{
	switch (-err) {
	case EPERM:
	case EACCES:
		log_error("mounting the hierarchy %s on %s is not permitted: it takes root "
			  "(CAP_SYS_ADMIN) outside of cgroup namespaces",
			  name, mountpoint);
		break;
	case EWOULDBLOCK:
		log_error("another daemon has the hierarchy %s: choose another --name", name);
		break;
	case ENODEV:
		log_error("this kernel has no cgroup v1, which the hierarchy %s needs", name);
		break;
	default:
		log_error("cannot mount the hierarchy %s on %s: %s", name, mountpoint,
			  strerror(-err));
	}
}

/* options: "none,name=NAME" */
static int mount_named(struct hierarchy **ret, const char *mountpoint, const char *options)
{
	struct hierarchy *h;
	int err;

	if (mount("memcgfs", mountpoint, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
		return -errno;
	err = hierarchy_new(&h, &kind, mountpoint, options + strlen("none,"), "");
	if (err == 0) {
		err = mount_id(h->root_fd, "", &h->mnt_id);
		if (err < 0)
			hierarchy_free(h);
	}
	if (err < 0)
		umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
	else
		*ret = h;
	return err;
}

int hierarchy_mount_named(struct hierarchy **ret, const char *mountpoint, const char *name)
{
	char options[128];
	int n = snprintf(options, sizeof(options), "none,name=%s", name);
	int err = n < 0 || (size_t)n >= sizeof(options) ? -ENAMETOOLONG
							: mount_named(ret, mountpoint, options);

	if (err < 0)
		log_mount_error(mountpoint, name, err);
	return err;
}
