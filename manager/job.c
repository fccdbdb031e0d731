// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Jobs: what takes long is done by a worker on a copy of what it needs, and the result comes back
 * to the loop. Made and freed on the manager's loop; job_run() is a worker's.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

void job_free(struct job *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->nr; i++)
		process_put(j->processes[i]);
	for (size_t i = 0; i < j->nr; i++)
		owner_choice_free(j->target[i].choice);
	free(j->processes);
	free(j->list);
	free(j->target);
	for (size_t i = 0; i < j->nr_share; i++)
		borrowed_put((struct borrowed *)j->share[i].borrowed);
	free(j->share);
	free(j->share_of);
	borrowed_put((struct borrowed *)j->before);
	borrowed_put(j->taken);
	if (j->dir_fd >= 0)
		close(j->dir_fd);
	if (j->target_fd >= 0)
		close(j->target_fd);
	free(j);
}

/* [loop] */
static void job_done(struct manager *m, struct manager_request *r)
{
	struct job *j = (struct job *)((char *)r - offsetof(struct job, done));

	if (j->kind == JOB_RECLAIM)
		reclaim_done(m, j);
	else if (j->kind == JOB_ATTACH)
		attach_done(m, j);
	else if (j->kind == JOB_SWEEP)
		sweep_done(m, j);
	job_free(j);
}

/* After the workers' end: what they posted and the loop did not come to. */
void jobs_free_finished(struct manager *m)
{
	struct manager_request *r, *next;

	for (r = m->requests; r; r = next) {
		next = r->next;
		if (r->run == job_done)
			job_free((struct job *)((char *)r - offsetof(struct job, done)));
	}
	m->requests = m->requests_tail = NULL;
}

static struct job *job_new(struct manager *m, enum job_kind kind, size_t room)
{
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->kind = kind;
	j->manager = m;
	j->dir_fd = j->target_fd = -1;
	j->part = LEASE_ALL_PARTS;
	j->done.run = job_done;
	j->processes = calloc(room + 1, sizeof(*j->processes));
	j->list = calloc(room + 1, sizeof(*j->list));
	j->target = calloc(room + 1, sizeof(*j->target));
	j->share = calloc(room + 1, sizeof(*j->share));
	j->share_of = calloc(room + 1, sizeof(*j->share_of));
	if (!j->processes || !j->list || !j->target || !j->share || !j->share_of) {
		job_free(j);
		return NULL;
	}
	return j;
}

static void job_add_share(struct job *j, struct process *p)
{
	j->share[j->nr_share] = process_share_member(p);
	borrowed_get(p->borrowed);
	j->share_of[j->nr_share++] = (struct job_share){
		.at = j->nr,
		.nr = p->share_nr,
		.counted = p->saved_counted,
	};
}

static uint64_t pages_of(const struct process *p, int part)
{
	if (part == LEASE_RSS)
		return p->anon;
	return p->resident - (part == LEASE_CACHE ? MIN(p->resident, p->anon) : 0);
}

static void job_add(struct job *j, struct process *p)
{
	j->list[j->nr] = (struct reclaim_process){
		.pid = p->tgid,
		.proc_fd = p->status_fd,
		.hand = p->hand,
		.rss = pages_of(p, j->part),
		.runs_alone = j->purpose == JOB_BACKGROUND && p->nr_threads == 1,
	};
	j->target[j->nr].look_nr = p->look_nr;
	j->target[j->nr].anon = p->anon;
	j->processes[j->nr++] = p;
	p->nr_jobs++;
}

static void job_add_looked_at(struct job *j, struct process *p)
{
	job_add_share(j, p);
	job_add(j, p);
}

static void job_add_chosen(struct job *j, struct process *p, struct owner_choice *choice)
{
	struct job_target *t = &j->target[j->nr];

	job_add(j, p);
	t->choice = choice;
	t->looks_after = !process_shares_pages(p);
	t->share_nr = p->share_nr;
	t->found = process_share_member(p); /* the choice keeps its list */
	j->list[j->nr - 1].choose = owner_choose;
	j->list[j->nr - 1].of = choice;
}

