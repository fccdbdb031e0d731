/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What all hierarchies have in common: groups by their path below the descriptor of the root.
 * Nothing is cached: the kernel is asked each time. Any thread.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "manager/cgroup_line.h"
#include "manager/hierarchy_private.h"
#include "util/util.h"

/* All mounts of a hierarchy have the same root directory: who else would serve it finds it locked.
 */
static int hierarchy_lock(struct hierarchy *h, const char *mountpoint)
{
	h->lock_fd = open(mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h->lock_fd < 0 || flock(h->lock_fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	return 0;
}

static int hierarchy_init(struct hierarchy *h, const char *mountpoint, const char *controller,
			  const char *prefix)
{
	h->mountpoint = strdup(mountpoint);
	h->controller = strdup(controller);
	h->prefix = strdup(prefix);
	return h->mountpoint && h->controller && h->prefix ? 0 : -ENOMEM;
}

/* At first a root is 0555: then nobody makes groups in it without CAP_DAC_OVERRIDE. */
static int let_owner_write(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!(st.st_mode & S_IWUSR) && fchmod(fd, (st.st_mode & 07777) | S_IWUSR) < 0)
		return -errno;
	return 0;
}

int hierarchy_new(struct hierarchy **ret, const struct hierarchy_kind *kind, const char *mountpoint,
		  const char *controller, const char *prefix)
{
	struct hierarchy *h = calloc(1, sizeof(*h));
	int err;

	if (!h)
		return -ENOMEM;
	h->kind = kind;
	h->root_fd = h->lock_fd = h->agent_fd = -1;
	err = hierarchy_init(h, mountpoint, controller, prefix);
	if (err == 0)
		err = hierarchy_lock(h, mountpoint);
	if (err == 0)
		err = let_owner_write(h->lock_fd);
	if (err == 0) {
		h->root_fd = open(mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
		err = h->root_fd < 0 ? -errno : 0;
	}
	/* The kernel asks for CAP_SYS_ADMIN, and goes by what its opener had. */
	if (err == 0)
		h->agent_fd = openat(h->lock_fd, "release_agent", O_WRONLY | O_CLOEXEC);
	if (err < 0) {
		hierarchy_free(h);
		return err;
	}
	*ret = h;
	return 0;
}

void hierarchy_close(struct hierarchy *h)
{
	if (h->root_fd >= 0)
		close(h->root_fd);
	if (h->lock_fd >= 0)
		close(h->lock_fd);
	if (h->agent_fd >= 0)
		close(h->agent_fd);
	h->root_fd = h->lock_fd = h->agent_fd = -1;
}

struct hierarchy *hierarchy_free(struct hierarchy *h)
{
	if (!h)
		return NULL;
	hierarchy_close(h);
	free(h->mountpoint);
	free(h->controller);
	free(h->prefix);
	free(h);
	return NULL;
}

struct hierarchy *hierarchy_end(struct hierarchy *h)
{
	if (h && h->kind->end)
		h->kind->end(h);
	return hierarchy_free(h);
}

bool hierarchy_is_shared(const struct hierarchy *h)
{
	return h->kind->shared;
}

int hierarchy_get_id(struct hierarchy *h, const char *path, uint64_t *ret)
{
	struct stat st;

	if (fstatat(h->root_fd, path, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	*ret = st.st_ino;
	return 0;
}

/* A file handle of kernfs is the id alone, and an id is never used again. */
#define FILEID_KERNFS 0xfe

int hierarchy_open_id(struct hierarchy *h, uint64_t id)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + sizeof(id)];
	} u = {.handle = {.handle_bytes = sizeof(id), .handle_type = FILEID_KERNFS}};
	int fd;

	memcpy(u.handle.f_handle, &id, sizeof(id));
	fd = open_by_handle_at(h->lock_fd, &u.handle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ESTALE ? -ENOENT : -errno;
	return fd;
}

/* Where the mount of both lies does not matter, then. */
static int link_of(int fd, char *buf, size_t size)
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, buf, size);
	if (len < 0)
		return -errno;
	if ((size_t)len == size)
		return -ENAMETOOLONG;
	buf[len] = '\0';
	return (int)len;
}

int hierarchy_path_of(struct hierarchy *h, int dir, char **ret)
{
	char root[PATH_MAX], path[PATH_MAX];
	int len = link_of(h->root_fd, root, sizeof(root));
	int r = len < 0 ? len : link_of(dir, path, sizeof(path));
	struct stat named, open;
	char *copy;

	if (r < 0)
		return r;
	if (strncmp(path, root, (size_t)len) != 0 || (path[len] != '/' && path[len] != '\0'))
		return -ENOENT;
	len += path[len] == '/';
	/* A removed one's path has words behind it, or is another's by now. */
	if (fstat(dir, &open) < 0 || fstatat(h->root_fd, path + len, &named, AT_EMPTY_PATH) < 0 ||
	    named.st_ino != open.st_ino)
		return -ENOENT;
	copy = strdup(path + len);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
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

int hierarchy_write_agent(struct hierarchy *h, const char *text)
{
	size_t len = strlen(text);
	ssize_t n;

	if (h->agent_fd < 0)
		return -ENOENT;
	n = write(h->agent_fd, text, len);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
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
		path = cgroup_line_path(line, h->controller, h->prefix);
	fclose(f);
	if (!path)
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
