/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When shrinkers are asked, how long they have, and what happens then. The eventfd is this
 * process's own. Sizes in pages. */
#include <sys/eventfd.h>

#include "tests/unit/manager_fixture.h"

#define LIMIT 10000

/* A shrinker of g with so many chunks of a page. */
static int offer(struct group *g, int64_t chunks)
{
	const struct listener_spec spec = {.kind = LISTENER_SHRINKER, .value = 4096};
	const struct caller c = {.pid = getpid()};
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct eventfd_taken e;

	mgr->ask_usec = 40000; /* time that is not over before we looked */
	CU_ASSERT_EQUAL_FATAL(eventfd_take(gettid(), efd, &e), 0);
	CU_ASSERT_EQUAL_FATAL(group_listen(mgr, g, &spec, &c, &e, false), 0);
	CU_ASSERT_EQUAL(group_adjust_shrinker(mgr, g, &c, efd, chunks, 1), 0);
	return efd;
}

static uint64_t told(int efd)
{
	eventfd_t value = 0;

	eventfd_read(efd, &value);
	return value;
}

static bool had_their_time(const void *userdata)
{
	return !((const struct group *)userdata)->ask_deadline;
}

static struct group *marked(const char *name)
{
	return group_make_marked(manager_root(mgr), name, LIMIT);
}

static void pass_mark(struct fake_process *fp)
{
	CU_ASSERT_EQUAL(world_touch(fp, 200), 200);
	world_step();
}

/* What they free need not be paged out, though it be less than was asked for. */
static void test_high_mark(void)
{
	struct group *a = marked("a");
	struct fake_process *fp = member_make(a, 7400);
	int efd = offer(a, 9000);
	uint64_t asked;

	pass_mark(fp);
	asked = told(efd);
	CU_ASSERT(asked > LIMIT / 4 && asked <= 2600);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_SHRINK_CHUNKS), asked);
	CU_ASSERT(a->ask_deadline > 0);
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	fp->rss_anon = 6000;
	world_run_until(had_their_time, a);
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	CU_ASSERT_EQUAL(a->background, BACKGROUND_OFF);
	/* And at the mark again they are asked again. */
	CU_ASSERT_EQUAL(world_touch(fp, 1700), 1700);
	world_step();
	CU_ASSERT(told(efd) > LIMIT / 4);
	close(efd);
}

/* Those who do not answer are paged out, not before their time. */
static void test_in_vain(void)
{
	struct group *a = marked("a");
	struct fake_process *fp = member_make(a, 7400);
	int efd = offer(a, 9000);
	uint64_t begin = now_usec();

	pass_mark(fp);
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	world_run_until(had_their_time, a);
	CU_ASSERT(now_usec() >= begin + 10000);
	world_run();
	CU_ASSERT(world.nr_page_out > 0);
	CU_ASSERT(fp->rss_anon <= LIMIT / 2);
	close(efd);
}

/* Nobody is waited for where nobody can be asked. */
static void test_nothing_offered(void)
{
	struct group *a = marked("a");
	struct fake_process *fp = member_make(a, 7400);
	int efd = offer(a, 0);

	pass_mark(fp);
	CU_ASSERT_EQUAL(a->ask_deadline, 0);
	world_run();
	CU_ASSERT(world.nr_page_out > 0);
	CU_ASSERT_EQUAL(told(efd), 0);
	close(efd);
}

/* At the limit a member without a shrinker waits for those who have one. */
static void test_limit(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *fp = member_make(a, 9000), *other = member_make(a, 500);
	int efd = offer(a, 9000);

	hit_limit(fp);
	world_step();
	CU_ASSERT(stands(fp));
	CU_ASSERT_EQUAL(failcnt(a), 1);
	CU_ASSERT(told(efd) > 0);
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	other->rss_anon = 100;
	world_run_until(had_their_time, a);
	world_run();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	close(efd);
}

