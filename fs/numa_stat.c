// SPDX-License-Identifier: GPL-2.0-or-later
/* Text of memory.numa_stat: the kernel's keys in the kernel's order, of the group alone and
 * (hierarchical_) with its children. In pages. With more than some 30 nodes it is longer than the
 * page that stat(2) says. */
#include "fs/files.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/util.h"

static const struct numa_key {
	const char *name;
	unsigned lists; /* bits: those that are summed */
} keys[] = {
	{"total", 1U << NUMA_FILE | 1U << NUMA_ANON | 1U << NUMA_UNEVICTABLE},
	{"file", 1U << NUMA_FILE},
	{"anon", 1U << NUMA_ANON},
	{"unevictable", 1U << NUMA_UNEVICTABLE},
};

static uint64_t key_pages(const struct numa_key *key, const uint64_t pages[NR_NUMA_LISTS])
{
	uint64_t sum = 0;

	for (unsigned list = 0; list < NR_NUMA_LISTS; list++)
		sum += key->lists & 1U << list ? pages[list] : 0;
	return sum;
}

static void print_key(FILE *out, const char *prefix, const struct numa_key *key,
		      const struct numa_nodes *nodes, const struct group_numa *n)
{
	fprintf(out, "%s%s=%" PRIu64, prefix, key->name, key_pages(key, n->pages));
	for (unsigned i = 0; i < nodes->nr; i++) {
		unsigned id = nodes->id[i];
		uint64_t here[NR_NUMA_LISTS];

		for (unsigned list = 0; list < NR_NUMA_LISTS; list++)
			here[list] = n->by_node[list][id];
		fprintf(out, " N%u=%" PRIu64, id, key_pages(key, here));
	}
	fputc('\n', out);
}

int numa_stat_scan(const struct file_scan *s, char **ret, size_t *ret_len)
{
	cleanup_free struct group_numa_stat *stat = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	int r = group_numa_stat(s->manager, s->group_id, &stat);

	if (r)
		return r;
	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		print_key(out, "", &keys[i], &stat->nodes, &stat->own);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		print_key(out, "hierarchical_", &keys[i], &stat->nodes, &stat->total);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}
