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
 * Shared memory that is not charged by file is counted by share (smaps_rollup, 10 ms per GiB): on
 * the loop up to this size, 64 MiB or 0.6 ms, by readers always.
 */
#define SHARE_INLINE_PAGES 16384

/*
 * What threads may touch before their next charge is kept free: all of it for processes that were
 * active since the last count, up to a quarter of the limit, and up to a sixteenth for the others,
 * who may be many (idle threads) and are unlikely to wake all at once.
 */
#define RESERVE_ACTIVE_DIVISOR 4
#define RESERVE_IDLE_DIVISOR   16

struct process_view process_view(const struct manager *m, const struct process *p, bool surely)
{
	return (struct process_view){
		.manager = m,
		.status = p->status,
		.tgid = p->tgid,
		.shares_vm = p->shares_vm,
		.surely = surely,
		.saved = surely ? process_saved_surely(p) : atomic_get(&p->saved),
		.swap_saved = atomic_get(&p->swap_saved),
		.shmem_files = atomic_get(&p->shmem_files),
		.shmem_seen = atomic_get(&p->shmem_seen),
		.joined_nsec = atomic_get(&p->joined_nsec),
	};
}

/* A mapped shmem file is in rss_shmem already. */
static uint64_t unmapped_shmem(const struct process_view *p, const struct process_usage *u)
{
	return p->shmem_files - MIN(p->shmem_files, u->rss_shmem);
}

/* Not yet looked for, or not charged by file. */
static void shmem_by_share(const struct process_view *p, struct process_usage *u)
{
	struct process_usage shared = *u;

	if (!process_usage_read_shared(p->tgid, &shared))
		u->rss_shmem = shared.rss_shmem;
}

uint64_t process_view_pages(const struct process_view *p, struct process_usage *u)
{
	if (p->shares_vm)
		return 0;
	u->rss_shmem -= MIN(u->rss_shmem, p->shmem_seen);
	if (u->rss_shmem && lease_has_page_cache(p->manager->lease))
		u->rss_shmem = p->surely ? u->rss_shmem : process_view_new_shmem(p, u->rss_shmem);
	else if (u->rss_shmem && (!p->surely || u->rss_anon + u->rss_shmem <= SHARE_INLINE_PAGES))
		shmem_by_share(p, u);
	u->rss_anon -= MIN(u->rss_anon, p->saved);
	return u->rss_anon + u->rss_shmem + unmapped_shmem(p, u);
}

uint64_t process_view_swap(const struct process_view *v, const struct process_usage *u)
{
	return v->shares_vm ? 0 : u->swap - MIN(u->swap, v->swap_saved);
}

uint64_t process_view_kmem(const struct process_view *v, const struct process_usage *u)
{
	uint64_t stacks = u->nr_stacks * bytes_to_pages(KERNEL_STACK_BYTES);

	return stacks + (v->shares_vm ? 0 : u->page_tables);
}

/*
 * A thread that is off its CPU twice, and was not switched away from it in between, did not run:
 * it had no page fault, and wrote nothing. Of several threads only the first one's switches are
 * told here.
 */
static void look_if_it_ran(struct process *p, const struct process_usage *u)
{
	bool running = u->state == 'R';

	p->ran = running || p->was_running || u->nr_threads > 1 || p->nr_threads > 1 ||
		 u->nr_switches != p->nr_switches;
	p->was_running = running;
	p->nr_switches = u->nr_switches;
}

