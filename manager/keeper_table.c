/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of kept descriptors, by number, in static memory: a hash of chains over fixed entries,
 * which keep their place so that one may remove while iterating. One thread per process.
 */
#include <errno.h>

#include "manager/keeper_private.h"

#define NR_HEADS 16384 /* a power of two; chains of 1.2 when the table is full */

/* Links are entry numbers + 1, so that static zeroes are an empty table. */
struct entry {
	uint64_t id;
	int fd;
	uint16_t next;
	bool in_use, inherited;
};

static struct entry entries[KEEPER_MAX_FDS];
static uint16_t heads[NR_HEADS];
static uint16_t free_list;
static unsigned nr_touched; /* entries that were ever in use: the first ones */

static uint16_t *head_of(uint64_t id)
{
	/* Fibonacci hashing: ids are likely to be consecutive, or pids shifted. */
	return &heads[(id * 0x9e3779b97f4a7c15ULL) >> 50];
}

/* The link that leads to id's entry, or the 0 at the chain's end. */
static uint16_t *link_to(uint64_t id)
{
	uint16_t *link = head_of(id);

	while (*link && entries[*link - 1].id != id)
		link = &entries[*link - 1].next;
	return link;
}

static uint16_t entry_alloc(void)
{
	uint16_t link = free_list;

	if (link)
		free_list = entries[link - 1].next;
	else if (nr_touched < KEEPER_MAX_FDS)
		link = (uint16_t)++nr_touched;
	return link;
}

int keeper_table_put(uint64_t id, int fd, int *ret_old)
{
	uint16_t *link = link_to(id);
	int old = -1;

	if (*link) {
		old = entries[*link - 1].fd;
		entries[*link - 1].fd = fd;
		entries[*link - 1].inherited = false;
	} else {
		uint16_t new = entry_alloc();

		if (!new)
			return -ENOSPC;
		entries[new - 1] = (struct entry){.id = id, .fd = fd, .in_use = true};
		*link = new;
	}
	*ret_old = old;
	return 0;
}

int keeper_table_remove(uint64_t id)
{
	uint16_t *link = link_to(id), gone = *link;
	struct entry *e;

	if (!gone)
		return -ENOENT;
	e = &entries[gone - 1];
	*link = e->next;
	e->in_use = false;
	e->next = free_list;
	free_list = gone;
	return e->fd;
}

void keeper_table_mark_inherited(void)
{
	for (unsigned i = 0; i < nr_touched; i++)
		entries[i].inherited = entries[i].in_use;
}

bool keeper_table_next(unsigned *pos, bool inherited_only, uint64_t *ret_id, int *ret_fd)
{
	while (*pos < nr_touched) {
		const struct entry *e = &entries[(*pos)++];

		if (!e->in_use || (inherited_only && !e->inherited))
			continue;
		*ret_id = e->id;
		*ret_fd = e->fd;
		return true;
	}
	return false;
}
