// SPDX-License-Identifier: GPL-2.0-or-later
/* A group's settings that are a number and no counter. Thread: the manager's loop. */
#include "manager/manager_private.h"
#include "util/util.h"

/* MOVE_ANON and MOVE_FILE of the kernel's mm/memcontrol.c, up to Linux 6.12. */
#define MOVE_CHARGE_ALL 3

int group_set_swappiness(struct manager *m, struct group *g, uint64_t value)
{
	(void)m;
	if (value > 200)
		return -EINVAL;
	atomic_put(&g->record->swappiness, value);
	return 0;
}

int group_set_oom_kill_disable(struct manager *m, struct group *g, uint64_t value)
{
	if (!g->parent || value > 1)
		return -EINVAL;
	atomic_put(&g->record->oom_kill_disable, value);
	if (!value)
		group_settle(m, g);
	return 0;
}

int group_set_control_type(struct manager *m, struct group *g, enum control_type type)
{
	if (!g->parent)
		return -EINVAL;
	manager_wrlock(m); /* readers publish what they count */
	atomic_put(&g->record->control_type, type);
	atomic_put(&g->record->memory.max_usage, 0);
	manager_unlock(m);
	background_forget(g);
	group_true_up(m, g);
	group_settle(m, g);
	return 0;
}

int group_set_move_charge(struct manager *m, struct group *g, uint64_t value)
{
	(void)m;
	if (value > MOVE_CHARGE_ALL)
		return -EINVAL;
	atomic_put(&g->record->move_charge, value);
	return 0;
}
