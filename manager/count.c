// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * True-up: what members use is read from /proc, and rooms are set from it. Sizes in pages.
 * Thread: the manager's loop, but process_view_pages(); process_view() also under the lock.
 */

#include "manager/manager_private.h"
#include "manager/roster.h"
#include "util/log.h"
#include "util/util.h"

/*
 * Processes that share pages are counted by share (smaps_rollup, 10 ms per GiB) on the spot up to
 * this size, 64 MiB or 0.6 ms; bigger ones when a worker looks, before anything of theirs is
 * reclaimed.
 */
#define SHARE_INLINE_PAGES 16384

/*
 * What threads may touch before their next charge is kept free: all of it for processes that were
 * active since the last count, up to a quarter of the limit, and up to a sixteenth for the others,
 * who may be many (idle threads) and are unlikely to wake all at once.
 */
#define RESERVE_ACTIVE_DIVISOR 4
#define RESERVE_IDLE_DIVISOR   16

/*
 * Open shmem files are looked for again once a process has written this much more, or after this
 * time (fallocate(2) writes nothing); what is not cheap, for a hundredth of the time at most.
 */
#define WRITTEN_STEP_BYTES (256 << 10)
#define SHMEM_LOOK_USEC    1000000
#define SHMEM_CHEAP_USEC   100
#define SHMEM_COST_FACTOR  100

/* How long what a worker found to be shared is believed: copies made since show in nothing else. */
#define SHARE_SAVED_USEC 1000000

static void add_shmem_file(uint64_t dev, uint64_t ino, uint64_t nr_pages, void *userdata)
{
	uint64_t *sum = userdata;

	(void)dev;
	(void)ino;
	*sum += nr_pages;
}

static void count_shmem_files(struct process *p)
{
	uint64_t written, cost, sum = 0, now = now_usec();

	if (now < p->shmem_not_before || process_written_bytes(p->tgid, &written))
		return;
	if (!p->shmem_files && written < p->written + WRITTEN_STEP_BYTES &&
	    now < p->shmem_looked + SHMEM_LOOK_USEC)
		return;
	p->written = written;
	p->shmem_looked = now;
	if (!process_shmem_files(p->tgid, add_shmem_file, &sum))
		atomic_put(&p->shmem_files, sum);
	cost = now_usec() - now;
	if (cost > SHMEM_CHEAP_USEC)
		p->shmem_not_before = now + cost * SHMEM_COST_FACTOR;
}

static uint64_t share_saved(const struct process *p, bool fresh_only)
{
	if (!process_shares_pages(p) ||
	    (fresh_only && now_usec() > atomic_get(&p->share_usec) + SHARE_SAVED_USEC))
		return 0;
	return atomic_get(&p->share_saved);
}

struct process_view process_view(const struct process *p, bool fresh_only)
{
	return (struct process_view){
		.status = p->status,
		.tgid = p->tgid,
		.shares_vm = p->shares_vm,
		.shares_pages = process_shares_pages(p),
		.share_saved = share_saved(p, fresh_only),
		.shmem_files = atomic_get(&p->shmem_files),
	};
}

/* A mapped shmem file is in rss_shmem already. */
static uint64_t unmapped_shmem(const struct process_view *p, const struct process_usage *u)
{
	return p->shmem_files - MIN(p->shmem_files, u->rss_shmem);
}

uint64_t process_view_pages(const struct process_view *p, struct process_usage *u)
{
	uint64_t pages = u->rss_anon + u->rss_shmem;

	if (p->shares_vm)
		return 0;
	if (p->shares_pages || u->rss_shmem) {
		if (u->rss_anon + u->rss_shmem > SHARE_INLINE_PAGES)
			pages -= MIN(pages, p->share_saved);
		else if (!process_usage_read_shared(p->tgid, u))
			pages = u->rss_anon + u->rss_shmem;
	}
	return pages + unmapped_shmem(p, u);
}

/* Swapped pages that processes share since a fork are in the figures of each: nothing tells of them
 * what smaps_rollup tells of those that are resident, but at its price, for each count. */
uint64_t process_view_swap(const struct process_view *v, const struct process_usage *u)
{
	return v->shares_vm ? 0 : u->swap;
}

uint64_t process_view_kmem(const struct process_view *v, const struct process_usage *u)
{
	uint64_t stacks = u->nr_stacks * bytes_to_pages(KERNEL_STACK_BYTES);

	return stacks + (v->shares_vm ? 0 : u->page_tables);
}

/* Not if its thread wrote nothing since the tick before; seldom even then. */
static bool may_have_shmem_files(struct process *p, uint64_t written)
{
	bool wrote = written == LEASE_WRITTEN_UNKNOWN || written != p->tick_written;

	p->tick_written = written;
	return wrote || p->shmem_files || now_usec() >= p->shmem_looked + SHMEM_LOOK_USEC;
}

bool process_count(struct process *p)
{
	struct process_view v;
	struct process_usage u;
	uint64_t before = p->pages, rss;

	if (process_usage_read(p->status_fd, &u)) {
		p->pages = p->nr_threads = 0;
		p->swap = p->kmem = 0;
		return false;
	}
	p->nr_threads = u.nr_threads;
	rss = u.rss_anon + u.rss_shmem;
	p->resident = rss + u.rss_file;
	if (p->shmem_files)
		count_shmem_files(p);
	v = process_view(p, true);
	p->swap = process_view_swap(&v, &u);
	p->kmem = process_view_kmem(&v, &u);
	p->pages = process_view_pages(&v, &u);
	rss += unmapped_shmem(&v, &u);
	p->share_counted = rss - MIN(rss, p->pages);
	p->active = u.state != 'S' || p->pages != before;
	return true;
}