static bool count(struct manager *m, struct process *p, bool exact)
{
	struct process_view v;
	struct process_usage u;
	uint64_t before = p->pages, u_anon;

	if (process_usage_read(p->status_fd, &u)) {
		p->pages = p->nr_threads = 0;
		atomic_put(&p->anon, 0);
		p->doubt = 0;
		p->swap = p->kmem = 0;
		return false;
	}
	look_if_it_ran(p, &u);
	p->nr_threads = u.nr_threads;
	p->resident = u.rss_anon + u.rss_shmem + u.rss_file;
	u_anon = u.rss_anon;
	atomic_put(&p->anon, u_anon);
	if (p->may_have_written || p->shmem_due || process_may_have_shmem(m, p, &u))
		process_look_at_shmem(m, p, &u, group_has_limit_on_part(p->group));
	p->may_have_written = false;
	if ((process_is_entangled(p) || p->moving) && !p->shares_vm)
		process_look_at_family(m, p, exact);
	v = process_view(m, p, true);
	p->swap = process_view_swap(&v, &u);
	p->kmem = process_view_kmem(&v, &u);
	p->pages = process_view_pages(&v, &u);
	p->saved_counted = v.saved;
	p->doubt = MIN(u_anon, p->saved) - MIN(u_anon, v.saved);
	p->active = u.state != 'S' || p->pages != before;
	return true;
}

bool process_count(struct manager *m, struct process *p)
{
	return count(m, p, false);
}

static uint64_t sum_after(uint64_t sum, uint64_t before, uint64_t now)
{
	return sum + now - MIN(sum + now, before);
}

static bool recount(struct manager *m, struct process *p, const struct group *except, bool exact)
{
	uint64_t pages_before = p->pages, threads_before = p->nr_threads;
	uint64_t swap_before = p->swap, kmem_before = p->kmem, doubt_before = p->doubt;
	bool lives = count(m, p, exact);

	for (struct group *g = p->group; g; g = g->parent) {
		g->swap = sum_after(g->swap, swap_before, p->swap);
		g->kmem = sum_after(g->kmem, kmem_before, p->kmem);
		g->doubt = sum_after(g->doubt, doubt_before, p->doubt);
	}
	process_charge_counted(m, p, pages_before, threads_before, except);
	return lives;
}

bool process_recount(struct manager *m, struct process *p, const struct group *except)
{
	return recount(m, p, except, false);
}

uint64_t group_cache(const struct manager *m, const struct group *g)
{
	return g->parent ? lease_slot_get_cache(m->lease, g->slot) +
				   lease_slot_get_shmem(m->lease, g->slot)
			 : 0;
}

/* What threads may take before their next charge, of each kind. */
struct ahead {
	uint64_t held; /* as it is; the others are bounded by the limit */
	uint64_t active, idle;
};

static struct ahead reserves(const struct group *top)
{
	struct ahead a = {0};

	for (const struct group *g = top; g; g = group_next(top, g)) {
		const struct process *p;

		DL_FOREACH (g->members, p)
			*(p->active ? &a.active : &a.idle) += p->nr_threads * (uint64_t)LEASE_PAGES;
	}
	return a;
}

static uint64_t reserve_under(const struct ahead *a, uint64_t limit, unsigned squeeze)
{
	return (MIN(a->active, limit / RESERVE_ACTIVE_DIVISOR) +
		MIN(a->idle, limit / RESERVE_IDLE_DIVISOR)) >>
	       squeeze;
}

uint64_t group_reserve(const struct group *g, uint64_t limit)
{
	struct ahead a = reserves(g);

	return reserve_under(&a, limit, g->squeeze);
}

static struct ahead taken_ahead(struct manager *m, const struct group *g)
{
	struct ahead a = {0};

	if (g->tick_pages)
		a.held = group_held_ticks(g, g->tick_pages);
	else
		a = reserves(g);
	a.held += lease_slot_get_held(m->lease, g->slot);
	return a;
}

static int64_t ahead_of(const struct group *g, const struct ahead *a, int part)
{
	if (part == LEASE_CACHE)
		return 0;
	return (int64_t)(a->held + reserve_under(a, group_least_limit(g, part), g->squeeze));
}

static int64_t room_of(const struct group *g, const struct ahead *a, int part)
{
	return group_headroom(g, part) - ahead_of(g, a, part);
}