/* A member that has one goes on meanwhile, for so much. */
static void test_grace(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *fp = member_make(a, 9000);
	int efd = offer(a, 0);

	/* As if it had been asked just now. */
	a->listeners->record->tgid = fp->pid;
	a->asked_usec = now_usec();
	hit_limit(fp);
	world_step();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT_EQUAL(failcnt(a), 1);
	while (!stands(fp) && fp->rss_anon < 2 * LIMIT) {
		world_touch(fp, LEASE_PAGES);
		world_step();
	}
	CU_ASSERT(fp->rss_anon > LIMIT);
	CU_ASSERT(fp->rss_anon <= LIMIT + LIMIT / 200 + 2 * LEASE_PAGES);
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	/* Its stops on the way are no hits of their own, that it waits at last is. */
	CU_ASSERT_EQUAL(failcnt(a), 2);
	world_run_until(had_their_time, a);
	world_run();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT(world.nr_page_out > 0);
	close(efd);
}

/* Who was asked at the mark has not answered yet: that the limit is hit counts all the same. */
static void test_limit_while_asked(void)
{
	struct group *a = marked("a");
	struct fake_process *fp = member_make(a, 7400);
	int efd = offer(a, 9000);

	pass_mark(fp);
	CU_ASSERT(a->ask_deadline > 0);
	CU_ASSERT_EQUAL(failcnt(a), 0);
	a->nr_rounds = 5;
	hit_limit(fp);
	world_step();
	CU_ASSERT(stands(fp));
	CU_ASSERT_EQUAL(failcnt(a), 1);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_MAX), 1);
	CU_ASSERT_EQUAL(a->nr_rounds, 0);
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	world_run_until(had_their_time, a);
	world_run();
	CU_ASSERT_FALSE(stands(fp));
	close(efd);
}

static void note_error(int error, void *userdata)
{
	*(int *)userdata = error;
}

static bool no_job(const void *userdata)
{
	return !((const struct group *)userdata)->job;
}

/* Somebody else's reclaim that ends meanwhile makes nobody's time shorter. */
static void test_other_job(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *fp = member_make(a, 9000);
	int efd = offer(a, 0), error = 1;

	fake_reclaim_hold(0);
	group_reclaim_bytes(mgr, a, 4096, note_error, &error);
	fake_reclaim_wait_held(1);
	a->listeners->record->chunks = 9000;
	hit_limit(fp);
	world_step();
	CU_ASSERT(stands(fp));
	CU_ASSERT(a->ask_deadline > 0);
	a->ask_deadline += 1000000; /* however slow we are */
	fake_reclaim_go_on();
	world_run_until(no_job, a);
	CU_ASSERT_EQUAL(error, 0);
	CU_ASSERT(stands(fp));
	CU_ASSERT_EQUAL(world.nr_page_out, 1);
	look_again();
	CU_ASSERT_EQUAL(world.nr_page_out, 1);
	a->ask_deadline = 1;
	world_run_until(had_their_time, a);
	world_run();
	CU_ASSERT_FALSE(stands(fp));
	CU_ASSERT(world.nr_page_out > 1);
	close(efd);
}

/* A limit that is lowered, and reclaim that is asked for: what they free is not paged out. */
static void test_writes(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *fp = member_make(a, 9000);
	int efd = offer(a, 9000), error = 1;

	group_set_limit(mgr, a, COUNTER_MEMORY, pages_to_bytes(8000), note_error, &error);
	CU_ASSERT(told(efd) >= 1000);
	CU_ASSERT(a->ask_deadline > 0);
	fp->rss_anon = 7900;
	world_run_until(had_their_time, a);
	CU_ASSERT_EQUAL(error, 0);
	CU_ASSERT_EQUAL(world.nr_page_out, 0);
	CU_ASSERT_EQUAL(a->record->memory.limit, pages_to_bytes(8000));
	a->asked_usec = 0;
	error = 1;
	group_reclaim_bytes(mgr, a, pages_to_bytes(1000), note_error, &error);
	CU_ASSERT(told(efd) >= 1000);
	fp->rss_anon = 7000;
	world_run_until(had_their_time, a);
	world_run();
	CU_ASSERT_EQUAL(error, 0);
	CU_ASSERT_EQUAL(fp->rss_anon, 6900); /* the rest */
	a->asked_usec = 0;
	error = 1;
	group_set_limit(mgr, a, COUNTER_MEMORY, pages_to_bytes(5000), note_error, &error);
	CU_ASSERT(told(efd) > 0);
	world_run_until(had_their_time, a);
	world_run();
	CU_ASSERT_EQUAL(error, 0);
	CU_ASSERT_EQUAL(fp->rss_anon, 5000);
	close(efd);
}

