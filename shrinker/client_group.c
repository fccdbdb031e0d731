// SPDX-License-Identifier: LGPL-2.1-or-later
/* Where a client's group is, and what is written there. No state; any thread. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shrinker/client.h"

#define MOUNT_TABLE "/proc/self/mountinfo"
#define OWN_GROUPS  "/proc/self/cgroup"

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x1000
#endif
#define STATX_MNT_ID_UNIQUE 0x4000 /* Linux 6.8 */

/* ---- where it is ---- */

static int find_mount(const char *dir, struct memcg_mount *ret)
{
	FILE *table = fopen(MOUNT_TABLE, "re");
	int r;

	if (!table)
		return -errno;
	r = memcg__mount_find(table, dir, ret);
	fclose(table);
	return r;
}

static int find_own_path(const struct memcg_mount *mount, char **ret)
{
	FILE *cgroups = fopen(OWN_GROUPS, "re");
	int r;

	if (!cgroups)
		return -errno;
	r = memcg__mount_own_path(cgroups, mount, ret);
	fclose(cgroups);
	return r;
}

int memcg__group_find_dir(const char *group, char **ret)
{
	const char *chosen = getenv("MEMCGFS_MOUNT");
	struct memcg_mount mount;
	char *own = NULL, *dir;
	int r = find_mount(chosen && *chosen ? chosen : NULL, &mount);

	if (r)
		return r;
	if (!group)
		r = find_own_path(&mount, &own);
	if (!group)
		group = own;
	if (!r && asprintf(&dir, "%s%s%s", mount.dir, *group == '/' ? "" : "/", group) < 0)
		r = -ENOMEM;
	memcg__mount_free(&mount);
	free(own);
	if (r)
		return r;
	*ret = dir;
	return 0;
}

uint64_t memcg__group_mount_id(const char *dir, bool *ret_unique)
{
	struct statx st;

	if (statx(AT_FDCWD, dir, AT_STATX_DONT_SYNC, STATX_MNT_ID | STATX_MNT_ID_UNIQUE, &st))
		return 0;
	*ret_unique = st.stx_mask & STATX_MNT_ID_UNIQUE;
	return st.stx_mask & (STATX_MNT_ID | STATX_MNT_ID_UNIQUE) ? st.stx_mnt_id : 0;
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
