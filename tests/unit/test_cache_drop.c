/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dropping page cache: of files found by inode number, through a process, on a kernel without
 * cachestat(2). */
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "reclaim/open_inode.h"
#include "reclaim/reclaim.h"
#include "tests/unit/deny_syscall.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

#define SYSCALL_CACHESTAT 451
#define FILE_PAGES        2048

static char dir[] = "/var/tmp/test_cache_drop.XXXXXX";
static bool has_cache; /* tmpfs has nothing behind its page cache */
static struct reclaim_process self;

static int suite_init(void)
{
	struct statfs fs;

	if (!mkdtemp(dir) || statfs(dir, &fs) < 0)
		return 1;
	has_cache = fs.f_type != TMPFS_MAGIC && fs.f_type != RAMFS_MAGIC;
	if (!has_cache)
		printf("  (/var/tmp is in memory: nothing to drop) ");
	self = (struct reclaim_process){.pid = getpid(), .proc_fd = -1};
	return 0;
}

static int suite_clean(void)
{
	return rmdir(dir);
}

static int make_file(const char *name, size_t nr_pages, struct reclaim_file *ret)
{
	cleanup_free char *page = malloc(page_size());
	char path[64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	CU_ASSERT_FATAL(fd >= 0 && page);
	unlink(path);
	memset(page, 'x', page_size());
	for (size_t i = 0; i < nr_pages; i++)
		CU_ASSERT_EQUAL(write(fd, page, page_size()), (ssize_t)page_size());
	CU_ASSERT_EQUAL(fstat(fd, &st), 0);
	*ret = (struct reclaim_file){
		.dev_major = major(st.st_dev),
		.dev_minor = minor(st.st_dev),
		.ino = st.st_ino,
		.nr_pages = nr_pages,
	};
	return fd;
}

static uint64_t nr_cached(int fd, size_t nr_pages)
{
	unsigned char *vec = calloc(1, nr_pages);
	size_t len = nr_pages * page_size();
	void *map = mmap(NULL, len, PROT_NONE, MAP_SHARED, fd, 0);
	uint64_t nr = 0;

	CU_ASSERT_FATAL(vec && map != MAP_FAILED);
	CU_ASSERT_EQUAL(mincore(map, len, vec), 0);
	munmap(map, len);
	for (size_t i = 0; i < nr_pages; i++)
		nr += vec[i] & 1;
	free(vec);
	return nr;
}

/* Dirty pages are written back first: nothing is lost. */
static void drop_dirty(void)
{
	struct reclaim_file file;
	int fd = make_file("dirty", FILE_PAGES, &file);
	char byte = 0;
	int64_t got;

	CU_ASSERT_EQUAL(nr_cached(fd, FILE_PAGES), FILE_PAGES);
	/* A page that somebody looks at at this moment may stay. */
	got = cache_drop(&file, 1, &self, 1, FILE_PAGES);
	CU_ASSERT(got > FILE_PAGES - 64 && got <= FILE_PAGES);
	CU_ASSERT_EQUAL(nr_cached(fd, FILE_PAGES), FILE_PAGES - (uint64_t)got);
	CU_ASSERT_EQUAL(pread(fd, &byte, 1, 4096), 1);
	CU_ASSERT_EQUAL(byte, 'x');
	close(fd);
}

static void test_drop_dirty(void)
{
	if (has_cache)
		drop_dirty();
}

/* As on Linux before 6.5. In a process of its own: a filter stays. */
static void test_without_cachestat(void)
{
	int status = -1;
	pid_t pid;

	if (!has_cache)
		return;
	pid = fork();
	if (pid == 0) {
		unsigned before = CU_get_number_of_failures();

		self.pid = getpid();
		if (deny_syscall(SYSCALL_CACHESTAT, 1, 0, ENOSYS) < 0)
			_exit(2);
		CU_ASSERT(syscall(SYSCALL_CACHESTAT, -1, NULL, NULL, 0) == -1 && errno == ENOSYS);
		drop_dirty();
		_exit(CU_get_number_of_failures() != before);
	}
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_EQUAL(status, 0);
}

static void test_drop_some(void)
{
	struct reclaim_file file;
	int fd;
	int64_t got;

	if (!has_cache)
		return;
	fd = make_file("some", FILE_PAGES, &file);
	got = cache_drop(&file, 1, &self, 1, 100);
	CU_ASSERT(got >= 100 && got <= 1024);
	CU_ASSERT_EQUAL(nr_cached(fd, FILE_PAGES), FILE_PAGES - (uint64_t)got);
	CU_ASSERT_EQUAL(cache_drop(&file, 1, &self, 1, 0), 0);
	close(fd);
}

static void test_most_first(void)
{
	struct reclaim_file file[3];
	int small, big, middle;

	if (!has_cache)
		return;
	small = make_file("small", 50, &file[0]);
	big = make_file("big", 600, &file[1]);
	middle = make_file("middle", 100, &file[2]);
	CU_ASSERT(cache_drop(file, 3, &self, 1, 620) >= 620);
	CU_ASSERT(nr_cached(big, 600) < 64);
	CU_ASSERT(nr_cached(middle, 100) < 80);
	CU_ASSERT_EQUAL(nr_cached(small, 50), 50);
	close(small);
	close(big);
	close(middle);
}

/* What a process has mapped and used stays, and is no reason to try for ever. */
static void test_mapped_stays(void)
{
	struct reclaim_file file;
	size_t size = 64 * page_size();
	char *at;
	int fd;

	if (!has_cache)
		return;
	fd = make_file("mapped", 64, &file);
	at = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	CU_ASSERT_FATAL(at != MAP_FAILED);
	CU_ASSERT_EQUAL(cache_drop(&file, 1, &self, 1, 64), 0);
	CU_ASSERT_EQUAL(nr_cached(fd, 64), 64);
	munmap(at, size);
	close(fd);
}

static void test_no_such_file(void)
{
	struct reclaim_file file = {.dev_major = 4095, .dev_minor = 1, .ino = 1, .nr_pages = 1};

	CU_ASSERT_EQUAL(cache_drop(&file, 1, &self, 1, 1), 0);
	CU_ASSERT_EQUAL(cache_drop(NULL, 0, NULL, 0, 1), 0);
}

/* No mount, so no handle: through descriptor, then mapping. */
static void expect_found(dev_t dev, uint64_t ino, bool expected)
{
	struct inode_opener o;
	struct stat st = {0};
	int fd;

	inode_opener_init(&o, &self, 1);
	o.nr_mounts = 1;
	o.mount[0].dev = dev;
	o.mount[0].fd = -ENOENT;
	fd = inode_opener_open(&o, dev, ino);
	CU_ASSERT_EQUAL(fd >= 0, expected);
	if (fd >= 0) {
		CU_ASSERT_EQUAL(fstat(fd, &st), 0);
		CU_ASSERT(st.st_dev == dev && st.st_ino == ino);
		close(fd);
	}
	inode_opener_close(&o);
}

static void test_open_by_process(void)
{
	struct reclaim_file file;
	int fd = make_file("held", 4, &file), dir_fd;
	dev_t dev = makedev(file.dev_major, file.dev_minor);
	char *at = mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE, fd, 0);

	CU_ASSERT_FATAL(at != MAP_FAILED);
	expect_found(dev, file.ino, true);
	close(fd);
	/* map_files is readable with CAP_CHECKPOINT_RESTORE only */
	dir_fd = open("/proc/1/map_files", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd >= 0)
		expect_found(dev, file.ino, true);
	else
		printf("(map_files: %s, not tried) ", strerror(errno));
	if (dir_fd >= 0)
		close(dir_fd);
	munmap(at, page_size());
	expect_found(dev, file.ino, false);
}

