/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process uses: the text of status, and real processes. */
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "accounting/process_usage.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

#define MIB_PAGES ((uint64_t)(1 << 20) / page_size())

static void test_parse(void)
{
	struct process_usage u;

	CU_ASSERT_EQUAL(
		process_usage_parse("Name:\tcat\nUmask:\t0022\nState:\tT (stopped)\nTgid:\t7\n"
				    "TracerPid:\t42\nGroups:\t0 1 2 \nVmPeak:\t    9000 kB\n"
				    "VmLck:\t       8 kB\nVmRSS:\t    1000 kB\n"
				    "RssAnon:\t     400 kB\nRssFile:\t     512 kB\n"
				    "RssShmem:\t      88 kB\nVmPTE:\t     132 kB\n"
				    "VmSwap:\t      16 kB\nThreads:\t3\n"
				    "SigPnd:\tffffffffffffffff\nShdPnd:\t0000000000040000\n"
				    "SigBlk:\t0000000000010000\nSigIgn:\t0000000000000004\n"
				    "SigCgt:\tfffffffe7ffbfeff\nCapInh:\t0000000000000000\n"
				    "voluntary_ctxt_switches:\t150\n"
				    "nonvoluntary_ctxt_switches:\t545\n",
				    &u),
		0);
	CU_ASSERT_EQUAL(u.nr_switches, 695);
	CU_ASSERT_EQUAL(u.state, 'T');
	CU_ASSERT_EQUAL(u.tracer, 42);
	CU_ASSERT_EQUAL(u.rss_anon, 400 * 1024 / page_size());
	CU_ASSERT_EQUAL(u.rss_file, 512 * 1024 / page_size());
	CU_ASSERT_EQUAL(u.rss_shmem, 88 * 1024 / page_size());
	CU_ASSERT_EQUAL(u.swap, 16 * 1024 / page_size());
	CU_ASSERT_EQUAL(u.locked, 8 * 1024 / page_size());
	CU_ASSERT_EQUAL(u.page_tables, 132 * 1024 / page_size());
	CU_ASSERT_EQUAL(u.nr_threads, 3);
	CU_ASSERT_EQUAL(u.nr_stacks, 3);
	CU_ASSERT_EQUAL(u.signals_pending, 1ULL << (SIGSTOP - 1));
	CU_ASSERT_EQUAL(u.signals_blocked, 0x10000);
	CU_ASSERT_EQUAL(u.signals_ignored, 4);
	CU_ASSERT_EQUAL(u.signals_caught, 0xfffffffe7ffbfeff);
}

/* A name may hold anything; the kernel writes its newlines as \n, so no line of it can begin with a
 * key. */
static void test_parse_names(void)
{
	struct process_usage u;

	CU_ASSERT_EQUAL(
		process_usage_parse("Name:\tRssAnon:\t 99 kB\\nState: Z\nState:\tS (sleeping)\n"
				    "RssAnon:\t 4096 kB\n",
				    &u),
		0);
	CU_ASSERT_EQUAL(u.state, 'S');
	CU_ASSERT_EQUAL(u.rss_anon, 4 * MIB_PAGES);
}

static void test_parse_missing(void)
{
	struct process_usage u;

	memset(&u, 0xff, sizeof(u));
	CU_ASSERT_EQUAL(process_usage_parse("Name:\tx\nState:\tZ (zombie)\nThreads:\t1\n", &u), 0);
	CU_ASSERT_EQUAL(u.state, 'Z');
	CU_ASSERT_EQUAL(u.rss_anon + u.rss_file + u.rss_shmem + u.swap + u.locked, 0);
	CU_ASSERT_EQUAL(u.page_tables, 0);
	CU_ASSERT_EQUAL(u.nr_threads, 1);
	CU_ASSERT_EQUAL(u.nr_stacks, 0);
	CU_ASSERT_EQUAL(process_usage_parse("State:\tX (dead)\nThreads:\t0\n", &u), 0);
	CU_ASSERT_EQUAL(u.nr_stacks, 0);
	CU_ASSERT_EQUAL(process_usage_parse("State:\tR", &u), 0);
	CU_ASSERT_EQUAL(u.nr_stacks, 0);
	/* A key without its number does not take the next line's. */
	CU_ASSERT_EQUAL(process_usage_parse("State:\tR\nRssAnon:\n77 kB\nVmSwap:\t-4 kB\n", &u), 0);
	CU_ASSERT_EQUAL(u.rss_anon, 0);
	CU_ASSERT_EQUAL(u.swap, 0);
	u.nr_threads = 42;
	CU_ASSERT_EQUAL(process_usage_parse("", &u), -EINVAL);
	CU_ASSERT_EQUAL(process_usage_parse("Name:\tx\n", &u), -EINVAL);
	CU_ASSERT_EQUAL(process_usage_parse("State:\n", &u), -EINVAL);
	CU_ASSERT_EQUAL(process_usage_parse("State:", &u), -EINVAL);
	CU_ASSERT_EQUAL(u.nr_threads, 42);
}

