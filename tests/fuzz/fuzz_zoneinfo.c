/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: the text of /proc/zoneinfo. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/zoneinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (zoneinfo_parse_end(text) && !strstr(text, "spanned"))
		abort();
	free(text);
	return 0;
}
