/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: one line of /proc/PID/maps. What is accepted is a range. */
#include <stdlib.h>
#include <string.h>

#include "reclaim/vmas.h"
#include "tests/fuzz/fuzz_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = fuzz_text(data, size);
	struct vma v;

	if (vma_parse(line, &v) == 0 && v.start >= v.end)
		abort();
	free(line);
	return 0;
}
