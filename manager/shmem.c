// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Shared memory (tmpfs, memfd, System V, shared anonymous), charged by file: no event tells of its
 * pages, so what is there of a member's files is compared with what was charged of them, and what
 * has come since is charged to the group of the member that brought it. It stays charged there
 * whoever closes or unmaps the file, and whoever else uses it; lease.bpf.c uncharges it when its
 * pages go. Where that is not to be had (the second rung) members are charged for what they show.
 * Sizes in pages. Thread: the manager's loop.
 */
#include <string.h>
#include <time.h>

#include "manager/manager_private.h"
#include "manager/roster.h"
#include "util/log.h"
#include "util/util.h"

/*
 * Files are looked for again once a process has written this much more, shows so many pages more or
 * less, or after this time (fallocate(2) writes nothing); what is not cheap, for a hundredth of the
 * time at most. A look takes 150 us, and who was forked has soon touched a page or two that its
 * parent brought: that can wait until it has come to rest.
 */
#define WRITTEN_STEP_BYTES (256 << 10)
#define SHOWN_STEP_PAGES   16
#define SHMEM_LOOK_USEC    1000000
#define SHMEM_CHEAP_USEC   100
#define SHMEM_COST_FACTOR  100
/* And all processes together for a tenth of it, if single ones are dear. */
#define SHMEM_DEAR_USEC   1000
#define SHMEM_DEAR_FACTOR 10

/* File times are those of the last tick of the clock: 10 ms at most. */
#define CLOCK_TICK_NSEC 10000000

uint64_t realtime_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- what of files is swapped out ---- */

/* Told by whom it was seen: no event tells when it goes. As many as there is place for. */
#define MAX_SHMEM_SWAPPED 4096

struct shmem_swapped {
	struct {
		uint64_t dev, ino;
	} key;
	uint32_t slot;
	pid_t seen_by;
	uint64_t nr_pages;
	UT_hash_handle hh;
};

static void swapped_drop(struct manager *m, struct shmem_swapped *x)
{
	left_add(m, x->slot, 0, -(int64_t)x->nr_pages);
	HASH_DEL(m->shmem_swapped, x);
	free(x);
}

static void swapped_set(struct manager *m, const struct process *p, const struct shmem_file *f)
{
	struct shmem_swapped *x, fresh = {.key = {f->dev, f->ino}};

	HASH_FIND(hh, m->shmem_swapped, &fresh.key, sizeof(fresh.key), x);
	if (x)
		swapped_drop(m, x);
	if (!f->nr_swapped || HASH_COUNT(m->shmem_swapped) >= MAX_SHMEM_SWAPPED)
		return;
	x = malloc(sizeof(*x));
	if (!x)
		return;
	*x = fresh;
	x->slot = lease_shmem_owner(m->lease, f->dev, f->ino);
	x->seen_by = p->tgid;
	x->nr_pages = f->nr_swapped;
	HASH_ADD(hh, m->shmem_swapped, key, sizeof(x->key), x);
	left_add(m, x->slot, 0, (int64_t)x->nr_pages);
}

void process_drop_shmem(struct manager *m, const struct process *p)
{
	struct shmem_swapped *x, *next;

	HASH_ITER (hh, m->shmem_swapped, x, next)
		if (x->seen_by == p->tgid)
			swapped_drop(m, x);
}

void shmem_inherit(struct manager *m, const struct group *from)
{
	struct shmem_swapped *x, *next;

	HASH_ITER (hh, m->shmem_swapped, x, next)
		if (x->slot == from->slot)
			x->slot = from->parent->slot;
}

/* ---- where files are charged ---- */

static bool is_new_to(const struct shmem_file *f, uint64_t joined_nsec)
{
	return f->born_nsec + CLOCK_TICK_NSEC >= joined_nsec;
}

struct look {
	struct manager *m;
	struct process *p;
	/* Pages that it may have brought since the last look, as far as it shows. */
	uint64_t written, touched;
	uint64_t covered; /* pages of files that are charged, or known not to be */
};

/* False: it is not charged by file. */
static bool add(const struct look *l, uint32_t slot, const struct shmem_file *f, int64_t nr_pages)
{
	int r = lease_shmem_add(l->m->lease, slot, f->dev, f->ino, nr_pages);

	if (r)
		log_debug("shared memory of process %d is not charged by file: %s", l->p->tgid,
			  strerror(-r));
	return !r;
}

/* Whose it is if it did not come by p as far as that shows: who has most of it, or p, not nobody.
 */
static uint32_t otherwise(const struct look *l, const struct shmem_file *f)
{
	uint32_t slot = lease_shmem_owner(l->m->lease, f->dev, f->ino);

	return slot ? slot : l->p->group->slot;
}

/*
 * The first time a file is seen: all of it is p's group's if it was made since p came there, else
 * only what p may have written, with write(2) or where it has mapped it to write. Later: what p may
 * have brought, and the rest of who has most of it: it came by others who were not looked at yet,
 * or by ways that nothing tells of.
 */
static bool file_grown(struct look *l, const struct shmem_file *f, uint64_t known)
{
	uint64_t nr = f->nr_pages - known;
	bool is_new = !known && is_new_to(f, l->p->joined_nsec);
	uint64_t mine = MIN(nr, l->written + (known || f->is_mapped_to_write ? l->touched : 0));

	if (is_new)
		mine = nr;
	l->touched -= MIN(l->touched, mine - MIN(mine, l->written));
	l->written -= MIN(l->written, mine);
	l->p->shmem_grew |= mine > 0;
	return add(l, l->p->group->slot, f, (int64_t)mine) &&
	       add(l, known ? otherwise(l, f) : LEASE_SLOT_NOBODY, f, (int64_t)(nr - mine));
}

