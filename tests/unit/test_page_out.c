/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Page-out of real processes to a swap device of the test's own. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "reclaim/follow.h"
#include "reclaim/present_runs.h"
#include "reclaim/reclaim.h"
#include "tests/unit/deny_syscall.h"
#include "tests/unit/own_swap.h"
#include "tests/unit/run_suites.h"
#include "tests/unit/stopped_child.h"

/* Room for our 80 MiB beside what others on the machine page out meanwhile. */
#define SWAP_MIB 1024
/* A child's own pages besides those it was told to have; twice that under a sanitizer. */
#define OTHER_PAGES (4 * MIB_PAGES)

/* What a stopped child's resident set is off by: the kernel counts it per CPU. */
#define SPARE_PAGES 64

static int swap_error;

static int suite_init(void)
{
	swap_error = own_swap_on(SWAP_MIB);
	if (swap_error)
		printf("  (no swap of our own: %s; page-out is not tried) ", strerror(-swap_error));
	return 0;
}

static int suite_clean(void)
{
	return own_swap_off();
}

/* Of one process what was asked for only. */
static void *private_and_shared_16(void)
{
	child_fill(child_map(16 * MIB, MAP_SHARED), 16 * MIB);
	return child_fill(child_map(16 * MIB, MAP_PRIVATE), 16 * MIB);
}

static void test_kinds(void)
{
	struct child c;
	int64_t got;

	if (swap_error)
		return;
	c = child_start(private_and_shared_16, NULL);
	got = page_out(&c.process, 1, 64 * (uint64_t)MIB_PAGES, PAGE_OUT_SHMEM);
	CU_ASSERT(got >= 16 * MIB_PAGES - SPARE_PAGES && got <= 16 * MIB_PAGES + SPARE_PAGES);
	CU_ASSERT_EQUAL(page_out(&c.process, 1, 64 * (uint64_t)MIB_PAGES, PAGE_OUT_SHMEM), 0);
	got = page_out(&c.process, 1, 64 * (uint64_t)MIB_PAGES, PAGE_OUT_ANON);
	CU_ASSERT(got >= 16 * MIB_PAGES && got <= 16 * MIB_PAGES + OTHER_PAGES);
	child_finish(&c);
	c = child_start(private_and_shared_16, NULL);
	got = page_out(&c.process, 1, 64 * (uint64_t)MIB_PAGES, PAGE_OUT_ANON);
	CU_ASSERT(got >= 16 * MIB_PAGES && got <= 16 * MIB_PAGES + OTHER_PAGES);
	child_finish(&c);
}

static void *shared_16(void)
{
	return child_fill(child_map(16 * MIB, MAP_SHARED), 16 * MIB);
}

/* Half, then all: and every byte is there when it is read again. */
static void page_out_64(void)
{
	struct child c = child_start(private_64, check_64);
	uint64_t before = child_resident(&c);
	int64_t got =
		page_out(&c.process, 1, 32 * (uint64_t)MIB_PAGES, PAGE_OUT_ANON | PAGE_OUT_SHMEM);

	CU_ASSERT(got >= 32 * MIB_PAGES && got <= 33 * MIB_PAGES);
	CU_ASSERT_EQUAL(c.process.nr_paged_out, (uint64_t)got);
	CU_ASSERT(child_resident(&c) <= before - (uint64_t)got);
	CU_ASSERT(c.process.hand != 0);
	got = page_out(&c.process, 1, 64 * (uint64_t)MIB_PAGES, PAGE_OUT_ANON | PAGE_OUT_SHMEM);
	CU_ASSERT(got >= 31 * MIB_PAGES);
	CU_ASSERT(child_resident(&c) <= before - 63 * (uint64_t)MIB_PAGES);
	CU_ASSERT_EQUAL(child_finish(&c), 0);
}

static void test_anonymous(void)
{
	if (!swap_error)
		page_out_64();
}

/* The hand goes on where it was: what was taken last is not asked for first, and after the end
 * comes the beginning. */
static void test_hand(void)
{
	struct child c;
	uint64_t hand = 0;
	unsigned turns = 0;

	if (swap_error)
		return;
	c = child_start(private_16, check_16);
	for (int i = 0; i < 15; i++) {
		CU_ASSERT(page_out(&c.process, 1, (uint64_t)MIB_PAGES,
				   PAGE_OUT_ANON | PAGE_OUT_SHMEM) >= MIB_PAGES);
		turns += c.process.hand < hand;
		hand = c.process.hand;
	}
	CU_ASSERT(turns <= 1);
	/* From its last page on there is nothing; it wraps. */
	c.process.hand = UINT64_MAX;
	CU_ASSERT(page_out(&c.process, 1, 256, PAGE_OUT_ANON | PAGE_OUT_SHMEM) > 0);
	CU_ASSERT_EQUAL(child_finish(&c), 0);
}

