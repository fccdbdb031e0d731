// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory.stat: a group's figures from its members' /proc files and the lease map. What no source of
 * this version tells (dirty, writeback, refaults, swap cache) is 0. Any thread, under the read
 * lock. Bytes, but for the pg* counts.
 */
#include <stdio.h>
#include <string.h>

#include "manager/manager_private.h"
#include "util/util.h"

/* Looking for huge pages costs 10 ms per GiB: done up to here (64 MiB), 0.6 ms. */
#define HUGE_LOOK_PAGES 16384

static uint64_t huge_bytes(pid_t pid)
{
	char path[32], text[4096];
	const char *at;

	snprintf(path, sizeof(path), "%d/smaps_rollup", pid);
	if (proc_read(path, text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, "AnonHugePages:");
	return at ? strtoull(at + 14, NULL, 10) << 10 : 0;
}

/* Fields 10 (minflt) and 12 (majflt) of /proc/PID/stat, counted after the name's closing
 * parenthesis. */
static void add_faults(pid_t pid, struct group_stat *s)
{
	unsigned long minflt, majflt;
	char path[32], text[1024];
	const char *at;

	snprintf(path, sizeof(path), "%d/stat", pid);
	if (proc_read(path, text, sizeof(text)) < 0)
		return;
	at = strrchr(text, ')');
	if (!at ||
	    sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %lu %*u %lu", &minflt, &majflt) != 2)
		return;
	s->pgfault += minflt + majflt;
	s->pgmajfault += majflt;
}

static void add_member(const struct process *p, struct group_stat *s)
{
	struct process_usage u;

	if (p->shares_vm || process_usage_read(p->status_fd, &u))
		return;
	if (u.rss_anon <= HUGE_LOOK_PAGES)
		s->rss_huge += huge_bytes(p->tgid);
	s->mapped_file += pages_to_bytes(u.rss_file + u.rss_shmem);
	s->swap += pages_to_bytes(u.swap);
	s->unevictable += pages_to_bytes(u.locked);
	add_faults(p->tgid, s);
	process_peek(p, &u);
	s->rss += pages_to_bytes(u.rss_anon);
	s->shmem += pages_to_bytes(u.rss_shmem);
}

static uint64_t charged_here(struct manager *m, const struct group *g)
{
	uint64_t charged = lease_slot_get_charged(m->lease, g->slot);

	for (const struct group *c = g->children; c; c = c->hh.next)
		charged -= MIN(charged, lease_slot_get_charged(m->lease, c->slot));
	return charged;
}

void group_stat(struct manager *m, struct group *g, struct group_stat *ret)
{
	struct group_stat s = {};
	const struct process *p;
	uint64_t used;

	DL_FOREACH (g->members, p)
		add_member(p, &s);
	s.inactive_file = pages_to_bytes(group_cache(m, g));
	s.cache = s.inactive_file + s.shmem;
	s.active_anon = s.rss + s.shmem - MIN(s.rss + s.shmem, s.unevictable);
	used = bytes_to_pages(s.rss + s.cache);
	s.pgpgin = MAX(charged_here(m, g), used);
	s.pgpgout = s.pgpgin - used;
	*ret = s;
}

void group_stat_add_children(struct manager *m, struct group *g, struct group_stat *sum)
{
	for (struct group *c = g->children; c; c = c->hh.next) {
		struct group_stat s;
		uint64_t *to = (uint64_t *)sum, *from = (uint64_t *)&s;

		group_stat(m, c, &s);
		group_stat_add_children(m, c, &s);
		for (size_t i = 0; i < sizeof(s) / sizeof(uint64_t); i++)
			to[i] += from[i];
	}
}
