// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Pressure: each round of reclaim fills its group's window, and listeners there and further up are
 * told the level, as in mm/vmpressure.c. In pages. Thread: the manager's loop, but
 * group_pressure_level().
 */
#include "manager/manager_private.h"
#include "util/util.h"

/* How long a level holds: who reads it wants to know of now, and without reclaim there is none. */
#define LEVEL_USEC 1000000

/* below: whether the pressure is in a group below; heard: whether somebody on the way has been
 * told. True if somebody was now. */
static bool tell(struct group *g, enum pressure_level level, bool below, bool heard)
{
	struct listener *l;
	bool told = false;

	DL_FOREACH (g->listeners, l) {
		const struct listener_record *rec = l->record;

		if (rec->kind != LISTENER_PRESSURE || level < rec->value ||
		    (below && rec->mode == PRESSURE_LOCAL) ||
		    (heard && rec->mode == PRESSURE_DEFAULT))
			continue;
		listener_notify(l);
		told = true;
	}
	return told;
}

/* The root has no limit, and so no shortfall but this: what all reclaim looked at and did not get.
 */
static void add_to_root(struct manager *m, uint64_t scanned, uint64_t reclaimed)
{
	struct group *root = manager_root(m);
	struct pressure_window sum = root->pressure;
	enum pressure_level level;

	if (!pressure_add(&root->pressure, scanned, reclaimed, &level))
		return;
	sum.scanned += scanned;
	sum.reclaimed += reclaimed;
	if (sum.scanned > sum.reclaimed)
		group_ask(m, root, sum.scanned - sum.reclaimed);
}

void group_add_pressure(struct manager *m, struct group *g, uint64_t scanned, uint64_t reclaimed)
{
	enum pressure_level level;
	bool heard = false;

	add_to_root(m, scanned, reclaimed);
	if (!pressure_add(&g->pressure, scanned, reclaimed, &level))
		return;
	for (struct group *x = g; x; x = x->parent) {
		heard |= tell(x, level, x != g, heard);
		atomic_put(&x->record->pressure_level, level);
		atomic_put(&x->record->pressure_usec, now_usec());
	}
}

enum pressure_level group_pressure_level(const struct group *g)
{
	const struct group_record *rec = g->record;

	if (now_usec() > atomic_get(&rec->pressure_usec) + LEVEL_USEC)
		return PRESSURE_LOW;
	return (enum pressure_level)atomic_get(&rec->pressure_level);
}