static void test_shared_anonymous(void)
{
	struct child c;
	uint64_t before;

	if (swap_error)
		return;
	c = child_start(shared_16, check_16);
	before = child_usage(&c).rss_shmem;
	CU_ASSERT(page_out(&c.process, 1, child_resident(&c), PAGE_OUT_ANON | PAGE_OUT_SHMEM) >=
		  15 * MIB_PAGES);
	CU_ASSERT(child_usage(&c).rss_shmem <= before - 15 * (uint64_t)MIB_PAGES);
	CU_ASSERT_EQUAL(child_finish(&c), 0);
}

/* 12 MiB, of which the middle is locked: one run of present pages, three mappings. */
static void *partly_locked(void)
{
	char *at = child_fill(child_map(12 * MIB, MAP_PRIVATE), 12 * MIB);

	/* Not mlock(3), which sanitizers replace by nothing. */
	if (syscall(SYS_mlock, at + 4 * MIB, 4 * MIB) < 0)
		_exit(4);
	return at;
}

static int check_12(void *memory)
{
	return child_check(memory, 12 * MIB);
}

static void page_out_locked(void)
{
	struct child c = child_start(partly_locked, check_12);
	uint64_t before = child_resident(&c);
	int64_t got =
		page_out(&c.process, 1, 12 * (uint64_t)MIB_PAGES, PAGE_OUT_ANON | PAGE_OUT_SHMEM);
	struct process_usage u = child_usage(&c);

	CU_ASSERT(got >= 8 * MIB_PAGES - 64);
	CU_ASSERT_EQUAL(u.locked, 4 * (uint64_t)MIB_PAGES);
	CU_ASSERT(u.rss_anon >= 4 * (uint64_t)MIB_PAGES);
	CU_ASSERT(u.rss_anon <= before - (uint64_t)got);
	CU_ASSERT_EQUAL(child_finish(&c), 0);
}

static void test_locked(void)
{
	if (!swap_error)
		page_out_locked();
}

static pid_t sharer;

