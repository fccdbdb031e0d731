// SPDX-License-Identifier: GPL-2.0-or-later
/* Extended attributes of a group: kept by the kernel, on the group's directory in the hierarchy
 * underneath. */
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
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

/*
 * trusted.* takes CAP_SYS_ADMIN, which we have not (privileges.c), and whether who asks has it the
 * kernel has looked at before it asked us: so these are kept as user.*, under a prefix that nobody
 * reaches but by trusted.*.
 */
#define TRUSTED  "trusted."
#define STAND_IN "user.memcgfs."

static bool has_prefix(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* How the attribute is called in the hierarchy. 0, -EPERM (nobody's), -ERANGE (too long). */
static int name_below(const char *name, char ret[XATTR_NAME_MAX + 1])
{
	int n;

	if (has_prefix(name, STAND_IN))
		return -EPERM;
	n = snprintf(ret, XATTR_NAME_MAX + 1, "%s%s", has_prefix(name, TRUSTED) ? STAND_IN : "",
		     name);
	return n > XATTR_NAME_MAX ? -ERANGE : 0;
}

/* Names as the hierarchy has them become names as they are asked for, in place. The new length. */
static size_t names_above(char *list, size_t len)
{
	size_t out = 0, next;

	for (size_t in = 0; in < len; in = next) {
		next = in + strlen(list + in) + 1;
		if (has_prefix(list + in, STAND_IN))
			in += strlen(STAND_IN);
		memmove(list + out, list + in, next - in);
		out += next - in;
	}
	return out;
}

int group_set_xattr(struct manager *m, struct group *g, const char *name, const void *value,
		    size_t size, int flags)
{
	cleanup_fd_path struct fd_path p = {-1, ""};
	char below[XATTR_NAME_MAX + 1];
	int r = name_below(name, below);

	if (!r)
		r = fd_path_open(m, g, &p);
	if (r)
		return r;
	return setxattr(p.path, below, value, size, flags) ? -errno : 0;
}

ssize_t group_get_xattr(struct manager *m, struct group *g, const char *name, void *value,
			size_t size)
{
	cleanup_fd_path struct fd_path p = {-1, ""};
	char below[XATTR_NAME_MAX + 1];
	ssize_t n;

	if (name_below(name, below))
		return -ENODATA;
	n = fd_path_open(m, g, &p);
	if (n)
		return n;
	n = getxattr(p.path, below, value, size);
	return n < 0 ? -errno : n;
}

ssize_t group_list_xattr(struct manager *m, struct group *g, char *list, size_t size)
{
	cleanup_fd_path struct fd_path p = {-1, ""};
	ssize_t n = fd_path_open(m, g, &p);

	if (n)
		return n;
	n = listxattr(p.path, list, size);
	if (n < 0)
		return -errno;
	return size ? (ssize_t)names_above(list, (size_t)n) : n;
}

int group_remove_xattr(struct manager *m, struct group *g, const char *name)
{
	cleanup_fd_path struct fd_path p = {-1, ""};
	char below[XATTR_NAME_MAX + 1];
	int r = name_below(name, below);

	if (!r)
		r = fd_path_open(m, g, &p);
	if (r)
		return r;
	return removexattr(p.path, below) ? -errno : 0;
}
