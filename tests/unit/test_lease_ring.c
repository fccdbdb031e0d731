/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Records of perf rings: what is wanted, where they wrap around, and what cannot be one. */
#include <string.h>

#include "accounting/lease_ring.h"
#include "tests/unit/run_suites.h"

#define SIZE 256 /* of the ring: a power of two */

static unsigned char ring[SIZE];
static uint64_t head;

static void put(const void *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		ring[head++ & (SIZE - 1)] = ((const unsigned char *)data)[i];
}

static void put_header(uint32_t type, uint16_t misc, size_t body)
{
	const struct perf_event_header h = {
		.type = type,
		.misc = misc,
		.size = (uint16_t)(sizeof(h) + body),
	};

	put(&h, sizeof(h));
}

static void put_sample(uint64_t id, uint64_t count)
{
	const uint64_t nsec = 77;
	const uint32_t ids[] = {10, 11};

	put_header(PERF_RECORD_SAMPLE, 0, 32);
	put(&id, 8);
	put(ids, 8);
	put(&nsec, 8);
	put(&count, 8);
}

/* FORK and EXIT, with the sample_id that follows them. */
static void put_task(uint32_t type)
{
	const uint32_t ids[] = {20, 10, 21, 11};
	const uint64_t rest[] = {78, 1, 2, 3};

	put_header(type, 0, sizeof(ids) + sizeof(rest));
	put(ids, sizeof(ids));
	put(rest, sizeof(rest));
}

static void put_comm(uint16_t misc)
{
	const uint32_t ids[] = {10, 11};

	put_header(PERF_RECORD_COMM, misc, 40);
	put(ids, sizeof(ids));
	put("sh\0\0\0\0\0\0........................", 32);
}

static void start_at(uint64_t position)
{
	memset(ring, 0xa5, sizeof(ring));
	head = position;
}

static void test_types(void)
{
	struct lease_ring_record r;
	uint64_t tail = 0;

	start_at(0);
	put_sample(5, 8);
	put_task(PERF_RECORD_FORK);
	put_task(PERF_RECORD_EXIT);
	CU_ASSERT_FATAL(lease_ring_parse(ring, SIZE, head, &tail, &r));
	CU_ASSERT_EQUAL(r.type, LEASE_RING_SAMPLE);
	CU_ASSERT_EQUAL(r.id, 5);
	CU_ASSERT_EQUAL(r.pid, 10);
	CU_ASSERT_EQUAL(r.tid, 11);
	CU_ASSERT_EQUAL(r.nsec, 77);
	CU_ASSERT_EQUAL(r.count, 8);
	CU_ASSERT_EQUAL(tail, 40);
	CU_ASSERT_FATAL(lease_ring_parse(ring, SIZE, head, &tail, &r));
	CU_ASSERT_EQUAL(r.type, LEASE_RING_FORK);
	CU_ASSERT_EQUAL(r.pid, 20);
	CU_ASSERT_EQUAL(r.ppid, 10);
	CU_ASSERT_EQUAL(r.tid, 21);
	CU_ASSERT_EQUAL(r.ptid, 11);
	CU_ASSERT_FATAL(lease_ring_parse(ring, SIZE, head, &tail, &r));
	CU_ASSERT_EQUAL(r.type, LEASE_RING_EXIT);
	CU_ASSERT_EQUAL(r.pid, 20);
	CU_ASSERT_FALSE(lease_ring_parse(ring, SIZE, head, &tail, &r));
	CU_ASSERT_EQUAL(tail, head);
}

/* A new name is no exec; what nobody asked for is passed over. */
static void test_unwanted(void)
{
	struct lease_ring_record r = {.type = LEASE_RING_LOST};
	uint64_t tail = 0;

	start_at(0);
	put_comm(0);
	put_header(PERF_RECORD_THROTTLE, 0, 0);
	put_comm(PERF_RECORD_MISC_COMM_EXEC);
	CU_ASSERT_FATAL(lease_ring_parse(ring, SIZE, head, &tail, &r));
	CU_ASSERT_EQUAL(r.type, LEASE_RING_EXEC);
	CU_ASSERT_EQUAL(r.pid, 10);
	CU_ASSERT_EQUAL(r.tid, 11);
	CU_ASSERT_EQUAL(tail, head);
	tail = 0;
	start_at(0);
	put_comm(0);
	CU_ASSERT_FALSE(lease_ring_parse(ring, SIZE, head, &tail, &r));
	CU_ASSERT_EQUAL(tail, head);
}

