/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Readers on other threads while the loop makes, fills, moves and removes groups and processes.
 * What is checked is that nobody reads nonsense; that nobody reads what is being written or was
 * freed is for the sanitizers to say. A reader in the middle keeps nobody from anything.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
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
	void (*look)(struct reader *r, uint64_t id);
	uint64_t nr_looks;
	uint64_t nr_nonsense;
};

/* Ids of the groups there are now. */
static unsigned list_groups(uint64_t ids[FAKE_MAX_DIRS])
{
	unsigned nr = 0;

	manager_rdlock(readers.m);
	for (struct group *g = group_first_child(manager_root(readers.m)); g;
	     g = group_next_sibling(g))
		ids[nr++] = group_id(g);
	manager_unlock(readers.m);
	return nr;
}

static void *reader_main(void *userdata)
{
	struct reader *r = userdata;

	while (!__atomic_load_n(&readers.stop, __ATOMIC_RELAXED)) {
		uint64_t ids[FAKE_MAX_DIRS];
		unsigned nr = list_groups(ids);

		for (unsigned i = 0; i < nr; i++) {
			r->look(r, ids[i]);
			__atomic_fetch_add(&r->nr_looks, 1, __ATOMIC_RELAXED);
		}
		sched_yield(); /* the lock prefers the loop, but does not know whose turn it is next
				*/
	}
	return NULL;
}

/* ---- readers: any group may have been removed meanwhile ---- */

static void look_usage(struct reader *r, uint64_t id)
{
	uint64_t bytes = 0;
	int error = group_usage_bytes(readers.m, id, COUNTER_MEMORY, &bytes);

	r->nr_nonsense += (error && error != -ENODEV) ||
			  bytes > pages_to_bytes(FAKE_MAX_PROCESSES * MAX_PAGES);
}

static void look_stat(struct reader *r, uint64_t id)
{
	struct group_stat s = {}, sum = {};
	int error = group_stat(readers.m, id, &s, &sum);

	r->nr_nonsense += (error && error != -ENODEV) ||
			  sum.rss > pages_to_bytes(FAKE_MAX_PROCESSES * MAX_PAGES) ||
			  sum.pgpgin < sum.pgpgout || s.rss > sum.rss;
}

static void look_tcp(struct reader *r, uint64_t id)
{
	uint64_t bytes = 0;
	int error = group_max_usage_bytes(readers.m, id, COUNTER_TCP, &bytes);

	r->nr_nonsense += (error && error != -ENODEV) || bytes;
}

static void look_tasks(struct reader *r, uint64_t id)
{
	char *text = NULL;
	size_t len = 0;
	int error = group_tasks(readers.m, id, true, getpid(), &text, &len);

	/* The kernel's hierarchy is a step ahead of ours, so that a group may be gone from it. */
	r->nr_nonsense += error ? error != -ENOENT && error != -ENODEV : strlen(text) != len;
	free(text);
}

static unsigned shape_nonsense(const struct group *g, uint64_t id)
{
	const struct file_attr *attr = group_attr(g, 1);
	unsigned nr = 0, nonsense = 0;

	nonsense += group_id(g) != id || group_child(group_parent(g), group_name(g)) != g;
	nonsense += (attr->mode & S_IFMT) != S_IFREG || attr->uid != attr->gid;
	nonsense += group_hierarchical_limit(g, COUNTER_MEMORY) > LIMIT_MAX_BYTES;
	for (struct group *c = group_first_child(g); c; c = group_next_sibling(c))
		nr++;
	return nonsense + (nr != group_nr_children(g));
}

static void look_shape(struct reader *r, uint64_t id)
{
	const struct group *g;

	manager_rdlock(readers.m);
	g = manager_group(readers.m, id);
	if (g)
		r->nr_nonsense += shape_nonsense(g, id);
	manager_unlock(readers.m);
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
	group_reset_max_usage(mgr, g, COUNTER_MEMORY);
	group_reset_failcnt(mgr, g, COUNTER_MEMORY);
	CU_ASSERT_EQUAL(group_rmdir(mgr, g, "a child of another name"), 0);
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "top"), 0);
	if (round % 10 == 0)
		readers_wait(r, nr);
}

