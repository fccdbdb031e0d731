/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory in tmpfs files and memfds that a process holds by descriptor only. Any thread. All
 * sizes in pages.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "accounting/process_usage.h"
#include "util/util.h"

#define MAX_DESCRIPTORS 4096  /* looked at per call: about 4 ms at 1 us a stat */
#define MAX_ENTRIES     65536 /* of pagemap, per call: 256 MiB of mappings, 2 ms */
#define NR_KNOWN_DEVS   8     /* devices looked up and remembered */
#define PAGEMAP_PRESENT (1ULL << 63)

struct shmem_file {
	uint64_t dev, ino, nr_pages;
};

struct shmem_files {
	struct shmem_file *file;
	size_t nr, capacity;
	struct {
		dev_t dev;
		bool is_tmpfs;
	} known[NR_KNOWN_DEVS];
	unsigned nr_known;
};

/* memfds and shared anonymous memory live on a tmpfs of the kernel's own, which is mounted nowhere.
 */
static uint64_t memfd_dev(void)
{
	static uint64_t dev;
	cleanup_close int fd = -1;
	struct stat st;

	if (__atomic_load_n(&dev, __ATOMIC_RELAXED))
		return dev;
	fd = memfd_create("memcgfs", MFD_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &st))
		__atomic_store_n(&dev, st.st_dev, __ATOMIC_RELAXED);
	return dev;
}

/* Does the process's own table of mounts have a tmpfs of this device? */
static bool mounted_tmpfs(pid_t pid, dev_t dev)
{
	char path[32], want[24];
	cleanup_free char *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)pid);
	snprintf(want, sizeof(want), " %u:%u ", major(dev), minor(dev));
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && getline(&line, &size, f) > 0)
		found = strstr(line, want) && strstr(line, " - tmpfs ");
	fclose(f);
	return found;
}

/* The file system itself is not asked: one whose server hangs would hang us. */
static bool on_tmpfs(struct shmem_files *files, pid_t pid, dev_t dev)
{
	unsigned i;

	if (dev == memfd_dev())
		return true;
	if (major(dev) != 0)
		return false;
	for (i = 0; i < MIN(files->nr_known, NR_KNOWN_DEVS); i++)
		if (files->known[i].dev == dev)
			return files->known[i].is_tmpfs;
	i = files->nr_known++ % NR_KNOWN_DEVS;
	files->known[i].dev = dev;
	files->known[i].is_tmpfs = mounted_tmpfs(pid, dev);
	return files->known[i].is_tmpfs;
}

static int files_add(struct shmem_files *files, const struct statx *stx)
{
	if (files->nr == files->capacity) {
		size_t capacity = files->capacity ? 2 * files->capacity : 16;
		struct shmem_file *bigger =
			reallocarray(files->file, capacity, sizeof(*files->file));

		if (!bigger)
			return -ENOMEM;
		files->file = bigger;
		files->capacity = capacity;
	}
	files->file[files->nr++] = (struct shmem_file){
		.dev = makedev(stx->stx_dev_major, stx->stx_dev_minor),
		.ino = stx->stx_ino,
		.nr_pages = stx->stx_blocks * 512 / page_size(),
	};
	return 0;
}

/* Nothing is opened here, so that no pipe or device is touched; and what is known will do. */
static int look_at_descriptors(pid_t pid, DIR *dir, struct shmem_files *files)
{
	struct dirent *entry;
	unsigned nr = 0;

	while (nr < MAX_DESCRIPTORS && (entry = readdir(dir))) {
		char path[64];
		struct statx stx;
		int r;

		if (entry->d_name[0] == '.')
			continue;
		nr++;
		snprintf(path, sizeof(path), "/proc/%d/fd/%.16s", (int)pid, entry->d_name);
		if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_BASIC_STATS, &stx) < 0 ||
		    !S_ISREG(stx.stx_mode) || !stx.stx_blocks)
			continue;
		if (!on_tmpfs(files, pid, makedev(stx.stx_dev_major, stx.stx_dev_minor)))
			continue;
		r = files_add(files, &stx);
		if (r < 0)
			return r;
	}
	return 0;
}

