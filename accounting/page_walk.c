// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Walks through /proc/PID/pagemap. One pass: where entries are dense they are read one chunk after
 * the other, and where a chunk had nothing of the kind PAGEMAP_SCAN (Linux 6.7) finds what comes
 * next; scanning all of it first would double the cost (18 and 17 ms per GiB on one machine, 19
 * together). Any thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "accounting/page_walk.h"
#include "util/util.h"

#define ENTRY_PRESENT   (1ULL << 63)
#define ENTRY_SWAPPED   (1ULL << 62)
#define ENTRY_FILE      (1ULL << 61) /* of a file, or shared anonymous */
#define ENTRY_EXCLUSIVE (1ULL << 56)
#define ENTRY_FRAME     ((1ULL << 55) - 1)

/* struct pm_scan_arg and struct page_region of linux/fs.h, which the headers of older systems lack.
 */
struct scan_arg {
	uint64_t size, flags;
	uint64_t start, end, walk_end;
	uint64_t vec, vec_len;
	uint64_t max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct scan_region {
	uint64_t start, end, categories;
};
#define SCAN         _IOWR('f', 16, struct scan_arg)
#define SCAN_FILE    (1U << 2)
#define SCAN_PRESENT (1U << 3)
#define SCAN_SWAPPED (1U << 4)
#define SCAN_ZERO    (1U << 5)

/* By /proc/PID/maps: a mapping above 256 GiB (2 s) is a reservation, and passed over. */
#define MAPPING_MAX_PAGES ((UINT64_C(256) << 30) / 4096)

/* ---- opening ---- */

/* Of this thread, if it may have it and has it not in effect; else NULL. */
static cap_t admin_raise(void)
{
	static const cap_value_t cap = CAP_SYS_ADMIN;
	cap_flag_value_t permitted = CAP_CLEAR, effective = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps && !cap_get_flag(caps, cap, CAP_PERMITTED, &permitted) &&
	    !cap_get_flag(caps, cap, CAP_EFFECTIVE, &effective) && permitted == CAP_SET &&
	    effective == CAP_CLEAR && !cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_SET) &&
	    !cap_set_proc(caps))
		return caps;
	cap_free(caps);
	return NULL; /* without it there are no frames, and that shows */
}

/* What cannot be given up must not stay. */
static void admin_lower(cap_t caps)
{
	static const cap_value_t cap = CAP_SYS_ADMIN;

	if (caps && (cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_CLEAR) || cap_set_proc(caps)))
		abort();
	cap_free(caps);
}

static int pagemap_open(pid_t pid)
{
	char path[32];
	int fd, error;
	cap_t raised;

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	raised = admin_raise();
	fd = open(path, O_RDONLY | O_CLOEXEC);
	error = errno;
	admin_lower(raised);
	if (fd < 0)
		return error == ENOENT ? -ESRCH : -error;
	return fd;
}

/* The end of user addresses on this machine, in pages: PAGEMAP_SCAN refuses what is beyond. */
static uint64_t scan_end(int fd)
{
	static uint64_t end;
	uint64_t e = atomic_get(&end);

	for (int bits = 62; !e && bits > 31; bits--) {
		struct scan_arg arg = {.size = sizeof(arg)};

		arg.end = (UINT64_C(1) << bits) - page_size();
		arg.start = arg.end - page_size();
		arg.category_mask = arg.return_mask = SCAN_PRESENT;
		if (ioctl(fd, SCAN, &arg) >= 0)
			e = arg.end / page_size();
		else if (errno != EFAULT)
			return 0;
	}
	atomic_put(&end, e);
	return e;
}

bool page_walk_is_bounded(void)
{
	static uint64_t known; /* 1: no, 2: yes */
	uint64_t is = atomic_get(&known);
	int fd;

	if (is)
		return is == 2;
	fd = pagemap_open(getpid());
	is = fd >= 0 && scan_end(fd) ? 2 : 1;
	if (fd >= 0)
		close(fd);
	atomic_put(&known, is);
	return is == 2;
}

int page_walk_open(struct page_walk *w, pid_t pid, enum page_kind kind)
{
	char path[32];
	int fd = pagemap_open(pid);

	if (fd < 0)
		return fd;
	*w = (struct page_walk){.fd = fd, .kind = kind, .barren = true};
	w->entries = malloc(PAGE_WALK_ENTRIES * sizeof(*w->entries));
	w->end = scan_end(fd);
	w->by_scan = w->end;
	if (!w->by_scan) {
		snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
		w->maps = fopen(path, "re");
	}
	if (!w->entries || (!w->by_scan && !w->maps)) {
		int error = w->entries ? -errno : -ENOMEM;

		page_walk_close(w);
		return error;
	}
	return 0;
}

void page_walk_close(struct page_walk *w)
{
	if (w->maps)
		fclose(w->maps);
	close(w->fd);
	free(w->entries);
	*w = (struct page_walk){.fd = -1};
}

/* ---- frames ---- */

/* The frame that anonymous memory is read from before it is written to: pagemap shows it like a
 * page that is shared since a fork. */
