/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Mappings: lines of maps, and the two ways to look one up give the same. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "reclaim/present_runs.h"
#include "reclaim/reclaim.h"
#include "reclaim/vmas.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

#define NR_MAPPINGS 200 /* 14 KiB of maps: several fills of the reader's buffer */

static void expect(const char *line, uint64_t start, uint64_t end, enum vma_kind kind)
{
	struct vma v = {0};

	CU_ASSERT_EQUAL(vma_parse(line, &v), 0);
	CU_ASSERT_EQUAL(v.start, start);
	CU_ASSERT_EQUAL(v.end, end);
	CU_ASSERT_EQUAL(v.kind, kind);
}

static void test_parse(void)
{
	expect("55d0a7ad6000-55d0a7af7000 rw-p 00000000 00:00 0                          [heap]\n",
	       0x55d0a7ad6000, 0x55d0a7af7000, VMA_PRIVATE_ANON);
	expect("7f0000000000-7f0000001000 rw-p 00000000 00:00 0 ", 0x7f0000000000, 0x7f0000001000,
	       VMA_PRIVATE_ANON);
	expect("7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n", 0x7f0000000000, 0x7f0000001000,
	       VMA_PRIVATE_ANON);
	expect("7f0000000000-7f0000001000 rw-p 00000000 00:00 0  [anon:[vdso]]\n", 0x7f0000000000,
	       0x7f0000001000, VMA_PRIVATE_ANON);
	expect("1000-2000 r-xp 00001000 fe:00 1234 /usr/bin/[vdso] x\n", 0x1000, 0x2000,
	       VMA_PRIVATE_FILE);
	expect("1000-2000 rw-s 00000000 fe:00 18446744073709551615 /dev/shm/x\n", 0x1000, 0x2000,
	       VMA_SHARED_FILE);
	expect("1000-2000 rw-s 00000000 00:1a 9 /dev/shm/x\n", 0x1000, 0x2000, VMA_SHMEM);
	expect("1000-2000 rw-s 00000000 00:01 9 /memfd:a b (deleted)\n", 0x1000, 0x2000, VMA_SHMEM);
	expect("1000-2000 rw-s 00000000 00:01 9 /dev/zero (deleted)\n", 0x1000, 0x2000, VMA_SHMEM);
	expect("1000-2000 rw-s 00000000 00:01 9 /SYSV00000000 (deleted)\n", 0x1000, 0x2000,
	       VMA_SHMEM);
	expect("1000-2000 rw-s 00000000 00:01 9 [anon_shmem:x]\n", 0x1000, 0x2000, VMA_SHMEM);
	expect("1000-2000 rw-s 00000000 00:10 9 /anon_hugepage (deleted)\n", 0x1000, 0x2000,
	       VMA_SHARED_FILE);
	expect("1000-2000 rw-p 00000000 00:01 9 /memfd:x (deleted)\n", 0x1000, 0x2000,
	       VMA_PRIVATE_FILE);
	expect("1000-2000 ---p 00000000 00:00 0 \n", 0x1000, 0x2000, VMA_RESERVED);
	expect("1000-2000 ---s 00000000 00:01 9 /memfd:x (deleted)\n", 0x1000, 0x2000,
	       VMA_RESERVED);
	expect("7ffd1000-7ffd3000 r--p 00000000 00:00 0    [vvar]\n", 0x7ffd1000, 0x7ffd3000,
	       VMA_SPECIAL);
	expect("ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n",
	       0xffffffffff600000, 0xffffffffff601000, VMA_SPECIAL);
}

static void test_parse_junk(void)
{
	static const char *const junk[] = {
		"",
		"\n",
		"1000",
		"1000-2000",
		"1000-2000 rw-p",
		"1000-2000 rw 0 00:00 0",
		"2000-1000 rw-p 00000000 00:00 0",
		"1000-1000 rw-p 00000000 00:00 0",
		"x000-2000 rw-p 00000000 00:00 0",
		"1000-2000 rw-p 00000000 00-00 0",
		"1000-2000 rw-p 00000000 00:00 x",
	};

	for (size_t i = 0; i < ARRAY_SIZE(junk); i++) {
		struct vma v = {.start = 42};

		CU_ASSERT_EQUAL(vma_parse(junk[i], &v), -EINVAL);
		CU_ASSERT_EQUAL(v.start, 42);
	}
}

/* [vsyscall] is in the text alone, above all addresses of user space. */
static int find_in_user_space(struct vma_reader *r, uint64_t addr, bool shared, struct vma *ret)
{
	int error = shared ? vma_find_shared(r, addr, ret) : vma_find(r, addr, ret);

	return !error && ret->start > present_scan_end() ? -ENOENT : error;
}

/* Both readers of this process's mappings, from the first to the last. */
static void compare_readers(bool shared)
{
	struct vma_reader one, two;
	struct vma a, b;
	uint64_t addr = 0;
	unsigned nr = 0;

	CU_ASSERT_EQUAL_FATAL(vma_reader_open(&one, getpid()), 0);
	CU_ASSERT_EQUAL_FATAL(vma_reader_open(&two, getpid()), 0);
	two.by_query = false;
	while (find_in_user_space(&one, addr, shared, &a) == 0) {
		CU_ASSERT_EQUAL_FATAL(find_in_user_space(&two, addr, shared, &b), 0);
		CU_ASSERT_EQUAL(a.start, b.start);
		CU_ASSERT_EQUAL(a.end, b.end);
		CU_ASSERT_EQUAL(a.kind, b.kind);
		addr = a.end;
		nr++;
	}
	CU_ASSERT_EQUAL(find_in_user_space(&two, addr, shared, &b), -ENOENT);
	CU_ASSERT(nr >= (shared ? 1 : NR_MAPPINGS));
	vma_reader_close(&one);
	vma_reader_close(&two);
}