static void test_self(void)
{
	size_t size = 8 << 20;
	struct process_usage before, after;
	int fd = process_usage_open(getpid());
	char *at;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(process_usage_read(fd, &before), 0);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CU_ASSERT_FATAL(at != MAP_FAILED);
	memset(at, 1, size);
	CU_ASSERT_EQUAL(process_usage_read(fd, &after), 0);
	/* Older kernels count in batches of up to 64 pages a CPU. */
	CU_ASSERT(after.rss_anon + after.swap >= before.rss_anon + before.swap + 7 * MIB_PAGES);
	CU_ASSERT_EQUAL(after.state, 'R');
	CU_ASSERT(after.nr_threads >= 1);
	munmap(at, size);
	close(fd);
}

static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			pause();
	}
	return pid;
}

static void test_zombie_and_gone(void)
{
	struct process_usage u = {.nr_threads = 42};
	pid_t pid = start_sleeper();
	int fd = process_usage_open(pid);
	siginfo_t info;

	CU_ASSERT_FATAL(pid > 0 && fd >= 0);
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	CU_ASSERT_EQUAL(process_usage_read(fd, &u), 0);
	CU_ASSERT_EQUAL(u.state, 'Z');
	CU_ASSERT_EQUAL(u.rss_anon, 0);
	u.nr_threads = 42;
	CU_ASSERT_EQUAL(process_usage_read_shared(pid, &u), -ESRCH);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	CU_ASSERT_EQUAL(process_usage_read(fd, &u), -ESRCH);
	CU_ASSERT_EQUAL(u.nr_threads, 42);
	CU_ASSERT_EQUAL(process_usage_open(pid), -ESRCH);
	close(fd);
}

static void *pause_main(void *userdata)
{
	(void)userdata;
	for (;;)
		pause();
	return NULL;
}

/* Three threads, of which the first has ended. */
static pid_t start_leaderless(void)
{
	pid_t pid = fork();
	pthread_t thread;

	if (pid == 0) {
		for (int i = 0; i < 2; i++)
			if (pthread_create(&thread, NULL, pause_main, NULL))
				_exit(1);
		syscall(SYS_exit, 0);
	}
	return pid;
}

/* Its memory is there still; of its kernel stacks one has gone. */
static void test_leader_ended(void)
{
	uint64_t end = now_usec() + 10000000;
	struct process_usage u = {0};
	pid_t pid = start_leaderless();
	int fd = process_usage_open(pid);

	CU_ASSERT_FATAL(pid > 0 && fd >= 0);
	/* A leader's end wakes nobody while there are other threads. */
	while (u.nr_stacks + 1 != u.nr_threads && now_usec() < end) {
		sched_yield();
		CU_ASSERT_EQUAL(process_usage_read(fd, &u), 0);
	}
	CU_ASSERT(u.nr_threads >= 3); /* a sanitizer has threads of its own */
	CU_ASSERT_EQUAL(u.nr_stacks, u.nr_threads - 1);
	CU_ASSERT(u.page_tables > 0);
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	close(fd);
}

/* After a fork each of two processes has its half of what neither has written to since. */
static void test_shared(void)
{
	size_t size = 16 << 20;
	struct process_usage alone, halved;
	int fd = process_usage_open(getpid());
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	CU_ASSERT_FATAL(at != MAP_FAILED);
	memset(at, 1, size);
	CU_ASSERT_EQUAL_FATAL(process_usage_read(fd, &alone), 0);
	CU_ASSERT_EQUAL(process_usage_read_shared(getpid(), &alone), 0);
	CU_ASSERT(alone.rss_anon >= 15 * MIB_PAGES);
	pid = start_sleeper();
	CU_ASSERT_FATAL(pid > 0);
	CU_ASSERT_EQUAL_FATAL(process_usage_read(fd, &halved), 0);
	halved.locked = 42;
	CU_ASSERT_EQUAL(process_usage_read_shared(getpid(), &halved), 0);
	CU_ASSERT(halved.rss_anon + 7 * MIB_PAGES <= alone.rss_anon);
	CU_ASSERT(halved.rss_anon >= 7 * MIB_PAGES);
	CU_ASSERT_EQUAL(halved.locked, 42);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	munmap(at, size);
	close(fd);
}

