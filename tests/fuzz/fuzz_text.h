/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What most fuzz targets begin with. */
#ifndef MEMCGFS_FUZZ_TEXT_H
#define MEMCGFS_FUZZ_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as a string, malloc'd, with nothing behind its end. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

#endif