static void test_readers_agree(void)
{
	size_t size = page_size();
	char *at = mmap(NULL, NR_MAPPINGS * size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CU_ASSERT_FATAL(at != MAP_FAILED && shared != MAP_FAILED);
	for (size_t i = 0; i < NR_MAPPINGS; i += 2)
		CU_ASSERT_EQUAL(mprotect(at + i * size, size, PROT_READ | PROT_WRITE), 0);
	compare_readers(false);
	compare_readers(true);
	munmap(at, NR_MAPPINGS * size);
	munmap(shared, size);
}

static void find_each_way(bool by_query, char *at, size_t size)
{
	uint64_t addr = (uintptr_t)at;
	struct vma_reader r;
	struct vma v;

	CU_ASSERT_EQUAL_FATAL(vma_reader_open(&r, getpid()), 0);
	r.by_query = by_query;
	CU_ASSERT_EQUAL(vma_find(&r, addr + size, &v), 0);
	CU_ASSERT_EQUAL(v.start, addr);
	CU_ASSERT_EQUAL(v.end, addr + 2 * size);
	/* The same one again, then one that lies before it. */
	CU_ASSERT_EQUAL(vma_find(&r, addr, &v), 0);
	CU_ASSERT_EQUAL(v.start, addr);
	CU_ASSERT_EQUAL(vma_find(&r, 0, &v), 0);
	CU_ASSERT(v.start < addr);
	CU_ASSERT_EQUAL(vma_find_shared(&r, addr, &v), 0);
	CU_ASSERT_EQUAL(v.start, addr);
	CU_ASSERT_EQUAL(v.kind, VMA_SHMEM);
	CU_ASSERT_EQUAL(vma_find(&r, UINT64_MAX, &v), -ENOENT);
	vma_reader_close(&r);
}

static void test_find(void)
{
	size_t size = page_size();
	char *at = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct vma_reader r = {.fd = -1};

	CU_ASSERT_FATAL(at != MAP_FAILED);
	find_each_way(true, at, size);
	find_each_way(false, at, size);
	munmap(at, 2 * size);
	CU_ASSERT_EQUAL(vma_reader_open(&r, 0x7fffffff), -ESRCH);
	CU_ASSERT_EQUAL(r.fd, -1);
}

/* Pages of one mapping: 0 and 1 touched, 2 not, 3 only read (the zero page), 4 touched. */
static void expect_runs(bool by_ioctl, const char *at, size_t size)
{
	uint64_t start = (uintptr_t)at, pos = start;
	struct present_scan s;
	struct page_run run[8];

	CU_ASSERT_EQUAL_FATAL(present_scan_open(&s, getpid(), PAGE_OUT_ANON | PAGE_OUT_SHMEM), 0);
	s.by_ioctl = by_ioctl;
	CU_ASSERT_EQUAL(present_scan_next(&s, &pos, start + 5 * size, 100, run, 8), 2);
	CU_ASSERT_EQUAL(pos, start + 5 * size);
	CU_ASSERT_EQUAL(run[0].start, start);
	CU_ASSERT_EQUAL(run[0].end, start + 2 * size);
	CU_ASSERT_EQUAL(run[1].start, start + 4 * size);
	CU_ASSERT_EQUAL(run[1].end, start + 5 * size);
	CU_ASSERT_EQUAL(present_scan_next(&s, &pos, start + 5 * size, 100, run, 8), 0);
	/* No more pages than asked for, and on from there. */
	pos = start;
	CU_ASSERT_EQUAL(present_scan_next(&s, &pos, start + 5 * size, 1, run, 8), 1);
	CU_ASSERT_EQUAL(run[0].end, start + size);
	CU_ASSERT_EQUAL(present_scan_next(&s, &pos, start + 5 * size, 100, run, 1), 1);
	CU_ASSERT_EQUAL(run[0].start, start + size);
	CU_ASSERT_EQUAL(present_scan_next(&s, &pos, start + 5 * size, 100, run, 8), 1);
	CU_ASSERT_EQUAL(run[0].start, start + 4 * size);
	present_scan_close(&s);
}

static void test_present_runs(void)
{
	size_t size = page_size();
	char *at = mmap(NULL, 5 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CU_ASSERT_FATAL(at != MAP_FAILED);
	at[0] = at[size] = at[4 * size] = 1;
	CU_ASSERT_EQUAL(*(volatile char *)(at + 3 * size), 0);
	expect_runs(true, at, size);
	expect_runs(false, at, size);
	munmap(at, 5 * size);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"lines of maps", test_parse},
		{"what is no line of maps", test_parse_junk},
		{"text and ioctl agree", test_readers_agree},
		{"a mapping is found by address", test_find},
		{"runs of present pages", test_present_runs},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"vmas", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
