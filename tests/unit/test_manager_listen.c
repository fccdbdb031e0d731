/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listeners and shrinkers: who is told of what, how many there may be. The eventfds are this
 * process's own. Sizes in pages. */
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/unit/listen_fixture.h"

#define LIMIT 1000

static const struct caller nobody = {.uid = 65534, .gid = 65534};

static void test_threshold(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct fake_process *fp = member_make(b, 100);
	int efd = eventfd_new();

	CU_ASSERT_EQUAL(listen_to(a, efd, LISTENER_THRESHOLD, pages_to_bytes(200), 0), 0);
	CU_ASSERT_EQUAL(told(efd), 0);
	fp->rss_anon = 199;
	world_tick(fp);
	world_step();
	CU_ASSERT_EQUAL(told(efd), 0);
	fp->rss_anon = 200;
	world_tick(fp);
	world_step();
	CU_ASSERT_EQUAL(told(efd), 1);
	fp->rss_anon = 300;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(told(efd), 0);
	fp->rss_anon = 10;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(told(efd), 1);
	CU_ASSERT_EQUAL(group_rmdir(mgr, a, "b"), -EBUSY);
	close(efd);
}

/* Nobody is counted for it as long as there is none. */
static void test_timer(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *fp = member_make(a, 100);
	int efd = eventfd_new(), enabled;

	CU_ASSERT(sd_event_source_get_enabled(mgr->threshold_timer, &enabled) == 0);
	CU_ASSERT_EQUAL(listen_to(a, efd, LISTENER_THRESHOLD, pages_to_bytes(50), 0), 0);
	CU_ASSERT_EQUAL(told(efd), 0);
	CU_ASSERT(sd_event_source_get_enabled(mgr->threshold_timer, &enabled) > 0);
	fp->rss_anon = 10; /* and goes to sleep */
	while (!told(efd))
		CU_ASSERT_FATAL(sd_event_run(mgr->event, 30000000) > 0);
	fake_die(fp);
	world_run();
	CU_ASSERT_EQUAL(group_rmdir(mgr, manager_root(mgr), "a"), 0);
	while (sd_event_source_get_enabled(mgr->threshold_timer, &enabled) > 0)
		CU_ASSERT_FATAL(sd_event_run(mgr->event, 30000000) > 0);
	close(efd);
}

/* However often somebody registers. */
static void test_timer_is_not_postponed(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	uint64_t first = 0, later = 0;
	int efd = eventfd_new();

	CU_ASSERT_EQUAL(listen_to(a, efd, LISTENER_THRESHOLD, pages_to_bytes(50), 0), 0);
	CU_ASSERT_EQUAL(sd_event_source_get_time(mgr->threshold_timer, &first), 0);
	CU_ASSERT(first > 0);
	for (unsigned i = 0; i < 50; i++)
		CU_ASSERT_EQUAL(listen_to(a, efd, LISTENER_THRESHOLD, pages_to_bytes(51 + i), 0),
				0);
	CU_ASSERT_EQUAL(sd_event_source_get_time(mgr->threshold_timer, &later), 0);
	CU_ASSERT_EQUAL(later, first);
	close(efd);
}

/* The root's counters are the machine's, both ways and of either kind. */
static void test_root_threshold(void)
{
	struct group *root = manager_root(mgr);
	int low = eventfd_new(), high = eventfd_new(), swap = eventfd_new();

	CU_ASSERT_EQUAL(listen_to(root, low, LISTENER_THRESHOLD, 4096, COUNTER_MEMORY), 0);
	CU_ASSERT_EQUAL(listen_to(root, high, LISTENER_THRESHOLD, 1ULL << 60, COUNTER_MEMORY), 0);
	CU_ASSERT_EQUAL(listen_to(root, swap, LISTENER_THRESHOLD, 4096, COUNTER_MEMSW), 0);
	thresholds_check(root);
	CU_ASSERT_EQUAL(told(low) + told(high) + told(swap), 0);
	for (struct listener *l = root->listeners; l; l = l->next)
		l->record->above = !l->record->above;
	thresholds_check(root);
	CU_ASSERT_EQUAL(told(low), 1);
	CU_ASSERT_EQUAL(told(high), 1);
	CU_ASSERT_EQUAL(told(swap), 1);
	close(low), close(high), close(swap);
}

