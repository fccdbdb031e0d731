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

int memory_stat_read(const struct file_read *r, char **ret, size_t *ret_len)
{
	struct group_stat stat = {0};
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return -ENOMEM;
	group_stat(r->manager, r->group, &stat);
	print_keys(out, "", &stat);
	fprintf(out, "hierarchical_memory_limit %" PRIu64 "\n", group_hierarchical_limit(r->group));
	fprintf(out, "hierarchical_memsw_limit %" PRIu64 "\n", (uint64_t)LIMIT_MAX_BYTES);
	group_stat_add_children(r->manager, r->group, &stat);
	print_keys(out, "total_", &stat);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}
