// SPDX-License-Identifier: GPL-2.0-or-later
/* /proc/zoneinfo: zones, each with its size before its first page frame. Any thread. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "accounting/zoneinfo.h"
#include "util/util.h"

/* 4 KiB a zone and CPUs: a page or two on small machines. Cut off, what follows is not seen. */
#define ZONEINFO_MAX_BYTES (4 << 20)

uint64_t zoneinfo_parse_end(const char *text)
{
	uint64_t spanned = 0, start, end = 0;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, " spanned %" SCNu64, &spanned) == 1)
			continue;
		if (sscanf(line, " start_pfn: %" SCNu64, &start) != 1)
			continue;
		if (spanned && start <= UINT64_MAX - spanned)
			end = MAX(end, start + spanned);
		spanned = 0;
	}
	return end;
}

uint64_t zoneinfo_end(void)
{
	cleanup_free char *text = malloc(ZONEINFO_MAX_BYTES);

	if (!text || read_file_at(AT_FDCWD, "/proc/zoneinfo", text, ZONEINFO_MAX_BYTES) <= 0)
		return 0;
	return zoneinfo_parse_end(text);
}
