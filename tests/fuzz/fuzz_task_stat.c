/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: the text of /proc/PID/task/TID/stat. What is refused leaves the result alone. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz_text.h"
#include "util/task_stat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct task_stat st = {.cpu = -2}; /* never parsed as such */
	char *text = fuzz_text(data, size);
	int r;

	r = task_stat_parse(text, &st);
	if (r ? st.cpu != -2 || st.state : !st.state)
		abort();
	free(text);
	return 0;
}
