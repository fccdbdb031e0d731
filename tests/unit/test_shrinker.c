/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A shortfall split over shrinkers: proportion, whole chunks, what is carried over. And eventfds.
 */
#include <CUnit/Basic.h>

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "shrinker/eventfd.h"
#include "shrinker/split.h"
#include "tests/unit/deny_syscall.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

#define MIB (1ULL << 20)

static uint64_t asked_bytes(const struct shrinker_offer *o, size_t nr)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < nr; i++)
		sum += o[i].ask * o[i].chunk_bytes;
	return sum;
}

static void test_one(void)
{
	struct shrinker_offer o = {.chunks = 100, .chunk_bytes = MIB};

	CU_ASSERT_EQUAL(shrinker_split(&o, 1, 10 * MIB), 10 * MIB);
	CU_ASSERT_EQUAL(o.ask, 10);
	CU_ASSERT_EQUAL(o.carry_bytes, 0);
}

static void test_proportion(void)
{
	struct shrinker_offer o[] = {
		{.chunks = 300, .chunk_bytes = MIB},
		{.chunks = 25600, .chunk_bytes = 4096}, /* 100 MiB */
	};

	CU_ASSERT_EQUAL(shrinker_split(o, 2, 40 * MIB), 40 * MIB);
	CU_ASSERT_EQUAL(o[0].ask, 30);
	CU_ASSERT_EQUAL(o[1].ask, 2560);
}

/* 10 chunks over 3 equals: Hamilton gives 4, 3, 3. */
static void test_largest_remainder(void)
{
	struct shrinker_offer o[] = {
		{.chunks = 100, .chunk_bytes = MIB},
		{.chunks = 110, .chunk_bytes = MIB},
		{.chunks = 100, .chunk_bytes = MIB},
	};

	CU_ASSERT_EQUAL(shrinker_split(o, 3, 10 * MIB), 10 * MIB);
	CU_ASSERT_EQUAL(o[0].ask, 3);
	CU_ASSERT_EQUAL(o[1].ask, 4);
	CU_ASSERT_EQUAL(o[2].ask, 3);
	/* Who gave more than its part is asked for less the next time. */
	CU_ASSERT(o[1].carry_bytes < 0);
	CU_ASSERT(o[0].carry_bytes > 0);
	CU_ASSERT(llabs(o[0].carry_bytes + o[1].carry_bytes + o[2].carry_bytes) < 3);
}

/* Less than a chunk: nothing, until it has added up. */
static void test_carried_over(void)
{
	struct shrinker_offer o = {.chunks = 10, .chunk_bytes = MIB};

	CU_ASSERT_EQUAL(shrinker_split(&o, 1, MIB * 2 / 5), 0);
	CU_ASSERT_EQUAL(shrinker_split(&o, 1, MIB * 2 / 5), 0);
	CU_ASSERT_EQUAL(shrinker_split(&o, 1, MIB * 2 / 5), MIB);
	CU_ASSERT_EQUAL(o.ask, 1);
	CU_ASSERT(o.carry_bytes > 0 && o.carry_bytes < (int64_t)MIB / 4);
}

static void test_all_there_is(void)
{
	struct shrinker_offer o[] = {
		{.chunks = 3, .chunk_bytes = MIB},
		{.chunks = 0, .chunk_bytes = MIB},
		{.chunks = 7, .chunk_bytes = 4096},
	};

	CU_ASSERT_EQUAL(shrinker_split(o, 3, UINT64_MAX), 3 * MIB + 7 * 4096ULL);
	CU_ASSERT_EQUAL(o[0].ask, 3);
	CU_ASSERT_EQUAL(o[1].ask, 0);
	CU_ASSERT_EQUAL(o[2].ask, 7);
	CU_ASSERT_EQUAL(shrinker_split(o, 0, MIB), 0);
}

/* What clients may write at most. */
static void test_huge(void)
{
	struct shrinker_offer o[64];

	for (size_t i = 0; i < ARRAY_SIZE(o); i++)
		o[i] = (struct shrinker_offer){.chunks = INT64_MAX,
					       .chunk_bytes = INT64_MAX,
					       .carry_bytes = INT64_MAX - 1};
	shrinker_split(o, ARRAY_SIZE(o), UINT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(o); i++)
		CU_ASSERT(o[i].ask <= 1);
}