/* A pipe is never opened, whoever asks for its number. */
static void test_open_no_pipe(void)
{
	struct stat st;
	int p[2];

	CU_ASSERT_EQUAL_FATAL(pipe(p), 0);
	CU_ASSERT_EQUAL(fstat(p[0], &st), 0);
	expect_found(st.st_dev, st.st_ino, false);
	close(p[0]);
	close(p[1]);
}

static void test_open_by_handle(void)
{
	struct reclaim_file file;
	int fd = make_file("handle", 4, &file), found;
	struct inode_opener o;
	struct stat st;

	inode_opener_init(&o, NULL, 0);
	found = inode_opener_open(&o, makedev(file.dev_major, file.dev_minor), file.ino);
	if (found < 0) {
		printf("(no handle by inode number here: not tried) ");
	} else {
		CU_ASSERT_EQUAL(fstat(found, &st), 0);
		CU_ASSERT_EQUAL(st.st_ino, file.ino);
		close(found);
		/* A second file on the same device uses the same mount. */
		CU_ASSERT_EQUAL(o.nr_mounts, 1);
		found = inode_opener_open(&o, st.st_dev, file.ino);
		CU_ASSERT(found >= 0);
		CU_ASSERT_EQUAL(o.nr_mounts, 1);
		close(found);
	}
	CU_ASSERT(inode_opener_open(&o, makedev(file.dev_major, file.dev_minor), 0) < 0);
	inode_opener_close(&o);
	close(fd);
}

static void test_mountinfo(void)
{
	char path[32];
	dev_t dev = 0;

	CU_ASSERT_EQUAL(
		mountinfo_parse(
			"36 35 98:7 /mnt1 /mnt\\0402 rw,noatime master:1 - ext3 /dev/r rw\n", &dev,
			path, sizeof(path)),
		0);
	CU_ASSERT_EQUAL(dev, makedev(98, 7));
	CU_ASSERT_STRING_EQUAL(path, "/mnt 2");
	CU_ASSERT_EQUAL(mountinfo_parse("1 2 3:4 / /a\\134b\\0", &dev, path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/a\\b\\0");
	CU_ASSERT_EQUAL(mountinfo_parse("1 2 3:4 / /123456", &dev, path, 7), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(mountinfo_parse("1 2 3:4 /", &dev, path, sizeof(path)), -EINVAL);
	CU_ASSERT_EQUAL(mountinfo_parse("1 2 3:4 / ", &dev, path, sizeof(path)), -EINVAL);
	CU_ASSERT_EQUAL(mountinfo_parse("1 2 x:4 / /", &dev, path, sizeof(path)), -EINVAL);
	CU_ASSERT_EQUAL(mountinfo_parse("", &dev, path, sizeof(path)), -EINVAL);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"dirty pages are written and dropped", test_drop_dirty},
		{"the same without cachestat(2)", test_without_cachestat},
		{"not much more than was asked for", test_drop_some},
		{"the file with most pages first", test_most_first},
		{"mapped pages stay", test_mapped_stays},
		{"files that are not there", test_no_such_file},
		{"a file found through a process", test_open_by_process},
		{"a pipe is not opened", test_open_no_pipe},
		{"a file opened by handle", test_open_by_handle},
		{"lines of mountinfo", test_mountinfo},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"cache_drop", suite_init, suite_clean, NULL, NULL, tests},
				 CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
