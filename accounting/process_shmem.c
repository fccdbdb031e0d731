/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shared memory of a process, by file: what it has open or mapped, or made as a segment of System
 * V; and what it holds by descriptor only. Any thread. All sizes in pages.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>

#include "accounting/process_usage.h"
#include "util/util.h"

#define MAX_DESCRIPTORS 4096  /* looked at per call: about 4 ms at 1 us a stat */
#define MAX_FILES       4096  /* listed per call, each as often as it is open and mapped */
#define MAX_ENTRIES     65536 /* of pagemap, per call: 256 MiB of mappings, 2 ms */
#define NR_KNOWN_DEVS   8     /* devices looked up and remembered */
#define PAGEMAP_PRESENT (1ULL << 63)

struct shmem_files {
	struct shmem_file *file;
	size_t nr, capacity;
	struct {
		dev_t dev;
		bool is_tmpfs;
	} known[NR_KNOWN_DEVS];
	unsigned nr_known;
	bool swap_in_use; /* allocated is not resident */
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

/* struct cachestat_range and struct cachestat of linux/mman.h, newer than Debian 12's headers. */
struct cachestat_range {
	uint64_t off, len;
};
struct cachestat {
	uint64_t nr_cache, nr_dirty, nr_writeback, nr_evicted, nr_recently_evicted;
};
#define NR_CACHESTAT 451

/* Of a file of shared memory at path, which is not waited for. Not told: all that is allocated. */
static uint64_t resident_pages(const char *path, uint64_t allocated)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct cachestat_range all = {0};
	struct cachestat cs;

	if (fd < 0 || syscall(NR_CACHESTAT, fd, &all, &cs, 0))
		return allocated;
	return MIN(cs.nr_cache, allocated);
}

static bool swap_is_in_use(void)
{
	struct sysinfo si;

	return !sysinfo(&si) && si.freeswap != si.totalswap;
}

static int files_append(struct shmem_files *files, const struct shmem_file *f)
{
	if (files->nr == MAX_FILES)
		return -E2BIG;
	if (files->nr == files->capacity) {
		size_t capacity = files->capacity ? 2 * files->capacity : 16;
		struct shmem_file *bigger =
			reallocarray(files->file, capacity, sizeof(*files->file));

		if (!bigger)
			return -ENOMEM;
		files->file = bigger;
		files->capacity = capacity;
	}
	files->file[files->nr++] = *f;
	return 0;
}

static int files_add(struct shmem_files *files, const struct statx *stx, const char *path)
{
	uint64_t allocated = stx->stx_blocks * 512 / page_size();
	struct shmem_file f = {
		.dev = makedev(stx->stx_dev_major, stx->stx_dev_minor),
		.ino = stx->stx_ino,
		.nr_pages = files->swap_in_use ? resident_pages(path, allocated) : allocated,
	};

	f.nr_swapped = allocated - f.nr_pages;
	if (stx->stx_mask & STATX_BTIME)
		f.born_nsec = (uint64_t)stx->stx_btime.tv_sec * 1000000000 + stx->stx_btime.tv_nsec;
	return files_append(files, &f);
}

/* What is there at path, if it is shared memory. Nothing else is opened, so that no pipe or device
 * is touched; and what is known of it will do. 0 or -ENOMEM. */
static int look_at(pid_t pid, const char *path, struct shmem_files *files)
{
	struct statx stx;

	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_BASIC_STATS | STATX_BTIME, &stx) < 0 ||
	    !S_ISREG(stx.stx_mode) || !stx.stx_blocks ||
	    !on_tmpfs(files, pid, makedev(stx.stx_dev_major, stx.stx_dev_minor)))
		return 0;
	return files_add(files, &stx, path);
}

