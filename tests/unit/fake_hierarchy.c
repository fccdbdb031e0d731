/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The world's hierarchy, which keeps who is where, and its keeper. Thread: the test's; lists and
 * attaches any. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "manager/hierarchy.h"
#include "tests/unit/fake_mechanisms.h"

static char dirs[FAKE_MAX_DIRS][FAKE_PATH]; /* "": free */
static uint64_t ids[FAKE_MAX_DIRS], last_id;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int keeper_fd = -1;

void fake_hierarchy_reset(void)
{
	memset(dirs, 0, sizeof(dirs));
	if (keeper_fd >= 0)
		close(keeper_fd);
	keeper_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* Under the lock, this and the next. */
static char *dir_find(const char *path)
{
	for (int i = 0; i < FAKE_MAX_DIRS; i++)
		if (!strcmp(dirs[i], path))
			return dirs[i];
	return NULL;
}

bool fake_dir_exists(const char *path)
{
	bool exists;

	pthread_mutex_lock(&lock);
	exists = !*path || dir_find(path);
	pthread_mutex_unlock(&lock);
	return exists;
}

void fake_move(struct fake_process *fp, const char *path)
{
	pthread_mutex_lock(&lock);
	strcpy(fp->dir, path);
	pthread_mutex_unlock(&lock);
}

/* Name below dir, or NULL when path is not below it. */
static const char *below(const char *dir, const char *path)
{
	size_t n = strlen(dir);

	if (!n)
		return path;
	return !strncmp(dir, path, n) && path[n] == '/' ? path + n + 1 : NULL;
}

static int dir_add(const char *path)
{
	char *dir = dir_find("");

	if (dir_find(path))
		return -EEXIST;
	if (!dir || strlen(path) >= FAKE_PATH)
		return -ENOSPC;
	strcpy(dir, path);
	ids[(size_t)(dir - dirs[0]) / FAKE_PATH] = ++last_id;
	return 0;
}

int hierarchy_mkdir(struct hierarchy *h, const char *path)
{
	int r = world.mkdir_error;

	(void)h;
	pthread_mutex_lock(&lock);
	if (!r)
		r = dir_add(path);
	pthread_mutex_unlock(&lock);
	return r;
}

int hierarchy_get_id(struct hierarchy *h, const char *path, uint64_t *ret)
{
	const char *dir;

	(void)h;
	pthread_mutex_lock(&lock);
	dir = *path ? dir_find(path) : dirs[0];
	if (dir)
		*ret = ids[(size_t)(dir - dirs[0]) / FAKE_PATH];
	pthread_mutex_unlock(&lock);
	return dir ? 0 : -ENOENT;
}

bool hierarchy_is_shared(const struct hierarchy *h)
{
	(void)h;
	return world.hierarchy_shared;
}

int hierarchy_open_id(struct hierarchy *h, uint64_t id)
{
	(void)h;
	(void)id;
	return -ENOENT;
}

int hierarchy_path_of(struct hierarchy *h, int dir, char **ret)
{
	(void)h;
	(void)dir;
	(void)ret;
	return -ENOENT;
}

static bool dir_busy(const char *path)
{
	struct fake_process *fp;

	for (int i = 0; i < FAKE_MAX_DIRS; i++)
		if (*dirs[i] && below(path, dirs[i]))
			return true;
	for (unsigned i = 0; (fp = fake_by_index(i)); i++)
		if (atomic_get(&fp->alive) && !strcmp(fp->dir, path))
			return true;
	return false;
}

static int dir_remove(const char *path)
{
	char *dir = dir_find(path);

	if (!dir)
		return -ENOENT;
	if (dir_busy(path))
		return -EBUSY;
	*dir = 0;
	return 0;
}

int hierarchy_rmdir(struct hierarchy *h, const char *path)
{
	int r = world.rmdir_error;

	(void)h;
	pthread_mutex_lock(&lock);
	if (!r)
		r = dir_remove(path);
	pthread_mutex_unlock(&lock);
	return r;
}

static void path_rename(char *path, const char *from, const char *to)
{
	const char *rest = below(from, path);
	char renamed[2 * FAKE_PATH];

	if (!strcmp(path, from))
		snprintf(renamed, sizeof(renamed), "%s", to);
	else if (rest)
		snprintf(renamed, sizeof(renamed), "%s/%s", to, rest);
	else
		return;
	memcpy(path, renamed, FAKE_PATH - 1);
}

int hierarchy_rename(struct hierarchy *h, const char *path, const char *new_path)
{
	struct fake_process *fp;

	(void)h;
	if (world.rename_error)
		return world.rename_error;
	if (!fake_dir_exists(path))
		return -ENOENT;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < FAKE_MAX_DIRS; i++)
		if (*dirs[i])
			path_rename(dirs[i], path, new_path);
	for (unsigned i = 0; (fp = fake_by_index(i)); i++)
		if (*fp->dir)
			path_rename(fp->dir, path, new_path);
	pthread_mutex_unlock(&lock);
	return 0;
}

