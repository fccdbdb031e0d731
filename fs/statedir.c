/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state directory and its lock: flock(2) on DIR/NAME itself, so that no lock file is left
 * behind. One thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "fs/statedir.h"
#include "util/log.h"
#include "util/util.h"

#define STATE_FILE "state"
/* Each try loses only to a daemon that ends, and removes the directory, between our open and our
 * lock. */
#define LOCK_TRIES 10

struct statedir {
	int parent_fd; /* DIR */
	int fd;        /* DIR/NAME, locked */
	bool is_new;
	char *name;
	char *state_path;
};

/* malloc'd; NULL after one log_error(). */
static char *default_dir(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char *dir = NULL;

	if (geteuid() == 0)
		dir = strdup("/run/memcgfs");
	else if (!runtime || !*runtime) {
		log_error(
			"XDG_RUNTIME_DIR is not set: say with --state-dir=DIR where state is kept");
		return NULL;
	} else if (asprintf(&dir, "%s/memcgfs", runtime) < 0) {
		dir = NULL;
	}
	if (!dir)
		log_error("out of memory");
	return dir;
}

/* Descriptor of DIR, which is created; -errno after one log_error(). What others could write to is
 * not trusted. */
static int open_parent(const char *dir)
{
	cleanup_close int fd = -1;
	struct stat st;
	int r;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		r = -errno;
		log_error("cannot create the state directory %s: %s", dir, strerror(-r));
		return r;
	}
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
		log_error("cannot open the state directory %s: %s", dir, strerror(-r));
		return r;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 022)) {
		log_error("the state directory %s belongs to, or may be written by, another user",
			  dir);
		return -EPERM;
	}
	r = fd;
	fd = -1;
	return r;
}

/* Whether the locked directory is still the one that bears the name. */
static bool is_current(const struct statedir *d, int fd)
{
	struct stat locked, named;

	return fstat(fd, &locked) == 0 &&
	       fstatat(d->parent_fd, d->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
}

/* Open and lock DIR/NAME. Its descriptor, or -errno; -EWOULDBLOCK: another daemon has it. */
static int lock_name(struct statedir *d)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		int fd, r;

		d->is_new = mkdirat(d->parent_fd, d->name, 0700) == 0;
		if (!d->is_new && errno != EEXIST)
			return -errno;
		fd = openat(d->parent_fd, d->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			r = -errno;
			close(fd);
			return r;
		}
		if (is_current(d, fd))
			return fd;
		close(fd);
	}
	return -EWOULDBLOCK;
}

static void log_lock_error(const char *dir, const char *name, int err)
{
	if (err == -EWOULDBLOCK)
		log_error("another memcgfs has the state %s/%s: give this one "
			  "another --name",
			  dir, name);
	else
		log_error("cannot use the state directory %s/%s: %s", dir, name, strerror(-err));
}

static int fill(struct statedir *d, const char *dir, const char *name)
{
	d->name = strdup(name);
	if (!d->name || asprintf(&d->state_path, "%s/%s/" STATE_FILE, dir, name) < 0) {
		d->state_path = NULL;
		log_error("out of memory");
		return -ENOMEM;
	}
	d->parent_fd = open_parent(dir);
	if (d->parent_fd < 0)
		return d->parent_fd;
	d->fd = lock_name(d);
	if (d->fd < 0)
		log_lock_error(dir, name, d->fd);
	return MIN(d->fd, 0);
}

int statedir_open(struct statedir **ret, const char *dir, const char *name)
{
	cleanup_free char *own_dir = dir ? NULL : default_dir();
	struct statedir *d;
	int err;

	if (!dir && !own_dir)
		return -ENOENT;
	d = calloc(1, sizeof(*d));
	if (!d) {
		log_error("out of memory");
		return -ENOMEM;
	}
	d->parent_fd = d->fd = -1;
	err = fill(d, dir ? dir : own_dir, name);
	if (err < 0) {
		statedir_close(d);
		return err;
	}
	*ret = d;
	return 0;
}

struct statedir *statedir_close(struct statedir *d)
{
	if (!d)
		return NULL;
	if (d->fd >= 0)
		close(d->fd);
	if (d->parent_fd >= 0)
		close(d->parent_fd);
	free(d->state_path);
	free(d->name);
	free(d);
	return NULL;
}

const char *statedir_state_path(const struct statedir *d)
{
	return d->state_path;
}

bool statedir_is_new(const struct statedir *d)
{
	return d->is_new;
}

void statedir_remove(struct statedir *d)
{
	unlinkat(d->fd, STATE_FILE, 0);
	unlinkat(d->parent_fd, d->name, AT_REMOVEDIR);
}
