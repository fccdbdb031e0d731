// SPDX-License-Identifier: GPL-2.0-or-later
/* Extended attributes of a group: kept by the kernel, on the group's directory in the hierarchy
 * underneath. */
#include <stdio.h>
#include <sys/xattr.h>

#include "manager/manager_private.h"
#include "util/util.h"

/* The *xattr calls take no O_PATH descriptor, but they take its name. */
struct fd_path {
	int fd;
	char path[40];
};

static void fd_path_close(const struct fd_path *p)
{
	if (p->fd >= 0)
		close(p->fd);
}

static int fd_path_open(struct manager *m, struct group *g, struct fd_path *p)
{
	cleanup_free char *path = group_path(g);

	p->fd = path ? hierarchy_open(m->hierarchy, path) : -ENOMEM;
	snprintf(p->path, sizeof(p->path), "/proc/self/fd/%d", p->fd);
	return p->fd < 0 ? p->fd : 0;
}

#define cleanup_fd_path __attribute__((cleanup(fd_path_close)))

int group_set_xattr(struct manager *m, struct group *g, const char *name, const void *value,
		    size_t size, int flags)
{
	cleanup_fd_path struct fd_path p = {-1, ""};
	int r = fd_path_open(m, g, &p);

	if (r)
		return r;
	return setxattr(p.path, name, value, size, flags) ? -errno : 0;
}

ssize_t group_get_xattr(struct manager *m, struct group *g, const char *name, void *value,
			size_t size)
{
	cleanup_fd_path struct fd_path p = {-1, ""};
	ssize_t n = fd_path_open(m, g, &p);

	if (n)
		return n;
	n = getxattr(p.path, name, value, size);
	return n < 0 ? -errno : n;
}

ssize_t group_list_xattr(struct manager *m, struct group *g, char *list, size_t size)
{
	cleanup_fd_path struct fd_path p = {-1, ""};
	ssize_t n = fd_path_open(m, g, &p);

	if (n)
		return n;
	n = listxattr(p.path, list, size);
	return n < 0 ? -errno : n;
}

int group_remove_xattr(struct manager *m, struct group *g, const char *name)
{
	cleanup_fd_path struct fd_path p = {-1, ""};
	int r = fd_path_open(m, g, &p);

	if (r)
		return r;
	return removexattr(p.path, name) ? -errno : 0;
}
