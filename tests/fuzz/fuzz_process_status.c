/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: the text of /proc/PID/status. What is refused leaves the result alone. */
#include <stdlib.h>
#include <string.h>

#include "accounting/process_usage.h"
#include "tests/fuzz/fuzz_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct process_usage usage = {.tracer = -1}; /* never parsed as such */
	char *text = fuzz_text(data, size);
	int r;

	r = process_usage_parse(text, &usage);
	if (r == 0 ? usage.tracer < 0 || !usage.state : usage.tracer != -1)
		abort();
	free(text);
	return 0;
}
