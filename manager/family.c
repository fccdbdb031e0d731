// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Families: processes that have pages in common since a fork, and processes that have pages which
 * others are charged for, because they had them when they came (accounting/borrowed.h). What of
 * their resident sets counts in their groups is found by looking at their page tables: small
 * families are looked at whenever they are counted, big ones by a worker (sweep.c), and in between
 * what is known is corrected by their page faults. Sizes in pages. Thread: the manager's loop.
 */
#include <string.h>

#include "manager/manager_private.h"
#include "util/util.h"

/*
 * Families up to this size are looked at on the spot when their group is counted: 64 MiB, 1.5 ms;
 * and when one of them used a tick of 10 ms: 4 MiB, 0.1 ms. Each process takes 25 us besides, as
 * much as so many pages.
 */
#define FAMILY_PROCESS_PAGES 256
#define FAMILY_COUNT_PAGES   16384
#define FAMILY_TICK_PAGES    1024

/* Looks that find less than a process can have given back are not believed for so long. */
#define UNMAP_USEC 200000
/* RssAnon may be off by so much for each CPU: percpu_counter_batch in the kernel, which is twice
 * the number of CPUs where that is more. */
#define RSS_BATCH 32

bool process_shares_pages(const struct process *p)
{
	return p->shared_outside || (p->family && p->family->nr_live > 1);
}

bool process_is_entangled(const struct process *p)
{
	return p->borrowed || process_shares_pages(p);
}

static uint64_t copies_left_to_others(const struct process *p)
{
	return p->nr_copies - MIN(p->nr_copies, p->saved);
}

/* What is saved with p, less so many pages that it may have copied since. */
void process_set_share(struct process *p, uint64_t saved, uint64_t nr_copies)
{
	struct family *f = p->family;

	if (f) {
		f->nr_saved -= p->saved;
		f->nr_copies -= copies_left_to_others(p);
	}
	atomic_put(&p->saved, saved);
	p->nr_copies = nr_copies;
	p->has_noted = false;
	if (f) {
		f->nr_saved += saved;
		f->nr_copies += copies_left_to_others(p);
	}
}

/* Its page table is as it was found when it had had so many. */
static void process_faults_begin(struct process *p, uint64_t faults)
{
	atomic_put(&p->faults_seen, faults);
	atomic_put(&p->anon_seen, p->anon);
	p->look_nr++;
	p->unmaps_usec = 0;
	process_set_share(p, p->saved, 0);
}

/* ---- who is of which ---- */

/* Its own, if it had none. NULL without memory. */
static struct family *process_family(struct process *p)
{
	struct family *f = p->family;

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->nr_live = 1;
	f->nr_saved = p->saved;
	f->nr_copies = copies_left_to_others(p);
	DL_APPEND2(f->processes, p, family_prev, family_next);
	p->family = f;
	return f;
}

/* Another of its family in its group: who has most that does not count with it. */
static struct process *find_kin(const struct process *p)
{
	struct process *x, *best = NULL;

	DL_FOREACH2(p->family->processes, x, family_next)
	if (x != p && x->group == p->group && (!best || x->saved > best->saved))
		best = x;
	return best;
}

/* What counted with p counts with somebody else who has it. */
static void family_hand_over(struct manager *m, struct process *p)
{
	struct process *kin = find_kin(p);
	struct owed_list owed = p->owed;

	if (!kin)
		return;
	process_set_share(kin, kin->saved - MIN(kin->saved, p->shared), kin->nr_copies);
	kin->shared += p->shared;
	if (kin->borrowed != p->borrowed)
		return;
	for (size_t i = 0; i < kin->owed.nr; i++)
		owed_add(&owed, kin->owed.owed[i].slot, kin->owed.owed[i].pages,
			 kin->owed.owed[i].swap);
	process_set_owed(m, kin, &owed);
}

/* The last of its family shares with nobody: what it did not borrow is its own. */
static void last_settle(struct process *p)
{
	if (p->borrowed || p->moving)
		return;
	process_set_share(p, 0, 0);
	atomic_put(&p->swap_saved, 0);
	p->shared = 0;
}

