// SPDX-License-Identifier: GPL-2.0-or-later
/* The pressure window (pressure.h). In pages; no state, any thread. */
#include "reclaim/pressure.h"

/* Of 100: vmpressure_level_med and vmpressure_level_critical in mm/vmpressure.c. */
#define MEDIUM_PERCENT   60
#define CRITICAL_PERCENT 95

/* Pages scanned that were not got back, in percent. A window is added to at most a few gigabytes at
 * a time: no product here comes near 2^64. */
static uint64_t pressure_percent(const struct pressure_window *w)
{
	if (w->reclaimed >= w->scanned)
		return 0;
	return (w->scanned - w->reclaimed) * 100 / w->scanned;
}

bool pressure_add(struct pressure_window *w, uint64_t scanned, uint64_t reclaimed,
		  enum pressure_level *ret)
{
	uint64_t percent;

	w->scanned += scanned;
	w->reclaimed += reclaimed;
	if (w->scanned < PRESSURE_WINDOW)
		return false;
	percent = pressure_percent(w);
	*ret = percent >= CRITICAL_PERCENT ? PRESSURE_CRITICAL
	       : percent >= MEDIUM_PERCENT ? PRESSURE_MEDIUM
					   : PRESSURE_LOW;
	*w = (struct pressure_window){};
	return true;
}
