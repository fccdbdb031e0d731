/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the tree is mounted: --mount, MEMCGFS_MOUNT, or the mount table. Single-threaded. */
#include <string.h>

#include "cli/mount.h"
#include "util/util.h"

#define MOUNT_TABLE "/proc/self/mounts"
#define MOUNT_TYPE  "fuse.memcgfs"

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* The kernel writes blank, tab, newline, backslash and # as \ooo: fs/proc_namespace.c, mangle(). */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && is_octal(s[2]) &&
		    is_octal(s[3])) {
			int byte = (s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0');

			if (byte) { /* a NUL would cut the path short */
				*to++ = (char)byte;
				s += 4;
				continue;
			}
		}
		*to++ = *s++;
	}
	*to = '\0';
}

bool mounts_parse_line(char *line, char **ret_dir, char **ret_type)
{
	char *save = NULL;
	char *source = strtok_r(line, " \t\n", &save);
	char *dir = source ? strtok_r(NULL, " \t\n", &save) : NULL;
	char *type = dir ? strtok_r(NULL, " \t\n", &save) : NULL;

	if (!type)
		return false;
	unescape(dir);
	unescape(type);
	*ret_dir = dir;
	*ret_type = type;
	return true;
}

/* .../run-XXXXXX/tree */
static bool is_private(const char *dir)
{
	const char *tree = strrchr(dir, '/');
	const char *run;

	if (!tree || tree == dir || strcmp(tree + 1, PRIVATE_TREE) != 0)
		return false;
	run = memrchr(dir, '/', (size_t)(tree - dir));
	return run && strncmp(run + 1, PRIVATE_PREFIX, strlen(PRIVATE_PREFIX)) == 0;
}

static int replace_string(char **s, const char *with)
{
	char *copy = strdup(with);

	if (!copy)
		return -ENOMEM;
	free(*s);
	*s = copy;
	return 0;
}

int mounts_find(FILE *table, bool private, char **ret)
{
	cleanup_free char *line = NULL, *public_dir = NULL, *private_dir = NULL;
	size_t size = 0, nr_private = 0;
	char *dir, *type;

	while (getline(&line, &size, table) > 0) {
		int r;

		if (!mounts_parse_line(line, &dir, &type) || strcmp(type, MOUNT_TYPE) != 0)
			continue;
		if (is_private(dir))
			nr_private++;
		r = replace_string(is_private(dir) ? &private_dir : &public_dir, dir);
		if (r < 0)
			return r;
	}
	if (!public_dir && !(private && private_dir))
		return -ENOENT;
	if (!public_dir && nr_private > 1)
		return -ENOTUNIQ;
	*ret = public_dir ? public_dir : private_dir;
	if (public_dir)
		public_dir = NULL;
	else
		private_dir = NULL;
	return 0;
}

int mount_is_there(const char *wanted)
{
	cleanup_free char *line = NULL;
	FILE *table = fopen(MOUNT_TABLE, "re");
	char *dir, *type;
	size_t size = 0;
	int found = 0;

	if (!table)
		return -errno;
	while (!found && getline(&line, &size, table) > 0)
		found = mounts_parse_line(line, &dir, &type) && strcmp(dir, wanted) == 0 &&
			strcmp(type, MOUNT_TYPE) == 0;
	fclose(table);
	return found;
}

int mount_find(const char *option, bool private, char **ret)
{
	const char *chosen = option ? option : getenv("MEMCGFS_MOUNT");
	FILE *table;
	int r;

	if (chosen && *chosen) {
		char *copy = strdup(chosen);

		if (!copy)
			return -ENOMEM;
		*ret = copy;
		return 0;
	}
	table = fopen(MOUNT_TABLE, "re");
	if (!table)
		return -errno;
	r = mounts_find(table, private, ret);
	fclose(table);
	return r;
}
