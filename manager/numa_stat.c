// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory.numa_stat: memory.stat's figures by node. On a machine with one node they are that one's.
 * Else they are split as the members' mapped pages are; what nobody maps of the page cache, as all
 * of the machine's. Any thread, without the lock. Pages.
 */
#include <string.h>

#include "manager/manager_private.h"
#include "manager/roster.h"
#include "util/util.h"

/* As the kernel's lists: what is locked is on neither of the others. */
static void set_pages(struct group_numa *n, const struct group_stat *s)
{
	n->pages[NUMA_FILE] = bytes_to_pages(s->inactive_file + s->active_file);
	n->pages[NUMA_ANON] = bytes_to_pages(s->inactive_anon + s->active_anon);
	n->pages[NUMA_UNEVICTABLE] = bytes_to_pages(s->unevictable);
}

/* Where pages are that are counted, of members and of the machine. */
struct weights {
	struct numa_pages one, own, total; /* of one member, of the group's, of all */
	uint64_t machine[NUMA_MAX_NODES];  /* its page cache */
};

static void add_pages(struct numa_pages *sum, const struct numa_pages *p,
		      const struct numa_nodes *nodes)
{
	for (unsigned i = 0; i < nodes->nr; i++) {
		sum->anon[nodes->id[i]] += p->anon[nodes->id[i]];
		sum->file[nodes->id[i]] += p->file[nodes->id[i]];
	}
}

/* It is found by pid: what it told is taken when the process was still there after it. */
static bool weigh_member(const struct process_view *v, struct numa_pages *one)
{
	struct process_usage u;

	memset(one, 0, sizeof(*one));
	return !v->shares_vm && !numa_maps_read(v->tgid, one) &&
	       !process_usage_read(v->status->fd, &u);
}

static int weigh(struct manager *m, uint64_t id, const struct numa_nodes *nodes, struct weights *w)
{
	struct roster *roster;
	int r = roster_new(m, id, &roster);

	if (r)
		return r;
	for (size_t i = 0; i < roster->nr_members; i++) {
		if (!weigh_member(&roster->members[i], &w->one))
			continue;
		add_pages(&w->total, &w->one, nodes);
		if (i < roster->groups[0].nr_members)
			add_pages(&w->own, &w->one, nodes);
	}
	roster_free(roster);
	numa_file_pages(nodes, w->machine);
	return 0;
}

static uint64_t sum_of(const struct numa_nodes *nodes, const uint64_t *pages)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < nodes->nr; i++)
		sum += pages[nodes->id[i]];
	return sum;
}

static void split(struct group_numa *n, const struct numa_nodes *nodes, const struct numa_pages *p,
		  const uint64_t *machine)
{
	uint64_t mapped = MIN(sum_of(nodes, p->file), n->pages[NUMA_FILE]);
	const uint64_t *anon = sum_of(nodes, p->anon) ? p->anon : machine;

	numa_split(nodes, p->file, mapped, n->by_node[NUMA_FILE]);
	numa_split(nodes, machine, n->pages[NUMA_FILE] - mapped, n->by_node[NUMA_FILE]);
	numa_split(nodes, anon, n->pages[NUMA_ANON], n->by_node[NUMA_ANON]);
	numa_split(nodes, anon, n->pages[NUMA_UNEVICTABLE], n->by_node[NUMA_UNEVICTABLE]);
}

int group_numa_stat(struct manager *m, uint64_t id, struct group_numa_stat **ret)
{
	cleanup_free struct group_numa_stat *s = calloc(1, sizeof(*s));
	cleanup_free struct weights *w = calloc(1, sizeof(*w));
	struct group_stat own, total;
	int r;

	if (!s || !w)
		return -ENOMEM;
	r = group_stat(m, id, &own, &total);
	if (r)
		return r;
	numa_nodes_read(&s->nodes);
	if (s->nodes.nr > 1)
		r = weigh(m, id, &s->nodes, w);
	if (r)
		return r;
	set_pages(&s->own, &own);
	set_pages(&s->total, &total);
	split(&s->own, &s->nodes, &w->own, w->machine);
	split(&s->total, &s->nodes, &w->total, w->machine);
	*ret = s;
	s = NULL;
	return 0;
}