static int compare_files(const void *a, const void *b)
{
	const struct shmem_file *x = a, *y = b;

	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static void drop_duplicates(struct shmem_files *files)
{
	size_t nr = 0;

	if (files->nr == 0)
		return;
	qsort(files->file, files->nr, sizeof(*files->file), compare_files);
	for (size_t i = 1; i < files->nr; i++)
		if (compare_files(&files->file[nr], &files->file[i]) != 0)
			files->file[++nr] = files->file[i];
	files->nr = nr + 1;
}

/* Pages between start and end that the process has in its page table, as RssShmem counts them. */
static uint64_t count_present(int pagemap_fd, uint64_t start, uint64_t end)
{
	uint64_t entry[512], nr_present = 0;

	start /= page_size();
	end /= page_size();
	while (start < end) {
		size_t want = MIN(end - start, ARRAY_SIZE(entry)) * sizeof(entry[0]);
		ssize_t n = pread(pagemap_fd, entry, want, (off_t)(start * sizeof(entry[0])));

		if (n < (ssize_t)sizeof(entry[0]))
			break;
		for (size_t i = 0; i < (size_t)n / sizeof(entry[0]); i++)
			nr_present += (entry[i] & PAGEMAP_PRESENT) != 0;
		start += (size_t)n / sizeof(entry[0]);
	}
	return nr_present;
}

struct mappings {
	int pagemap_fd;
	uint64_t looks_left; /* page-table entries that may still be looked at */
	uint64_t rss_shmem;  /* what of RssShmem has not been put down to a file yet */
};

/*
 * Pages of a mapping of nr_file_pages that RssShmem shows. Counted one by one while that is cheap;
 * of larger mappings it is taken that all of RssShmem is in them: true for what maps that much (a
 * virtual machine's memory), and it never takes off more than RssShmem adds.
 */
static uint64_t mapped_pages(struct mappings *m, uint64_t start, uint64_t end,
			     uint64_t nr_file_pages)
{
	uint64_t nr_pages = (end - start) / page_size();
	uint64_t nr;

	if (nr_pages <= m->looks_left) {
		m->looks_left -= nr_pages;
		nr = count_present(m->pagemap_fd, start, end);
	} else {
		nr = MIN(nr_pages, MIN(nr_file_pages, m->rss_shmem));
	}
	m->rss_shmem -= MIN(nr, m->rss_shmem);
	return nr;
}

/* What a mapping of the file shows in RssShmem is counted there already. */
static void subtract_mapping(const char *line, struct shmem_files *files, struct mappings *m)
{
	unsigned long long start, end, ino;
	unsigned dev_major, dev_minor;
	struct shmem_file key = {0}, *f;
	uint64_t nr;

	if (sscanf(line, "%llx-%llx %*s %*s %x:%x %llu", &start, &end, &dev_major, &dev_minor,
		   &ino) != 5 ||
	    ino == 0)
		return;
	key.dev = makedev(dev_major, dev_minor);
	key.ino = ino;
	f = bsearch(&key, files->file, files->nr, sizeof(key), compare_files);
	if (!f)
		return;
	nr = mapped_pages(m, start, end, f->nr_pages);
	f->nr_pages -= MIN(nr, f->nr_pages);
}

static uint64_t rss_shmem(pid_t pid)
{
	cleanup_close int fd = process_usage_open(pid);
	struct process_usage usage;

	return fd >= 0 && process_usage_read(fd, &usage) == 0 ? usage.rss_shmem : 0;
}

static int subtract_mappings(pid_t pid, struct shmem_files *files)
{
	struct mappings m = {.looks_left = MAX_ENTRIES, .rss_shmem = rss_shmem(pid)};
	cleanup_close int pagemap_fd = -1;
	cleanup_free char *line = NULL;
	size_t size = 0;
	char path[32];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	pagemap_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (pagemap_fd < 0)
		return -errno;
	m.pagemap_fd = pagemap_fd;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return -errno;
	while (getline(&line, &size, maps) > 0)
		subtract_mapping(line, files, &m);
	fclose(maps);
	return 0;
}

int process_shmem_files(pid_t pid, process_shmem_fn fn, void *userdata)
{
	struct shmem_files files = {0};
	char path[32];
	DIR *dir;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	r = look_at_descriptors(pid, dir, &files);
	closedir(dir);
	if (r == 0 && files.nr > 0) {
		drop_duplicates(&files);
		r = subtract_mappings(pid, &files);
	}
	for (size_t i = 0; r == 0 && i < files.nr; i++)
		if (files.file[i].nr_pages > 0)
			fn(files.file[i].dev, files.file[i].ino, files.file[i].nr_pages, userdata);
	free(files.file);
	return r;
}
