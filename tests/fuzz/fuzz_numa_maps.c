/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: a line of /proc/PID/numa_maps, and the list of nodes. What is refused leaves the
 * result alone; what is split adds up. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/numa.h"
#include "tests/fuzz/fuzz_text.h"

static uint64_t sum_of(const uint64_t *pages)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < NUMA_MAX_NODES; i++)
		sum += pages[i];
	return sum;
}

static void check_line(const char *line)
{
	static struct numa_pages pages;
	uint64_t anon;

	memset(&pages, 0, sizeof(pages));
	if (numa_maps_parse(line, &pages) && sum_of(pages.anon) + sum_of(pages.file))
		abort();
	anon = sum_of(pages.anon);
	if (anon) {
		static struct numa_nodes all = {.nr = NUMA_MAX_NODES};
		uint64_t part[NUMA_MAX_NODES] = {0};

		for (unsigned i = 0; i < NUMA_MAX_NODES; i++)
			all.id[i] = i;
		numa_split(&all, pages.anon, anon / 3, part);
		if (sum_of(part) != anon / 3)
			abort();
	}
}

static void check_nodes(const char *text)
{
	static struct numa_nodes nodes;

	nodes.nr = 0;
	if (numa_nodes_parse(text, &nodes) ? nodes.nr : !nodes.nr)
		abort();
	for (unsigned i = 0; i < nodes.nr; i++)
		if (nodes.id[i] >= NUMA_MAX_NODES || (i && nodes.id[i] <= nodes.id[i - 1]))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	check_line(text);
	check_nodes(text);
	free(text);
	return 0;
}