static void *shared_by_fork(void)
{
	char *at = child_fill(child_map(16 * MIB, MAP_PRIVATE), 16 * MIB);

	sharer = fork();
	if (sharer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	return at;
}

static int end_sharer(void *memory)
{
	kill(sharer, SIGKILL);
	waitpid(sharer, NULL, 0);
	return check_16(memory);
}

static void test_after_fork(void)
{
	struct child c;

	if (swap_error)
		return;
	c = child_start(shared_by_fork, end_sharer);
	CU_ASSERT(page_out(&c.process, 1, 16 * (uint64_t)MIB_PAGES,
			   PAGE_OUT_ANON | PAGE_OUT_SHMEM) < OTHER_PAGES);
	CU_ASSERT(child_resident(&c) >= 16 * (uint64_t)MIB_PAGES);
	CU_ASSERT_EQUAL(child_finish(&c), 0);
}

/* Twice as much of the one that is twice as big; what one does not have the other gives. */
static void test_split(void)
{
	struct reclaim_process both[2];
	struct child small, big;
	uint64_t before;
	int64_t got;

	if (swap_error)
		return;
	small = child_start(private_16, check_16);
	big = child_start(private_64, check_64);
	both[0] = small.process;
	both[1] = big.process;
	both[0].rss = 16;
	both[1].rss = 64;
	got = page_out(both, 2, 20 * (uint64_t)MIB_PAGES, PAGE_OUT_ANON | PAGE_OUT_SHMEM);
	CU_ASSERT(got >= 20 * MIB_PAGES && got <= 21 * MIB_PAGES);
	CU_ASSERT(both[0].nr_paged_out >= 4 * (uint64_t)MIB_PAGES);
	CU_ASSERT(both[0].nr_paged_out <= 5 * (uint64_t)MIB_PAGES);
	CU_ASSERT_EQUAL(both[0].nr_paged_out + both[1].nr_paged_out, (uint64_t)got);
	/* Nearly all would be due from the small one, which has less than that. */
	both[0].rss = 1000;
	both[1].rss = 1;
	before = child_resident(&small);
	got = page_out(both, 2, 45 * (uint64_t)MIB_PAGES, PAGE_OUT_ANON | PAGE_OUT_SHMEM);
	CU_ASSERT(before < 45 * (uint64_t)MIB_PAGES);
	CU_ASSERT(got >= 45 * MIB_PAGES);
	CU_ASSERT(both[1].nr_paged_out >= 45 * (uint64_t)MIB_PAGES - before);
	CU_ASSERT_EQUAL(child_finish(&small), 0);
	CU_ASSERT_EQUAL(child_finish(&big), 0);
}

static void *huge_16(void)
{
	char *at = child_map(18 * MIB, MAP_PRIVATE);

	at = (char *)(((uintptr_t)at + 2 * MIB - 1) & ~(uintptr_t)(2 * MIB - 1));
	madvise(at, 16 * MIB, MADV_HUGEPAGE);
	return child_fill(at, 16 * MIB);
}

static void test_huge(void)
{
	struct child c;
	int64_t got;

	if (swap_error)
		return;
	c = child_start(huge_16, check_16);
	got = page_out(&c.process, 1, 2000, PAGE_OUT_ANON | PAGE_OUT_SHMEM);
	CU_ASSERT(got >= 2000 && got <= 2000 + 512);
	CU_ASSERT_EQUAL(child_finish(&c), 0);
}

/* Of every 16 pages the first: others stay, however many are asked for. */
static void choose_some(void *of, pid_t pid, uint64_t start, size_t nr, bool *wanted)
{
	pid_t *whom = of;

	*whom = pid;
	for (size_t i = 0; i < nr; i++)
		wanted[i] = (start / page_size() + i) % 16 == 0;
}

static void choose_none(void *of, pid_t pid, uint64_t start, size_t nr, bool *wanted)
{
	(void)of;
	(void)pid;
	(void)start;
	memset(wanted, 0, nr * sizeof(*wanted));
}

static void test_chosen(void)
{
	struct child c;
	uint64_t before;
	pid_t whom = 0;
	int64_t got;

	if (swap_error)
		return;
	c = child_start(private_16, check_16);
	before = child_resident(&c);
	c.process.choose = choose_none;
	CU_ASSERT_EQUAL(page_out(&c.process, 1, before, PAGE_OUT_ANON | PAGE_OUT_SHMEM), 0);
	CU_ASSERT(child_resident(&c) >= before - SPARE_PAGES);
	c.process.choose = choose_some;
	c.process.of = &whom;
	got = page_out(&c.process, 1, 100, PAGE_OUT_ANON | PAGE_OUT_SHMEM);
	CU_ASSERT(got >= 100 && got < 100 + SPARE_PAGES);
	got += page_out(&c.process, 1, before, PAGE_OUT_ANON | PAGE_OUT_SHMEM);
	CU_ASSERT_EQUAL(whom, c.process.pid);
	CU_ASSERT(got >= 15 * MIB_PAGES / 16);
	CU_ASSERT(got <= (int64_t)before / 16 + SPARE_PAGES);
	CU_ASSERT(child_resident(&c) >= before - (uint64_t)got - SPARE_PAGES);
	CU_ASSERT_EQUAL(child_finish(&c), 0);
}

/* ---- what happens meanwhile ---- */

static void *killer(void *arg)
{
	const struct reclaim_process *p = arg;

	CU_ASSERT_EQUAL(kill(p->pid, SIGKILL), 0);
	return NULL;
}

static void test_killed_meanwhile(void)
{
	if (swap_error)
		return;
	for (int i = 0; i < 10; i++) {
		struct child c = child_start(private_16, NULL);
		pthread_t thread;
		int64_t got;

		CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, killer, &c.process), 0);
		got = page_out(&c.process, 1, 16 * (uint64_t)MIB_PAGES,
			       PAGE_OUT_ANON | PAGE_OUT_SHMEM);
		CU_ASSERT(got >= 0);
		pthread_join(thread, NULL);
		CU_ASSERT(WIFSIGNALED(child_finish(&c)));
	}
}

/* Runs on while it is paged out, maps and unmaps, and execs itself away in the end. */
static int restless(void *memory)
{
	char *at = memory;

	for (int i = 0; i < 40; i++) {
		child_fill(at, 4 * MIB);
		munmap(child_fill(child_map(MIB, MAP_PRIVATE), MIB), MIB);
		if (child_check(at, 4 * MIB))
			return 1;
	}
	execl("/bin/true", "true", NULL);
	return 2;
}

static void page_out_running(bool runs_alone)
{
	siginfo_t info = {0};
	struct child c;

	if (swap_error)
		return;
	c = child_start(private_4, restless);
	c.process.runs_alone = runs_alone;
	kill(c.process.pid, SIGCONT);
	while (waitid(P_PID, (id_t)c.process.pid, &info, WEXITED | WNOWAIT | WNOHANG) == 0 &&
	       !info.si_pid)
		CU_ASSERT(page_out(&c.process, 1, 1024, PAGE_OUT_ANON | PAGE_OUT_SHMEM) >= 0);
	CU_ASSERT_EQUAL(page_out(&c.process, 1, 1024, PAGE_OUT_ANON | PAGE_OUT_SHMEM),
			0); /* a zombie */
	CU_ASSERT_EQUAL(child_finish(&c), 0);
}