static uint64_t sum_after(uint64_t sum, uint64_t before, uint64_t now)
{
	return sum + now - MIN(sum + now, before);
}

bool process_recount(struct manager *m, struct process *p, const struct group *except)
{
	uint64_t pages_before = p->pages, threads_before = p->nr_threads;
	uint64_t swap_before = p->swap, kmem_before = p->kmem;
	bool lives = process_count(p);

	for (struct group *g = p->group; g; g = g->parent) {
		g->swap = sum_after(g->swap, swap_before, p->swap);
		g->kmem = sum_after(g->kmem, kmem_before, p->kmem);
	}
	process_charge_counted(m, p, pages_before, threads_before, except);
	return lives;
}

uint64_t group_cache(const struct manager *m, const struct group *g)
{
	return g->parent ? lease_slot_get_cache(m->lease, g->slot) : 0;
}

uint64_t group_reserve(const struct group *top, uint64_t limit)
{
	uint64_t active = 0, idle = 0;

	for (const struct group *g = top; g; g = group_next(top, g)) {
		const struct process *p;

		DL_FOREACH (g->members, p)
			*(p->active ? &active : &idle) += p->nr_threads * (uint64_t)LEASE_PAGES;
	}
	return (MIN(active, limit / RESERVE_ACTIVE_DIVISOR) +
		MIN(idle, limit / RESERVE_IDLE_DIVISOR)) >>
	       top->squeeze;
}

int64_t group_room_wanted(struct manager *m, const struct group *g)
{
	uint64_t limit = group_bound(g);

	return (int64_t)limit - (int64_t)g->usage -
	       (int64_t)lease_slot_get_held(m->lease, g->slot) -
	       (int64_t)(g->tick_pages ? group_held_ticks(g, g->tick_pages)
				       : group_reserve(g, limit));
}

static struct group_pages count_members(struct manager *m, struct group *g, const struct group *top)
{
	struct group_pages sum = {0};
	struct process *p;

	DL_FOREACH (g->members, p) {
		if (!process_recount(m, p, top))
			continue;
		sum.usage += p->pages;
		sum.swap += p->swap;
		sum.kmem += p->kmem;
	}
	return sum;
}

/* Sets usage, swap and kmem in the whole subtree below top; returns g's. */
static struct group_pages count_subtree(struct manager *m, struct group *g, const struct group *top)
{
	uint64_t cache = group_cache(m, g);
	struct group_pages sum = count_members(m, g, top);

	sum.usage += cache;
	for (struct group *child = g->children; child; child = child->hh.next) {
		struct group_pages below = count_subtree(m, child, top);

		sum.usage += below.usage;
		sum.swap += below.swap;
		sum.kmem += below.kmem;
		cache += child->cache;
	}
	g->usage = sum.usage;
	g->swap = sum.swap;
	g->kmem = sum.kmem;
	g->cache = cache;
	group_publish(g, sum);
	thresholds_check(g);
	return sum;
}

void group_true_up(struct manager *m, struct group *g)
{
	int64_t seen, room;

	do {
		seen = lease_slot_get_room(m->lease, g->slot);
		g->room_nsec = now_nsec();
		count_subtree(m, g, g);
	} while (group_set_distance(m, g));
	if (!g->parent)
		return;
	/* What was charged while we counted is counted twice for the moment: never too little. */
	room = group_is_limited(g) ? group_room_wanted(m, g) : LEASE_NO_LIMIT;
	lease_slot_set_room(m->lease, g->slot, room, seen);
	background_arm(m, g, room);
}

/* One member was counted just now. */
static void publish_count(struct manager *m, struct group *top)
{
	uint64_t cache = 0;

	for (struct group *g = top; g; g = group_next(top, g))
		cache += group_cache(m, g);
	group_publish(top, (struct group_pages){
				   .usage = top->usage - MIN(top->usage, top->cache) + cache,
				   .swap = top->swap,
				   .kmem = top->kmem,
			   });
	thresholds_check(top);
}

/*
 * A member used another tick of CPU: what it got without faults shows now. Where faults are charged
 * this only ever lowers rooms: what others were charged meanwhile is not known here.
 */
void process_on_tick(struct manager *m, const struct lease_record *r)
{
	struct process *p = process_find(m, (pid_t)r->tgid);
	bool over = false;
	uint64_t before;

	if (!p)
		p = process_member(m, (pid_t)r->tgid);
	if (!p)
		return;
	before = p->pages;
	if (may_have_shmem_files(p, r->written))
		count_shmem_files(p);
	if (!process_recount(m, p, NULL))
		return;
	process_return_tick(m, p, r->nsec);
	if (p->arm_not_before)
		process_arm_late(m, p);
	for (struct group *g = p->group; g->parent; g = g->parent) {
		int64_t room, seen;

		publish_count(m, g);
		if (!group_is_limited(g))
			continue;
		background_on_count(m, g);
		seen = lease_slot_get_room(m->lease, g->slot);
		if (g->tick_pages) {
			if (seen > (int64_t)g->tick_margin)
				continue;
			group_true_up(m, g);
			seen = lease_slot_get_room(m->lease, g->slot);
		}
		room = group_room_wanted(m, g);
		if (room < seen)
			lease_slot_set_room(m->lease, g->slot, room, seen);
		over |= room < 0 && p->pages > before;
	}
	if (over)
		process_stop(m, p, (pid_t)r->child);
}
