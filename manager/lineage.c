// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lineages: the events that one attach armed, and the processes that inherited them. The keeper
 * holds the descriptors too, so that they outlive this server. Thread: the manager's loop.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "manager/guard.h"
#include "manager/keeper.h"
#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

/* Attaching goes over the list of threads until it finds none that is new; who clones faster than
 * that is refused. */
#define ARM_ROUNDS 64

struct arming {
	pid_t *tids;
	size_t nr, room;
};

static bool arming_has(const struct arming *a, pid_t tid)
{
	for (size_t i = 0; i < a->nr; i++)
		if (a->tids[i] == tid)
			return true;
	return false;
}

static int arming_add(struct arming *a, pid_t tid)
{
	if (a->nr == a->room) {
		size_t room = a->room ? 2 * a->room : 16;
		pid_t *tids = reallocarray(a->tids, room, sizeof(*tids));

		if (!tids)
			return -ENOMEM;
		a->tids = tids;
		a->room = room;
	}
	a->tids[a->nr++] = tid;
	return 0;
}

static int lineage_add(struct manager *m, struct lineage *l, const int fds[LEASE_NR_FDS])
{
	unsigned nr = l->nr_fds + LEASE_NR_FDS;
	int *all = reallocarray(l->fds, nr, sizeof(*all));
	uint64_t *ids;

	if (!all)
		return -ENOMEM;
	l->fds = all;
	ids = reallocarray(l->ids, nr, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	l->ids = ids;
	for (unsigned i = 0; i < LEASE_NR_FDS; i++) {
		l->fds[l->nr_fds] = fds[i];
		l->ids[l->nr_fds] = m->next_lease_id++;
		if (m->config.keeper)
			keeper_keep(m->config.keeper, l->ids[l->nr_fds], fds[i]);
		l->nr_fds++;
	}
	return 0;
}

static int arm_thread(struct manager *m, struct lineage *l, pid_t tid)
{
	int fds[LEASE_NR_FDS], r;

	r = lease_arm(m->lease, tid, fds);
	if (r)
		return r;
	for (unsigned i = 0; i < LEASE_NR_FDS; i++)
		fds[i] = guard_place_event(fds[i]);
	r = lineage_add(m, l, fds);
	if (r)
		for (unsigned i = 0; i < LEASE_NR_FDS; i++)
			close(fds[i]);
	return r;
}

/* Arm the threads that are not armed yet. How many there were, or -errno. */
static int arm_round(struct manager *m, struct lineage *l, struct arming *a, pid_t tgid)
{
	char path[32];
	DIR *dir;
	int nr = 0, r = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", tgid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	for (struct dirent *e; !r && (e = readdir(dir));) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);

		if (tid <= 0 || arming_has(a, tid))
			continue;
		r = arm_thread(m, l, tid);
		if (r == -ESRCH && tid != tgid) /* ended meanwhile */
			r = 0;
		if (!r)
			r = arming_add(a, tid);
		nr++;
	}
	closedir(dir);
	return r ? r : nr;
}

static void lineage_free(struct manager *m, struct lineage *l)
{
	for (unsigned i = 0; i < l->nr_fds; i++) {
		close(l->fds[i]);
		if (m->config.keeper)
			keeper_drop(m->config.keeper, l->ids[i]);
	}
	free(l->fds);
	free(l->ids);
	free(l);
}

int lineage_new(struct manager *m, pid_t tgid, struct lineage **ret)
{
	struct lineage *l = calloc(1, sizeof(*l));
	struct arming a = {};
	int r = 1;

	if (!l)
		return -ENOMEM;
	/* A thread made by one that was armed already is armed from birth: a second lease on it
	 * does no harm. */
	for (int i = 0; r > 0 && i < ARM_ROUNDS; i++)
		r = arm_round(m, l, &a, tgid);
	free(a.tids);
	if (r) {
		lineage_free(m, l);
		return r < 0 ? r : -EAGAIN;
	}
	*ret = l;
	return 0;
}

struct lineage *lineage_put(struct manager *m, struct lineage *l)
{
	if (l && !--l->nr_live && l != m->adopted)
		lineage_free(m, l);
	return NULL;
}

/*
 * What earlier servers armed. Whose events these are is not known any more, so they end together,
 * when the server does: an event without a task costs its descriptor only.
 */
int lineage_adopt(struct manager *m)
{
	unsigned pos = 0;
	uint64_t id;
	int fd;

	m->next_lease_id = 1;
	if (!m->config.keeper)
		return 0;
	while (keeper_next(m->config.keeper, &pos, &id, &fd)) {
		m->next_lease_id = MAX(m->next_lease_id, id + 1);
		if (m->adopted)
			continue;
		m->adopted = calloc(1, sizeof(*m->adopted));
		if (!m->adopted)
			return -ENOMEM;
	}
	return 0;
}
