/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks through page tables, lists of borrowed pages, and pages that processes share counted once:
 * on this process and on children of it, which do as they are told over a pipe.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "accounting/borrowed.h"
#include "accounting/owner_choice.h"
#include "accounting/page_walk.h"
#include "accounting/process_usage.h"
#include "accounting/share_count.h"
#include "accounting/zoneinfo.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

/*
 * Of the region, and of those that a child writes: many more than a sanitizer's run time has of its
 * own, which come and go.
 */
#define NR_PAGES   6000
#define NR_WRITTEN 2000
#define NR_OTHERS  1500
/* What ThreadSanitizer has of its own for the region, and gives back with it: 4 bytes a byte. */
#ifdef __SANITIZE_THREAD__
#define NR_SHADOW (4 * NR_PAGES)
#else
#define NR_SHADOW 0
#endif

static size_t page;
static char *region;

static void touch(char *at, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		at[i * page] = 1;
}

static char *map(size_t nr)
{
	char *p = mmap(NULL, nr * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	madvise(p, nr * page, MADV_NOHUGEPAGE);
	return p;
}

/* ---- children ---- */

struct child {
	pid_t pid;
	int to, from;
};

/* 'w': writes the first NR_WRITTEN pages of the region; 'u': unmaps it. */
static void child_main(int from, int to)
{
	char command;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(from, &command, 1) == 1) {
		if (command == 'w')
			touch(region, NR_WRITTEN);
		else
			munmap(region, NR_PAGES * page);
		if (write(to, &command, 1) != 1)
			break;
	}
	_exit(EXIT_SUCCESS);
}

static void child_tell(const struct child *c, char command)
{
	CU_ASSERT_EQUAL_FATAL(write(c->to, &command, 1), 1);
	CU_ASSERT_EQUAL_FATAL(read(c->from, &command, 1), 1);
}

static struct child child_start(void)
{
	int to[2], from[2];
	struct child c;