void family_leave(struct manager *m, struct process *p)
{
	struct family *f = p->family;

	if (f && f->nr_live > 1) {
		family_hand_over(m, p);
		family_changed(m, f);
	}
	process_set_owed(m, p, &(struct owed_list){0});
	p->borrowed = borrowed_put(p->borrowed);
	process_set_share(p, 0, 0);
	atomic_put(&p->swap_saved, 0);
	p->shared = 0;
	p->moving = false;
	p->share_nr++;
	p->image_nr++;
	if (!f)
		return;
	DL_DELETE2(f->processes, p, family_prev, family_next);
	p->family = NULL;
	if (--f->nr_live == 1)
		last_settle(f->processes);
	if (f->nr_live)
		return;
	family_forget(m, f);
	free(f);
}

/* A child has its parent's pages: none of them counts with it until one of them is written to. */
void family_join(struct manager *m, struct process *p, struct process *parent)
{
	bool alone = !parent->family || parent->family->nr_live == 1;
	struct family *f = process_family(parent);
	struct process_usage u;

	if (!f) {
		p->shared_outside = true;
		return;
	}
	if (alone) { /* its faults were of no interest before */
		uint64_t faults = process_faults(parent->tgid);

		if (!process_usage_read(parent->status_fd, &u))
			atomic_put(&parent->anon, u.rss_anon);
		process_faults_begin(parent, faults);
	}
	f->nr_live++;
	DL_APPEND2(f->processes, p, family_prev, family_next);
	p->family = f;
	p->borrowed = borrowed_get(parent->borrowed);
	if (process_usage_read(p->status_fd, &u))
		return;
	process_save_all(p, &u, 0); /* it counts its faults from its birth */
	family_changed(m, f);
}

void process_set_borrowed(struct manager *m, struct process *p, struct borrowed *b)
{
	struct borrowed *before = p->borrowed;

	if (b)
		process_family(p);
	manager_wrlock(m);
	p->borrowed = b;
	manager_unlock(m);
	borrowed_put(before);
	p->unmaps_usec = 0;
	p->share_nr++;
}

void process_save_all(struct process *p, const struct process_usage *u, uint64_t faults)
{
	atomic_put(&p->anon, u->rss_anon);
	process_set_share(p, u->rss_anon, 0);
	atomic_put(&p->swap_saved, u->swap);
	p->shared = 0;
	process_faults_begin(p, faults);
	p->share_nr++;
}

/* ---- looking at their page tables ---- */

uint64_t process_faults(pid_t tgid)
{
	uint64_t minor, major;

	return process_fault_counts(tgid, &minor, &major) ? 0 : minor + major;
}

/* What it takes to look at p's family, in pages. */
static uint64_t family_pages(const struct process *p)
{
	const struct process *x;
	uint64_t sum = FAMILY_PROCESS_PAGES;

	if (!page_walk_is_bounded()) /* by address space, which may be anything */
		return UINT64_MAX / 2;
	if (!p->family)
		return sum + p->anon;
	if (p->family->nr_live == 1)
		return sum + borrowed_cost(p->borrowed, p->anon + p->swap + p->swap_saved);
	sum *= p->family->nr_live;
	if (sum > FAMILY_COUNT_PAGES)
		return sum;
	DL_FOREACH2(p->family->processes, x, family_next)
	sum += x->anon;
	return sum;
}

bool family_is_big(const struct process *p)
{
	return family_pages(p) > FAMILY_COUNT_PAGES;
}

bool family_is_swept(const struct process *p)
{
	return family_pages(p) > FAMILY_TICK_PAGES;
}

struct share_member process_share_member(const struct process *p)
{
	return (struct share_member){
		.pid = p->tgid,
		.slot = p->group->slot,
		.anon = atomic_get(&p->anon),
		.borrowed = p->borrowed,
		.alone = !process_shares_pages(p),
		.proportional = p->shared_outside,
	};
}

void process_set_shared_outside(struct manager *m, struct process *p, bool shared)
{
	manager_wrlock(m);
	p->shared_outside = shared;
	manager_unlock(m);
}

void share_begin(struct share_member *x, int status_fd)
{
	struct process_usage u;

	/* In this order: what is touched in between counts as a copy. */
	x->faults = process_faults(x->pid);
	if (!process_usage_read(status_fd, &u))
		x->anon = u.rss_anon;
}

uint64_t copies_since(pid_t tgid, uint64_t faults_seen, uint64_t anon_seen, uint64_t anon)
{
	uint64_t faults = process_faults(tgid), brought;

	if (faults < faults_seen) /* it has gone */
		return 0;
	brought = anon_seen + faults - faults_seen;
	return brought - MIN(brought, anon);
}

