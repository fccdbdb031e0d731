// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A group's counters, of memory, of memory and swap together, of kernel memory, and of TCP sockets:
 * published usage, the bound that the limits of the first two make, resets. Any thread reads and
 * publishes; the rest is the manager's loop's.
 */
#include "manager/manager_private.h"
#include "util/util.h"

struct res_counter *group_counter_of(struct group *g, enum group_counter counter)
{
	if (counter == COUNTER_KMEM)
		return &g->record->kmem;
	if (counter == COUNTER_TCP)
		return &g->record->tcp;
	return counter == COUNTER_MEMSW ? &g->record->memsw : &g->record->memory;
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

void counter_publish(struct res_counter *c, uint64_t usage_bytes)
{
	uint64_t max = atomic_get(&c->max_usage);

	atomic_put(&c->usage, usage_bytes);
	while (usage_bytes > max &&
	       !__atomic_compare_exchange_n(&c->max_usage, &max, usage_bytes, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

void group_publish(struct group *g, struct group_pages pages)
{
	for (enum group_counter c = 0; c <= COUNTER_KMEM; c++)
		counter_publish(group_counter_of(g, c), pages_to_bytes(group_pages_sum(pages, c)));
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

uint64_t group_bound(const struct group *g)
{
	uint64_t memsw = bound_of(g, COUNTER_MEMSW);

	return MIN(bound_of(g, COUNTER_MEMORY), memsw - MIN(memsw, g->swap));
}

bool group_bound_is_memory(const struct group *g)
{
	return group_bound(g) == bound_of(g, COUNTER_MEMORY);
}

bool group_swap_helps(const struct group *g)
{
	uint64_t memsw = bytes_to_pages(g->record->memsw.limit);

	return g->record->memsw.limit >= LIMIT_MAX_BYTES ||
	       memsw - MIN(memsw, g->swap) > bytes_to_pages(g->record->memory.limit);
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