/* What counts against the limit that memory is got back for: an enum lease_part, or all of them. */
static int part_wanted(struct manager *m, const struct group *g, enum job_purpose purpose)
{
	enum group_counter counter = COUNTER_MEMORY;

	if (purpose == JOB_REQUEST)
		return LEASE_ALL_PARTS;
	if (purpose == JOB_DIRECT)
		counter = g->limit_pending ? g->limit_counter : group_bound_counter(m, g);
	return group_counter_part(g, counter);
}

/*
 * Big families are looked at first if what is in doubt would be enough: nothing need be got back
 * then, and nobody be killed.
 */
static bool doubt_is_enough(struct manager *m, const struct group *top, uint64_t nr_pages,
			    enum job_purpose purpose)
{
	int part = part_wanted(m, top, purpose);
	int64_t room = group_room_wanted_of(m, top, part);

	if (!top->doubt || part == LEASE_CACHE) /* that is all RSS */
		return false;
	return top->doubt >= nr_pages ||
	       (purpose == JOB_DIRECT && !top->limit_pending && (int64_t)top->doubt + room >= 0);
}

/* Of who brought pages along only those are of use that its group is charged for. */
static void add_members(struct job *j, struct group *g, bool looks)
{
	struct process *p;

	DL_FOREACH (g->members, p) {
		struct owner_choice *choice;

		if (p->shares_vm)
			continue;
		if (p->moving) { /* what of it is whose is not known yet */
			j->passed_over = true;
			continue;
		}
		/* Below that a look costs no more than the page-out it may save. */
		if (looks && process_is_entangled(p) && family_is_big(p))
			job_add_share(j, p);
		choice = p->borrowed ? owner_choice_new(p->borrowed, j->want, true, &j->walk)
				     : NULL;
		if (choice)
			job_add_chosen(j, p, choice);
		else
			job_add(j, p);
	}
}

static uint64_t owed_pages(const struct job *j, const struct process *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->owed.nr; i++)
		sum += j->want[p->owed.owed[i].slot] ? p->owed.owed[i].pages : 0;
	return sum;
}

/* Who left with pages that these groups are charged for still. */
static void add_owing(struct manager *m, struct job *j)
{
	struct process *p, *next;

	HASH_ITER (hh, m->processes, p, next) {
		uint64_t pages = j->want[p->group->slot] ? 0 : owed_pages(j, p);
		struct owner_choice *choice;

		j->passed_over |= pages && p->moving;
		if (!pages || p->moving || !p->borrowed)
			continue;
		choice = owner_choice_new(p->borrowed, j->want, false, &j->walk);
		if (!choice)
			continue;
		job_add_chosen(j, p, choice);
		j->target[j->nr - 1].owes = true;
		j->touches[p->group->slot] = true;
		j->list[j->nr - 1].rss = pages;
	}
}

/* Of what is swapped out, if anything is: what counts there. */
static unsigned kinds_of(const struct manager *m, int part)
{
	if (part == LEASE_RSS && lease_has_page_cache(m->lease))
		return PAGE_OUT_ANON;
	return part == LEASE_CACHE ? PAGE_OUT_SHMEM : PAGE_OUT_ANON | PAGE_OUT_SHMEM;
}

/* Page-out makes no room for memory and swap together. Who wants room under that limit is not
 * helped by it; who wants less memory in use is. */
static bool may_page_out(const struct group *g, enum job_purpose purpose)
{
	if (!atomic_get(&g->record->swappiness))
		return false;
	switch (purpose) {
	case JOB_DIRECT:
		return g->limit_pending ? g->limit_counter != COUNTER_MEMSW : group_swap_helps(g);
	case JOB_BACKGROUND:
		return g->to_soft_limit || group_swap_helps(g);
	case JOB_REQUEST:
		break;
	}
	return true;
}

