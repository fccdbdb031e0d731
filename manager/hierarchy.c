/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel hierarchy that holds membership, reached through the descriptor of its root. Nothing
 * is cached: the kernel is asked each time. Any thread.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "manager/hierarchy.h"
#include "util/log.h"
#include "util/util.h"

struct hierarchy {
	int root_fd; /* O_PATH */
	int lock_fd; /* of its root directory, locked: whoever mounts it elsewhere sees that it is
			in use */
	uint64_t mnt_id;
	char *mountpoint;
	char *name;
};

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

static int mount_named(const char *mountpoint, const char *name)
{
	char data[128];
	int n = snprintf(data, sizeof(data), "none,name=%s", name);

	if (n < 0 || (size_t)n >= sizeof(data))
		return -ENAMETOOLONG;
	if (mount("memcgfs", mountpoint, "cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, data) < 0)
		return -errno;
	return 0;
}

/* All mounts of a hierarchy have the same root directory. */
static int hierarchy_lock(struct hierarchy *h)
{
	h->lock_fd = open(h->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->lock_fd < 0 || flock(h->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return 0;
}

static int hierarchy_open_root(struct hierarchy *h)
{
	int err = hierarchy_lock(h);

	if (err < 0)
		return err;
	h->root_fd = open(h->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (h->root_fd < 0)
		return -errno;
	return mount_id(h->root_fd, "", &h->mnt_id);
}

int hierarchy_mount_named(struct hierarchy **ret, const char *mountpoint, const char *name)
{
	struct hierarchy *h = calloc(1, sizeof(*h));
	int err = -ENOMEM;

	if (!h)
		goto fail;
	h->root_fd = h->lock_fd = -1;
	h->mountpoint = strdup(mountpoint);
	h->name = strdup(name);
	if (!h->mountpoint || !h->name)
		goto fail;
	err = mount_named(mountpoint, name);
	if (err < 0)
		goto fail;
	err = hierarchy_open_root(h);
	if (err < 0) {
		umount2(mountpoint, MNT_DETACH | UMOUNT_NOFOLLOW);
		goto fail;
	}
	*ret = h;
	return 0;
fail:
	hierarchy_free(h);
	log_mount_error(mountpoint, name, err);
	return err;
}

/* Our own descriptor keeps the mount busy, so it is closed first; the id tells whether what is left
 * there is ours. */
static void hierarchy_close(struct hierarchy *h)
{
	if (h->root_fd >= 0)
		close(h->root_fd);
	if (h->lock_fd >= 0)
		close(h->lock_fd);
	h->root_fd = h->lock_fd = -1;
}

/* Does the kernel still have it? */
static bool hierarchy_lives(const struct hierarchy *h)
{
	char *path;

	if (hierarchy_of((struct hierarchy *)h, getpid(), &path) < 0)
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
 * Once unmounted, a hierarchy goes within 24 to 47 ms (measured, 2 CPUs). One whose last group went
 * a moment before is kept, and then for ever: the kernel looks for groups only when it is
 * unmounted, and removes them later. It tells nobody of either, there is no file to watch. So look
 * until it must be taken for kept, then mount and unmount it once more; on a slow machine it was
 * only late, and has twice the time after each such try.
 */
#define UNPIN_LOOK_NSEC   5000000
#define UNPIN_FIRST_LOOKS 20
#define UNPIN_TRIES       4

static bool hierarchy_goes(const struct hierarchy *h, int nr_looks)
{
	const struct timespec pause = {.tv_nsec = UNPIN_LOOK_NSEC};

	while (hierarchy_lives(h)) {
		if (!nr_looks--)
			return false;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
	return true;
}

static void hierarchy_unpin(const struct hierarchy *h)
{
	for (int tries = 0; tries < UNPIN_TRIES; tries++) {
		if (hierarchy_goes(h, UNPIN_FIRST_LOOKS << tries) ||
		    mount_named(h->mountpoint, h->name) < 0)
			return;
		umount2(h->mountpoint, UMOUNT_NOFOLLOW);
	}
}

struct hierarchy *hierarchy_unmount(struct hierarchy *h)
{
	uint64_t id;
	bool empty;

	if (!h)
		return NULL;
	empty = hierarchy_is_empty(h);
	hierarchy_close(h);
	if (mount_id(AT_FDCWD, h->mountpoint, &id) == 0 && id == h->mnt_id) {
		if (umount2(h->mountpoint, UMOUNT_NOFOLLOW) == 0) {
			if (empty)
				hierarchy_unpin(h);
		} else if (umount2(h->mountpoint, UMOUNT_NOFOLLOW | MNT_DETACH) < 0) {
			log_warning("cannot unmount the hierarchy %s from %s, ignoring: %m",
				    h->name, h->mountpoint);
		}
	}
	return hierarchy_free(h);
}

struct hierarchy *hierarchy_free(struct hierarchy *h)
{
	if (!h)
		return NULL;
	hierarchy_close(h);
	free(h->mountpoint);
	free(h->name);
	free(h);
	return NULL;
}

int hierarchy_mkdir(struct hierarchy *h, const char *path)
{
	return mkdirat(h->root_fd, path, 0755) < 0 ? -errno : 0;
}

int hierarchy_rmdir(struct hierarchy *h, const char *path)
{
	return unlinkat(h->root_fd, path, AT_REMOVEDIR) < 0 ? -errno : 0;
}

int hierarchy_rename(struct hierarchy *h, const char *path, const char *new_path)
{
	return renameat(h->root_fd, path, h->root_fd, new_path) < 0 ? -errno : 0;
}

int hierarchy_open(struct hierarchy *h, const char *path)
{
	int fd = openat(h->root_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int hierarchy_attach(int fd, pid_t tid, bool whole)
{
	char text[16];
	int len;

	/* The kernel would take 0 for the writer: the daemon itself. */
	if (tid <= 0)
		return -EINVAL;
	len = snprintf(text, sizeof(text), "%d", tid);
	return write_file_at(fd, whole ? "cgroup.procs" : "tasks", text, (size_t)len);
}

static int pid_compare(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static size_t pids_sort_unique(pid_t *pids, size_t nr)
{
	size_t out = 0;

	if (nr == 0)
		return 0;
	qsort(pids, nr, sizeof(*pids), pid_compare);
	for (size_t i = 0; i < nr; i++)
		if (pids[i] > 0 && (out == 0 || pids[i] != pids[out - 1]))
			pids[out++] = pids[i];
	return out;
}

/* Grows by half, so that a million pids are a few reallocations; bounded by the kernel's pid_max.
 */
static int pids_append(pid_t **pids, size_t *nr, size_t *room, pid_t pid)
{
	if (*nr == *room) {
		size_t bigger = *room + *room / 2 + 16;
		pid_t *p = reallocarray(*pids, bigger, sizeof(*p));

		if (!p)
			return -ENOMEM;
		*pids = p;
		*room = bigger;
	}
	(*pids)[(*nr)++] = pid;
	return 0;
}

static int pids_parse(FILE *f, pid_t **ret, size_t *ret_nr)
{
	cleanup_free pid_t *pids = NULL;
	size_t nr = 0, room = 0;
	pid_t pid;

	while (fscanf(f, "%d", &pid) == 1) {
		int err = pids_append(&pids, &nr, &room, pid);

		if (err < 0)
			return err;
	}
	if (ferror(f))
		return errno == EINTR ? -EAGAIN : -errno;
	*ret_nr = pids_sort_unique(pids, nr);
	*ret = pids;
	pids = NULL;
	return 0;
}

int hierarchy_open_list(struct hierarchy *h, const char *path, bool threads)
{
	cleanup_close int dir = hierarchy_open(h, path);
	int fd;

	if (dir < 0)
		return dir;
	fd = openat(dir, threads ? "tasks" : "cgroup.procs", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int hierarchy_read_list(int fd, pid_t **ret, size_t *ret_nr)
{
	FILE *f = fdopen(fd, "r");
	int err;

	if (!f) {
		err = -errno;
		close(fd);
		return err;
	}
	err = pids_parse(f, ret, ret_nr);
	fclose(f);
	return err;
}

/* The kernel keeps a v1 list for a while, but makes it anew for each open: a fresh open tells the
 * present. */
int hierarchy_read(struct hierarchy *h, const char *path, bool threads, pid_t **ret, size_t *ret_nr)
{
	int fd = hierarchy_open_list(h, path, threads);

	return fd < 0 ? fd : hierarchy_read_list(fd, ret, ret_nr);
}

/* The path in a line "N:name=NAME:/path", without the slash; NULL for another hierarchy's line. */
static const char *cgroup_line_path(char *line, const char *name)
{
	const char *p = strchr(line, ':');
	size_t len = strlen(name);

	if (!p || strncmp(p, ":name=", 6) != 0)
		return NULL;
	p += 6;
	if (strncmp(p, name, len) != 0 || p[len] != ':' || p[len + 1] != '/')
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return p + len + 2;
}

/* "/../x" is outside of the tree that this cgroup namespace can see; "/..x" is a group. */
static bool path_is_outside(const char *path)
{
	return strncmp(path, "..", 2) == 0 && (path[2] == '/' || path[2] == '\0');
}

/* A process that is exiting is shown in the root: by then it holds no memory. */
int hierarchy_of(struct hierarchy *h, pid_t pid, char **ret)
{
	cleanup_free char *line = NULL;
	const char *path = NULL;
	char file[32];
	size_t room = 0;
	char *copy;
	FILE *f;

	snprintf(file, sizeof(file), "/proc/%d/cgroup", pid);
	f = fopen(file, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!path && getline(&line, &room, f) > 0)
		path = cgroup_line_path(line, h->name);
	fclose(f);
	if (!path || path_is_outside(path))
		return -ESRCH;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

static void names_free(char **names, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		free(names[i]);
	free(names);
}

static int names_append(char ***names, size_t *nr, const char *name)
{
	char **n = reallocarray(*names, *nr + 1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	*names = n;
	n[*nr] = strdup(name);
	if (!n[*nr])
		return -ENOMEM;
	(*nr)++;
	return 0;
}

static int names_read(DIR *dir, char ***names, size_t *nr)
{
	for (;;) {
		struct dirent *e;
		int err;

		errno = 0;
		e = readdir(dir);
		if (!e)
			return -errno;
		if (e->d_type != DT_DIR || strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0)
			continue;
		err = names_append(names, nr, e->d_name);
		if (err < 0)
			return err;
	}
}

int hierarchy_children(struct hierarchy *h, const char *path, char ***ret, size_t *ret_nr)
{
	char **names = NULL;
	size_t nr = 0;
	int fd = hierarchy_open(h, path), err;
	DIR *dir;

	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	err = names_read(dir, &names, &nr);
	closedir(dir);
	if (err < 0) {
		names_free(names, nr);
		return err;
	}
	*ret = names;
	*ret_nr = nr;
	return 0;
}
