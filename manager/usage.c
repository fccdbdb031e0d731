// SPDX-License-Identifier: GPL-2.0-or-later
/* What a group uses now, for who reads memory.usage_in_bytes and its like. Any thread, without the
 * lock. */
#include <fcntl.h>
#include <string.h>

#include "manager/manager_private.h"
#include "manager/roster.h"
#include "util/util.h"

uint64_t meminfo_kb(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

uint64_t machine_usage_bytes(enum group_counter counter)
{
	static const char *const keys[] = {"\nAnonPages:", "\nCached:", "\nBuffers:"};
	char text[4096];
	uint64_t kb = 0;

	if (read_file_at(AT_FDCWD, "/proc/meminfo", text, sizeof(text)) < 0)
		return 0;
	if (counter == COUNTER_KMEM)
		return (meminfo_kb(text, "\nPageTables:") + meminfo_kb(text, "KernelStack:")) << 10;
	if (counter == COUNTER_RSS)
		return meminfo_kb(text, keys[0]) << 10;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		kb += meminfo_kb(text, keys[i]);
	if (counter == COUNTER_MEMSW)
		kb += meminfo_kb(text, "SwapTotal:") - meminfo_kb(text, "SwapFree:");
	return kb << 10;
}

void manager_get_sources(const struct manager *m, struct manager_sources *ret)
{
	*ret = (struct manager_sources){
		.bpf = lease_get_stop(m->lease) == LEASE_STOP_BPF,
		.page_cache = lease_has_page_cache(m->lease),
		.owners = lease_knows_owners(m->lease),
		.frames = page_frames_are_told(),
	};
}

static struct group_pages roster_pages(const struct roster *r)
{
	struct group_pages sum = {0};

	for (size_t i = 0; i < r->nr_groups; i++) {
		sum.cache += r->groups[i].cache + r->groups[i].shmem;
		sum.usage += r->groups[i].left_pages;
		sum.swap += r->groups[i].left_swap;
	}
	for (size_t i = 0; i < r->nr_members; i++) {
		struct process_usage u;

		if (process_usage_read(r->members[i].status->fd, &u))
			continue;
		sum.swap += process_view_swap(&r->members[i], &u);
		sum.kmem += process_view_kmem(&r->members[i], &u);
		sum.usage += process_view_pages(&r->members[i], &u);
	}
	sum.usage += sum.cache;
	return sum;
}

/* What moved on while it was read, and grew elsewhere, must not be this group's peak. */
static int publish(struct manager *m, uint64_t id, const struct roster *r, struct group_pages pages,
		   enum control_type *ret_type)
{
	struct group *g;

	manager_rdlock(m);
	g = manager_group(m, id);
	if (g && r->nr_moves == m->nr_moves)
		*ret_type = group_publish(g, pages);
	else if (g)
		*ret_type = group_control_type(g);
	manager_unlock(m);
	return g ? 0 : -ENODEV;
}

/* Of the limits that such pages count against. */
static uint64_t limit_of_swap_cache(const struct group *g)
{
	uint64_t limit = LIMIT_MAX_BYTES;

	for (; g; g = g->parent)
		if (group_control_type(g) != CONTROL_CACHE)
			limit = MIN(limit, atomic_get(&g->record->memory.limit));
	return bytes_to_pages(limit);
}

static uint64_t with_swap_cache(struct manager *m, uint64_t id, uint64_t usage, uint64_t swap)
{
	uint64_t cached = swap_cached_pages(m, swap), limit = 0;
	const struct group *g;

	if (!cached)
		return usage;
	manager_rdlock(m);
	g = manager_group(m, id);
	if (g)
		limit = limit_of_swap_cache(g);
	manager_unlock(m);
	return usage_with_swap_cache(usage, cached, limit);
}

int group_usage_bytes(struct manager *m, uint64_t id, enum group_counter counter, uint64_t *ret)
{
	enum control_type type = CONTROL_ALL;
	struct roster *roster;
	struct group_pages pages;
	uint64_t used;
	int r;

	if (counter == COUNTER_TCP)
		return group_tcp_bytes(m, id, ret);
	if (id == group_id(manager_root(m))) {
		*ret = machine_usage_bytes(counter);
		counter_publish(group_counter_of(manager_root(m), counter), *ret);
		return 0;
	}
	r = roster_new(m, id, &roster);
	if (r)
		return r;
	pages = roster_pages(roster);
	r = publish(m, id, roster, pages, &type);
	roster_free(roster);
	used = group_pages_sum(pages, counter, type);
	if (!r && counter == COUNTER_MEMORY && type != CONTROL_CACHE)
		used = with_swap_cache(m, id, used, pages.swap);
	if (!r)
		*ret = pages_to_bytes(used);
	return r;
}

/* The peak is never below what the usage is now. */
int group_max_usage_bytes(struct manager *m, uint64_t id, enum group_counter counter, uint64_t *ret)
{
	const struct group *g;
	uint64_t usage, max = 0;
	int r = group_usage_bytes(m, id, counter, &usage);

	if (r)
		return r;
	manager_rdlock(m);
	g = manager_group(m, id);
	if (g)
		max = atomic_get(&group_counter(g, counter)->max_usage);
	manager_unlock(m);
	if (!g)
		return -ENODEV;
	*ret = max;
	return 0;
}