static void test_rmdir(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	int efd = eventfd_new();

	CU_ASSERT_EQUAL(listen_to(a, efd, LISTENER_OOM, 0, 0), 0);
	CU_ASSERT_EQUAL(listen_to(a, efd, LISTENER_PRESSURE, PRESSURE_LOW, 0), 0);
	CU_ASSERT_EQUAL(listen_to(a, efd, LISTENER_SHRINKER, 4096, 0), 0);
	CU_ASSERT_EQUAL(group_rmdir(mgr, manager_root(mgr), "a"), 0);
	CU_ASSERT_EQUAL(told(efd), 3);
	close(efd);
}

static void test_oom(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *fp = member_make(a, 500);
	int parent = eventfd_new(), here = eventfd_new(), late = eventfd_new();

	a->record->oom_kill_disable = 1;
	world.swap_free = 0;
	CU_ASSERT_EQUAL(listen_to(a->parent, parent, LISTENER_OOM, 0, 0), 0);
	CU_ASSERT_EQUAL(listen_to(a, here, LISTENER_OOM, 0, 0), 0);
	hit_limit(fp);
	world_run();
	CU_ASSERT_EQUAL(told(here), 1);
	CU_ASSERT_EQUAL(told(parent), 0);
	CU_ASSERT_EQUAL(listen_to(a, late, LISTENER_OOM, 0, 0), 0);
	CU_ASSERT_EQUAL(told(late), 1);
	close(parent);
	close(here);
	close(late);
}

/* As the kernel's three modes. */
static void test_pressure(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	int here = eventfd_new(), once = eventfd_new(), always = eventfd_new(),
	    local = eventfd_new(), high = eventfd_new();

	CU_ASSERT_EQUAL(listen_to(a, once, LISTENER_PRESSURE, PRESSURE_LOW, PRESSURE_DEFAULT), 0);
	CU_ASSERT_EQUAL(listen_to(a, always, LISTENER_PRESSURE, PRESSURE_LOW, PRESSURE_HIERARCHY),
			0);
	CU_ASSERT_EQUAL(listen_to(a, local, LISTENER_PRESSURE, PRESSURE_LOW, PRESSURE_LOCAL), 0);
	group_add_pressure(mgr, b, PRESSURE_WINDOW, PRESSURE_WINDOW);
	CU_ASSERT_EQUAL(told(once), 1); /* nobody below heard */
	CU_ASSERT_EQUAL(told(always), 1);
	CU_ASSERT_EQUAL(told(local), 0);
	CU_ASSERT_EQUAL(listen_to(b, here, LISTENER_PRESSURE, PRESSURE_LOW, PRESSURE_DEFAULT), 0);
	CU_ASSERT_EQUAL(listen_to(b, high, LISTENER_PRESSURE, PRESSURE_MEDIUM, PRESSURE_LOCAL), 0);
	group_add_pressure(mgr, b, PRESSURE_WINDOW, PRESSURE_WINDOW);
	CU_ASSERT_EQUAL(told(here), 1);
	CU_ASSERT_EQUAL(told(high), 0);
	CU_ASSERT_EQUAL(told(once), 0);
	CU_ASSERT_EQUAL(told(always), 1);
	group_add_pressure(mgr, b, PRESSURE_WINDOW, 10);
	CU_ASSERT_EQUAL(told(high), 1);
	CU_ASSERT_EQUAL(group_pressure_level(b), PRESSURE_CRITICAL);
	CU_ASSERT_EQUAL(group_pressure_level(a), PRESSURE_CRITICAL);
	close(here), close(once), close(always), close(local), close(high);
}

