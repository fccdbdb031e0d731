// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory.stat: a group's figures from its members' /proc files and the lease map. What no source of
 * this version tells (dirty, writeback, refaults, swap cache) is 0. Any thread, without the lock.
 * Bytes, but for the pg* counts.
 */
#include <stdio.h>
#include <string.h>

#include "manager/manager_private.h"
#include "manager/roster.h"
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

/* Some files are found by pid: what they told is taken when the process was still there after it.
 */
static void add_member(const struct process_view *v, struct group_stat *s)
{
	struct group_stat by_pid = {};
	struct process_usage u;

	if (v->shares_vm || process_usage_read(v->status->fd, &u))
		return;
	if (u.rss_anon <= HUGE_LOOK_PAGES)
		by_pid.rss_huge = huge_bytes(v->tgid);
	add_faults(v->tgid, &by_pid);
	if (process_usage_read(v->status->fd, &u))
		return;
	s->rss_huge += by_pid.rss_huge;
	s->pgfault += by_pid.pgfault;
	s->pgmajfault += by_pid.pgmajfault;
	s->mapped_file += pages_to_bytes(u.rss_file + u.rss_shmem);
	s->swap += pages_to_bytes(u.swap);
	s->unevictable += pages_to_bytes(u.locked);
	process_view_pages(v, &u);
	s->rss += pages_to_bytes(u.rss_anon);
	s->shmem += pages_to_bytes(u.rss_shmem);
}

static struct group_stat stat_of(const struct roster_group *g, const struct process_view *members)
{
	struct group_stat s = {};
	uint64_t used;

	for (size_t i = 0; i < g->nr_members; i++)
		add_member(&members[i], &s);
	s.inactive_file = pages_to_bytes(g->cache);
	s.cache = s.inactive_file + s.shmem;
	s.active_anon = s.rss + s.shmem - MIN(s.rss + s.shmem, s.unevictable);
	used = bytes_to_pages(s.rss + s.cache);
	s.pgpgin = MAX(g->charged, used);
	s.pgpgout = s.pgpgin - used;
	return s;
}

static void stat_add(struct group_stat *sum, const struct group_stat *s)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)s;

	for (size_t i = 0; i < sizeof(*s) / sizeof(uint64_t); i++)
		to[i] += from[i];
}

int group_stat(struct manager *m, uint64_t id, struct group_stat *ret_own,
	       struct group_stat *ret_total)
{
	struct group_stat own = {}, total = {};
	const struct process_view *members;
	struct roster *roster;
	int r = roster_new(m, id, &roster);

	if (r)
		return r;
	members = roster->members;
	for (size_t i = 0; i < roster->nr_groups; i++) {
		struct group_stat s = stat_of(&roster->groups[i], members);

		members += roster->groups[i].nr_members;
		stat_add(&total, &s);
		if (i == 0)
			own = s;
	}
	roster_free(roster);
	*ret_own = own;
	*ret_total = total;
	return 0;
}
