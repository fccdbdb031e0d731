/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shrinkers: who is asked for what. The eventfds are this process's own. Sizes in pages. */
#include <stdio.h>
#include <sys/eventfd.h>

#include "tests/unit/listen_fixture.h"

static void offer(struct group *g, int efd, uint64_t chunk_bytes, int64_t chunks)
{
	static uint64_t request = 100;
	struct caller c = self();

	CU_ASSERT_EQUAL(listen_to(g, efd, LISTENER_SHRINKER, chunk_bytes, 0), 0);
	CU_ASSERT_EQUAL(group_adjust_shrinker(mgr, g, &c, efd, chunks, request++), 0);
}

static void test_ask(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b"),
		     *c = group_make(manager_root(mgr), "c");
	int here = eventfd_new(), below = eventfd_new(), beside = eventfd_new(),
	    root = eventfd_new();

	offer(a, here, 4096, 300);
	offer(b, below, 4 * 4096, 25);
	offer(c, beside, 4096, 100);
	offer(manager_root(mgr), root, 4096, 100);
	CU_ASSERT_EQUAL(group_ask(mgr, a, 40), 38); /* 30, and 10 in chunks of 4 */
	CU_ASSERT_EQUAL(told(here), 30);
	CU_ASSERT_EQUAL(told(below), 2);
	CU_ASSERT_EQUAL(told(beside), 0);
	CU_ASSERT_EQUAL(event_count(a, GROUP_EVENT_SHRINK_ASKED), 2);
	CU_ASSERT_EQUAL(group_ask(mgr, manager_root(mgr), 10), 10);
	CU_ASSERT_EQUAL(told(root), 10);
	CU_ASSERT_EQUAL(told(here) + told(beside), 0);
	let_go(below); /* its owner lets go: the other is asked for all of it */
	CU_ASSERT_EQUAL(group_ask(mgr, a, 1000), 270);
	CU_ASSERT_EQUAL(told(here), 270);
	CU_ASSERT_PTR_NULL(b->listeners);
	CU_ASSERT_EQUAL(group_ask(mgr, a, 1000), 0);
	close(here), close(beside), close(root);
}

/* One that is full was not asked, and keeps what it offered. */
static void test_ask_full(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	int efd = eventfd_new();

	offer(a, efd, 4096, 10);
	CU_ASSERT_EQUAL(eventfd_write(efd, UINT64_MAX - 1), 0);
	CU_ASSERT_EQUAL(group_ask(mgr, a, 5), 0);
	CU_ASSERT_EQUAL(a->listeners->record->chunks, 10);
	CU_ASSERT_EQUAL(told(efd), UINT64_MAX - 1);
	CU_ASSERT_EQUAL(group_ask(mgr, a, 5), 5);
	CU_ASSERT_EQUAL(told(efd), 5);
	close(efd);
}

/* It takes nobody's part of the next ask, either, as long as it has not been read. */
static void test_full_takes_no_part(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	int full = eventfd_new(), efd = eventfd_new();

	offer(a, full, 4096, 1000);
	offer(a, efd, 4096, 1000);
	CU_ASSERT_EQUAL(eventfd_write(full, UINT64_MAX - 1), 0);
	CU_ASSERT_EQUAL(group_ask(mgr, a, 10), 5);
	CU_ASSERT_EQUAL(group_ask(mgr, a, 10), 10);
	CU_ASSERT_EQUAL(told(efd), 15);
	told(full);
	CU_ASSERT(group_ask(mgr, a, 100) >= 99);
	CU_ASSERT(told(full) > 0);
	close(full), close(efd);
}

/* More than are asked at a time: it is everybody's turn. */
static void test_turns(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	int efd[150];
	uint64_t first = 0;

	for (size_t i = 0; i < ARRAY_SIZE(efd); i++) {
		efd[i] = eventfd_new();
		offer(a, efd[i], 4096, 1000);
	}
	for (unsigned i = 0; i < 3; i++)
		CU_ASSERT(group_ask(mgr, a, 6400) >= 6400);
	for (size_t i = 0; i < ARRAY_SIZE(efd); i++) {
		uint64_t n = told(efd[i]);

		CU_ASSERT(n >= 99);
		first += i < 42 ? n : 0; /* twice */
	}
	CU_ASSERT(first >= 42 * 190);
	/* The first ones have gone: those after them are asked in their place. */
	for (size_t i = 0; i < 64; i++)
		let_go(efd[i]);
	CU_ASSERT(group_ask(mgr, a, 640) > 0);
	CU_ASSERT(group_ask(mgr, a, 640) > 0);
	CU_ASSERT(group_ask(mgr, a, 640) > 0);
	CU_ASSERT_EQUAL(a->nr_listeners, 86);
	for (size_t i = 64; i < ARRAY_SIZE(efd); i++)
		close(efd[i]);
}

static void test_list(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	int efd = eventfd_new(), gone = eventfd_new();
	cleanup_free char *text = NULL;
	char want[128];
	size_t len;

	offer(a, gone, 4096, 1);
	offer(a, efd, 4096, 10);
	let_go(gone);
	CU_ASSERT_EQUAL(group_ask(mgr, a, 3), 3);
	CU_ASSERT_EQUAL(group_shrinkers(mgr, group_id(a), getpid(), &text, &len), 0);
	snprintf(want, sizeof(want), "%d %d 4096 7 3\n", getpid(), efd);
	CU_ASSERT_STRING_EQUAL(text, want);
	CU_ASSERT_EQUAL(group_shrinkers(mgr, 12345, getpid(), &text, &len), -ENODEV);
	close(efd);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"who is asked for what", test_ask},
		{"an eventfd that is full", test_ask_full},
		{"a full one takes nobody's part", test_full_takes_no_part},
		{"everybody's turn", test_turns},
		{"the list of shrinkers", test_list},
		CU_TEST_INFO_NULL,
	};

	return run_tests("asking", tests);
}
