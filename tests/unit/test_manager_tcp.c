// SPDX-License-Identifier: GPL-2.0-or-later
/* What TCP sockets of members hold: looked up when somebody asks. In bytes. */
#include "tests/unit/manager_fixture.h"
#include "util/util.h"

static uint64_t tcp_now(const struct group *g)
{
	uint64_t bytes = 0;

	CU_ASSERT_EQUAL(group_usage_bytes(mgr, group_id(g), COUNTER_TCP, &bytes), 0);
	return bytes;
}

static uint64_t tcp_max(const struct group *g)
{
	uint64_t bytes = 0;

	CU_ASSERT_EQUAL(group_max_usage_bytes(mgr, group_id(g), COUNTER_TCP, &bytes), 0);
	return bytes;
}

static struct fake_process *holder(struct group *g, uint64_t bytes)
{
	struct fake_process *x = member_make(g, 100);

	x->tcp_bytes = bytes;
	return x;
}

static void test_usage(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct group *empty = group_make(a, "empty");
	struct fake_process *x = holder(a, 8192), *y = holder(b, 4096);

	CU_ASSERT_EQUAL(tcp_now(empty), 0);
	CU_ASSERT_EQUAL(tcp_now(b), 4096);
	CU_ASSERT_EQUAL(tcp_now(a), 12288);
	/* It is part of nothing else. */
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(200));
	CU_ASSERT_EQUAL(attach(a, y), 0);
	CU_ASSERT_EQUAL(tcp_now(b), 0);
	CU_ASSERT_EQUAL(tcp_now(a), 12288);
	world_exit(x);
	world_exit(y);
	world_run();
	CU_ASSERT_EQUAL(tcp_now(a), 0);
}

/* Of what was seen by who read it: a count of the members looks at no socket. */
static void test_max(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct fake_process *x = holder(b, 8192);

	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(a->record->tcp.max_usage, 0);
	CU_ASSERT_EQUAL(tcp_now(a), 8192);
	x->tcp_bytes = 4096;
	group_true_up(mgr, a);
	CU_ASSERT_EQUAL(a->record->tcp.usage, 8192);
	CU_ASSERT_EQUAL(tcp_max(a), 8192);
	CU_ASSERT_EQUAL(tcp_max(b), 4096);
	CU_ASSERT_EQUAL(group_reset_max_usage(mgr, a, COUNTER_TCP), 0);
	CU_ASSERT_EQUAL(tcp_max(a), 4096);
	x->tcp_bytes = 16384;
	CU_ASSERT_EQUAL(tcp_max(a), 16384); /* never below what is */
}

/* Kept as it was rounded, and that is all. */
static void test_limit(void)
{
	struct group *root = manager_root(mgr), *a = group_make(root, "a");

	holder(a, 8192);
	CU_ASSERT_EQUAL(a->record->tcp.limit, LIMIT_MAX_BYTES);
	CU_ASSERT_EQUAL(group_set_tcp_limit(mgr, a, 4097), 0);
	CU_ASSERT_EQUAL(group_counter(a, COUNTER_TCP)->limit, 4096);
	CU_ASSERT_EQUAL(group_make(a, "b")->record->tcp.limit, LIMIT_MAX_BYTES);
	CU_ASSERT_EQUAL(tcp_now(a), 8192);
	CU_ASSERT_EQUAL(a->record->tcp.failcnt, 0);
	CU_ASSERT_EQUAL(group_reset_failcnt(mgr, a, COUNTER_TCP), 0);
	CU_ASSERT_EQUAL(group_set_tcp_limit(mgr, root, 4096), -EINVAL);
	CU_ASSERT_EQUAL(root->record->tcp.limit, LIMIT_MAX_BYTES);
	CU_ASSERT_FALSE(group_is_limited(a));
}

/* Where sockets are not told of there are none, as far as we know. */
static void test_not_told(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	uint64_t id = group_id(a), bytes = 7;

	holder(a, 8192);
	world.tcp_error = -EOPNOTSUPP;
	CU_ASSERT_EQUAL(tcp_now(a), 0);
	CU_ASSERT_EQUAL(tcp_max(a), 0);
	CU_ASSERT_EQUAL(group_usage_bytes(mgr, id + 1, COUNTER_TCP, &bytes), -ENODEV);
	CU_ASSERT_EQUAL(bytes, 7);
}

static void test_root(void)
{
	struct group *root = manager_root(mgr);
	struct fake_process *x = holder(group_make(root, "a"), 8192), *y = world_process(100);

	y->tcp_bytes = 4096; /* no member of anything */
	CU_ASSERT_EQUAL(tcp_now(root), 12288);
	x->tcp_bytes = 0;
	CU_ASSERT_EQUAL(tcp_now(root), 4096);
	CU_ASSERT_EQUAL(tcp_max(root), 12288);
	world.tcp_error = -EOPNOTSUPP;
	CU_ASSERT_EQUAL(tcp_now(root) % 4096, 0); /* the real machine's, which may have none */
}

static void test_survives(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = holder(a, 8192);

	CU_ASSERT_EQUAL(tcp_now(a), 8192);
	CU_ASSERT_EQUAL(group_set_tcp_limit(mgr, a, 1 << 20), 0);
	x->tcp_bytes = 4096;
	world_restart();
	a = group_child(manager_root(mgr), "a");
	CU_ASSERT_EQUAL(tcp_now(a), 4096);
	CU_ASSERT_EQUAL(tcp_max(a), 8192);
	CU_ASSERT_EQUAL(a->record->tcp.limit, 1 << 20);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"usage", test_usage},     {"max_usage", test_max},
			       {"limit", test_limit},     {"not told", test_not_told},
			       {"the root's", test_root}, {"another server", test_survives},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("tcp", tests);
}
