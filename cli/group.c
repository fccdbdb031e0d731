/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One group of the mounted tree as its directory: names, control files, settings. Single-threaded.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/group.h"
#include "cli/memcgctl.h"
#include "cli/mount.h"
#include "cli/size.h"
#include "util/util.h"

#define READ_FIRST (16u << 10)
#define READ_MAX   (16u << 20)

int group_name(const char *typed, char **ret)
{
	size_t len = strlen(typed), used = 0;
	char *name;

	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	name = malloc(len + 3);
	if (!name)
		return -ENOMEM;
	while (*typed) {
		size_t part = strcspn(typed, "/");

		if ((part == 1 && typed[0] == '.') ||
		    (part == 2 && typed[0] == '.' && typed[1] == '.')) {
			free(name);
			return -EINVAL;
		}
		if (part) {
			name[used++] = '/';
			memcpy(name + used, typed, part);
			used += part;
		}
		typed += part + (typed[part] == '/');
	}
	if (!used)
		name[used++] = '/';
	name[used] = '\0';
	*ret = name;
	return 0;
}

int setting_parse(char *typed, struct setting *ret)
{
	char *equals = strchr(typed, '=');

	if (!equals || equals == typed)
		return -EINVAL;
	*equals = '\0';
	*ret = (struct setting){.file = typed, .value = equals + 1};
	return 0;
}