int hierarchy_attach(int fd, pid_t tid, bool whole)
{
	struct fake_process *fp;
	char path[FAKE_PATH] = "";

	if (pread(fd, path, sizeof(path) - 1, 0) < 0)
		abort();
	if (world.on_attach)
		world.on_attach();
	if (world.attach_error)
		return world.attach_error;
	if (!fake_dir_exists(path))
		return -ENODEV;
	fp = fake_by_pid(tid);
	if (!fp && !whole) {
		world.nr_thread_moves++;
		return 0;
	}
	if (!fp)
		return -ESRCH;
	fake_move(fp, path);
	if (world.on_attached)
		world.on_attached();
	return 0;
}

/* A list is a file with what is to be listed in it. */
struct fake_list {
	char path[FAKE_PATH];
	bool threads;
};

int hierarchy_open_list(struct hierarchy *h, const char *path, bool threads)
{
	struct fake_list list = {.threads = threads};
	int fd;

	(void)h;
	if (!fake_dir_exists(path))
		return -ENOENT;
	snprintf(list.path, sizeof(list.path), "%s", path);
	fd = memfd_create("fake list", MFD_CLOEXEC);
	if (fd < 0 || write(fd, &list, sizeof(list)) != sizeof(list))
		abort();
	return fd;
}

int hierarchy_read_list(int fd, pid_t **ret, size_t *ret_nr)
{
	struct fake_process *fp;
	struct fake_list list;
	size_t nr = 0;
	pid_t *pids;

	if (pread(fd, &list, sizeof(list), 0) != sizeof(list))
		abort();
	close(fd);
	if (!fake_dir_exists(list.path))
		return -ENODEV;
	pids = calloc(FAKE_MAX_PROCESSES * 4, sizeof(*pids));
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; (fp = fake_by_index(i)); i++) {
		if (!atomic_get(&fp->alive) || strcmp(fp->dir, list.path))
			continue;
		for (uint64_t t = 0; t < (list.threads ? atomic_get(&fp->nr_threads) : 1); t++)
			pids[nr++] = fp->pid + (pid_t)t;
	}
	pthread_mutex_unlock(&lock);
	*ret = pids;
	*ret_nr = nr;
	return 0;
}

int hierarchy_read(struct hierarchy *h, const char *path, bool threads, pid_t **ret, size_t *ret_nr)
{
	int fd = hierarchy_open_list(h, path, threads);

	return fd < 0 ? fd : hierarchy_read_list(fd, ret, ret_nr);
}

int hierarchy_of(struct hierarchy *h, pid_t pid, char **ret)
{
	const struct fake_process *fp = fake_by_pid(pid);

	(void)h;
	if (!fp)
		return -ESRCH;
	if (world.on_look)
		world.on_look(fp);
	*ret = strdup(fp->dir);
	return 0;
}

int hierarchy_children(struct hierarchy *h, const char *path, char ***ret, size_t *ret_nr)
{
	size_t nr = 0;
	char **names;

	(void)h;
	if (world.children_error)
		return world.children_error;
	names = calloc(FAKE_MAX_DIRS, sizeof(*names));
	for (int i = 0; i < FAKE_MAX_DIRS; i++) {
		const char *name = *dirs[i] ? below(path, dirs[i]) : NULL;

		if (name && !strchr(name, '/'))
			names[nr++] = strdup(name);
	}
	*ret = names;
	*ret_nr = nr;
	return 0;
}

/* A file with the path in it. */
int hierarchy_write_agent(struct hierarchy *h, const char *text)
{
	(void)h;
	(void)text;
	return -ENOENT;
}

int hierarchy_open(struct hierarchy *h, const char *path)
{
	ssize_t len = (ssize_t)strlen(path);
	int fd;

	(void)h;
	if (!fake_dir_exists(path))
		return -ENOENT;
	fd = memfd_create("fake directory", MFD_CLOEXEC);
	if (fd < 0 || write(fd, path, (size_t)len) != len)
		abort();
	return fd;
}

/* ---- the keeper ---- */

int keeper_keep(struct keeper_link *link, uint64_t id, int fd)
{
	(void)link;
	if (fcntl(fd, F_GETFD) < 0 ||
	    (id >= world.first_inherited && id < world.first_inherited + world.nr_inherited))
		abort();
	world.nr_kept++;
	return 0;
}

int keeper_drop(struct keeper_link *link, uint64_t id)
{
	(void)link;
	(void)id;
	world.nr_kept--;
	return 0;
}

bool keeper_next(struct keeper_link *link, unsigned *pos, uint64_t *ret_id, int *ret_fd)
{
	(void)link;
	if (*pos >= world.nr_inherited)
		return false;
	*ret_id = world.first_inherited + *pos;
	*ret_fd = -1;
	(*pos)++;
	return true;
}

int keeper_get_fd(const struct keeper_link *link)
{
	(void)link;
	return keeper_fd;
}

void fake_keeper_die(void)
{
	eventfd_write(keeper_fd, 1);
}

int keeper_replace(struct keeper_link *link)
{
	eventfd_t value;

	(void)link;
	world.nr_keeper_replace++;
	if (world.keeper_replace_error)
		return world.keeper_replace_error;
	eventfd_read(keeper_fd, &value);
	return 0;
}
