// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory nodes: reading /sys/devices/system/node and /proc/PID/numa_maps. Any thread. In pages. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/numa.h"
#include "util/util.h"

#define NODES "/sys/devices/system/node/"

/* A kernel without CONFIG_NUMA has neither file. */
void numa_nodes_read(struct numa_nodes *ret)
{
	static const char *const files[] = {NODES "has_memory", NODES "online"};
	char text[4096];

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (read_file_at(AT_FDCWD, files[i], text, sizeof(text)) > 0 &&
		    numa_nodes_parse(text, ret) == 0)
			return;
	*ret = (struct numa_nodes){.nr = 1};
}

int numa_maps_read(pid_t pid, struct numa_pages *sum)
{
	cleanup_free char *line = NULL;
	char path[32];
	size_t room = 0;
	FILE *f;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/numa_maps", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!r && getline(&line, &room, f) > 0)
		r = numa_maps_parse(line, sum);
	if (!r && ferror(f))
		r = -EIO;
	fclose(f);
	return r;
}

static uint64_t node_kb(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

void numa_file_pages(const struct numa_nodes *nodes, uint64_t *ret)
{
	for (unsigned i = 0; i < nodes->nr; i++) {
		char path[64], text[4096]; /* about 1.3 KiB in Linux 6.18 */
		uint64_t kb = 0;

		snprintf(path, sizeof(path), NODES "node%u/meminfo", nodes->id[i]);
		if (read_file_at(AT_FDCWD, path, text, sizeof(text)) > 0)
			kb = node_kb(text, " Active(file):") + node_kb(text, " Inactive(file):");
		ret[nodes->id[i]] = kb / (page_size() / 1024);
	}
}
