/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Readers on other threads, under manager_rdlock(), while the loop makes, fills, moves and removes
 * groups and processes. What is checked is that nobody reads nonsense; that nobody reads what is
 * being written or was freed is for the sanitizers to say.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/manager_fixture.h"

#define NR_GROUPS 3
#define NR_ROUNDS                                                                      \
	150 /* with at most four new processes each: FAKE_MAX_PROCESSES is not reached \
	     */
#define MAX_PAGES 100000 /* no process ever has so many */

static struct {
	bool stop; /* atomic */
	struct manager *m;
} readers;

struct reader {
	pthread_t thread;
	void (*look)(struct reader *r, struct group *g);
	uint64_t nr_looks;
	uint64_t nr_nonsense;
};

static void *reader_main(void *userdata)
{
	struct reader *r = userdata;

	while (!__atomic_load_n(&readers.stop, __ATOMIC_RELAXED)) {
		struct group *root;

		manager_rdlock(readers.m);
		root = manager_root(readers.m);
		for (struct group *g = group_first_child(root); g; g = group_next_sibling(g)) {
			r->look(r, g);
			__atomic_fetch_add(&r->nr_looks, 1, __ATOMIC_RELAXED);
		}
		manager_unlock(readers.m);
		sched_yield(); /* the lock prefers the loop, but does not know whose turn it is next
				*/
	}
	return NULL;
}

/* ---- readers ---- */

static void look_usage(struct reader *r, struct group *g)
{
	r->nr_nonsense += group_usage_bytes(readers.m, g) >
			  pages_to_bytes(FAKE_MAX_PROCESSES * MAX_PAGES);
}

static void look_stat(struct reader *r, struct group *g)
{
	struct group_stat s;

	group_stat(readers.m, g, &s);
	group_stat_add_children(readers.m, g, &s);
	r->nr_nonsense += s.rss > pages_to_bytes(FAKE_MAX_PROCESSES * MAX_PAGES) ||
			  s.pgpgin < s.pgpgout;
}

static void look_tasks(struct reader *r, struct group *g)
{
	char *text = NULL;
	size_t len = 0;
	int error = group_tasks(readers.m, g, true, getpid(), &text, &len);

	/* The kernel's hierarchy is a step ahead of ours, so that a group may be gone from it. */
	r->nr_nonsense += error ? error != -ENOENT : strlen(text) != len;
	free(text);
}

static void look_shape(struct reader *r, struct group *g)
{
	const struct file_attr *attr = group_attr(g, 1);
	unsigned nr = 0;

	r->nr_nonsense += manager_group(readers.m, group_id(g)) != g ||
			  group_child(group_parent(g), group_name(g)) != g;
	r->nr_nonsense += (attr->mode & S_IFMT) != S_IFREG || attr->uid != attr->gid;
	r->nr_nonsense += group_hierarchical_limit(g) > LIMIT_MAX_BYTES;
	for (struct group *c = group_first_child(g); c; c = group_next_sibling(c))
		nr++;
	r->nr_nonsense += nr != group_nr_children(g);
}

static void readers_start(struct reader *r, size_t nr)
{
	readers.m = mgr;
	readers.stop = false;
	for (size_t i = 0; i < nr; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&r[i].thread, NULL, reader_main, &r[i]), 0);
}

static void readers_end(struct reader *r, size_t nr)
{
	__atomic_store_n(&readers.stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < nr; i++)
		pthread_join(r[i].thread, NULL);
}

/* Every reader has looked again since the last call. */
static void readers_wait(const struct reader *r, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		uint64_t before = __atomic_load_n(&r[i].nr_looks, __ATOMIC_RELAXED);

		while (__atomic_load_n(&r[i].nr_looks, __ATOMIC_RELAXED) == before)
			sched_yield();
	}
}

/* ---- what the loop does meanwhile ---- */

static void fork_exec_exit(struct group *g, unsigned round)
{
	struct fake_process *x = member_make(g, 50), *y, *z;

	y = world_fork(x, false);
	z = world_fork(x, round % 2);
	world_run();
	world_touch(y, 40);
	world_exec(z, false);
	world.lose_records = round % 5 == 0;
	world_exit(x);
	world.lose_records = false;
	world_run();
	world_touch(z, 24);
	world_exit(y);
	world_exit(z);
	world_run();
}

static void attach_and_move(struct group *from, struct group *to, struct fake_process *fp)
{
	CU_ASSERT_EQUAL(attach(to, fp), 0);
	world_touch(fp, 64);
	world_run();
	CU_ASSERT_EQUAL(attach(from, fp), 0);
	world_run();
}