static void look_at_file(const struct shmem_file *f, void *userdata)
{
	struct look *l = userdata;
	uint64_t known;

	l->p->has_shmem = true;
	if (lease_shmem_get(l->m->lease, f->dev, f->ino, &known))
		return;
	if (f->nr_pages <= known || file_grown(l, f, known))
		l->covered += f->nr_pages;
	if (f->nr_pages < known) /* swapped out */
		add(l, LEASE_SLOT_MOST, f, (int64_t)f->nr_pages - (int64_t)known);
	swapped_set(l->m, l->p, f);
}

static void look(struct manager *m, struct process *p, const struct process_usage *u,
		 uint64_t written)
{
	struct look l = {.m = m, .p = p};

	l.touched = u->rss_shmem - MIN(u->rss_shmem, p->rss_shmem_looked);
	l.written = bytes_to_pages(written - MIN(written, p->written));
	/* What it shows and none of its files has goes on counting with it. */
	if (!process_shmem_list(p->tgid, look_at_file, &l))
		atomic_put(&p->shmem_seen, MIN(u->rss_shmem, l.covered));
}

/* ---- what a reader finds that was not looked for yet ---- */

struct new_shmem {
	const struct process_view *view;
	uint64_t nr_pages, covered;
};

static void add_new(const struct shmem_file *f, void *userdata)
{
	struct new_shmem *x = userdata;
	uint64_t known;

	x->covered += f->nr_pages;
	if (!lease_shmem_get(x->view->manager->lease, f->dev, f->ino, &known) &&
	    f->nr_pages > known && (known || is_new_to(f, x->view->joined_nsec)))
		x->nr_pages += f->nr_pages - known;
}

uint64_t process_view_new_shmem(const struct process_view *v, uint64_t more)
{
	struct new_shmem x = {.view = v};
	uint64_t shown = v->shmem_seen + more;

	if (process_shmem_list(v->tgid, add_new, &x))
		return more;
	return MIN(more, x.nr_pages + shown - MIN(shown, x.covered));
}

/* ---- where members are ---- */

static void add_unmapped(uint64_t dev, uint64_t ino, uint64_t nr_pages, void *userdata)
{
	uint64_t *sum = userdata;

	(void)dev;
	(void)ino;
	*sum += nr_pages;
}

static void look_at_unmapped(struct process *p)
{
	uint64_t sum = 0;

	if (!process_shmem_files(p->tgid, add_unmapped, &sum))
		atomic_put(&p->shmem_files, sum);
}

/* ---- when ---- */

static uint64_t shown_since(const struct process *p, const struct process_usage *u)
{
	return MAX(u->rss_shmem, p->rss_shmem_looked) - MIN(u->rss_shmem, p->rss_shmem_looked);
}

static bool look_is_due(const struct manager *m, struct process *p, const struct process_usage *u,
			uint64_t written, uint64_t now)
{
	if (written >= p->written + WRITTEN_STEP_BYTES || now >= p->shmem_looked + SHMEM_LOOK_USEC)
		return true;
	if (!lease_has_page_cache(m->lease))
		return p->shmem_files;
	return shown_since(p, u) >= SHOWN_STEP_PAGES || (p->has_shmem && written != p->written);
}

void process_look_at_shmem(struct manager *m, struct process *p, const struct process_usage *u,
			   bool at_once)
{
	uint64_t written, cost, now = now_usec();

	if (process_written_bytes(p->tgid, &written) ||
	    (!p->shmem_due && !look_is_due(m, p, u, written, now))) {
		p->shmem_due = false;
		if (shown_since(p, u))
			process_unsettle(m, p);
		return;
	}
	p->shmem_due = now < (at_once ? m->shmem_not_before
				      : MAX(p->shmem_not_before, m->shmem_not_before));
	if (p->shmem_due)
		return;
	if (lease_has_page_cache(m->lease))
		look(m, p, u, written);
	else
		look_at_unmapped(p);
	p->written = written;
	p->rss_shmem_looked = u->rss_shmem;
	p->shmem_looked = now;
	cost = now_usec() - now;
	if (cost > SHMEM_CHEAP_USEC)
		p->shmem_not_before = now + cost * SHMEM_COST_FACTOR;
	if (cost > SHMEM_DEAR_USEC)
		m->shmem_not_before = now + cost * SHMEM_DEAR_FACTOR;
}

bool process_may_have_shmem(const struct manager *m, const struct process *p,
			    const struct process_usage *u)
{
	if (!lease_has_page_cache(m->lease))
		return p->shmem_files;
	/* Who did not run brought none, but it may have been swapped out. */
	if (u->rss_shmem != p->rss_shmem_looked)
		return true;
	return p->has_shmem && (p->ran || now_usec() >= p->shmem_looked + SHMEM_LOOK_USEC);
}

/* Not if its thread wrote nothing since the tick before; seldom even then. */
bool process_tick_may_bring_shmem(struct process *p, uint64_t written)
{
	bool wrote = written == LEASE_WRITTEN_UNKNOWN || written != p->tick_written;

	p->tick_written = written;
	return wrote || now_usec() >= p->shmem_looked + SHMEM_LOOK_USEC;
}

/* What it has now is where it is charged, or is charged nowhere. */
void process_forget_shmem(struct process *p, const struct process_usage *u)
{
	atomic_put(&p->joined_nsec, realtime_nsec());
	atomic_put(&p->shmem_seen, u->rss_shmem);
	p->rss_shmem_looked = u->rss_shmem;
	if (process_written_bytes(p->tgid, &p->written))
		p->written = 0;
}