static void test_running(void)
{
	page_out_running(false);
}

/* Batch by batch from a thread that goes after it; what it then does is test_follow.c's. */
static void test_followed(void)
{
	follow_assume(1000000);
	page_out_running(true);
	follow_assume(0);
}

static void test_nothing_to_do(void)
{
	struct child c = child_start(private_16, check_16);
	struct reclaim_process gone = c.process;

	CU_ASSERT_EQUAL(page_out(NULL, 0, 100, PAGE_OUT_ANON | PAGE_OUT_SHMEM), 0);
	CU_ASSERT_EQUAL(page_out(&c.process, 1, 0, PAGE_OUT_ANON | PAGE_OUT_SHMEM), 0);
	CU_ASSERT_EQUAL(child_finish(&c), 0);
	gone.proc_fd = -1;
	CU_ASSERT_EQUAL(page_out(&gone, 1, 100, PAGE_OUT_ANON | PAGE_OUT_SHMEM), 0);
}

/* ---- older kernels ---- */

#define QUERY_IOCTL 0xc0686611 /* PROCMAP_QUERY: Linux 6.11 */
#define SCAN_IOCTL  0xc0606610 /* PAGEMAP_SCAN: Linux 6.7 */

/* The filter hits what it is meant to hit: a scan has found out that it must do without. */
static void expect_denied(bool scan_too)
{
	struct present_scan s;
	struct page_run run;
	uint64_t pos = 0;
	struct vma v;

	CU_ASSERT_EQUAL(present_scan_open(&s, getpid(), PAGE_OUT_ANON | PAGE_OUT_SHMEM), 0);
	CU_ASSERT_EQUAL(present_scan_next(&s, &pos, present_scan_end(), 1, &run, 1), 1);
	CU_ASSERT_EQUAL(vma_find(&s.vmas, 0, &v), 0);
	CU_ASSERT(!s.vmas.by_query);
	CU_ASSERT(!scan_too || !s.by_ioctl);
	present_scan_close(&s);
}

static void run_denied(unsigned nr_ioctl, unsigned also)
{
	unsigned before = CU_get_number_of_failures();
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (deny_syscall(SYS_ioctl, 0, nr_ioctl, ENOTTY) < 0 ||
		    (also && deny_syscall(SYS_ioctl, 0, also, ENOTTY) < 0))
			_exit(2);
		expect_denied(nr_ioctl == SCAN_IOCTL);
		page_out_64();
		page_out_locked();
		_exit(CU_get_number_of_failures() != before);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

static void test_older_kernels(void)
{
	if (swap_error)
		return;
	run_denied(QUERY_IOCTL, 0);
	run_denied(SCAN_IOCTL, QUERY_IOCTL);
}

static void test_page_out_reused(void)
{
	struct child c = child_start(private_16, check_16), other = child_start(private_4, NULL);
	struct reclaim_process reused = {.pid = c.process.pid, .proc_fd = other.process.proc_fd};
	uint64_t before = child_resident(&c);

	CU_ASSERT_EQUAL(process_kill(other.process.pid, other.process.proc_fd), 0);
	waitpid(other.process.pid, NULL, 0);
	CU_ASSERT_EQUAL(page_out(&reused, 1, 1000, PAGE_OUT_ANON | PAGE_OUT_SHMEM), 0);
	CU_ASSERT_EQUAL(child_resident(&c), before);
	close(other.process.proc_fd);
	CU_ASSERT_EQUAL(child_finish(&c), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"anonymous memory", test_anonymous},
		{"the hand goes around", test_hand},
		{"shared anonymous memory", test_shared_anonymous},
		{"kinds", test_kinds},
		{"locked memory stays", test_locked},
		{"what two processes share after fork stays", test_after_fork},
		{"in proportion to size", test_split},
		{"huge pages", test_huge},
		{"chosen pages", test_chosen},
		{"a process killed meanwhile", test_killed_meanwhile},
		{"a process that runs, and execs", test_running},
		{"a program that is followed", test_followed},
		{"nothing to do", test_nothing_to_do},
		{"kernels without PAGEMAP_SCAN and PROCMAP_QUERY", test_older_kernels},
		{"page-out of a pid that was reused", test_page_out_reused},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"page_out", suite_init, suite_clean, NULL, NULL, tests},
				 CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