int job_reclaim(struct manager *m, struct group *top, uint64_t nr_pages, enum job_purpose purpose)
{
	bool looks = doubt_is_enough(m, top, nr_pages, purpose);
	int part = part_wanted(m, top, purpose);
	uint64_t left = 0;
	struct job *j;

	for (const struct group *g = top; g; g = group_next(top, g))
		left += g->left_pages;
	j = job_new(m, JOB_RECLAIM, left ? HASH_COUNT(m->processes) : nr_members_below(top));
	if (!j)
		return -ENOMEM;
	j->purpose = purpose;
	j->part = part;
	for (struct group *g = top; g; g = group_next(top, g)) {
		j->want[g->slot] = j->touches[g->slot] = true;
		if (g->parent && part != LEASE_RSS)
			j->cache += lease_slot_get_cache(m->lease, g->slot);
		add_members(j, g, looks);
	}
	if (left && part != LEASE_CACHE)
		add_owing(m, j);
	j->group_id = group_id(top);
	j->slot = top->slot;
	j->nr_pages = nr_pages;
	j->kinds = may_page_out(top, purpose) ? kinds_of(m, part) : 0;
	top->job = j;
	worker_submit(m->worker, j);
	return 0;
}

int job_kill(struct manager *m, struct process *p)
{
	struct job *j = job_new(m, JOB_KILL, 1);

	if (!j)
		return -ENOMEM;
	job_add(j, p);
	worker_submit(m->worker, j);
	return 0;
}

int job_sweep(struct manager *m, struct process *p, struct job **ret)
{
	struct job *j = job_new(m, JOB_SWEEP, p->family ? p->family->nr_live : 1);
	struct process *x;

	if (!j)
		return -ENOMEM;
	if (!p->family)
		job_add_looked_at(j, p);
	else
		DL_FOREACH2(p->family->processes, x, family_next)
		{
			job_add_looked_at(j, x);
		}
	*ret = j;
	worker_submit(m->worker, j);
	return 0;
}

int job_attach(struct manager *m, const char *path, pid_t tid, bool whole, struct process *p,
	       int owner)
{
	struct job *j = job_new(m, JOB_ATTACH, p ? 1 : 0);

	if (!j)
		return -ENOMEM;
	/* Both now: the one may be renamed, the other end, and its id go to somebody else. */
	j->dir_fd = hierarchy_open(m->hierarchy, path);
	j->target_fd = process_usage_open(tid);
	if (j->dir_fd < 0 || j->target_fd < 0) {
		int r = j->dir_fd < 0 ? j->dir_fd : j->target_fd;

		job_free(j);
		return r;
	}
	if (p)
		job_add(j, p);
	if (p && owner >= 0) {
		j->takes = true;
		j->before = borrowed_get(p->borrowed);
		j->owner = (uint32_t)owner;
	}
	j->tid = tid;
	j->whole = whole;
	worker_submit(m->worker, j);
	return 0;
}

static void process_paged_out(struct manager *m, struct process *p, struct job *j,
			      const struct job_target *t, uint64_t nr)
{
	if (!p->group || !nr)
		return;
	if (t->found.counted && p->share_nr == t->share_nr &&
	    process_share_found(m, p, &t->found, true))
		return;
	/* What went is nothing that it copied, or that was found in its stead. */
	if ((!t->choice || t->owes) && p->look_nr == t->look_nr)
		process_anon_went(p, t->anon, nr);
	if (t->owes)
		process_pay_back(m, p, j->want, nr);
}

void job_take_paged_out(struct manager *m, struct job *j)
{
	for (size_t i = 0; i < j->nr; i++)
		process_paged_out(m, j->processes[i], j, &j->target[i], j->list[i].nr_paged_out);
	/* Looks were before that. */
	for (size_t i = 0; i < j->nr_share; i++) {
		uint64_t nr = j->list[j->share_of[i].at].nr_paged_out;

		if (!j->target[j->share_of[i].at].choice)
			j->share[i].anon -= MIN(j->share[i].anon, nr);
	}
}

bool job_take_shares(struct manager *m, struct job *j, bool whole)
{
	bool more = false;

	for (size_t i = 0; i < j->nr_share; i++) {
		struct process *p = j->processes[j->share_of[i].at];

		if (!p->group || p->share_nr != j->share_of[i].nr || !j->share[i].counted)
			continue;
		if (j->target[j->share_of[i].at].found.counted) /* later */
			continue;
		more |= j->share[i].saved > p->saved_counted;
		process_share_found(m, p, &j->share[i],
				    whole || !p->family || p->family->nr_live == 1);
	}
	return more;
}