static int look_at_descriptors(pid_t pid, DIR *dir, struct shmem_files *files)
{
	struct dirent *entry;
	unsigned nr = 0;

	while (nr < MAX_DESCRIPTORS && (entry = readdir(dir))) {
		char path[64];
		int r;

		if (entry->d_name[0] == '.')
			continue;
		nr++;
		snprintf(path, sizeof(path), "/proc/%d/fd/%.16s", (int)pid, entry->d_name);
		r = look_at(pid, path, files);
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
	for (size_t i = 1; i < files->nr; i++) {
		if (compare_files(&files->file[nr], &files->file[i]) != 0)
			files->file[++nr] = files->file[i];
		else
			files->file[nr].is_mapped_to_write |= files->file[i].is_mapped_to_write;
	}
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

/* ---- all of it, whether mapped or not ---- */

/* One line of maps. Several mappings of one file are looked at each: drop_duplicates(). */
static int look_at_mapping(pid_t pid, const char *line, struct shmem_files *files)
{
	unsigned long long start, end, ino;
	unsigned dev_major, dev_minor;
	size_t before = files->nr;
	char path[80], mode[8];
	int r;

	if (sscanf(line, "%llx-%llx %7s %*s %x:%x %llu", &start, &end, mode, &dev_major, &dev_minor,
		   &ino) != 6 ||
	    ino == 0 || !on_tmpfs(files, pid, makedev(dev_major, dev_minor)))
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", (int)pid, start, end);
	r = look_at(pid, path, files);
	if (files->nr > before)
		files->file[before].is_mapped_to_write = mode[1] == 'w' && mode[3] == 's';
	return r;
}

static int look_at_mappings(pid_t pid, struct shmem_files *files)
{
	cleanup_free char *line = NULL;
	size_t size = 0;
	char path[32];
	FILE *maps;
	int r = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	while (!r && getline(&line, &size, maps) > 0)
		r = look_at_mapping(pid, line, files);
	fclose(maps);
	return r;
}

/*
 * Segments of System V, also those that it has detached: they stay until they are removed. Those of
 * our own namespace; what is in another is seen while it is attached. Their file's number is the
 * id.
 */
static int look_at_segments(pid_t pid, struct shmem_files *files)
{
	FILE *f = fopen("/proc/sysvipc/shm", "re");
	char line[512];
	int r = 0;

	if (!f)
		return 0; /* a kernel without */
	while (!r && fgets(line, sizeof(line), f)) {
		unsigned long long shmid, changed, rss, swap;
		int creator, last;

		if (sscanf(line,
			   "%*d %llu %*o %*u %d %d %*u %*u %*u %*u %*u %*u %*u %llu %llu %llu",
			   &shmid, &creator, &last, &changed, &rss, &swap) != 6 ||
		    (creator != pid && last != pid))
			continue;
		r = files_append(files, &(struct shmem_file){
						.dev = memfd_dev(),
						.ino = shmid,
						.nr_pages = rss / page_size(),
						.nr_swapped = swap / page_size(),
						.born_nsec = (changed + 1) * 1000000000,
					});
	}
	fclose(f);
	return r;
}

int process_shmem_list(pid_t pid, shmem_file_fn fn, void *userdata)
{
	struct shmem_files files = {.swap_in_use = swap_is_in_use()};
	char path[32];
	DIR *dir;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	r = look_at_descriptors(pid, dir, &files);
	closedir(dir);
	if (!r)
		r = look_at_mappings(pid, &files);
	if (!r)
		r = look_at_segments(pid, &files);
	drop_duplicates(&files);
	for (size_t i = 0; r == 0 && i < files.nr; i++)
		fn(&files.file[i], userdata);
	free(files.file);
	return r;
}

int process_shmem_mappings(pid_t pid, shmem_mapping_fn fn, void *userdata)
{
	struct shmem_files known = {0};
	cleanup_free char *line = NULL;
	unsigned long long start, end;
	unsigned dev_major, dev_minor;
	struct shmem_mapping x;
	size_t size = 0;
	char path[32];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return errno == ENOENT ? -ESRCH : -errno;
	while (getline(&line, &size, maps) > 0) {
		if (sscanf(line, "%llx-%llx %*s %*s %x:%x %" SCNu64, &start, &end, &dev_major,
			   &dev_minor, &x.ino) != 5)
			continue;
		x.dev = makedev(dev_major, dev_minor);
		x.vpn = start / page_size();
		x.nr_pages = (end - start) / page_size();
		if (x.dev && on_tmpfs(&known, pid, x.dev))
			fn(&x, userdata);
	}
	fclose(maps);
	return 0;
}
