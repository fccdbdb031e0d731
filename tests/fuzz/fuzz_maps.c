/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: one line of /proc/PID/maps. What is accepted is a range. */
#include <stdlib.h>
#include <string.h>

#include "reclaim/vmas.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);
	struct vma v;

	if (!line)
		return 0;
	memcpy(line, data, size);
	line[size] = '\0';
	if (vma_parse(line, &v) == 0 && v.start >= v.end)
		abort();
	free(line);
	return 0;
}