int64_t group_room_wanted_of(struct manager *m, const struct group *g, int part)
{
	struct ahead a = taken_ahead(m, g);

	return room_of(g, &a, part);
}

#define FOR_EACH_ROOM(part) for (int part = LEASE_ALL_PARTS; part < LEASE_NR_PARTS; part++)

/* Who waits for room in one part does not wait for the others. */
static bool is_of_interest(const struct group *g, int part)
{
	return !g->full_parts || g->full_parts & 1U << (part + 1);
}

int64_t group_room_wanted(struct manager *m, const struct group *g)
{
	struct ahead a = taken_ahead(m, g);
	int64_t least = LEASE_NO_LIMIT;

	FOR_EACH_ROOM(part)
	{
		if (is_of_interest(g, part))
			least = MIN(least, room_of(g, &a, part));
	}
	return least;
}

enum group_counter group_bound_counter(struct manager *m, const struct group *g)
{
	struct ahead a = taken_ahead(m, g);
	enum group_counter nearest = COUNTER_MEMORY;
	int64_t least = INT64_MAX;

	for (enum group_counter c = COUNTER_MEMORY; c <= COUNTER_RSS; c++) {
		int part = group_counter_part(g, c);
		int64_t room = group_counter_headroom(g, c) - ahead_of(g, &a, part);

		if (!is_of_interest(g, part))
			continue;
		if (room < least)
			nearest = c;
		least = MIN(least, room);
	}
	return nearest;
}

unsigned group_full_parts(const struct manager *m, const struct group *g, bool all)
{
	unsigned full = 0;

	FOR_EACH_ROOM(part)
	{
		int64_t room = lease_slot_get_room_of(m->lease, g->slot, part);

		if (room < 0 && (all || room < g->room_set[part + 1]))
			full |= 1U << (part + 1);
	}
	return full;
}

static void room_set(struct manager *m, struct group *g, int part, int64_t room, int64_t seen)
{
	lease_slot_set_room_of(m->lease, g->slot, part, room, seen);
	g->room_set[part + 1] = room;
}

int64_t group_lower_rooms(struct manager *m, struct group *g)
{
	struct ahead ahead = taken_ahead(m, g);
	int64_t least = LEASE_NO_LIMIT;

	FOR_EACH_ROOM(part)
	{
		int64_t seen = lease_slot_get_room_of(m->lease, g->slot, part);
		int64_t room = room_of(g, &ahead, part);

		if (room < seen)
			room_set(m, g, part, room, seen);
		least = MIN(least, room);
	}
	return least;
}

void group_charge(struct manager *m, const struct group *g, int64_t nr_pages)
{
	lease_slot_set_room(m->lease, g->slot, -nr_pages, 0);
	lease_slot_set_room_of(m->lease, g->slot, LEASE_RSS, -nr_pages, 0);
}

static struct group_pages count_members(struct manager *m, struct group *g, const struct group *top)
{
	struct group_pages sum = {0};
	struct process *p;

	DL_FOREACH (g->members, p) {
		if (!recount(m, p, top, true))
			continue;
		sum.usage += p->pages;
		sum.swap += p->swap;
		sum.kmem += p->kmem;
		sum.doubt += p->doubt;
	}
	return sum;
}

/* What may be counted twice is charged, but no more than that: it is in no figure. */
static void publish(struct group *g, struct group_pages pages)
{
	pages.usage -= MIN(pages.usage, pages.doubt);
	group_publish(g, pages);
}

void group_publish_counted(struct group *g)
{
	publish(g, (struct group_pages){
			   .usage = g->usage,
			   .swap = g->swap,
			   .kmem = g->kmem,
			   .cache = g->cache,
			   .doubt = g->doubt,
		   });
}

/* Sets usage, swap and kmem in the whole subtree below top; returns g's. */
static struct group_pages count_subtree(struct manager *m, struct group *g, const struct group *top)
{
	uint64_t cache = group_cache(m, g);
	struct group_pages sum = count_members(m, g, top);

