// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Out of memory: nothing can be got back for a group at its limit. The choice of the victim is the
 * kernel's (oom_badness() in mm/oom_kill.c): resident and swapped pages, plus oom_score_adj
 * thousandths of the limit. Sizes in pages. Thread: the manager's loop.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

/* How soon a group that waits with nothing under way is looked at again: members may free memory
 * without telling. */
#define RETRY_USEC 20000

#define OOM_SCORE_ADJ_MIN (-1000)

static int oom_score_adj(pid_t pid)
{
	char path[40], text[16];

	snprintf(path, sizeof(path), "%d/oom_score_adj", pid);
	return proc_read(path, text, sizeof(text)) < 0 ? 0 : (int)strtol(text, NULL, 10);
}

/* How much would be gained; below 0: not to be killed. */
static int64_t badness(struct manager *m, struct process *p, uint64_t limit)
{
	int64_t points;
	int adj;

	if (p->shares_vm || !process_recount(m, p, NULL))
		return -1;
	adj = oom_score_adj(p->tgid);
	if (adj == OOM_SCORE_ADJ_MIN)
		return -1;
	points = (int64_t)(p->resident + p->swap) + adj * (int64_t)limit / 1000;
	return MAX(points, 0);
}

static struct process *choose_victim(struct manager *m, struct group *top)
{
	uint64_t limit =
		group_least_limit(top, group_counter_part(top, group_bound_counter(m, top)));
	struct process *p, *victim = NULL;
	int64_t most = -1;

	for (struct group *g = top; g; g = group_next(top, g)) {
		DL_FOREACH (g->members, p) {
			int64_t points = badness(m, p, limit);

			if (points > most) {
				most = points;
				victim = p;
			}
		}
	}
	return victim;
}

/* What of it counts against a limit, if there is one: `, NAME USED kB of LIMIT kB`. */
static void add_counter(FILE *f, const struct group *g, enum group_counter counter,
			const char *name)
{
	uint64_t limit = group_counter(g, counter)->limit;

	if (limit < LIMIT_MAX_BYTES)
		fprintf(f, ", %s %" PRIu64 " kB of %" PRIu64 " kB", name,
			group_used(g, counter) * 4, limit >> 10);
}

static void log_kill(const struct group *g, const struct process *p)
{
	cleanup_free char *path = group_path(g), *counters = NULL;
	char comm_path[40], comm[32] = "";
	size_t len;
	FILE *f = open_memstream(&counters, &len);

	if (f) {
		add_counter(f, g, COUNTER_MEMORY, "usage");
		add_counter(f, g, COUNTER_MEMSW, "with swap");
		add_counter(f, g, COUNTER_RSS, "RSS");
		fclose(f);
	}
	snprintf(comm_path, sizeof(comm_path), "%d/comm", p->tgid);
	if (proc_read(comm_path, comm, sizeof(comm)) > 0)
		comm[strcspn(comm, "\n")] = 0;
	log_warning("group /%s: out of memory%s, nothing left to reclaim: killed process %d (%s), "
		    "resident %" PRIu64 " kB, swap %" PRIu64 " kB, oom_score_adj %d",
		    path ? path : "?", counters ? counters : "", p->tgid, comm, p->resident * 4,
		    p->swap * 4, oom_score_adj(p->tgid));
}

/* Killed from here, so that it waits for no other group's reclaim; a worker gives its memory back.
 */
static void oom_kill(struct manager *m, struct group *g, struct process *p)
{
	int r = process_signal(p, SIGKILL);

	if (r) { /* the retry timer chooses again */
		if (r != -ESRCH)
			log_warning("process %d cannot be killed: %s", p->tgid, strerror(-r));
		return;
	}
	log_kill(g, p);
	g->victim = p->tgid;
	atomic_inc(&p->group->record->oom_kill, 1);
	group_count_event(p->group, GROUP_EVENT_OOM_KILL, 1);
	job_kill(m, p);
}

/* A group is under OOM when it, or one above it, is out of memory. */
static void publish_under_oom(struct group *top)
{
	for (struct group *g = top; g; g = group_next(top, g)) {
		bool under = false;

		for (const struct group *x = g; x && !under; x = x->parent)
			under = x->oom;
		atomic_put(&g->record->under_oom, under);
	}
}

void group_oom_end(struct group *g)
{
	if (!g->oom)
		return;
	g->oom = false;
	publish_under_oom(g);
}

static bool anybody_waits_idle(struct manager *m)
{
	if (m->held)
		return true;
	for (struct group *g = manager_root(m); g; g = group_next(manager_root(m), g))
		if (g->waiters && !g->job)
			return true;
	return false;
}

void retry_arm(struct manager *m)
{
	if (!m->retry) /* before the loop: add_sources() does it */
		return;
	sd_event_source_set_time_relative(m->retry, RETRY_USEC);
	sd_event_source_set_enabled(m->retry, SD_EVENT_ONESHOT);
}

/* Runs only while somebody stands still with nothing under way to change it. */
int oom_retry(sd_event_source *s, uint64_t usec, void *userdata)
{
	struct manager *m = userdata;

	(void)s;
	(void)usec;
	for (struct group *g = manager_root(m); g; g = group_next(manager_root(m), g))
		group_settle(m, g);
	processes_retry_held(m);
	stops_settle(m);
	if (anybody_waits_idle(m))
		retry_arm(m);
	return 0;
}

/* Killed, and not yet gone. */
static bool victim_is_dying(struct manager *m, const struct group *g)
{
	struct process *p = g->victim ? process_find(m, g->victim) : NULL;

	return p && process_recount(m, p, NULL);
}

void group_oom(struct manager *m, struct group *g)
{
	struct process *p;

	retry_arm(m);
	if (victim_is_dying(m, g) || group_squeeze(m, g) || shrinkers_may_be_at_it(g))
		return;
	if (!g->oom) {
		group_count_event(g, GROUP_EVENT_OOM, 1);
		listeners_notify(g, LISTENER_OOM);
		/* However small the group: that all that was looked at stayed is the window. */
		group_add_pressure(m, g, PRESSURE_WINDOW, 0);
	}
	if (!atomic_get(&g->record->oom_kill_disable)) {
		p = choose_victim(m, g);
		if (p) {
			group_oom_end(g);
			oom_kill(m, g, p);
			return;
		}
		if (!g->oom) {
			cleanup_free char *path = group_path(g);

			log_warning("group /%s: out of memory, and no member may be killed",
				    path ? path : "?");
		}
	}
	if (g->oom)
		return;
	g->oom = true;
	publish_under_oom(g);
}
