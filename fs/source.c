// SPDX-License-Identifier: GPL-2.0-or-later
/* Text of memory.source: where each figure of memory.stat comes from, and which are approximate. */
#include "fs/files.h"

#include <stdio.h>

#include "util/util.h"

struct source {
	const char *figures; /* keys of memory.stat; "usage" is that of memory.usage_in_bytes */
	const char *from;
	bool exact;
};

static void print(FILE *out, const struct source *s)
{
	fprintf(out, "%s: %s, %s\n", s->figures, s->exact ? "exact" : "approximate", s->from);
}

static struct source rss_source(const struct manager_sources *m)
{
	if (m->frames)
		return (struct source){"rss, swap", "status and pagemap of members", true};
	return (struct source){"rss, swap", "status and smaps_rollup of members", false};
}

static struct source cache_source(const struct manager_sources *m)
{
	if (m->page_cache)
		return (struct source){"cache", "tracepoints of the page cache", true};
	return (struct source){"cache", "shared memory alone: files are not charged", false};
}

static struct source shmem_source(const struct manager_sources *m)
{
	if (m->page_cache)
		return (struct source){"shmem", "statx and cachestat of members' files", true};
	return (struct source){"shmem", "status and smaps_rollup of members", false};
}

static struct source mapped_source(const struct manager_sources *m)
{
	if (m->owners && m->frames)
		return (struct source){"mapped_file", "pagemap of all members", true};
	return (struct source){"mapped_file", "status of members, at most what is charged", false};
}

/* Of the whole daemon: all groups have the same. */
int source_scan(const struct file_scan *s, char **ret, size_t *ret_len)
{
	static const struct source rest[] = {
		{"rss_huge", "smaps_rollup of members with up to 64 MiB", false},
		{"pgpgin, pgpgout", "what was charged, and is not used any more", false},
		{"pgfault, pgmajfault", "stat of members that live", false},
		{"unevictable", "locked memory in status of members", false},
		{"inactive_anon, active_anon, inactive_file, active_file",
		 "all that is not locked is active, or a file's", false},
		{"swapcached", "the machine's, split by what is swapped out", false},
		{"dirty, writeback, workingset_refault_anon, workingset_refault_file",
		 "nothing tells, 0", false},
	};
	struct manager_sources m;
	struct source known[4];
	FILE *out = open_memstream(ret, ret_len);

	if (!out)
		return -ENOMEM;
	manager_get_sources(s->manager, &m);
	known[0] = rss_source(&m);
	known[1] = cache_source(&m);
	known[2] = shmem_source(&m);
	known[3] = mapped_source(&m);
	fprintf(out, "usage: charged %s, counted from rss, cache and shmem\n",
		m.bpf ? "at page faults by BPF programs" : "at page faults by signals");
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		print(out, &known[i]);
	for (size_t i = 0; i < ARRAY_SIZE(rest); i++)
		print(out, &rest[i]);
	return fclose(out) ? -ENOMEM : 0;
}
