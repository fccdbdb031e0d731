/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of a daemon that serves one run: STATE/run-XXXXXX, with the mount point `tree` in
 * it. Single-threaded. */
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli/memcgctl.h"
#include "cli/mount.h"
#include "cli/private_dir.h"
#include "util/util.h"

#define STATE_DIR "/run/memcgfs"

/* The tree and the hierarchy under it; one to spare. */
#define MOUNTS_MAX 3

static int state_dir(char *dir, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int len;

	if (geteuid() == 0) {
		len = snprintf(dir, size, "%s", STATE_DIR);
	} else if (runtime && *runtime == '/') {
		len = snprintf(dir, size, "%s/memcgfs", runtime);
	} else {
		cli_failure(&verb_run, "no memcgfs is mounted, and without root one for this run "
				       "needs XDG_RUNTIME_DIR");
		return -ENOENT;
	}
	if ((size_t)len >= size)
		return -ENAMETOOLONG;
	if (mkdir(dir, geteuid() == 0 ? 0755 : 0700) < 0 && errno != EEXIST) {
		int r = -errno;

		cli_failure(&verb_run, "%s: %s", dir, strerror(-r));
		return r;
	}
	return 0;
}

/* dir becomes its own real path with the template's X filled in. */
static int make_in(const char *state, struct private_dir *ret)
{
	cleanup_free char *template = NULL, *real = NULL;

	if (asprintf(&template, "%s/" PRIVATE_PREFIX "XXXXXX", state) < 0) {
		template = NULL;
		return -ENOMEM;
	}
	if (!mkdtemp(template))
		return -errno;
	real = realpath(template, NULL);
	if (!real || strlen(real) + sizeof("/" PRIVATE_TREE) > sizeof(ret->tree)) {
		int r = real ? -ENAMETOOLONG : -errno;

		rmdir(template);
		return r;
	}
	stpcpy(ret->path, real);
	stpcpy(stpcpy(ret->tree, real), "/" PRIVATE_TREE);
	if (mkdir(ret->tree, 0755) < 0) {
		int r = -errno;

		rmdir(real);
		ret->path[0] = '\0';
		return r;
	}
	return 0;
}

int private_dir_make(struct private_dir *ret)
{
	char state[PRIVATE_PATH_MAX];
	int r;

	*ret = (struct private_dir){0};
	r = state_dir(state, sizeof(state));
	if (r < 0)
		return r;
	r = make_in(state, ret);
	if (r < 0)
		cli_failure(&verb_run, "cannot make a directory in %s: %s", state, strerror(-r));
	return r;
}

/* Without root only the set-uid helper of FUSE may unmount. */
static int unmount_helped(const char *tree)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		execlp("fusermount3", "fusermount3", "-u", "-z", "-q", tree, NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	return status == 0 ? 0 : -EPERM;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

void private_dir_remove(struct private_dir *dir)
{
	if (!dir->path[0])
		return;
	/* A daemon that was killed leaves its mounts. EINVAL: nothing is mounted here any more. */
	for (int i = 0; i < MOUNTS_MAX; i++) {
		if (umount2(dir->tree, MNT_DETACH) == 0)
			continue;
		if (errno != EPERM || geteuid() == 0 || mount_is_there(dir->tree) != 1 ||
		    unmount_helped(dir->tree) < 0)
			break;
	}
	nftw(dir->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (access(dir->path, F_OK) == 0)
		cli_failure(&verb_run, "%s could not be removed, ignoring", dir->path);
	dir->path[0] = '\0';
}
