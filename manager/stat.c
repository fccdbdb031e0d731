// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory.stat: a group's figures from its members' /proc files and the lease map. What no source of
 * this version tells (dirty, writeback, refaults) is 0. Any thread, without the lock.
 * Bytes, but for the pg* counts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "manager/manager_private.h"
#include "manager/roster.h"
#include "util/util.h"

/* Looking for huge pages costs 10 ms per GiB: done up to here (64 MiB), 0.6 ms. */
#define HUGE_LOOK_PAGES 16384

/* Any process; else nobody need be looked at for them. */
static bool machine_has_huge_pages(void)
{
	char text[4096];

	if (proc_read("meminfo", text, sizeof(text)) < 0)
		return true;
	return !strstr(text, "\nAnonHugePages:") || meminfo_kb(text, "\nAnonHugePages:");
}

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
int process_fault_counts(pid_t tgid, uint64_t *ret_minor, uint64_t *ret_major)
{
	char path[32], text[1024];
	uint64_t minor, major;
	const char *at;

	snprintf(path, sizeof(path), "%d/stat", tgid);
	if (proc_read(path, text, sizeof(text)) < 0)
		return -ESRCH;
	at = strrchr(text, ')');
	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %" SCNu64 " %*u %" SCNu64, &minor,
			  &major) != 2)
		return -EINVAL;
	*ret_minor = minor;
	*ret_major = major;
	return 0;
}

static void add_faults(pid_t pid, struct group_stat *s)
{
	uint64_t minor, major;

	if (process_fault_counts(pid, &minor, &major))
		return;
	s->pgfault += minor + major;
	s->pgmajfault += major;
}

/* Some files are found by pid: what they told is taken when the process was still there after it.
 */
static void add_member(const struct process_view *v, bool may_be_huge, struct group_stat *s,
		       uint64_t *shmem)
{
	struct group_stat by_pid = {};
	struct process_usage u;

	if (v->shares_vm || process_usage_read(v->status->fd, &u))
		return;
	if (may_be_huge && u.rss_anon <= HUGE_LOOK_PAGES)
		by_pid.rss_huge = huge_bytes(v->tgid);
	add_faults(v->tgid, &by_pid);
	if (process_usage_read(v->status->fd, &u))
		return;
	s->rss_huge += by_pid.rss_huge;
	s->pgfault += by_pid.pgfault;
	s->pgmajfault += by_pid.pgmajfault;
	s->mapped_file += pages_to_bytes(u.rss_file);
	*shmem += pages_to_bytes(u.rss_shmem);
	s->swap += pages_to_bytes(process_view_swap(v, &u));
	s->unevictable += pages_to_bytes(u.locked);
	process_view_pages(v, &u);
	s->rss += pages_to_bytes(u.rss_anon);
	s->shmem += pages_to_bytes(u.rss_shmem);
}

/* Whose pages are mapped is not told: what members have mapped, as far as their group is charged
 * for so much. */
static uint64_t mapped_by_members(const struct roster_group *g, uint64_t file, uint64_t shmem)
{
	return pages_to_bytes(MIN(bytes_to_pages(file), g->cache)) +
	       MIN(shmem, pages_to_bytes(g->shmem));
}

static struct group_stat stat_of(const struct roster_group *g, const struct process_view *members,
				 bool may_be_huge)
{
	struct group_stat s = {};
	uint64_t used, shmem = 0;

	for (size_t i = 0; i < g->nr_members; i++)
		add_member(&members[i], may_be_huge, &s, &shmem);
	s.mapped_file = mapped_by_members(g, s.mapped_file, shmem);
	s.inactive_file = pages_to_bytes(g->cache);
	s.shmem += pages_to_bytes(g->shmem);
	s.rss += pages_to_bytes(g->left_pages);
	s.swap += pages_to_bytes(g->left_swap);
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

/* Without a list, or where it is not told, what stat_of() made of it stands. */
static void set_mapped(struct manager *m, const struct roster *r, struct group_stat *stats)
{
	cleanup_free uint32_t *slots = calloc(r->nr_groups, sizeof(*slots));
	cleanup_free uint64_t *pages = calloc(r->nr_groups, sizeof(*pages));

	if (!slots || !pages)
		return;
	for (size_t i = 0; i < r->nr_groups; i++)
		slots[i] = r->groups[i].slot;
	if (!mapped_get(m, slots, r->nr_groups, pages))
		return;
	for (size_t i = 0; i < r->nr_groups; i++)
		stats[i].mapped_file = pages_to_bytes(pages[i]);
}

int group_stat(struct manager *m, uint64_t id, struct group_stat *ret_own,
	       struct group_stat *ret_total)
{
	struct group_stat *stats, total = {};
	const struct process_view *members;
	struct roster *roster;
	bool may_be_huge;
	int r = roster_new(m, id, &roster);

	if (r)
		return r;
	may_be_huge = machine_has_huge_pages();
	stats = calloc(roster->nr_groups, sizeof(*stats));
	if (!stats) {
		roster_free(roster);
		return -ENOMEM;
	}
	members = roster->members;
	for (size_t i = 0; i < roster->nr_groups; i++) {
		stats[i] = stat_of(&roster->groups[i], members, may_be_huge);
		members += roster->groups[i].nr_members;
	}
	set_mapped(m, roster, stats);
	for (size_t i = 0; i < roster->nr_groups; i++) {
		stats[i].swapcached =
			pages_to_bytes(swap_cached_pages(m, bytes_to_pages(stats[i].swap)));
		stats[i].swap -= stats[i].swapcached;
		stat_add(&total, &stats[i]);
	}
	*ret_own = stats[0];
	*ret_total = total;
	roster_free(roster);
	free(stats);
	return 0;
}
