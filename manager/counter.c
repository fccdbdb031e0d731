// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A group's counters, of memory, of memory and swap together, of memory without page cache, of
 * kernel memory, and of TCP sockets: published usage, the bound that the limits of the first three
 * make, resets. Any thread reads and publishes; the rest is the manager's loop's. Pages, but for
 * what is published.
 */
#include "manager/manager_private.h"
#include "util/util.h"

struct res_counter *group_counter_of(struct group *g, enum group_counter counter)
{
	switch (counter) {
	case COUNTER_KMEM:
		return &g->record->kmem;
	case COUNTER_TCP:
		return &g->record->tcp;
	case COUNTER_RSS:
		return &g->record->rss;
	case COUNTER_MEMSW:
		return &g->record->memsw;
	default:
		return &g->record->memory;
	}
}

const struct res_counter *group_counter(const struct group *g, enum group_counter counter)
{
	return group_counter_of((struct group *)g, counter);
}

uint64_t group_hierarchical_limit(const struct group *g, enum group_counter counter)
{
	uint64_t limit = LIMIT_MAX_BYTES;

	for (; g; g = g->parent)
		limit = MIN(limit, atomic_get(&group_counter(g, counter)->limit));
	return limit;
}

static uint64_t pages_rss(struct group_pages p)
{
	return p.usage - MIN(p.usage, p.cache);
}

uint64_t group_pages_sum(struct group_pages p, enum group_counter counter, enum control_type type)
{
	switch (counter) {
	case COUNTER_KMEM:
		return p.kmem;
	case COUNTER_MEMSW:
		return p.usage + p.swap;
	case COUNTER_RSS:
		return pages_rss(p);
	default:
		break;
	}
	if (type == CONTROL_ALL)
		return p.usage;
	return type == CONTROL_RSS ? pages_rss(p) : MIN(p.usage, p.cache);
}

void counter_publish(struct res_counter *c, uint64_t usage_bytes)
{
	uint64_t max = atomic_get(&c->max_usage);

	atomic_put(&c->usage, usage_bytes);
	while (usage_bytes > max &&
	       !__atomic_compare_exchange_n(&c->max_usage, &max, usage_bytes, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

enum control_type group_control_type(const struct group *g)
{
	return (enum control_type)atomic_get(&g->record->control_type);
}

enum control_type group_publish(struct group *g, struct group_pages pages)
{
	enum control_type type = group_control_type(g);

	atomic_put(&g->record->swap_usage, pages_to_bytes(pages.swap));
	for (enum group_counter c = 0; c <= COUNTER_KMEM; c++)
		counter_publish(group_counter_of(g, c),
				pages_to_bytes(group_pages_sum(pages, c, type)));
	return type;
}

uint64_t group_used(const struct group *g, enum group_counter counter)
{
	return group_pages_sum(
		(struct group_pages){.usage = g->usage, .swap = g->swap, .cache = g->cache},
		counter, group_control_type(g));
}

/* The limit, or the lower one that memory is being got back for: what is got back would be taken
 * again meanwhile. */
static uint64_t bound_of(const struct group *g, enum group_counter counter)
{
	uint64_t limit = atomic_get(&group_counter(g, counter)->limit);

	if (g->limit_pending && g->limit_counter == counter)
		limit = MIN(limit, g->limit_wanted_bytes);
	return bytes_to_pages(limit);
}

int group_counter_part(const struct group *g, enum group_counter counter)
{
	if (counter == COUNTER_RSS)
		return LEASE_RSS;
	if (counter == COUNTER_MEMSW || group_control_type(g) == CONTROL_ALL)
		return LEASE_ALL_PARTS;
	return group_control_type(g) == CONTROL_RSS ? LEASE_RSS : LEASE_CACHE;
}

bool group_has_limit_on_part(const struct group *g)
{
	for (; g; g = g->parent)
		if (g->record->rss.limit < LIMIT_MAX_BYTES || group_control_type(g) != CONTROL_ALL)
			return true;
	return false;
}

int64_t group_counter_headroom(const struct group *g, enum group_counter counter)
{
	return (int64_t)bound_of(g, counter) - (int64_t)group_used(g, counter);
}

int64_t group_headroom(const struct group *g, int part)
{
	int64_t least = LEASE_NO_LIMIT;

	for (enum group_counter c = COUNTER_MEMORY; c <= COUNTER_RSS; c++)
		if (group_counter_part(g, c) == part)
			least = MIN(least, group_counter_headroom(g, c));
	return least;
}

uint64_t group_least_limit(const struct group *g, int part)
{
	uint64_t least = LEASE_NO_LIMIT;

	for (enum group_counter c = COUNTER_MEMORY; c <= COUNTER_RSS; c++) {
		uint64_t limit = bound_of(g, c);

		if (c == COUNTER_MEMSW)
			limit -= MIN(limit, g->swap);
		if (group_counter_part(g, c) == part)
			least = MIN(least, limit);
	}
	return least;
}

/* Of what page faults bring. */
static int nearest_part(const struct group *g)
{
	return group_headroom(g, LEASE_RSS) < group_headroom(g, LEASE_ALL_PARTS) ? LEASE_RSS
										 : LEASE_ALL_PARTS;
}

uint64_t group_bound(const struct group *g)
{
	return (uint64_t)MAX((int64_t)g->usage + group_headroom(g, nearest_part(g)), 0);
}

uint64_t group_bound_limit(const struct group *g)
{
	return group_least_limit(g, nearest_part(g));
}

bool group_swap_helps(const struct group *g)
{
	return MIN(group_counter_headroom(g, COUNTER_MEMORY),
		   group_counter_headroom(g, COUNTER_RSS)) <
	       group_counter_headroom(g, COUNTER_MEMSW);
}

int group_reset_failcnt(struct manager *m, struct group *g, enum group_counter counter)
{
	(void)m;
	atomic_put(&group_counter_of(g, counter)->failcnt, 0);
	return 0;
}

int group_reset_max_usage(struct manager *m, struct group *g, enum group_counter counter)
{
	uint64_t usage = 0;
	int r = g->parent ? group_usage_bytes(m, group_id(g), counter, &usage) : 0;

	if (!r)
		atomic_put(&group_counter_of(g, counter)->max_usage, usage);
	return r;
}
