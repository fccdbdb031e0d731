/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: one line of /proc/PID/cgroup. A path that is found was in the line, and below the
 * prefix. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "manager/cgroup_line.h"
#include "tests/fuzz/fuzz_text.h"

static void look(const uint8_t *data, size_t size, const char *prefix)
{
	char *line = fuzz_text(data, size);
	const char *path;

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