/* What is asked for at one deadline does not put off another. */
static void test_deadlines(void)
{
	struct group *p = group_make_limited(manager_root(mgr), "p", LIMIT);
	struct group *a = group_make_limited(p, "a", LIMIT / 2), *b = marked("b");
	struct fake_process *x = member_make(a, 4000), *y = member_make(p, 100),
			    *z = member_make(b, 7400);
	int of_a = offer(a, 9000), of_b = offer(b, 9000);
	uint64_t next = 0;

	hit_limit(x);
	world_step();
	CU_ASSERT(stands(x));
	pass_mark(z);
	CU_ASSERT(a->ask_deadline && b->ask_deadline && !p->ask_deadline);
	b->ask_deadline = a->ask_deadline + 5000;
	/* x goes on from here, and meets the parent's limit. */
	x->rss_anon = 4000;
	y->rss_anon = LIMIT - 4000;
	group_true_up(mgr, p);
	world_run_until(had_their_time, a);
	CU_ASSERT(p->ask_deadline > 0);
	sd_event_source_get_time(mgr->deadline_timer, &next);
	CU_ASSERT(!b->ask_deadline || next <= b->ask_deadline);
	world_run_until(had_their_time, b);
	world_run_until(had_their_time, p);
	close(of_a);
	close(of_b);
}

/* Nobody is killed while who was asked may still be at it; then somebody is. */
static void test_not_killed(void)
{
	struct group *a = group_make_limited(manager_root(mgr), "a", LIMIT);
	struct fake_process *fp = member_make(a, 9000);
	int efd = offer(a, 9000);

	world.swap_free = 0;
	hit_limit(fp);
	world_step();
	world_run_until(had_their_time, a);
	world_run();
	CU_ASSERT(stands(fp));
	CU_ASSERT_EQUAL(fp->nr_kills, 0);
	a->asked_usec -= 1000000;
	look_again();
	CU_ASSERT_EQUAL(fp->nr_kills, 1);
	close(efd);
}

/* A group that goes while they have their time. */
static void test_removed(void)
{
	struct group *a = marked("a");
	struct fake_process *fp = member_make(a, 7400);
	int efd = offer(a, 9000);

	pass_mark(fp);
	CU_ASSERT(a->ask_deadline > 0);
	told(efd);
	fake_die(fp);
	world_step();
	CU_ASSERT_EQUAL(group_rmdir(mgr, manager_root(mgr), "a"), 0);
	CU_ASSERT_EQUAL(told(efd), 1);
	world_run();
	close(efd);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"what is freed at the high mark is not paged out", test_high_mark},
		{"asked in vain", test_in_vain},
		{"nothing is offered", test_nothing_offered},
		{"at the limit", test_limit},
		{"the grace lease", test_grace},
		{"at the limit while they are asked", test_limit_while_asked},
		{"somebody else's reclaim meanwhile", test_other_job},
		{"a limit is lowered, reclaim is asked for", test_writes},
		{"deadlines do not slip", test_deadlines},
		{"nobody is killed meanwhile", test_not_killed},
		{"the group is removed meanwhile", test_removed},
		CU_TEST_INFO_NULL,
	};

	return run_tests("shrinkers", tests);
}
