// SPDX-License-Identifier: LGPL-2.1-or-later
/* Where a client's group is, and what is written there. No state; any thread. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shrinker/client.h"

#define MOUNT_TABLE "/proc/self/mounts"
#define MOUNT_TYPE  "fuse.memcgfs"

/* An overlay's options may be a page; what is longer is cut, and is not ours. */
#define MOUNT_LINE_MAX 8192

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000
#endif
#define STATX_MNT_ID_UNIQUE 0x4000 /* Linux 6.8 */

/* ---- our own group ---- */

/* Is the word of the comma-separated list? */
static bool list_has(const char *list, const char *word, size_t len)
{
	while (*list) {
		size_t n = strcspn(list, ",");

		if (n == len && !memcmp(list, word, len))
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

/* A line of /proc/self/cgroup, "ID:CONTROLLERS:PATH": its path if its hierarchy is mounted with
 * these options. */
static char *match_line(char *line, const char *options)
{
	char *controllers = strchr(line, ':'),
	     *path = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!path || path == controllers + 1)
		return NULL;
	controllers++;
	if (!list_has(options, controllers, (size_t)(path - controllers)))
		return NULL;
	path++;
	path[strcspn(path, "\n")] = '\0';
	return path;
}

/* Our path in the hierarchy with these mount options, malloc'd. */
static int find_own_path(const char *options, char **ret)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char *line = NULL, *path = NULL;
	size_t size = 0;
	int r = -ENOENT;

	if (!f)
		return -errno;
	while (!path && getline(&line, &size, f) > 0)
		path = match_line(line, options);
	if (path) {
		*ret = strdup(path);
		r = *ret ? 0 : -ENOMEM;
	}
	free(line);
	fclose(f);
	return r;
}

/* ---- the mount ---- */

/* One that may be ours: its directory, and the options of the hierarchy that lies under it. */
struct mount {
	char *dir, *options;
};

static void mount_free(struct mount *mount)
{
	free(mount->dir);
	free(mount->options);
	*mount = (struct mount){};
}

/* The last tree in the table (on dir, if that is not NULL), as memcgctl takes it, and the last
 * hierarchy that was mounted there before. */
static int find_mount(const char *dir, struct mount *ret)
{
	FILE *table = setmntent(MOUNT_TABLE, "re");
	struct mount found = {}, under = {};
	struct mntent entry, *e;
	char line[MOUNT_LINE_MAX];
	int r = -EOPNOTSUPP;

	if (!table)
		return -errno;
	while ((e = getmntent_r(table, &entry, line, sizeof(line)))) {
		if (!strcmp(e->mnt_type, "cgroup")) {
			mount_free(&under);
			under = (struct mount){strdup(e->mnt_dir), strdup(e->mnt_opts)};
		}
		if (strcmp(e->mnt_type, MOUNT_TYPE) || (dir && strcmp(dir, e->mnt_dir)))
			continue;
		mount_free(&found);
		found.dir = strdup(e->mnt_dir);
		if (under.dir && !strcmp(under.dir, e->mnt_dir))
			found.options = strdup(under.options);
	}
	endmntent(table);
	mount_free(&under);
	if (found.dir)
		r = 0;
	*ret = found;
	return r;
}

int memcg__group_find_dir(const char *group, char **ret)
{
	const char *chosen = getenv("MEMCGFS_MOUNT");
	struct mount mount;
	char *own = NULL, *dir;
	int r = find_mount(chosen && *chosen ? chosen : NULL, &mount);

	if (!r && !group)
		r = mount.options ? find_own_path(mount.options, &own) : -ENOENT;
	if (!group)
		group = own;
	if (!r && asprintf(&dir, "%s%s%s", mount.dir, *group == '/' ? "" : "/", group) < 0)
		r = -ENOMEM;
	mount_free(&mount);
	free(own);
	if (r)
		return r;
	*ret = dir;
	return 0;
}

uint64_t memcg__group_mount_id(const char *dir)
{
	struct statx st;

	if (statx(AT_FDCWD, dir, AT_STATX_DONT_SYNC, STATX_MNT_ID | STATX_MNT_ID_UNIQUE, &st))
		return 0;
	return st.stx_mnt_id;
}

/* ---- writing ---- */

/* What says that there is no daemon, or none that knows such files. */
static int translate(int error)
{
	switch (error) {
	case ENOTCONN:
	case ENODEV:
	case ENOENT:
	case ECONNABORTED:
		return -EOPNOTSUPP;
	default:
		return -error;
	}
}

static int open_file(const char *dir, const char *file, int flags)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? translate(errno) : fd;
}

/* Without a translation: what the daemon says of the text. */
static int write_file(const char *dir, const char *file, const char *text)
{
	int fd = open_file(dir, file, O_WRONLY), r = 0;

	if (fd < 0)
		return fd;
	if (write(fd, text, strlen(text)) < 0)
		r = -errno;
	close(fd);
	return r;
}

int memcg__group_register(const char *dir, const char *file, int efd, const char *arguments)
{
	int fd = open_file(dir, file, O_RDONLY), r;
	char text[128];

	if (fd < 0)
		return fd;
	snprintf(text, sizeof(text), "%d %d %s", efd, fd, arguments);
	r = write_file(dir, "cgroup.event_control", text);
	close(fd);
	return r == -ENOTCONN || r == -ENODEV ? -EOPNOTSUPP : r;
}

int memcg__group_add_chunks(const char *dir, int efd, int64_t chunks)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %" PRId64, efd, chunks);
	return write_file(dir, "mempressure.shrinker", text);
}