/* Any numbers: never more than offered, never a chunk and more away from what was wanted, and in
 * the long run to everybody his part. */
static void test_any(void)
{
	uint64_t seed = 1;

	for (int round = 0; round < 2000; round++) {
		struct shrinker_offer o[5] = {};
		uint64_t wanted = 0, asked = 0, most = 0;

		for (size_t i = 0; i < ARRAY_SIZE(o); i++) {
			seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
			o[i].chunk_bytes = 1 + (seed >> 33) % 100000;
			o[i].chunks = 1000000; /* more than will be wanted */
			most = MAX(most, o[i].chunk_bytes);
		}
		for (int again = 0; again < 20; again++) {
			uint64_t want = (seed >> (20 + again)) % 1000000;

			wanted += want;
			asked += shrinker_split(o, ARRAY_SIZE(o), want);
			CU_ASSERT_EQUAL_FATAL(asked_bytes(o, ARRAY_SIZE(o)) % 1, 0);
			for (size_t i = 0; i < ARRAY_SIZE(o); i++)
				CU_ASSERT_FATAL(llabs(o[i].carry_bytes) <
						(int64_t)o[i].chunk_bytes);
		}
		CU_ASSERT_FATAL(asked <= wanted);
		CU_ASSERT_FATAL(wanted - asked < most + 20 * ARRAY_SIZE(o));
	}
}

/* ---- eventfds ---- */

static void test_info(void)
{
	struct eventfd_info info = {1, 2};

	CU_ASSERT_EQUAL(eventfd_parse_info("pos:\t0\neventfd-count:               1f\n"
					   "eventfd-id: 17\neventfd-semaphore: 0\n",
					   &info),
			0);
	CU_ASSERT_EQUAL(info.id, 17);
	CU_ASSERT_EQUAL(info.count, 0x1f);
	CU_ASSERT_EQUAL(eventfd_parse_info("pos:\t0\nflags:\t02\n", &info), -EINVAL);
	CU_ASSERT_EQUAL(eventfd_parse_info("xeventfd-id: 1\neventfd-count: 0\n", &info), -EINVAL);
	CU_ASSERT_EQUAL(info.id, 17);
}

static void test_add(void)
{
	cleanup_close int fd = eventfd(0, EFD_CLOEXEC);
	eventfd_t value;

	CU_ASSERT_EQUAL(eventfd_add(fd, 3), 0);
	CU_ASSERT_EQUAL(eventfd_add(fd, 4), 0);
	CU_ASSERT_EQUAL(eventfd_read(fd, &value), 0);
	CU_ASSERT_EQUAL(value, 7);
	/* Full, and somebody who reads would be waited for: not by us. */
	CU_ASSERT_EQUAL(eventfd_write(fd, UINT64_MAX - 2), 0);
	CU_ASSERT_EQUAL(eventfd_add(fd, 2), -EAGAIN);
	CU_ASSERT_EQUAL(eventfd_add(fd, 1), 0);
	CU_ASSERT_EQUAL(eventfd_add(fd, 1), -EAGAIN);
}

