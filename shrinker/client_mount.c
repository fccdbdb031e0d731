// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Where the tree is mounted, and where this process is in the hierarchy under it: what
 * /proc/self/mountinfo and /proc/self/cgroup say. No state; any thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shrinker/client.h"

#define MOUNT_TYPE "fuse.memcgfs"

/* ---- a line of the mount table ---- */

/* "ID PARENT MAJOR:MINOR ROOT DIR OPTIONS [TAG]... - TYPE SOURCE OPTIONS" */
struct mount_line {
	char *root, *dir, *type, *options;
};

/* The kernel writes blanks, newlines and backslashes as \ooo. */
static char *unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && strspn(from + 1, "01234567") >= 3) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
	return text;
}

static char *skip_fields(char **rest, int nr)
{
	char *field = NULL;

	while (nr--)
		field = strsep(rest, " ");
	return field;
}

/* The line is cut up. */
static bool parse_line(char *line, struct mount_line *ret)
{
	char *rest = line, *field;
	struct mount_line l;

	line[strcspn(line, "\n")] = '\0';
	l.root = skip_fields(&rest, 4);
	l.dir = strsep(&rest, " ");
	strsep(&rest, " ");
	do
		field = strsep(&rest, " ");
	while (field && strcmp(field, "-"));
	l.type = strsep(&rest, " ");
	l.options = skip_fields(&rest, 2);
	if (!l.options)
		return false;
	unescape(l.root);
	unescape(l.dir);
	*ret = l;
	return true;
}

/* ---- the tree, and the hierarchy under it ---- */

void memcg__mount_free(struct memcg_mount *mount)
{
	free(mount->dir);
	free(mount->root);
	free(mount->options);
	*mount = (struct memcg_mount){};
}

/* As the last line of the type says (on dir, if that is not NULL). */
static int find_last(FILE *table, const char *type, const char *dir, struct memcg_mount *ret)
{
	struct memcg_mount found = {};
	struct mount_line l;
	char *line = NULL;
	size_t size = 0;

	rewind(table);
	while (getline(&line, &size, table) > 0) {
		if (!parse_line(line, &l) || strcmp(l.type, type) || (dir && strcmp(dir, l.dir)))
			continue;
		memcg__mount_free(&found);
		found = (struct memcg_mount){strdup(l.dir), strdup(l.root), strdup(l.options)};
	}
	free(line);
	if (!found.dir || !found.root || !found.options) {
		memcg__mount_free(&found);
		return -ENOENT;
	}
	*ret = found;
	return 0;
}

int memcg__mount_find(FILE *table, const char *dir, struct memcg_mount *ret)
{
	struct memcg_mount tree, under = {};
	int r = find_last(table, MOUNT_TYPE, dir, &tree);

	if (r)
		return -EOPNOTSUPP;
	find_last(table, "cgroup", tree.dir, &under);
	free(under.dir);
	*ret = (struct memcg_mount){tree.dir, under.root, under.options};
	free(tree.root);
	free(tree.options);
	return 0;
}

/* ---- our own group ---- */

/* Is the word, the first one of words, one of the list's? */
static bool list_has(const char *list, const char *words)
{
	size_t len = strcspn(words, ",");

	while (*list) {
		size_t n = strcspn(list, ",");

		if (n == len && !memcmp(list, words, len))
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

/* A line of /proc/self/cgroup, "ID:CONTROLLERS:PATH": its path if its hierarchy is mounted with
 * these options. Controllers of one hierarchy are all in its options: the first one will do. */
static char *match_line(char *line, const char *options)
{
	char *controllers = strchr(line, ':'),
	     *path = controllers ? strchr(controllers + 1, ':') : NULL;

	if (!path || path == controllers + 1)
		return NULL;
	*path = '\0';
	if (!list_has(options, controllers + 1))
		return NULL;
	path++;
	path[strcspn(path, "\n")] = '\0';
	return path;
}

/* The path as the mount shows it, whose root is not the hierarchy's when a part of it is bound
 * there, or in a cgroup namespace. NULL: it is outside. */
static const char *below_root(const char *path, const char *root)
{
	size_t len = strcmp(root, "/") ? strlen(root) : 0;

	if (strncmp(path, root, len) || (path[len] && path[len] != '/'))
		return NULL;
	path += len;
	return strncmp(path, "/..", 3) || (path[3] && path[3] != '/') ? path : NULL;
}

int memcg__mount_own_path(FILE *cgroups, const struct memcg_mount *mount, char **ret)
{
	const char *path = NULL;
	char *line = NULL, *copy;
	size_t size = 0;
	int r = -ENOENT;

	if (!mount->options)
		return -ENOENT;
	while (!path && getline(&line, &size, cgroups) > 0)
		path = match_line(line, mount->options);
	path = path ? below_root(path, mount->root) : NULL;
	if (path) {
		copy = strdup(path);
		r = copy ? 0 : -ENOMEM;
		if (copy)
			*ret = copy;
	}
	free(line);
	return r;
}