/* From every position, so that header, body and both are split by the end of the ring. */
static void test_wrap_around(void)
{
	for (uint64_t from = 0; from < 2 * SIZE; from++) {
		struct lease_ring_record r;
		uint64_t tail = from;

		start_at(from);
		put_sample(from + 1, from + 2);
		put_task(PERF_RECORD_FORK);
		CU_ASSERT_FATAL(lease_ring_parse(ring, SIZE, head, &tail, &r));
		CU_ASSERT_EQUAL(r.type, LEASE_RING_SAMPLE);
		CU_ASSERT_EQUAL(r.id, from + 1);
		CU_ASSERT_EQUAL(r.count, from + 2);
		CU_ASSERT_FATAL(lease_ring_parse(ring, SIZE, head, &tail, &r));
		CU_ASSERT_EQUAL(r.type, LEASE_RING_FORK);
		CU_ASSERT_EQUAL(r.ptid, 11);
		CU_ASSERT_EQUAL(tail, head);
	}
}

/* Positions only grow, past 2^64 too. */
static void test_overflow(void)
{
	struct lease_ring_record r;
	uint64_t tail = UINT64_MAX - 15;

	start_at(tail);
	put_sample(1, 2);
	CU_ASSERT_EQUAL(head, 24);
	CU_ASSERT_FATAL(lease_ring_parse(ring, SIZE, head, &tail, &r));
	CU_ASSERT_EQUAL(r.count, 2);
	CU_ASSERT_EQUAL(tail, 24);
}

static void test_lost(void)
{
	const uint64_t body[] = {1, 3, 0, 0, 0};
	struct lease_ring_record r;
	uint64_t tail = 0;

	start_at(0);
	put_header(PERF_RECORD_LOST, 0, sizeof(body));
	put(body, sizeof(body));
	put_sample(5, 8);
	CU_ASSERT_FATAL(lease_ring_parse(ring, SIZE, head, &tail, &r));
	CU_ASSERT_EQUAL(r.type, LEASE_RING_LOST);
	CU_ASSERT_FATAL(lease_ring_parse(ring, SIZE, head, &tail, &r));
	CU_ASSERT_EQUAL(r.type, LEASE_RING_SAMPLE);
}

static void expect_nonsense(void)
{
	struct lease_ring_record r = {.type = LEASE_RING_SAMPLE};
	uint64_t tail = 0;

	CU_ASSERT_TRUE(lease_ring_parse(ring, SIZE, head, &tail, &r));
	CU_ASSERT_EQUAL(r.type, LEASE_RING_LOST);
	CU_ASSERT_EQUAL(tail, head);
	CU_ASSERT_FALSE(lease_ring_parse(ring, SIZE, head, &tail, &r));
}

static void test_truncated(void)
{
	const struct perf_event_header small = {.type = PERF_RECORD_SAMPLE, .size = 4};
	const uint64_t zero = 0;

	start_at(0); /* less than a header */
	put(&zero, 4);
	expect_nonsense();
	start_at(0); /* it would never end */
	put(&zero, 8);
	expect_nonsense();
	start_at(0);
	put(&small, sizeof(small));
	expect_nonsense();
	start_at(0); /* longer than what there is */
	put_header(PERF_RECORD_FORK, 0, 100);
	put(&zero, 8);
	expect_nonsense();
	start_at(0); /* a sample, a fork and a name without all of their bodies */
	put_header(PERF_RECORD_SAMPLE, 0, 24);
	put((const uint64_t[]){1, 2, 3}, 24);
	expect_nonsense();
	start_at(0);
	put_header(PERF_RECORD_EXIT, 0, 16);
	put((const uint64_t[]){1, 2}, 16);
	expect_nonsense();
	start_at(0);
	put_header(PERF_RECORD_COMM, PERF_RECORD_MISC_COMM_EXEC, 0);
	expect_nonsense();
	start_at(0); /* more than the ring can hold */
	put_sample(1, 2);
	head = SIZE + 40;
	expect_nonsense();
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"records by type", test_types},
		{"records that are not wanted", test_unwanted},
		{"records that wrap around", test_wrap_around},
		{"positions that wrap around", test_overflow},
		{"lost records", test_lost},
		{"what cannot be a record", test_truncated},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"lease_ring", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
