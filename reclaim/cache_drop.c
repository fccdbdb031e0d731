/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dropping of page cache, file by file, from each file's beginning. On a worker's thread. Sizes in
 * pages, offsets in bytes.
 *
 * No more of a file is dropped than was asked for: the range is halved until the part at hand is
 * small enough. cachestat(2) of a fully cached GiB takes 48 us, so that halving costs at most twice
 * that.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "reclaim/open_inode.h"
#include "reclaim/reclaim.h"
#include "util/util.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

#define MIN_DROP_BYTES \
	(2 << 20) /* not halved further: what a large folio of the page cache may be */
#define MINCORE_BYTES (UINT64_C(256) << 20) /* mapped at once: 64 KiB of mincore's answer */

struct cached {
	uint64_t nr_pages;
	bool dirty; /* or under writeback, or not known */
};

/*
 * struct cachestat_range and struct cachestat of linux/mman.h, which the headers of older
 * systems lack.
 */
struct range {
	uint64_t off, len;
};

struct counts {
	uint64_t nr_cache, nr_dirty, nr_writeback, nr_evicted, nr_recently_evicted;
};

static int count_by_cachestat(int fd, uint64_t off, uint64_t len, struct cached *ret)
{
	struct range range = {off, len};
	struct counts counts;

	if (syscall(SYS_cachestat, fd, &range, &counts, 0) < 0)
		return -errno;
	ret->nr_pages = counts.nr_cache;
	ret->dirty = counts.nr_dirty || counts.nr_writeback;
	return 0;
}

static int count_window(int fd, uint64_t off, size_t len, unsigned char *vec, uint64_t *nr_pages)
{
	void *map = mmap(NULL, len, PROT_NONE, MAP_SHARED, fd, (off_t)off);
	int error = 0;

	if (map == MAP_FAILED)
		return -errno;
	if (mincore(map, len, vec) < 0)
		error = -errno;
	munmap(map, len);
	for (size_t i = 0; !error && i < (len + page_size() - 1) / page_size(); i++)
		*nr_pages += vec[i] & 1;
	return error;
}

static int count_by_mincore(int fd, uint64_t off, uint64_t len, struct cached *ret)
{
	size_t most = MIN(len, MINCORE_BYTES);
	cleanup_free unsigned char *vec = malloc((most + page_size() - 1) / page_size());
	uint64_t end = off + len, nr_pages = 0;

	if (!vec)
		return -ENOMEM;
	while (off < end) {
		size_t window = MIN(end - off, MINCORE_BYTES);
		int error = count_window(fd, off, window, vec, &nr_pages);

		if (error)
			return error;
		off += window;
	}
	ret->nr_pages = nr_pages;
	ret->dirty = true;
	return 0;
}

static int count_cached(int fd, uint64_t off, uint64_t len, struct cached *ret)
{
	int error = count_by_cachestat(fd, off, len, ret);

	return error == -ENOSYS ? count_by_mincore(fd, off, len, ret) : error;
}

/*
 * Pages of the range that are gone now. What is mapped, or used at this moment, stays, and is
 * not tried again.
 */
static uint64_t drop_whole(int fd, uint64_t off, uint64_t len, const struct cached *before)
{
	struct cached after;

	if (before->dirty)
		(void)sync_file_range(fd, (off_t)off, (off_t)len,
				      SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
					      SYNC_FILE_RANGE_WAIT_AFTER);
	if (posix_fadvise(fd, (off_t)off, (off_t)len, POSIX_FADV_DONTNEED) != 0 ||
	    count_cached(fd, off, len, &after) < 0 || after.nr_pages > before->nr_pages)
		return 0;
	return before->nr_pages - after.nr_pages;
}

/* Recursion halves a file's size down to MIN_DROP_BYTES: at most 63 - 21 deep. */
static uint64_t drop_range(int fd, uint64_t off, uint64_t len, uint64_t nr_pages)
{
	struct cached cached;
	uint64_t half, got;

	if (nr_pages == 0 || count_cached(fd, off, len, &cached) < 0 || cached.nr_pages == 0)
		return 0;
	if (cached.nr_pages <= nr_pages || len <= MIN_DROP_BYTES)
		return drop_whole(fd, off, len, &cached);
	half = (len / 2 + MIN_DROP_BYTES - 1) / MIN_DROP_BYTES * MIN_DROP_BYTES;
	if (half >= len)
		half = MIN_DROP_BYTES;
	got = drop_range(fd, off, half, nr_pages);
	if (got < nr_pages)
		got += drop_range(fd, off + half, len - half, nr_pages - got);
	return got;
}

static uint64_t drop_file(int fd, uint64_t nr_pages)
{
	uint64_t mask = page_size() - 1;
	struct stat st;

	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return 0;
	return drop_range(fd, 0, ((uint64_t)st.st_size + mask) & ~mask, nr_pages);
}

static int most_pages_first(const void *a, const void *b)
{
	const struct reclaim_file *const *x = a, *const *y = b;

	return (*x)->nr_pages < (*y)->nr_pages ? 1 : (*x)->nr_pages > (*y)->nr_pages ? -1 : 0;
}

int64_t cache_drop(const struct reclaim_file *files, size_t nr_files,
		   const struct reclaim_process *processes, size_t nr_processes, uint64_t nr_pages)
{
	cleanup_free const struct reclaim_file **order =
		calloc(nr_files ? nr_files : 1, sizeof(*order));
	struct inode_opener opener;
	uint64_t got = 0;
	int error = 0;
	bool opened = false;

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < nr_files; i++)
		order[i] = &files[i];
	qsort(order, nr_files, sizeof(*order), most_pages_first);
	inode_opener_init(&opener, processes, nr_processes);
	for (size_t i = 0; i < nr_files && got < nr_pages; i++) {
		dev_t dev = makedev(order[i]->dev_major, order[i]->dev_minor);
		cleanup_close int fd = inode_opener_open(&opener, dev, order[i]->ino);

		if (fd < 0) {
			error = fd;
			continue;
		}
		opened = true;
		got += drop_file(fd, nr_pages - got);
	}
	inode_opener_close(&opener);
	return opened || !error || error == -ENOENT ? (int64_t)got : error;
}
