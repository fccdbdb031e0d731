/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the client library does with shrinkers and levels, the daemon being a fake. */
#include <CUnit/Basic.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shrinker/client.h"
#include "tests/unit/run_suites.h"

/* ---- a daemon ---- */

#define NR_KNOWN 64

static struct fake {
	int known[NR_KNOWN]; /* duplicates of eventfds, as the daemon's; -1: none */
	unsigned nr_known;
	int add_error;
	int64_t added;
	uint64_t mount_id;
} fake;

int memcg__group_find_dir(const char *group, char **ret)
{
	(void)group;
	*ret = strdup("/");
	return *ret ? 0 : -ENOMEM;
}

uint64_t memcg__group_mount_id(const char *dir, bool *ret_unique)
{
	(void)dir;
	*ret_unique = true;
	return fake.mount_id;
}

/* Registered while eventfds come and go, their duplicates are not kept longer than there is room.
 */
int memcg__group_register(const char *dir, const char *file, int efd, const char *arguments)
{
	int *slot = &fake.known[fake.nr_known++ % NR_KNOWN];

	(void)dir, (void)file, (void)arguments;
	if (*slot >= 0)
		close(*slot);
	*slot = dup(efd);
	return *slot < 0 ? -errno : 0;
}

int memcg__group_add_chunks(const char *dir, int efd, int64_t chunks)
{
	(void)dir, (void)efd;
	fake.added += chunks;
	return fake.add_error;
}

static void tell_last(uint64_t n)
{
	CU_ASSERT_EQUAL_FATAL(eventfd_write(fake.known[(fake.nr_known - 1) % NR_KNOWN], n), 0);
}

/* ---- a client ---- */

static struct memcg_client *client;
static struct memcg_shrinker *shrinker;

static void setup(void)
{
	fake = (struct fake){.mount_id = 1};
	for (int i = 0; i < NR_KNOWN; i++)
		fake.known[i] = -1;
	client = NULL;
	CU_ASSERT_EQUAL_FATAL(memcg_client_open(&client, NULL), 0);
}

static void teardown(void)
{
	client = memcg_client_unref(client);
	for (int i = 0; i < NR_KNOWN; i++)
		if (fake.known[i] >= 0)
			close(fake.known[i]);
}

static bool is_readable(void)
{
	struct pollfd p = {.fd = memcg_client_get_fd(client), .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

static uint64_t free_half(uint64_t want, void *unused)
{
	(void)unused;
	return want / 2;
}

static uint64_t free_half_and_end(uint64_t want, void *unused)
{
	(void)unused;
	shrinker = memcg_shrinker_unref(shrinker);
	return want / 2;
}

/* In the place of the one that it was, likely. */
static uint64_t free_half_and_begin(uint64_t want, void *unused)
{
	free_half_and_end(want, unused);
	CU_ASSERT_EQUAL(memcg_shrinker_new(client, &shrinker, "next", 4096, free_half, NULL), 0);
	return want / 2;
}

static uint64_t free_half_and_close(uint64_t want, void *unused)
{
	client = memcg_client_unref(client);
	return free_half_and_end(want, unused);
}

static void on_level(enum memcg_level level, void *userdata)
{
	*(int *)userdata = (int)level;
}

/* ---- tests ---- */

static void test_callback(memcg_free_fn fn, int64_t want_added)
{
	CU_ASSERT_EQUAL_FATAL(memcg_shrinker_new(client, &shrinker, "x", 4096, fn, NULL), 0);
	CU_ASSERT_EQUAL(memcg_shrinker_adjust(shrinker, 10), 0);
	tell_last(6);
	fake.added = 0;
	CU_ASSERT_EQUAL(memcg_client_dispatch(client), 0);
	CU_ASSERT_EQUAL(fake.added, want_added);
	shrinker = memcg_shrinker_unref(shrinker);
}

static void test_offered_again(void)
{
	test_callback(free_half, 3);
}

static void test_ends_itself(void)
{
	test_callback(free_half_and_end, 0);
	test_callback(free_half_and_begin, 0);
	test_callback(free_half_and_close, 0);
}

static void test_no_client(void)
{
	int level;

	CU_ASSERT_EQUAL(memcg_client_get_fd(NULL), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(memcg_client_dispatch(NULL), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(memcg_client_on_level(NULL, on_level, &level), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(memcg_shrinker_new(NULL, &shrinker, "x", 1, free_half, NULL), -EOPNOTSUPP);
	CU_ASSERT_EQUAL(memcg_shrinker_adjust(NULL, 1), -EOPNOTSUPP);
	CU_ASSERT_PTR_NULL(memcg_shrinker_unref(NULL));
	CU_ASSERT_PTR_NULL(memcg_client_unref(NULL));
}

static void test_levels_end(void)
{
	int level = -1;

	CU_ASSERT_EQUAL(memcg_client_on_level(client, on_level, &level), 0);
	CU_ASSERT_EQUAL(fake.nr_known, CLIENT_NR_LEVELS);
	tell_last(1);
	CU_ASSERT(is_readable());
	CU_ASSERT_EQUAL(memcg_client_dispatch(client), 0);
	CU_ASSERT_EQUAL(level, MEMCG_LEVEL_OOM);
	tell_last(1);
	CU_ASSERT_EQUAL(memcg_client_on_level(client, NULL, NULL), 0);
	CU_ASSERT_FALSE(is_readable());
	tell_last(1);
	CU_ASSERT_FALSE(is_readable());
}

/* ---- threads ---- */

#define ROUNDS 2000

/* The daemon does not know it: each registers everything anew. */
static void *adjust_often(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		memcg_shrinker_adjust(arg, i % 2 ? -1 : 1);
	return NULL;
}

static void test_adjust_in_another_thread(void)
{
	struct memcg_shrinker *first, *last, *other;
	pthread_t thread;
	int level, r;

	CU_ASSERT_EQUAL_FATAL(memcg_shrinker_new(client, &first, "a", 1, free_half, NULL), 0);
	CU_ASSERT_EQUAL_FATAL(memcg_shrinker_new(client, &last, "b", 1, free_half, NULL), 0);
	fake.add_error = -ENOENT;
	CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, adjust_often, last), 0);
	first = memcg_shrinker_unref(first);
	for (int i = 0; i < ROUNDS; i++) {
		CU_ASSERT_EQUAL(memcg_shrinker_new(client, &other, "c", 1, free_half, NULL), 0);
		CU_ASSERT_EQUAL(memcg_client_on_level(client, i % 2 ? NULL : on_level, &level), 0);
		r = memcg_client_dispatch(client);
		CU_ASSERT(!r || r == -ENOENT);
		other = memcg_shrinker_unref(other);
	}
	pthread_join(thread, NULL);
	last = memcg_shrinker_unref(last);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"what was not freed is offered again", test_offered_again},
		{"a shrinker ends while it is asked", test_ends_itself},
		{"no client", test_no_client},
		{"levels end", test_levels_end},
		{"adjusting in another thread", test_adjust_in_another_thread},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {
		{"client", NULL, NULL, setup, teardown, tests},
		CU_SUITE_INFO_NULL,
	};

	return run_suites(suites);
}
