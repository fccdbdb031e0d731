/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: one line of /proc/PID/cgroup. A path that is found was in the line, and below the
 * prefix. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "manager/cgroup_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const uint8_t *data, size_t size, const char *prefix)
{
	char *line = malloc(size + 1);
	const char *path;

	if (!line)
		return;
	memcpy(line, data, size);
	line[size] = '\0';
	path = cgroup_line_path(line, "memory", prefix);
	if (path && (path < line || path > line + size || strchr(path, '\n')))
		abort();
	if (path && *prefix && !strstr(line, prefix))
		abort();
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	look(data, size, "");
	look(data, size, "/a");
	return 0;
}