/* What a forked child of ours says. */
static int in_child(int (*run)(int fd), int fd)
{
	pid_t pid = fork();
	int status = -1;

	if (!pid)
		_exit(run(fd));
	CU_ASSERT_FATAL(pid > 0);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int has_timer(void)
{
	char text[256];

	return read_file_at(AT_FDCWD, "/proc/self/timers", text, sizeof(text)) > 0;
}

static int add_forked(int fd)
{
	return has_timer() || eventfd_add(fd, 1) || !has_timer();
}

static int add_without_timer(int fd)
{
	return deny_syscall(SYS_timer_settime, true, 0, EINVAL) || eventfd_add(fd, 1) != -EAGAIN;
}

/* POSIX timers are not inherited; and nothing is written that nobody would interrupt. */
static void test_add_forked(void)
{
	cleanup_close int fd = eventfd(0, EFD_CLOEXEC);
	eventfd_t value;

	CU_ASSERT_EQUAL(eventfd_add(fd, 1), 0);
	if (!has_timer()) /* a kernel without CONFIG_CHECKPOINT_RESTORE does not tell */
		return;
	CU_ASSERT_EQUAL(in_child(add_forked, fd), 0);
	CU_ASSERT_EQUAL(in_child(add_without_timer, fd), 0);
	CU_ASSERT_EQUAL(eventfd_read(fd, &value), 0);
	CU_ASSERT_EQUAL(value, 2);
}

static void test_take(void)
{
	cleanup_close int fd = eventfd(5, EFD_CLOEXEC);
	struct eventfd_taken e;
	struct eventfd_info info;
	eventfd_t value;
	unsigned looks = EVENTFD_MAX_LOOKS;
	int number = fd, far;

	CU_ASSERT_EQUAL_FATAL(eventfd_take(gettid(), fd, &e), 0);
	CU_ASSERT_EQUAL(e.tgid, getpid());
	CU_ASSERT_EQUAL(e.info.count, 5);
	CU_ASSERT_EQUAL(eventfd_identify(getpid(), fd, &info), 0);
	CU_ASSERT_EQUAL(info.id, e.info.id);
	CU_ASSERT_EQUAL(eventfd_add(e.fd, 1), 0);
	CU_ASSERT_EQUAL(eventfd_read(fd, &value), 0);
	CU_ASSERT_EQUAL(value, 6);
	CU_ASSERT_TRUE(eventfd_is_held(getpid(), &number, info.id, &looks));
	CU_ASSERT_EQUAL(looks, EVENTFD_MAX_LOOKS);
	number = 1; /* by another number */
	CU_ASSERT_TRUE(eventfd_is_held(getpid(), &number, info.id, &looks));
	CU_ASSERT(number == fd || number == e.fd);
	CU_ASSERT(looks < EVENTFD_MAX_LOOKS);
	looks = 0; /* where it was, without a look elsewhere */
	CU_ASSERT_TRUE(eventfd_is_held(getpid(), &number, info.id, &looks));
	number = 1;
	CU_ASSERT_FALSE(eventfd_is_held(getpid(), &number, info.id, &looks));
	close(e.fd);
	/* Wherever it is, among so many; all looks in vain are all there are. */
	far = fcntl(fd, F_DUPFD_CLOEXEC, 200);
	close(fd);
	fd = far;
	looks = EVENTFD_MAX_LOOKS;
	CU_ASSERT_TRUE(eventfd_is_held(getpid(), &number, info.id, &looks));
	CU_ASSERT_EQUAL(number, far);
	number = 1;
	for (int i = 0; i < EVENTFD_MAX_LOOKS; i++)
		CU_ASSERT_EQUAL_FATAL(fcntl(1, F_DUPFD_CLOEXEC, 100 + i), 100 + i);
	looks = EVENTFD_MAX_LOOKS;
	CU_ASSERT_FALSE(eventfd_is_held(getpid(), &number, info.id, &looks));
	CU_ASSERT_EQUAL(looks, 0);
	CU_ASSERT_EQUAL(number, 1);
	looks = EVENTFD_MAX_LOOKS;
	CU_ASSERT_FALSE(eventfd_is_held(INT32_MAX, &number, info.id, &looks));
	CU_ASSERT_EQUAL(looks, EVENTFD_MAX_LOOKS - 1);
	for (int i = 0; i < EVENTFD_MAX_LOOKS; i++)
		close(100 + i);
	CU_ASSERT_EQUAL(eventfd_take(gettid(), 0, &e), -EINVAL);
	CU_ASSERT_EQUAL(eventfd_take(gettid(), 9999, &e), -EBADF);
	CU_ASSERT_EQUAL(eventfd_take(gettid(), -1, &e), -EBADF);
	CU_ASSERT_EQUAL(eventfd_take(INT32_MAX, 1, &e), -ESRCH);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"one shrinker", test_one},
		{"in proportion to what they offer", test_proportion},
		{"by largest remainder", test_largest_remainder},
		{"the rest is carried over", test_carried_over},
		{"not more than all there is", test_all_there_is},
		{"numbers of any size", test_huge},
		{"numbers of any kind", test_any},
		{"what fdinfo says of an eventfd", test_info},
		{"adding never waits", test_add},
		{"adding in a process that was forked", test_add_forked},
		{"another thread's eventfd", test_take},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"shrinker", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