/* A listener that nobody has any more makes room, and nothing else does. */
static void test_bounds(void)
{
	struct group *g[4];
	const struct listener_spec spec = {.kind = LISTENER_OOM};
	const struct caller root = self();
	int efd = eventfd_new(), other = eventfd_new(), r = 0;
	unsigned nr = 0;

	for (size_t i = 0; i < ARRAY_SIZE(g); i++) {
		char name[8];

		snprintf(name, sizeof(name), "%zu", i);
		g[i] = group_make(manager_root(mgr), name);
	}
	while (!(r = listen_as(&nobody, g[nr / 440], efd, &spec, false)))
		nr++;
	CU_ASSERT_EQUAL(r, -ENOSPC);
	CU_ASSERT_EQUAL(nr, 1024); /* a user's */
	CU_ASSERT_EQUAL(listen_as(&nobody, g[3], other, &spec, false), -ENOSPC);
	CU_ASSERT_EQUAL(listen_as(&root, g[3], other, &spec, false), 0);
	CU_ASSERT_EQUAL(listen_as(&root, g[3], other, &spec, true), 0); /* the same again */
	CU_ASSERT_EQUAL(g[3]->nr_listeners, 1);
	for (nr = 0; !(r = listen_as(&root, g[0], other, &spec, false)); nr++)
		;
	CU_ASSERT_EQUAL(r, -ENOSPC);
	CU_ASSERT_EQUAL(nr, 72); /* a group's */
	let_go(efd);
	CU_ASSERT_EQUAL(listen_as(&nobody, g[3], other, &spec, false), 0);
	close(other);
}

/* How many u may register at g. */
static unsigned fill(const struct caller *u, struct group *g, int efd)
{
	const struct listener_spec spec = {.kind = LISTENER_OOM};
	unsigned nr = 0;

	while (!listen_as(u, g, efd, &spec, false))
		nr++;
	return nr;
}

/* Users may fill neither a group nor all places: root has some left. */
static void test_root_spare(void)
{
	const struct caller root = self();
	const struct listener_spec spec = {.kind = LISTENER_OOM};
	int efd = eventfd_new();
	unsigned sum = 0;
	struct group *g[9];

	for (unsigned i = 0; i < ARRAY_SIZE(g); i++) {
		const struct caller u = {.uid = 1000 + i};
		char name[8];

		snprintf(name, sizeof(name), "%u", i);
		g[i] = group_make(manager_root(mgr), name);
		sum += fill(&u, g[i], efd);
		CU_ASSERT_EQUAL(sum, MIN(448 * (i + 1), 3840U));
	}
	CU_ASSERT_EQUAL(listen_as(&root, g[0], efd, &spec, false), 0);
	close(efd);
}

/* Those of others that live are not looked at for him whose own are dead. */
static void test_own_dead(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b"),
		     *c = group_make(a, "c");
	const struct caller dead = {.uid = 1000}, alive = {.uid = 1001};
	int gone = eventfd_new(), efd = eventfd_new();
	const struct listener_spec spec = {.kind = LISTENER_OOM};

	CU_ASSERT_EQUAL(fill(&alive, a, efd), 448);
	CU_ASSERT_EQUAL(fill(&dead, b, gone), 448);
	CU_ASSERT_EQUAL(fill(&alive, c, efd), 448);
	let_go(gone);
	mgr->listeners_hand = STATE_MAX_LISTENERS - 1;
	CU_ASSERT_EQUAL(listen_as(&alive, b, efd, &spec, false), 0);
	CU_ASSERT_EQUAL(listen_as(&alive, c, efd, &spec, false), -ENOSPC);
	close(efd);
}