static uint64_t process_copies(const struct process *p, uint64_t anon)
{
	return copies_since(p->tgid, p->faults_seen, p->anon_seen, anon);
}

/* None since the last time, if it did not run. */
static void process_note_copies(struct process *p)
{
	if (!p->ran && p->has_noted)
		return;
	process_set_share(p, p->saved, process_copies(p, p->anon));
	p->has_noted = true;
}

/*
 * Memory that is being unmapped has left the page table and is in RssAnon until that is done, which
 * takes 0.1 s per GiB. Whether what p has borrowed and was not found is so, by its faults and
 * resident pages: not for long, since there are ways to get other pages without a fault.
 */
static bool is_being_unmapped(const struct manager *m, struct process *p,
			      const struct share_member *found)
{
	uint64_t now = now_usec(), gone;

	if (!p->borrowed || process_shares_pages(p))
		return false;
	gone = process_copies(p, found->anon) + m->nr_cpus * MAX(RSS_BATCH, 2 * m->nr_cpus);
	if (found->saved >= p->saved - MIN(p->saved, gone)) {
		p->unmaps_usec = 0;
		return false;
	}
	if (!p->unmaps_usec)
		p->unmaps_usec = now;
	return now < p->unmaps_usec + UNMAP_USEC;
}

void process_share_set(struct manager *m, struct process *p, const struct share_member *found,
		       bool whole)
{
	process_set_share(p, found->saved, 0);
	atomic_put(&p->swap_saved, found->swap_saved);
	p->shared = found->shared;
	atomic_put(&p->faults_seen, found->faults);
	atomic_put(&p->anon_seen, found->anon);
	p->look_nr++;
	if (whole)
		process_set_owed(m, p, &found->owed);
}

bool process_share_found(struct manager *m, struct process *p, const struct share_member *found,
			 bool whole)
{
	if (!found->counted || p->moving || is_being_unmapped(m, p, found))
		return false;
	process_share_set(m, p, found, whole);
	return true;
}

/* Members in the order of the list; the process alone if it is of none. */
static struct share_member *family_members(const struct process *p, size_t *ret_nr)
{
	size_t nr = p->family ? p->family->nr_live : 1, i = 0;
	struct share_member *members = calloc(nr, sizeof(*members));
	const struct process *x;

	*ret_nr = nr;
	if (!members)
		return NULL;
	if (!p->family) {
		members[0] = process_share_member(p);
		share_begin(&members[0], p->status_fd);
		return members;
	}
	DL_FOREACH2(p->family->processes, x, family_next)
	{
		members[i] = process_share_member(x);
		share_begin(&members[i++], x->status_fd);
	}
	return members;
}

static void family_look(struct manager *m, struct process *p)
{
	size_t nr, i = 0;
	cleanup_free struct share_member *members = family_members(p, &nr);
	struct process *x;

	if (!members)
		return;
	if (share_count(members, nr))
		return;
	if (!p->family) {
		process_share_found(m, p, &members[0], true);
		return;
	}
	DL_FOREACH2(p->family->processes, x, family_next)
	process_share_found(m, x, &members[i++], true);
}

void process_look_at_family(struct manager *m, struct process *p, bool exact)
{
	uint64_t pages = family_pages(p);
	struct family *f = p->family;

	if (p->moving) { /* what it gets meanwhile may be in place of what it had */
		process_note_copies(p);
		return;
	}
	if (exact && f && f->count_nr == m->count_nr)
		return;
	if (pages <= (exact ? FAMILY_COUNT_PAGES : FAMILY_TICK_PAGES)) {
		if (f)
			f->count_nr = m->count_nr;
		family_look(m, p);
		return;
	}
	process_note_copies(p);
	if (f && (p->nr_copies || p->anon != p->anon_seen))
		family_changed(m, f);
}

/*
 * A copy of a page that counted with another is its maker's own. One of a page that counted with
 * its maker leaves that to others, with whom it does not count yet: so many are taken off all of
 * them, in proportion.
 */
uint64_t process_saved_surely(const struct process *p)
{
	const struct family *f = p->family;
	uint64_t copies = p->nr_copies;

	if (f && f->nr_saved)
		copies += (f->nr_copies * p->saved + f->nr_saved - 1) / f->nr_saved;
	return p->saved - MIN(p->saved, copies);
}