static int group_new(struct group **ret, int dirfd, const char *path, char *name)
{
	struct group *g = malloc(sizeof(*g));

	if (!g)
		return -ENOMEM;
	g->fd = openat(dirfd, path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (g->fd < 0) {
		int r = -errno;

		free(g);
		return r;
	}
	g->name = name;
	*ret = g;
	return 0;
}

int group_open(struct group **ret, const char *mount, const char *name)
{
	cleanup_close int root = open(mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char *copy;
	int r;

	if (root < 0)
		return -errno;
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	r = group_new(ret, root, name[1] ? name + 1 : ".", copy);
	if (r < 0)
		free(copy);
	return r;
}

int group_open_child(struct group **ret, const struct group *g, const char *child)
{
	char *name;
	int r;

	if (asprintf(&name, "%s/%s", g->name[1] ? g->name : "", child) < 0)
		return -ENOMEM;
	r = group_new(ret, g->fd, child, name);
	if (r < 0)
		free(name);
	return r;
}

struct group *group_free(struct group *g)
{
	if (!g)
		return NULL;
	close(g->fd);
	free(g->name);
	free(g);
	return NULL;
}

int mount_check(const struct cli_verb *verb, const char *dir)
{
	cleanup_close int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && faccessat(fd, "memory.usage_in_bytes", F_OK, 0) == 0)
		return CLI_OK;
	if (errno == ENOTCONN)
		return cli_failure(verb, "%s: no daemon serves this mount any more; umount it",
				   dir);
	if (fd >= 0 && errno == ENOENT)
		return cli_failure(verb, "%s: not a tree of memory control groups", dir);
	return cli_failure(verb, "%s: %s", dir, strerror(errno));
}

static int find_mount(const struct cli *cli, const struct cli_verb *verb, char **ret)
{
	char *mount;
	int r = mount_find(cli->mount, true, &mount);

	if (r == -ENOENT)
		return cli_failure(
			verb, "no memcgfs is mounted; start one, or choose a tree with --mount");
	if (r == -ENOTUNIQ)
		return cli_failure(
			verb, "several runs have a tree of their own; choose one with --mount");
	if (r < 0)
		return cli_failure(verb, "cannot look for the mount: %s", strerror(-r));
	if (mount_check(verb, mount) != CLI_OK) {
		free(mount);
		return CLI_FAILURE;
	}
	*ret = mount;
	return CLI_OK;
}

int group_open_typed(struct group **ret, const struct cli *cli, const struct cli_verb *verb,
		     const char *typed)
{
	cleanup_free char *mount = NULL, *name = NULL;
	int r = group_name(typed, &name);

	if (r == -EINVAL)
		return cli_failure(verb, "%s: no part of a group's name can be '.' or '..'", typed);
	if (r < 0)
		return cli_failure(verb, "%s: %s", typed, strerror(-r));
	r = find_mount(cli, verb, &mount);
	if (r != CLI_OK)
		return r;
	r = group_open(ret, mount, name);
	if (r == -ENOENT || r == -ENOTDIR)
		return cli_failure(verb, "%s: no such group", name);
	if (r < 0)
		return cli_failure(verb, "%s: %s", name, strerror(-r));
	return CLI_OK;
}

static int is_file(const struct group *g, const char *name)
{
	struct stat st;

	if (fstatat(g->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? 0 : -ENOENT;
}

int group_file(const struct group *g, const char *typed, char **ret)
{
	char *name;
	int r;

	if (!*typed || strchr(typed, '/'))
		return -ENOENT;
	name = strdup(typed);
	if (!name)
		return -ENOMEM;
	r = is_file(g, name);
	if (r == -ENOENT) {
		free(name);
		if (asprintf(&name, "memory.%s", typed) < 0)
			return -ENOMEM;
		r = is_file(g, name);
	}
	if (r < 0) {
		free(name);
		return r;
	}
	*ret = name;
	return 0;
}

int group_read(const struct group *g, const char *file, char **ret)
{
	cleanup_close int fd = openat(g->fd, file, O_RDONLY | O_CLOEXEC);
	cleanup_free char *text = NULL;
	size_t size = 0, len = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		ssize_t n;

		if (len + 1 >= size) {
			char *more;

			if (size >= READ_MAX)
				return -EFBIG;
			size = size ? size * 2 : READ_FIRST;
			more = realloc(text, size);
			if (!more)
				return -ENOMEM;
			text = more;
		}
		n = read(fd, text + len, size - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
	*ret = text;
	text = NULL;
	return 0;
}

static int parse_number(const char *s, uint64_t *ret)
{
	unsigned long long value;
	char *end;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(s, &end, 10);
	if (errno || (*end && *end != '\n'))
		return -EINVAL;
	*ret = value;
	return 0;
}

int group_read_number(const struct group *g, const char *file, uint64_t *ret)
{
	cleanup_free char *text = NULL;
	int r = group_read(g, file, &text);

	return r < 0 ? r : parse_number(text, ret);
}

int group_read_key(const struct group *g, const char *file, const char *key, uint64_t *ret)
{
	cleanup_free char *text = NULL;
	size_t len = strlen(key);
	int r = group_read(g, file, &text);

	if (r < 0)
		return r;
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ' ')
			return parse_number(line + len + 1, ret);
		if (!*line)
			break;
	}
	return -ENOENT;
}

static const char *write_meaning(const struct group *g, const struct setting *s, const char *file,
				 int error)
{
	uint64_t bytes;

	switch (error) {
	case EBUSY:
		if (strstr(file, "limit_in_bytes"))
			return "usage cannot be brought below it";
		return "the group is in use";
	case EINVAL:
		if (!strcmp(file, "memory.limit_in_bytes") && !strcmp(g->name, "/") &&
		    size_parse(s->value, &bytes) == 0)
			return "the root takes no limit";
		return "not a valid value";
	case ENOENT:
		return "no such file";
	case ENODEV:
		return "no such group (any more)";
	default:
		return strerror(error);
	}
}

int group_set(const struct group *g, const struct cli_verb *verb, const struct setting *s)
{
	cleanup_free char *file = NULL;
	int r = group_file(g, s->file, &file);

	/* An empty write(2) would reach no control file: a newline is the empty value, as from
	 * `echo`. */
	if (r == 0)
		r = write_file_at(g->fd, file, *s->value ? s->value : "\n",
				  *s->value ? strlen(s->value) : 1);
	if (r == 0)
		return CLI_OK;
	return cli_failure(verb, "%s: %s=%s: %s", g->name, file ? file : s->file, s->value,
			   write_meaning(g, s, file ? file : s->file, -r));
}