	if (pipe(to) || pipe(from))
		abort();
	c.pid = fork();
	if (c.pid < 0)
		abort();
	if (c.pid == 0) {
		close(to[1]);
		close(from[0]);
		child_main(to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	c.to = to[1];
	c.from = from[0];
	return c;
}

static void child_end(const struct child *c)
{
	close(c->to);
	close(c->from);
	kill(c->pid, SIGKILL); /* the next child has the pipe, too */
	CU_ASSERT_EQUAL(waitpid(c->pid, NULL, 0), c->pid);
}

/* ---- walks ---- */

/* Pages of the kind between two addresses, found by a walk through everything. */
static size_t walk(pid_t pid, enum page_kind kind, const char *start, size_t nr)
{
	struct page_entry pages[100];
	uint64_t first = (uintptr_t)start / page, last = 0;
	struct page_walk w;
	size_t found = 0;
	ssize_t n;

	CU_ASSERT_EQUAL_FATAL(page_walk_open(&w, pid, kind), 0);
	while ((n = page_walk_next(&w, pages, ARRAY_SIZE(pages))) > 0)
		for (ssize_t i = 0; i < n; i++) {
			CU_ASSERT(pages[i].vpn > last);
			last = pages[i].vpn;
			found += last >= first && last < first + nr;
		}
	CU_ASSERT_EQUAL(n, 0);
	page_walk_close(&w);
	return found;
}

static void test_walk(void)
{
	char *p = map(NR_PAGES);
	volatile char c = 0;

	CU_ASSERT_EQUAL(walk(getpid(), PAGES_ANON, p, NR_PAGES), 0);
	touch(p, 10);
	touch(p + 500 * page, 70);
	CU_ASSERT_EQUAL(walk(getpid(), PAGES_ANON, p, NR_PAGES), 80);
	CU_ASSERT_EQUAL(walk(getpid(), PAGES_FILE, p, NR_PAGES), 0);
	/* Read before it is written to it has no page of its own. */
	for (size_t i = 100; i < 200; i++)
		c = (char)(c + p[i * page]);
	CU_ASSERT_EQUAL(walk(getpid(), PAGES_ANON, p, NR_PAGES), page_frames_are_told() ? 80 : 180);
	munmap(p, NR_PAGES * page);
	CU_ASSERT_EQUAL(walk(getpid(), PAGES_ANON, p, NR_PAGES), 0);
	CU_ASSERT(page_walk_open(&(struct page_walk){0}, 0x7ffffffe, PAGES_ANON) < 0);
}

static void test_walk_shared(void)
{
	char *p = mmap(NULL, 50 * page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CU_ASSERT_NOT_EQUAL_FATAL(p, MAP_FAILED);
	touch(p, 20);
	CU_ASSERT_EQUAL(walk(getpid(), PAGES_ANON, p, 50), 0);
	CU_ASSERT_EQUAL(walk(getpid(), PAGES_FILE, p, 50), 20);
	munmap(p, 50 * page);
}

static void test_range(void)
{
	struct page_entry pages[NR_PAGES];
	char *p = map(NR_PAGES);
	struct page_walk w;

	touch(p, 3);
	touch(p + (NR_PAGES - 1) * page, 1);
	CU_ASSERT_EQUAL_FATAL(page_walk_open(&w, getpid(), PAGES_ANON), 0);
	CU_ASSERT_EQUAL(page_walk_range(&w, (uintptr_t)p / page, NR_PAGES, pages), 4);
	CU_ASSERT_EQUAL(pages[3].vpn, (uintptr_t)p / page + NR_PAGES - 1);
	CU_ASSERT(pages[3].exclusive);
	CU_ASSERT_FALSE(pages[3].swapped);
	CU_ASSERT_EQUAL(page_walk_range(&w, (uintptr_t)p / page, 2, pages), 2);
	page_walk_close(&w);
	munmap(p, NR_PAGES * page);
}

/* ---- borrowed pages ---- */

struct left {
	uint64_t pages, swap;
	struct owed_list owed;
};

static struct left left_of(const struct borrowed *b, pid_t pid)
{
	struct left x = {0};

	CU_ASSERT_EQUAL(borrowed_left(b, pid, &x.pages, &x.swap, &x.owed), 0);
	return x;
}

static void test_borrowed(void)
{
	struct borrowed *b = NULL, *again = NULL;
	struct child c;
	struct left x, y;

	region = map(NR_PAGES);
	touch(region, NR_PAGES);
	c = child_start();
	CU_ASSERT_EQUAL_FATAL(borrowed_take(c.pid, NULL, 7, &b), 0);
	CU_ASSERT_PTR_NOT_NULL_FATAL(b);
	x = left_of(b, c.pid);
	CU_ASSERT(x.pages >= NR_PAGES && x.pages <= borrowed_nr_pages(b));
	CU_ASSERT_EQUAL(x.owed.nr, 1);
	CU_ASSERT_EQUAL(x.owed.owed[0].slot, 7);
	CU_ASSERT_EQUAL(x.owed.owed[0].pages, x.pages);
	/* What it copies is its own: which is told by the page frames. */
	child_tell(&c, 'w');
	y = left_of(b, c.pid);
	if (page_frames_are_told())
		CU_ASSERT(x.pages - y.pages >= NR_WRITTEN &&
			  x.pages - y.pages < NR_WRITTEN + NR_OTHERS);
	/* It goes on: those and what it made since are another's. */
	CU_ASSERT_EQUAL(borrowed_take(c.pid, b, 9, &again), 0);
	y = left_of(again, c.pid);
	if (page_frames_are_told())
		CU_ASSERT_EQUAL(y.owed.nr, 2);
	borrowed_move(again, 7, 9);
	CU_ASSERT_EQUAL(left_of(again, c.pid).owed.nr, 1);
	/* What it gives up it has no more, whoever else has it. */
	child_tell(&c, 'u');
	y = left_of(b, c.pid);
	CU_ASSERT(x.pages - y.pages >= NR_PAGES);
	borrowed_put(again);
	borrowed_put(borrowed_get(b));
	borrowed_put(b);
	child_end(&c);
	CU_ASSERT_EQUAL(borrowed_take(c.pid, NULL, 7, &b), -ESRCH);
	munmap(region, NR_PAGES * page);
}

static void test_owed(void)
{
	struct owed_list list = {0};

	owed_add(&list, 0, 5, 5);
	owed_add(&list, 3, 0, 0);
	CU_ASSERT_EQUAL(list.nr, 0);
	for (uint32_t slot = 1; slot <= MAX_OWED + 2; slot++)
		owed_add(&list, slot, 1, 2);
	owed_add(&list, 1, 10, 0);
	CU_ASSERT_EQUAL(list.nr, MAX_OWED);
	CU_ASSERT_EQUAL(list.owed[0].pages, 11);
	CU_ASSERT_EQUAL(list.owed[MAX_OWED - 1].pages, 3);
	CU_ASSERT_EQUAL(list.owed[MAX_OWED - 1].swap, 6);
}

/* ---- shared pages ---- */

/* By the same token pages are chosen by owner: those of the list that are as they were, or the
 * rest. */
static void test_choice(void)
{
	bool slots[8] = {[7] = true}, wanted[NR_PAGES], told = page_frames_are_told();
	struct borrowed *b = NULL;
	struct owner_choice *listed, *rest;
	struct owner_walk w = {0};
	struct child c;
	uint64_t at;

	region = map(NR_PAGES);
	touch(region, NR_PAGES);
	at = (uint64_t)(uintptr_t)region;
	c = child_start();
	CU_ASSERT_EQUAL_FATAL(borrowed_take(c.pid, NULL, 7, &b), 0);
	child_tell(&c, 'w'); /* copies, which nobody is charged for but itself */
	listed = owner_choice_new(b, slots, false, &w);
	rest = owner_choice_new(b, slots, true, &w);
	owner_choose(listed, c.pid, at, NR_PAGES, wanted);
	for (size_t i = 0; i < NR_PAGES; i++)
		CU_ASSERT_EQUAL(wanted[i], i >= NR_WRITTEN || !told);
	slots[7] = false;
	owner_choose(rest, c.pid, at, NR_PAGES, wanted);
	for (size_t i = 0; i < NR_PAGES; i++)
		CU_ASSERT_EQUAL(wanted[i], i < NR_WRITTEN && told);
	/* Back and forth. */
	owner_choose(rest, c.pid, at + NR_WRITTEN * page, 1, wanted);
	CU_ASSERT_FALSE(wanted[0]);
	owner_choose(rest, c.pid, at + (NR_WRITTEN - 1) * page, 2, wanted);
	CU_ASSERT_EQUAL(wanted[0], told);
	CU_ASSERT_FALSE(wanted[1]);
	owner_walk_close(&w);
	owner_choice_free(listed);
	owner_choice_free(rest);
	borrowed_put(b);
	child_end(&c);
	munmap(region, NR_PAGES * page);
}

static uint64_t rss_anon(pid_t pid)
{
	cleanup_close int fd = process_usage_open(pid);
	struct process_usage u = {0};

	CU_ASSERT(fd >= 0 && process_usage_read(fd, &u) == 0);
	return u.rss_anon;
}

/* Pages that count in slot 1 with its members. */
static uint64_t count(struct share_member *members, size_t nr)
{
	uint64_t sum = 0;

	CU_ASSERT_EQUAL(share_count(members, nr), 0);
	for (size_t i = 0; i < nr; i++) {
		CU_ASSERT(members[i].counted);
		sum += members[i].slot == 1 ? rss_anon(members[i].pid) - members[i].saved : 0;
	}
	return sum;
}

static void test_share(void)
{
	struct child a, b;
	uint64_t before, after;

	region = map(NR_PAGES);
	touch(region, NR_PAGES);
	a = child_start();
	b = child_start();
	{
		struct share_member members[] = {{.pid = getpid(), .slot = 1},
						 {.pid = a.pid, .slot = 1},
						 {.pid = b.pid, .slot = 1}};

		before = count(members, 3);
		CU_ASSERT(members[1].saved + members[2].saved >= 2 * NR_PAGES - NR_OTHERS);
		CU_ASSERT(before < rss_anon(getpid()) + NR_PAGES);
		child_tell(&a, 'w');
		after = count(members, 3);
		if (page_frames_are_told())
			CU_ASSERT(after - before >= NR_WRITTEN - NR_OTHERS &&
				  after - before < NR_WRITTEN + NR_OTHERS);
		/* One of them alone has all that it has. */
		CU_ASSERT_EQUAL(count(&members[1], 1), rss_anon(a.pid));
		members[1].alone = true;
		CU_ASSERT_EQUAL(share_count(members, 3), 0);
		CU_ASSERT_EQUAL(members[1].saved, 0);
		/* With whom it shares is not known. */
		members[2].proportional = true;
		CU_ASSERT(count(&members[2], 1) + NR_PAGES / 2 < rss_anon(b.pid));
	}
	child_end(&a);
	child_end(&b);
	munmap(region, NR_PAGES * page);
}

/* A child that was forked in slot 1 and is in slot 2 now. */
static void test_share_elsewhere(void)
{
	struct borrowed *list = NULL;
	struct child a;
	uint64_t in_1;

	if (!page_frames_are_told())
		return; /* shares are told, not whose they are */
	region = map(NR_PAGES);
	touch(region, NR_PAGES);
	a = child_start();
	CU_ASSERT_EQUAL_FATAL(borrowed_take(a.pid, NULL, 1, &list), 0);
	child_tell(&a, 'w');
	{
		struct share_member members[] = {{.pid = a.pid, .slot = 2, .borrowed = list},
						 {.pid = getpid(), .slot = 1}};

		in_1 = count(members, 2);
		/* All that it shares is charged in slot 1, and had there. */
		CU_ASSERT(rss_anon(a.pid) - members[0].saved >= NR_WRITTEN);
		CU_ASSERT(rss_anon(a.pid) - members[0].saved < NR_WRITTEN + NR_OTHERS);
		CU_ASSERT(members[0].owed.nr == 0 || members[0].owed.owed[0].pages < NR_OTHERS);
		/* What is not had there any more is there all the same. */
		munmap(region, NR_PAGES * page);
		CU_ASSERT(in_1 - count(members, 2) >= NR_WRITTEN - NR_OTHERS);
		CU_ASSERT_EQUAL_FATAL(members[0].owed.nr, 1);
		CU_ASSERT_EQUAL(members[0].owed.owed[0].slot, 1);
		CU_ASSERT(members[0].owed.owed[0].pages >= NR_PAGES - NR_WRITTEN);
		CU_ASSERT(members[0].owed.owed[0].pages <
			  NR_PAGES - NR_WRITTEN + NR_OTHERS + NR_SHADOW);
	}
	borrowed_put(list);
	child_end(&a);
}

/* Who has gone counts for nothing, and hinders nobody. */
static void test_share_gone(void)
{
	struct share_member members[] = {{.pid = 0x7ffffffe, .slot = 1},
					 {.pid = getpid(), .slot = 1}};

	CU_ASSERT_EQUAL(share_count(members, 2), 0);
	CU_ASSERT_EQUAL(members[0].saved, 0);
	CU_ASSERT(members[1].counted);
}

/* ---- files of shared memory ---- */

struct found {
	uint64_t ino, nr_pages;
	unsigned nr;
};

static void look_for(const struct shmem_file *f, void *userdata)
{
	struct found *x = userdata;

	if (f->ino != x->ino)
		return;
	x->nr++;
	x->nr_pages = f->nr_pages;
	CU_ASSERT(f->dev != 0);
}

static struct found list_for(uint64_t ino)
{
	struct found x = {.ino = ino};

	CU_ASSERT_EQUAL(process_shmem_list(getpid(), look_for, &x), 0);
	return x;
}

/* However often it is open and mapped a file is told of once; and one of System V also detached. */
static void test_shmem_list(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC), id;
	char *p, *q;
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(ftruncate(fd, (off_t)(100 * page)), 0);
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	CU_ASSERT_EQUAL(list_for(st.st_ino).nr, 0); /* it has no pages */
	p = mmap(NULL, 100 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mmap(NULL, 50 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CU_ASSERT_FATAL(p != MAP_FAILED && q != MAP_FAILED);
	touch(p, 30);
	touch(q, 40);
	CU_ASSERT_EQUAL(list_for(st.st_ino).nr, 1);
	CU_ASSERT_EQUAL(list_for(st.st_ino).nr_pages, 40);
	close(fd);
	munmap(p, 100 * page);
	if (geteuid() == 0) /* map_files */
		CU_ASSERT_EQUAL(list_for(st.st_ino).nr_pages, 40);
	munmap(q, 50 * page);
	CU_ASSERT_EQUAL(list_for(st.st_ino).nr, 0);

	id = shmget(IPC_PRIVATE, 20 * page, 0600);
	CU_ASSERT_FATAL(id >= 0);
	p = shmat(id, NULL, 0);
	touch(p, 12);
	shmdt(p);
	CU_ASSERT_EQUAL(list_for((uint64_t)id).nr_pages, 12);
	shmctl(id, IPC_RMID, NULL);
	CU_ASSERT_EQUAL(list_for((uint64_t)id).nr, 0);
	CU_ASSERT_EQUAL(process_shmem_list(0x7ffffffe, look_for, &(struct found){0}), -ESRCH);
}

/* ---- the machine's memory ---- */

static void test_zoneinfo(void)
{
	CU_ASSERT_EQUAL(zoneinfo_parse_end(""), 0);
	CU_ASSERT_EQUAL(zoneinfo_parse_end("  start_pfn: 5\n"), 0);
	CU_ASSERT_EQUAL(zoneinfo_parse_end("Node 0, zone DMA\n        spanned  4095\n"
					   "  start_pfn:           1\nNode 0, zone Normal\n"
					   "        spanned  100\n  start_pfn:           4096\n"
					   "Node 0, zone Movable\n        spanned  0\n"
					   "  start_pfn:           0\n"),
			4196);
	CU_ASSERT_EQUAL(zoneinfo_parse_end("spanned 18446744073709551615\nstart_pfn: 5\n"), 0);
	CU_ASSERT(zoneinfo_end() > 1000);
}

int main(void)
{
	CU_TestInfo walks[] = {{"anonymous pages", test_walk},
			       {"shared memory", test_walk_shared},
			       {"a range", test_range},
			       CU_TEST_INFO_NULL};
	CU_TestInfo borrowed[] = {{"a list, and what is left of it", test_borrowed},
				  {"pages by owner", test_choice},
				  {"whose it is", test_owed},
				  CU_TEST_INFO_NULL};
	CU_TestInfo shares[] = {{"each page once", test_share},
				{"where it was touched", test_share_elsewhere},
				{"of who has gone", test_share_gone},
				CU_TEST_INFO_NULL};
	CU_TestInfo others[] = {{"files of shared memory", test_shmem_list},
				{"zoneinfo", test_zoneinfo},
				CU_TEST_INFO_NULL};
	CU_SuiteInfo suites[] = {{"walks", NULL, NULL, NULL, NULL, walks},
				 {"borrowed pages", NULL, NULL, NULL, NULL, borrowed},
				 {"shared pages", NULL, NULL, NULL, NULL, shares},
				 {"files and frames", NULL, NULL, NULL, NULL, others},
				 CU_SUITE_INFO_NULL};

	page = page_size();
	return run_suites(suites);
}
