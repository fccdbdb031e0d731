/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens a file by device and inode number alone. On a worker's thread. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "reclaim/open_inode.h"
#include "util/util.h"

/*
 * enum fid_type of linux/exportfs.h: inode number and generation, 32 bits each. ext4 takes
 * generation 0 for any.
 */
#define FILEID_INO32_GEN 1

/* Looks at 2 us each: what a whole call may spend on searching is 0.13 s. */
#define MAX_LOOKS 65536

#define OPEN_FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

static bool is_file(int fd, dev_t dev, uint64_t ino)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == dev && st.st_ino == ino;
}

/* Only now is it known to be a regular file, which can be opened without a side effect. */
static int reopen(int path_fd)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	fd = open(path, OPEN_FLAGS);
	return fd < 0 ? -errno : fd;
}

/* ---- by handle ---- */

static bool octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' &&
	       s[2] <= '7';
}

/* Blanks, newlines and backslashes are written as \ooo. */
static int unescape(const char *s, size_t len, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (n + 1 >= size)
			return -ENAMETOOLONG;
		if (s[i] == '\\' && len - i > 3 && octal(s + i + 1)) {
			ret[n++] = (char)((s[i + 1] - '0') * 64 + (s[i + 2] - '0') * 8 + s[i + 3] -
					  '0');
			i += 3;
		} else {
			ret[n++] = s[i];
		}
	}
	ret[n] = '\0';
	return n ? 0 : -EINVAL;
}

int mountinfo_parse(const char *line, dev_t *ret_dev, char *ret_path, size_t size)
{
	unsigned dev_major, dev_minor;
	int root = -1;
	const char *path;

	if (sscanf(line, "%*u %*u %u:%u %n", &dev_major, &dev_minor, &root) != 2 || root < 0)
		return -EINVAL;
	path = strchr(line + root, ' ');
	if (!path)
		return -EINVAL;
	path++;
	*ret_dev = makedev(dev_major, dev_minor);
	return unescape(path, strcspn(path, " \n"), ret_path, size);
}

/* Another mount may lie over it: only what is on dev is of use. */
static int open_mount_point(const char *path, dev_t dev)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	int ret;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || st.st_dev != dev)
		return -ENOENT;
	ret = fd;
	fd = -1;
	return ret;
}

static int open_mount(dev_t dev)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	cleanup_free char *line = NULL;
	size_t size = 0;
	int fd = -ENOENT;

	if (!f)
		return -errno;
	while (fd < 0 && getline(&line, &size, f) > 0) {
		char path[PATH_MAX];
		dev_t d;

		if (mountinfo_parse(line, &d, path, sizeof(path)) == 0 && d == dev)
			fd = open_mount_point(path, dev);
	}
	fclose(f);
	return fd;
}

static int mount_of(struct inode_opener *o, dev_t dev)
{
	unsigned i;

	for (i = 0; i < MIN(o->nr_mounts, OPEN_INODE_DEVICES); i++)
		if (o->mount[i].dev == dev)
			return o->mount[i].fd;
	i = o->nr_mounts % OPEN_INODE_DEVICES;
	if (o->nr_mounts >= OPEN_INODE_DEVICES && o->mount[i].fd >= 0)
		close(o->mount[i].fd);
	o->nr_mounts++;
	o->mount[i].dev = dev;
	o->mount[i].fd = open_mount(dev);
	return o->mount[i].fd;
}

static int open_by_handle(struct inode_opener *o, dev_t dev, uint64_t ino)
{
	union {
		struct file_handle handle;
		char room[sizeof(struct file_handle) + 2 * sizeof(uint32_t)];
	} u = {0};
	uint32_t id[2] = {(uint32_t)ino, 0};
	cleanup_close int fd = -1;
	int mount_fd = mount_of(o, dev);

	if (mount_fd < 0)
		return mount_fd;
	if (ino > UINT32_MAX)
		return -EOVERFLOW;
	u.handle.handle_bytes = sizeof(id);
	u.handle.handle_type = FILEID_INO32_GEN;
	memcpy(u.room + offsetof(struct file_handle, f_handle), id, sizeof(id));
	fd = open_by_handle_at(mount_fd, &u.handle, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return is_file(fd, dev, ino) ? reopen(fd) : -ENOENT;
}

/* ---- by a process that has it ---- */

static int open_if_file(int dir_fd, const char *name, dev_t dev, uint64_t ino)
{
	cleanup_close int fd = -1;
	struct statx stx;

	/* What is known will do: a file system whose server hangs would hang us. */
	if (statx(dir_fd, name, AT_STATX_DONT_SYNC, STATX_INO, &stx) < 0 ||
	    makedev(stx.stx_dev_major, stx.stx_dev_minor) != dev || stx.stx_ino != ino)
		return -ENOENT;
	fd = openat(dir_fd, name, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return is_file(fd, dev, ino) ? reopen(fd) : -ENOENT;
}

/* subdir: "fd" or "map_files" */
static int search_directory(struct inode_opener *o, pid_t pid, const char *subdir, dev_t dev,
			    uint64_t ino)
{
	char path[48];
	struct dirent *entry;
	int fd = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, subdir);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while (fd < 0 && o->looks_left > 0 && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		o->looks_left--;
		fd = open_if_file(dirfd(dir), entry->d_name, dev, ino);
	}
	closedir(dir);
	return fd;
}

static int open_by_process(struct inode_opener *o, dev_t dev, uint64_t ino)
{
	static const char *const subdirs[] = {"fd", "map_files"};

	/*
	 * Should a pid be another process's by now, no harm is done: what is opened is compared
	 * with dev and ino.
	 */
	for (size_t i = 0; i < o->nr_processes; i++) {
		for (size_t j = 0; j < ARRAY_SIZE(subdirs); j++) {
			int fd = search_directory(o, o->processes[i].pid, subdirs[j], dev, ino);

			if (fd >= 0)
				return fd;
		}
	}
	return -ENOENT;
}

/* ---- either ---- */

void inode_opener_init(struct inode_opener *o, const struct reclaim_process *processes,
		       size_t nr_processes)
{
	*o = (struct inode_opener){
		.processes = processes,
		.nr_processes = nr_processes,
		.looks_left = MAX_LOOKS,
	};
}

void inode_opener_close(struct inode_opener *o)
{
	for (unsigned i = 0; i < MIN(o->nr_mounts, OPEN_INODE_DEVICES); i++)
		if (o->mount[i].fd >= 0)
			close(o->mount[i].fd);
	o->nr_mounts = 0;
}

int inode_opener_open(struct inode_opener *o, dev_t dev, uint64_t ino)
{
	int fd = open_by_handle(o, dev, ino);

	return fd >= 0 ? fd : open_by_process(o, dev, ino);
}