/* Who means us to wait is not told again, and makes room. */
static void test_deaf(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	int efd = eventfd_new();
	const struct caller u = {.uid = 1000};
	const struct listener_spec spec = {.kind = LISTENER_OOM};

	CU_ASSERT_EQUAL(fill(&u, a, efd), 448);
	a->listeners->deaf = true;
	listeners_notify(a, LISTENER_OOM);
	CU_ASSERT_EQUAL(told(efd), 447);
	mgr->listeners_hand = STATE_MAX_LISTENERS - 1;
	CU_ASSERT_EQUAL(listen_as(&u, a, efd, &spec, false), 0);
	CU_ASSERT_EQUAL(listen_as(&u, a, efd, &spec, false), -ENOSPC);
	close(efd);
}

/* ---- shrinkers ---- */

static void test_register_again(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	int efd = eventfd_new(), pair;
	struct caller c = self();

	CU_ASSERT_EQUAL(listen_to(a, efd, LISTENER_SHRINKER, 4096, 0), 0);
	CU_ASSERT_EQUAL(listen_to(a, efd, LISTENER_SHRINKER, 8192, 0), -EEXIST);
	CU_ASSERT_EQUAL(listen_to(b, efd, LISTENER_SHRINKER, 8192, 0), 0);
	CU_ASSERT_EQUAL(group_adjust_shrinker(mgr, a, &c, efd, 7, 1), 0);
	CU_ASSERT_EQUAL(group_adjust_shrinker(mgr, a, &c, efd, 7, 1), 0); /* sent again */
	CU_ASSERT_EQUAL(a->listeners->record->chunks, 7);
	CU_ASSERT_EQUAL(group_adjust_shrinker(mgr, a, &c, efd, INT64_MIN, 2), 0);
	CU_ASSERT_EQUAL(a->listeners->record->chunks, 0);
	CU_ASSERT_EQUAL(group_adjust_shrinker(mgr, a, &c, efd, INT64_MAX, 3), 0);
	CU_ASSERT_EQUAL(group_adjust_shrinker(mgr, a, &c, efd, INT64_MAX, 4), 0);
	CU_ASSERT_EQUAL(a->listeners->record->chunks, INT64_MAX);
	pair = eventfd_new();
	CU_ASSERT_EQUAL(group_adjust_shrinker(mgr, a, &c, pair, 1, 5), -ENOENT);
	close(pair);
	CU_ASSERT_EQUAL(group_adjust_shrinker(mgr, a, &c, pair, 1, 6), -EBADF);
	CU_ASSERT_EQUAL(group_adjust_shrinker(mgr, a, &c, 0, 1, 7), -EINVAL);
	close(efd);
}

static void test_register_once(void)
{
	const struct listener_spec spec = {.kind = LISTENER_PRESSURE, .once = true},
				   other = {.kind = LISTENER_PRESSURE, .value = 1, .once = true};
	struct group *a = group_make(manager_root(mgr), "a");
	const struct caller root = self();
	int efd = eventfd_new();

	CU_ASSERT_EQUAL(listen_as(&root, a, efd, &spec, false), 0);
	CU_ASSERT_EQUAL(listen_as(&root, a, efd, &spec, false), -EEXIST);
	CU_ASSERT_EQUAL(listen_as(&root, a, efd, &other, false), 0);
	CU_ASSERT_EQUAL(a->nr_listeners, 2);
	close(efd);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a threshold is passed either way", test_threshold},
		{"what is given back without a tick is seen", test_timer},
		{"a look that is due is not put off", test_timer_is_not_postponed},
		{"the root's thresholds", test_root_threshold},
		{"a group that goes tells all", test_rmdir},
		{"out of memory", test_oom},
		{"pressure and its modes", test_pressure},
		{"how many there may be", test_bounds},
		{"places that users cannot fill", test_root_spare},
		{"whose dead make room", test_own_dead},
		{"who means us to wait", test_deaf},
		{"a shrinker is one eventfd's", test_register_again},
		{"a level is registered once", test_register_once},
		CU_TEST_INFO_NULL,
	};

	return run_tests("listeners", tests);
}