static void test_readers(void)
{
	struct reader r[] = {{.look = look_usage},
			     {.look = look_stat},
			     {.look = look_tcp},
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

/* ---- a reader in the middle: held at the first process it looks at ---- */

static struct {
	sem_t reached, go;
	pthread_t thread;
	uint64_t id;
	int error;
	uint64_t usage;
	struct group_stat own, total;
} held;
static _Thread_local bool hold_me;

static void hold(void)
{
	if (!hold_me)
		return;
	hold_me = false;
	sem_post(&held.reached);
	sem_wait(&held.go);
}

static void *usage_main(void *userdata)
{
	hold_me = true;
	held.error = group_usage_bytes(mgr, held.id, COUNTER_MEMORY, &held.usage);
	return userdata;
}

static void *stat_main(void *userdata)
{
	hold_me = true;
	held.error = group_stat(mgr, held.id, &held.own, &held.total);
	return userdata;
}

static void held_start(void *(*reader)(void *), const struct group *g)
{
	held.id = group_id(g);
	held.usage = 0;
	sem_init(&held.reached, 0, 0);
	sem_init(&held.go, 0, 0);
	world.on_usage_read = hold;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&held.thread, NULL, reader, NULL), 0);
	sem_wait(&held.reached);
}

static void held_go_on(void)
{
	sem_post(&held.go);
	pthread_join(held.thread, NULL);
	world.on_usage_read = NULL;
	sem_destroy(&held.reached);
	sem_destroy(&held.go);
}

/* Its descriptor stays what it was: nobody who is opened meanwhile is read in its place. */
static void test_exit_meanwhile(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 100), *y = member_make(a, 50), *z;

	held_start(usage_main, a);
	world_exit(x);
	z = world_fork(y, false);
	world_run();
	CU_ASSERT_PTR_NULL(member(x));
	CU_ASSERT_PTR_NOT_NULL(member(z));
	held_go_on();
	CU_ASSERT_EQUAL(held.error, 0);
	CU_ASSERT_EQUAL(held.usage, pages_to_bytes(50)); /* those who were members then */
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(100));
}

static void test_stat_meanwhile(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 100), *y = member_make(group_make(a, "b"), 50);

	held_start(stat_main, a);
	world_exit(x);
	world_fork(y, false);
	world_run();
	held_go_on();
	CU_ASSERT_EQUAL(held.error, 0);
	CU_ASSERT_EQUAL(held.own.rss, 0);
	CU_ASSERT_EQUAL(held.own.pgfault, 0);
	CU_ASSERT_EQUAL(held.total.rss, pages_to_bytes(50));
	CU_ASSERT_EQUAL(held.total.pgfault, 107);
}

static void test_rmdir_meanwhile(void)
{
	struct group *root = manager_root(mgr), *a = group_make(root, "a");
	struct fake_process *x = member_make(a, 100);

	held_start(usage_main, a);
	world_exit(x);
	world_run();
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "a"), 0);
	a = group_make(root, "a");
	held_go_on();
	CU_ASSERT_EQUAL(held.error, -ENODEV);
	CU_ASSERT_EQUAL(a->record->memory.max_usage, 0);
}

/* What grows where it moved to is not the peak of where it was. */
static void test_move_meanwhile(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", 1000);
	struct group *b = group_make(manager_root(mgr), "b");
	struct fake_process *x = member_make(a, 100);

	held_start(usage_main, a);
	process_move(mgr, member(x), b);
	atomic_put(&x->rss_anon, 5000);
	held_go_on();
	CU_ASSERT_EQUAL(held.error, 0);
	CU_ASSERT_EQUAL(bytes_to_pages(a->record->memory.max_usage), 100);
	CU_ASSERT_EQUAL(usage_bytes_now(a), 0);
	CU_ASSERT_EQUAL(usage_bytes_now(b), pages_to_bytes(5000));
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
			       {"exit and fork while a reader reads", test_exit_meanwhile},
			       {"the same for memory.stat", test_stat_meanwhile},
			       {"rmdir while a reader reads", test_rmdir_meanwhile},
			       {"a move while a reader reads", test_move_meanwhile},
			       {"requests from many threads", test_submitters},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("readers", tests);
}