static uint32_t find_zero_frame(void)
{
	size_t size = page_size();
	volatile char *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t entry = 0;
	int fd;

	if (p == MAP_FAILED)
		return 0;
	(void)*p;
	fd = pagemap_open(getpid());
	if (fd >= 0) {
		off_t at = (off_t)((uintptr_t)p / size * sizeof(entry));

		if (pread(fd, &entry, sizeof(entry), at) != (ssize_t)sizeof(entry))
			entry = 0;
		close(fd);
	}
	munmap((void *)p, size);
	return (uint32_t)(entry & ENTRY_FRAME);
}

#define FRAME_UNKNOWN (1ULL << 32)

/* Found again by whoever comes at the same time: it is the same. */
static uint32_t zero_frame(void)
{
	static uint64_t known = FRAME_UNKNOWN;
	uint64_t frame = atomic_get(&known);

	if (frame == FRAME_UNKNOWN) {
		frame = find_zero_frame();
		atomic_put(&known, frame);
	}
	return (uint32_t)frame;
}

bool page_frames_are_told(void)
{
	return zero_frame() != 0;
}

/* ---- entries ---- */

/* Without frames the zero page cannot be told from one that is shared since a fork. */
static bool entry_parse(uint64_t entry, enum page_kind kind, uint64_t vpn, uint32_t zero,
			struct page_entry *ret)
{
	bool is_file = entry & ENTRY_FILE;

	if (is_file != (kind == PAGES_FILE) ||
	    !(entry & (is_file ? ENTRY_PRESENT : ENTRY_PRESENT | ENTRY_SWAPPED)))
		return false;
	*ret = (struct page_entry){
		.vpn = vpn,
		.frame = (uint32_t)(entry & ENTRY_FRAME),
		.swapped = !(entry & ENTRY_PRESENT),
		.exclusive = entry & ENTRY_EXCLUSIVE,
	};
	return ret->swapped || !zero || ret->frame != zero;
}

static ssize_t read_entries(struct page_walk *w, uint64_t vpn, size_t nr)
{
	ssize_t n = pread(w->fd, w->entries, MIN(nr, (size_t)PAGE_WALK_ENTRIES) * sizeof(uint64_t),
			  (off_t)(vpn * sizeof(uint64_t)));

	return n < 0 ? -errno : n / (ssize_t)sizeof(uint64_t);
}

ssize_t page_walk_range(struct page_walk *w, uint64_t vpn, size_t nr, struct page_entry *pages)
{
	uint32_t zero = zero_frame();
	ssize_t found = 0;

	while (nr > 0) {
		ssize_t n = read_entries(w, vpn, nr);

		if (n <= 0)
			return n < 0 ? n : found;
		for (ssize_t i = 0; i < n; i++)
			found += entry_parse(w->entries[i], w->kind, vpn + (uint64_t)i, zero,
					     &pages[found]);
		vpn += (uint64_t)n;
		nr -= (size_t)n;
	}
	return found;
}

/* ---- a walk ---- */

/* Step over what is not of the kind. 0, also at the end, or -errno. */
static int scan_forward(struct page_walk *w)
{
	struct scan_region region;
	struct scan_arg arg = {
		.size = sizeof(arg),
		.start = w->pos * page_size(),
		.end = w->end * page_size(),
		.vec = (uintptr_t)&region,
		.vec_len = 1,
		.max_pages = 1,
		.return_mask = SCAN_PRESENT,
	};
	int n;

	if (w->kind == PAGES_FILE) {
		arg.category_mask = SCAN_FILE | SCAN_PRESENT;
	} else {
		arg.category_inverted = arg.category_mask = SCAN_FILE | SCAN_ZERO;
		arg.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED;
	}

	do {
		n = ioctl(w->fd, SCAN, &arg);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	w->pos = n ? region.start / page_size() : w->end;
	return 0;
}

/* The same by mappings: to the next one that may have such pages. */
static int maps_forward(struct page_walk *w)
{
	char line[512];

	if (w->pos < w->maps_end)
		return 0;
	while (fgets(line, sizeof(line), w->maps)) {
		unsigned long long start, end;
		char shared;

		if (sscanf(line, "%llx-%llx %*c%*c%*c%c", &start, &end, &shared) != 3 ||
		    (shared == 's' && w->kind == PAGES_ANON) ||
		    (end - start) / page_size() > MAPPING_MAX_PAGES)
			continue;
		w->pos = start / page_size();
		w->maps_end = w->end = end / page_size();
		return 0;
	}
	w->pos = w->end;
	return ferror(w->maps) ? -EIO : 0;
}

static int fill(struct page_walk *w)
{
	ssize_t n;
	int r = 0;

	if (!w->by_scan)
		r = maps_forward(w);
	else if (w->barren)
		r = scan_forward(w);
	if (r || w->pos >= w->end)
		return r;
	n = read_entries(w, w->pos, w->end - w->pos);
	if (n <= 0)
		return (int)n;
	w->at = 0;
	w->nr = (size_t)n;
	w->barren = true;
	return 0;
}

ssize_t page_walk_next(struct page_walk *w, struct page_entry *pages, size_t nr)
{
	uint32_t zero = zero_frame();
	size_t found = 0;

	while (found < nr) {
		if (w->at == w->nr) {
			int r = fill(w);

			if (r)
				return r;
			if (w->at == w->nr)
				break;
		}
		if (entry_parse(w->entries[w->at++], w->kind, w->pos++, zero, &pages[found])) {
			w->barren = false;
			found++;
		}
	}
	return (ssize_t)found;
}