/* Every now and then the readers look at once, before anything else happens under the lock. */
static void change_shape(struct group *g, unsigned round, const struct reader *r, size_t nr)
{
	const struct file_attr attr = {.mode = 0600, .uid = round, .gid = round};
	const struct caller user = {.pid = getpid(), .uid = 1, .gid = 1};
	struct group *root = manager_root(mgr), *top, *child;

	CU_ASSERT_EQUAL_FATAL(group_mkdir(mgr, root, "top", 0700, &user, &top), 0);
	if (round % 10 == 0)
		readers_wait(r, nr);
	child = group_make(g, "child");
	CU_ASSERT_EQUAL(limit_set(child, 500 + round), 0);
	CU_ASSERT_EQUAL(group_set_attr(mgr, g, 1, &attr,
				       MANAGER_ATTR_UID | MANAGER_ATTR_GID | MANAGER_ATTR_MODE),
			0);
	CU_ASSERT_EQUAL(group_rename(mgr, g, "child", g, "a child of another name"), 0);
	group_set_swappiness(mgr, g, 1 + round % 100);
	group_reset_max_usage(mgr, g);
	group_reset_failcnt(mgr, g);
	CU_ASSERT_EQUAL(group_rmdir(mgr, g, "a child of another name"), 0);
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "top"), 0);
	if (round % 10 == 0)
		readers_wait(r, nr);
}

static void test_readers(void)
{
	struct reader r[] = {{.look = look_usage},
			     {.look = look_stat},
			     {.look = look_tasks},
			     {.look = look_shape}};
	struct group *g[NR_GROUPS];
	struct fake_process *mover, *unheard;

	for (unsigned i = 0; i < NR_GROUPS; i++) {
		char name[] = {(char)('a' + i), 0};

		g[i] = group_make_limited(manager_root(mgr), name, 1000);
	}
	mover = member_make(g[0], 300);
	readers_start(r, ARRAY_SIZE(r));
	for (unsigned i = 0; i < NR_ROUNDS; i++) {
		fork_exec_exit(g[i % NR_GROUPS], i);
		attach_and_move(g[0], g[1], mover);
		world_work(mover, 300);
		change_shape(g[i % NR_GROUPS], i, r, ARRAY_SIZE(r));
		world.lose_records = true;
		unheard = world_fork(mover, false);
		world.lose_records = false;
		world_tick(unheard);
		world_run();
		world_exit(unheard);
		world_run();
	}
	readers_end(r, ARRAY_SIZE(r));
	for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
		CU_ASSERT(r[i].nr_looks > 0);
		CU_ASSERT_EQUAL(r[i].nr_nonsense, 0);
	}
}

/* Requests from many threads at once, each run once, while records come in. */
#define NR_SUBMITTERS 4
#define NR_REQUESTS   200

struct counted {
	struct manager_request request;
	uint64_t nr_run;
};

static struct counted counted[NR_SUBMITTERS][NR_REQUESTS];
static uint64_t nr_requests_run;

static void run_counted(struct manager *m, struct manager_request *r)
{
	(void)m;
	((struct counted *)r)->nr_run++;
	nr_requests_run++;
}

static void *submit_main(void *userdata)
{
	struct counted *c = userdata;

	for (size_t i = 0; i < NR_REQUESTS; i++) {
		c[i].request.run = run_counted;
		manager_submit(readers.m, &c[i].request);
	}
	return NULL;
}

static void test_submitters(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct fake_process *fp = member_make(a, 0);
	pthread_t thread[NR_SUBMITTERS];

	memset(counted, 0, sizeof(counted));
	nr_requests_run = 0;
	readers.m = mgr;
	for (size_t i = 0; i < NR_SUBMITTERS; i++)
		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread[i], NULL, submit_main, counted[i]), 0);
	CU_ASSERT_EQUAL(world_work(fp, 20000), 20000);
	while (nr_requests_run < NR_SUBMITTERS * NR_REQUESTS)
		world_run();
	for (size_t i = 0; i < NR_SUBMITTERS; i++)
		pthread_join(thread[i], NULL);
	for (size_t i = 0; i < NR_SUBMITTERS; i++)
		for (size_t j = 0; j < NR_REQUESTS; j++)
			CU_ASSERT_EQUAL(counted[i][j].nr_run, 1);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"readers while the loop works", test_readers},
			       {"requests from many threads", test_submitters},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("readers", tests);
}