struct found {
	uint64_t dev, ino, nr_pages;
	unsigned nr;
};

/* userdata: which file to look for; the tests' runner may hold others. */
static void on_file(uint64_t dev, uint64_t ino, uint64_t nr_pages, void *userdata)
{
	struct found *f = userdata;

	if (dev != f->dev || ino != f->ino)
		return;
	f->nr_pages = nr_pages;
	f->nr++;
}

static struct found find_file(int fd)
{
	struct found f = {0};
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(fstat(fd, &st), 0);
	f.dev = st.st_dev;
	f.ino = st.st_ino;
	CU_ASSERT_EQUAL(process_shmem_files(getpid(), on_file, &f), 0);
	return f;
}

static void write_pages(int fd, size_t nr)
{
	cleanup_free char *page = calloc(1, page_size());

	for (size_t i = 0; i < nr; i++)
		CU_ASSERT_EQUAL(write(fd, page, page_size()), (ssize_t)page_size());
}

static void test_shmem_files(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC), again;
	struct found f;
	char *at;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(find_file(fd).nr, 0); /* empty */
	write_pages(fd, 100);
	again = dup(fd);
	f = find_file(fd);
	CU_ASSERT_EQUAL(f.nr, 1);
	CU_ASSERT_EQUAL(f.nr_pages, 100);
	close(again);

	/* What a mapping shows in RssShmem does not count again. */
	at = mmap(NULL, 100 * page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
		  0);
	CU_ASSERT_FATAL(at != MAP_FAILED);
	CU_ASSERT_EQUAL(find_file(fd).nr, 0);
	munmap(at + 60 * page_size(), 40 * page_size());
	CU_ASSERT_EQUAL(find_file(fd).nr_pages, 40);
	munmap(at, 60 * page_size());
	CU_ASSERT_EQUAL(find_file(fd).nr_pages, 100);
	close(fd);
}

/* A file mapped in a size that is not looked through page by page. */
static void test_shmem_large_mapping(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	size_t size = (size_t)1 << 30;
	char *at;

	CU_ASSERT_FATAL(fd >= 0);
	write_pages(fd, 2000);
	CU_ASSERT_EQUAL(ftruncate(fd, (off_t)size), 0);
	at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CU_ASSERT_FATAL(at != MAP_FAILED);
	CU_ASSERT(find_file(fd).nr_pages >= 1900); /* written, not touched */
	for (size_t i = 0; i < 2000; i++)
		at[i * page_size()]++;
	CU_ASSERT(find_file(fd).nr_pages <= 100); /* all of it in RssShmem */
	munmap(at, size);
	close(fd);
}

static void test_other_files(void)
{
	char path[] = "/var/tmp/test_usage.XXXXXX";
	int fd = mkstemp(path), p[2];
	struct found none = {0};
	struct statfs fs;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL_FATAL(pipe(p), 0); /* opening it would block */
	write_pages(fd, 4);
	CU_ASSERT_EQUAL(fstatfs(fd, &fs), 0);
	CU_ASSERT_EQUAL(find_file(fd).nr, fs.f_type == TMPFS_MAGIC);
	CU_ASSERT_EQUAL(find_file(p[0]).nr, 0);
	CU_ASSERT_EQUAL(process_shmem_files(0x7fffffff, on_file, &none), -ESRCH);
	close(p[0]);
	close(p[1]);
	close(fd);
	unlink(path);
}

static void test_written_bytes(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	uint64_t before = 0, after = 0;

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(process_written_bytes(getpid(), &before), 0);
	write_pages(fd, 5);
	CU_ASSERT_EQUAL(process_written_bytes(getpid(), &after), 0);
	CU_ASSERT(after >= before + 5 * page_size());
	after = 42;
	CU_ASSERT_EQUAL(process_written_bytes(0x7fffffff, &after), -ESRCH);
	CU_ASSERT_EQUAL(after, 42);
	close(fd);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"text of status", test_parse},
		{"names that look like fields", test_parse_names},
		{"missing fields", test_parse_missing},
		{"this process", test_self},
		{"a zombie, and a process that has gone", test_zombie_and_gone},
		{"the first thread has ended", test_leader_ended},
		{"shared pages count by halves", test_shared},
		{"memfds that are held open", test_shmem_files},
		{"a large mapping of a memfd", test_shmem_large_mapping},
		{"other files do not count", test_other_files},
		{"bytes written", test_written_bytes},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"process_usage", NULL, NULL, NULL, NULL, tests},
				 CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
