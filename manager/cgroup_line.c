/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A line of /proc/PID/cgroup. No state; any thread. */
#include <stdbool.h>
#include <string.h>

#include "manager/cgroup_line.h"

/* Whether word is one of those between the commas of list, which is len bytes long. */
static bool list_has(const char *list, size_t len, const char *word)
{
	size_t word_len = strlen(word);

	while (len > 0) {
		const char *comma = memchr(list, ',', len);
		size_t n = comma ? (size_t)(comma - list) : len;

		if (n == word_len && memcmp(list, word, n) == 0)
			return true;
		n += comma != NULL;
		list += n;
		len -= n;
	}
	return false;
}

/* "/../x" is outside of what this cgroup namespace can see; "/..x" is a group. */
static bool path_is_outside(const char *path)
{
	return strncmp(path, "/..", 3) == 0 && (path[3] == '/' || path[3] == '\0');
}

const char *cgroup_line_path(char *line, const char *controller, const char *prefix)
{
	const char *list, *path;
	size_t len = strlen(prefix);

	line[strcspn(line, "\n")] = '\0';
	list = strchr(line, ':');
	path = list ? strchr(list + 1, ':') : NULL;
	if (!path || path[1] != '/')
		return NULL;
	list++;
	if (!list_has(list, (size_t)(path - list), controller))
		return NULL;
	path++;
	if (path_is_outside(path) || strncmp(path, prefix, len) != 0)
		return NULL;
	path += len;
	if (*path == '/')
		return path + 1;
	return *path == '\0' ? path : NULL;
}
