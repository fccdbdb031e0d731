// SPDX-License-Identifier: GPL-2.0-or-later
/* Text of memory.stat: the kernel's keys in the kernel's order, of the group alone and (total_)
 * with its children. */
#include "fs/files.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/util.h"

struct stat_key {
	const char *name;
	size_t offset; /* in struct group_stat */
};

#define KEY(name, field)                                 \
	{                                                \
		name, offsetof(struct group_stat, field) \
	}

static const struct stat_key keys[] = {
	KEY("cache", cache),
	KEY("rss", rss),
	KEY("rss_huge", rss_huge),
	KEY("shmem", shmem),
	KEY("mapped_file", mapped_file),
	KEY("dirty", dirty),
	KEY("writeback", writeback),
	KEY("workingset_refault_anon", refault_anon),
	KEY("workingset_refault_file", refault_file),
	KEY("swap", swap),
	KEY("swapcached", swapcached),
	KEY("pgpgin", pgpgin),
	KEY("pgpgout", pgpgout),
	KEY("pgfault", pgfault),
	KEY("pgmajfault", pgmajfault),
	KEY("inactive_anon", inactive_anon),
	KEY("active_anon", active_anon),
	KEY("inactive_file", inactive_file),
	KEY("active_file", active_file),
	KEY("unevictable", unevictable),
};

static void print_keys(FILE *out, const char *prefix, const struct group_stat *stat)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *at = (const char *)stat + keys[i].offset;

		fprintf(out, "%s%s %" PRIu64 "\n", prefix, keys[i].name, *(const uint64_t *)at);
	}
}

static int hierarchical_limit(struct manager *m, uint64_t id, enum group_counter counter,
			      uint64_t *ret)
{
	const struct group *g;
	uint64_t limit = 0;

	manager_rdlock(m);
	g = manager_group(m, id);
	if (g)
		limit = group_hierarchical_limit(g, counter);
	manager_unlock(m);
	if (!g)
		return -ENODEV;
	*ret = limit;
	return 0;
}

int memory_stat_scan(const struct file_scan *s, char **ret, size_t *ret_len)
{
	struct group_stat own, total;
	uint64_t limit, memsw_limit;
	char *text = NULL;
	size_t len = 0;
	FILE *out;
	int r = group_stat(s->manager, s->group_id, &own, &total);

	if (r == 0)
		r = hierarchical_limit(s->manager, s->group_id, COUNTER_MEMORY, &limit);
	if (r == 0)
		r = hierarchical_limit(s->manager, s->group_id, COUNTER_MEMSW, &memsw_limit);
	if (r)
		return r;
	out = open_memstream(&text, &len);
	if (!out)
		return -ENOMEM;
	print_keys(out, "", &own);
	fprintf(out, "hierarchical_memory_limit %" PRIu64 "\n", limit);
	fprintf(out, "hierarchical_memsw_limit %" PRIu64 "\n", memsw_limit);
	print_keys(out, "total_", &total);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}