/* ---- on a worker ---- */

static int look_at_shares(struct job *j)
{
	for (size_t i = 0; i < j->nr_share; i++)
		share_begin(&j->share[i], j->list[j->share_of[i].at].proc_fd);
	return share_count(j->share, j->nr_share);
}

/*
 * Big families: what is over the limit by what is surely saved may not be so by their page tables.
 * Pages saved beyond what the group's count left out already.
 */
static uint64_t look_at_families(struct job *j)
{
	uint64_t sum = 0;

	if (!j->nr_share || look_at_shares(j))
		return 0;
	for (size_t i = 0; i < j->nr_share; i++) {
		uint64_t known = j->share_of[i].counted;

		sum += j->share[i].saved - MIN(j->share[i].saved, known);
	}
	return sum;
}

static void drop_cache(struct job *j)
{
	cleanup_free struct reclaim_file *files = NULL;
	cleanup_free struct lease_file *listed = NULL;
	size_t nr;
	int64_t n;

	if (!j->cache || lease_files(j->manager->lease, j->want, &listed, &nr))
		return;
	files = calloc(nr + 1, sizeof(*files));
	if (!files)
		return;
	for (size_t i = 0; i < nr; i++)
		files[i] = (struct reclaim_file){listed[i].dev_major, listed[i].dev_minor,
						 listed[i].ino, listed[i].nr_pages};
	n = cache_drop(files, nr, j->list, j->nr, j->nr_pages);
	if (n > 0)
		j->nr_dropped = (uint64_t)n;
}

/* What went of who has borrowed: that, or what is its own. */
static void look_after(struct job *j)
{
	for (size_t i = 0; i < j->nr; i++) {
		struct job_target *t = &j->target[i];

		if (!t->looks_after || !j->list[i].nr_paged_out)
			continue;
		share_begin(&t->found, j->list[i].proc_fd);
		share_count(&t->found, 1);
	}
}

/* Without swap only what files have can go. */
static unsigned kinds_to_page_out(const struct job *j)
{
	unsigned files = j->cache > j->nr_dropped ? PAGE_OUT_FILES : 0;

	return (swap_free_pages() ? j->kinds : 0) | files;
}

static void reclaim(struct job *j)
{
	unsigned kinds;
	int64_t n;

	if (look_at_families(j) >= j->nr_pages)
		return;
	j->scanned = true;
	drop_cache(j);
	if (j->nr_dropped >= j->nr_pages)
		return;
	kinds = kinds_to_page_out(j);
	if (!kinds)
		return;
	n = page_out(j->list, j->nr, j->nr_pages - j->nr_dropped, kinds);
	owner_walk_close(&j->walk);
	if (n <= 0)
		return;
	if (kinds == PAGE_OUT_FILES)
		j->nr_dropped += (uint64_t)n;
	else
		j->nr_paged_out = (uint64_t)n;
	look_after(j);
}

static int attach(struct job *j)
{
	struct process_usage u;
	int r = process_usage_read(j->target_fd, &u);

	if (r)
		return r;
	if (j->takes)
		j->take_error = borrowed_take(j->list[0].pid, j->before, j->owner, &j->taken);
	return hierarchy_attach(j->dir_fd, j->tid, j->whole);
}

static uint64_t cpu_usec(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000 + (uint64_t)used.tv_nsec / 1000;
}

static void sweep(struct job *j)
{
	uint64_t begin = cpu_usec();

	j->error = look_at_shares(j);
	j->sweep_usec = cpu_usec() - begin;
}

void job_run(struct job *j)
{
	switch (j->kind) {
	case JOB_RECLAIM:
		reclaim(j);
		break;
	case JOB_KILL:
		process_kill(j->list[0].pid, j->list[0].proc_fd);
		break;
	case JOB_ATTACH:
		j->error = attach(j);
		break;
	case JOB_SWEEP:
		sweep(j);
		break;
	}
}