	/* After their members: some of it is found out with them. */
	sum.usage += cache + g->left_pages;
	sum.swap += g->left_swap;
	for (struct group *child = g->children; child; child = child->hh.next) {
		struct group_pages below = count_subtree(m, child, top);

		sum.usage += below.usage;
		sum.swap += below.swap;
		sum.kmem += below.kmem;
		sum.doubt += below.doubt;
		cache += child->cache;
	}
	g->usage = sum.usage;
	g->swap = sum.swap;
	g->kmem = sum.kmem;
	g->doubt = sum.doubt;
	g->cache = sum.cache = cache;
	publish(g, sum);
	thresholds_check(g);
	return sum;
}

/* seen: before it was counted. */
static void rooms_set(struct manager *m, struct group *g, const int64_t seen[LEASE_NR_PARTS + 1])
{
	bool limited = group_is_limited(g);
	struct ahead ahead = {0};
	int64_t room, marked = LEASE_NO_LIMIT;

	if (limited)
		ahead = taken_ahead(m, g);
	FOR_EACH_ROOM(part)
	{
		room = limited ? room_of(g, &ahead, part) : LEASE_NO_LIMIT;
		room_set(m, g, part, room, seen[part + 1]);
		if (part == group_counter_part(g, COUNTER_MEMORY))
			marked = room;
	}
	background_arm(m, g, marked);
}

void group_true_up(struct manager *m, struct group *g)
{
	int64_t seen[LEASE_NR_PARTS + 1];

	do {
		FOR_EACH_ROOM(part)
		seen[part + 1] = lease_slot_get_room_of(m->lease, g->slot, part);
		g->room_nsec = now_nsec();
		m->count_nr++;
		count_subtree(m, g, g);
	} while (group_set_distance(m, g));
	if (!g->parent)
		return;
	/* What was charged while we counted is counted twice for the moment: never too little. */
	rooms_set(m, g, seen);
}

/* One member was counted just now. */
static void publish_count(struct manager *m, struct group *top)
{
	uint64_t cache = 0;

	for (struct group *g = top; g; g = group_next(top, g))
		cache += group_cache(m, g);
	publish(top, (struct group_pages){
			     .usage = top->usage - MIN(top->usage, top->cache) + cache,
			     .swap = top->swap,
			     .kmem = top->kmem,
			     .cache = cache,
			     .doubt = top->doubt,
		     });
	thresholds_check(top);
}

void process_publish(struct manager *m, struct process *p)
{
	if (!process_recount(m, p, NULL))
		return;
	for (struct group *g = p->group; g->parent; g = g->parent)
		publish_count(m, g);
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
	p->shmem_grew = false;
	p->may_have_written = process_tick_may_bring_shmem(p, r->written);
	if (!process_recount(m, p, NULL))
		return;
	process_return_tick(m, p, r->nsec);
	process_unsettle(m, p);
	if (p->arm_not_before)
		process_arm_late(m, p);
	for (struct group *g = p->group; g->parent; g = g->parent) {
		publish_count(m, g);
		if (!group_is_limited(g))
			continue;
		background_on_count(m, g);
		if (g->tick_pages && !group_full_parts(m, g, true) &&
		    lease_slot_get_room(m->lease, g->slot) > (int64_t)g->tick_margin &&
		    lease_slot_get_room_of(m->lease, g->slot, LEASE_RSS) > (int64_t)g->tick_margin)
			continue;
		/* Also when shared memory was charged that it brought without a fault. */
		if (g->tick_pages || group_full_parts(m, g, true))
			group_true_up(m, g);
		over |= group_lower_rooms(m, g) < 0 && (p->pages > before || p->shmem_grew);
	}
	p->found_over = over;
	if (over)
		process_stop(m, p, (pid_t)r->child);
}
