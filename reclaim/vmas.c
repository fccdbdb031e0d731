/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A process's mappings, one at a time, by address. Addresses in bytes; one thread at a time. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "reclaim/vmas.h"
#include "util/util.h"

/* struct procmap_query of linux/fs.h, which the headers of older systems lack. */
struct query {
	uint64_t size, query_flags, query_addr;
	uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset;
	uint64_t inode;
	uint32_t dev_major, dev_minor;
	uint32_t vma_name_size, build_id_size;
	uint64_t vma_name_addr, build_id_addr;
};

#define QUERY                  _IOWR('f', 17, struct query)
#define QUERY_ANY_ACCESS       0x07 /* readable, writable, executable */
#define QUERY_SHARED           0x08
#define QUERY_COVERING_OR_NEXT 0x10

/* Of a name only its beginning matters, but the kernel refuses (ENAMETOOLONG) what does not fit. */
#define NAME_BYTES 4096

struct mapping {
	uint64_t start, end, ino;
	bool shared, accessible;
	unsigned dev_major;
	const char *name;
};

static bool begins(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/*
 * Names as show_map_vma() of the kernel's fs/proc/task_mmu.c gives them. Shared memory is on a
 * device of major 0.
 */
static bool is_shmem(const struct mapping *m)
{
	return m->dev_major == 0 && (begins(m->name, "/dev/zero") || begins(m->name, "/memfd:") ||
				     begins(m->name, "/SYSV") || begins(m->name, "/dev/shm/") ||
				     begins(m->name, "[anon_shmem"));
}

static void classify(const struct mapping *m, struct vma *ret)
{
	ret->start = m->start;
	ret->end = m->end;
	ret->shared = m->shared;
	if (begins(m->name, "[v")) /* [vdso], [vvar], [vvar_vclock], [vsyscall], [vectors] */
		ret->kind = VMA_SPECIAL;
	else if (!m->accessible)
		ret->kind = VMA_RESERVED;
	else if (m->shared)
		ret->kind = is_shmem(m) ? VMA_SHMEM : VMA_SHARED_FILE;
	else
		ret->kind = m->ino ? VMA_PRIVATE_FILE : VMA_PRIVATE_ANON;
}

int vma_parse(const char *line, struct vma *ret)
{
	struct mapping m = {0};
	char mode[5];
	int name = -1;

	if (sscanf(line, "%16" SCNx64 "-%16" SCNx64 " %4s %*16x %8x:%*8x %20" SCNu64 "%n", &m.start,
		   &m.end, mode, &m.dev_major, &m.ino, &name) != 5 ||
	    name < 0 || m.start >= m.end || strlen(mode) != 4)
		return -EINVAL;
	m.shared = mode[3] == 's';
	m.accessible = !begins(mode, "---");
	m.name = line + name + strspn(line + name, " ");
	classify(&m, ret);
	return 0;
}

/* ---- by ioctl ---- */

static int query(struct vma_reader *r, uint64_t addr, uint64_t flags, struct vma *ret)
{
	char name[NAME_BYTES];
	struct query q = {
		.size = sizeof(q),
		.query_flags = flags | QUERY_COVERING_OR_NEXT,
		.query_addr = addr,
		.vma_name_addr = (uintptr_t)name,
		.vma_name_size = sizeof(name),
	};
	struct mapping m;

	name[0] = '\0'; /* stays so for a mapping without a name */
	if (ioctl(r->fd, QUERY, &q) < 0) {
		if (errno != ENAMETOOLONG)
			return -errno;
		q.vma_name_addr = q.vma_name_size = 0;
		if (ioctl(r->fd, QUERY, &q) < 0)
			return -errno;
	}
	m = (struct mapping){
		.start = q.vma_start,
		.end = q.vma_end,
		.ino = q.inode,
		.shared = q.vma_flags & QUERY_SHARED,
		.accessible = q.vma_flags & QUERY_ANY_ACCESS,
		.dev_major = q.dev_major,
		.name = name,
	};
	classify(&m, ret);
	return 0;
}

/* ---- by text ---- */

static int rewind_text(struct vma_reader *r)
{
	r->passed = 0;
	r->used = r->len = 0;
	return lseek(r->fd, 0, SEEK_SET) < 0 ? -errno : 0;
}

/*
 * Have another piece of maps behind what is not parsed yet. The bytes read, 0 at the end, or
 * -errno.
 */
static ssize_t fill_text(struct vma_reader *r)
{
	ssize_t n;

	memmove(r->text, r->text + r->used, r->len - r->used);
	r->len -= r->used;
	r->used = 0;
	do {
		n = read(r->fd, r->text + r->len, sizeof(r->text) - 1 - r->len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	r->len += (size_t)n;
	r->text[r->len] = '\0';
	return n;
}

/* A line longer than the buffer: its beginning says all; read on to its end. */
static int skip_rest_of_line(struct vma_reader *r)
{
	for (;;) {
		char *end;
		ssize_t n;

		r->used = r->len;
		n = fill_text(r);
		if (n <= 0)
			return (int)n;
		end = memchr(r->text, '\n', r->len);
		if (end) {
			r->used = (size_t)(end + 1 - r->text);
			return 0;
		}
	}
}

static int next_in_text(struct vma_reader *r, struct vma *ret)
{
	for (;;) {
		char *line = r->text + r->used;
		char *end = memchr(line, '\n', r->len - r->used);
		ssize_t n;
		int error;

		if (end) {
			*end = '\0';
			r->used += (size_t)(end + 1 - line);
			return vma_parse(line, ret);
		}
		if (r->used == 0 && r->len == sizeof(r->text) - 1) {
			error = vma_parse(line, ret);
			return error ? error : skip_rest_of_line(r);
		}
		n = fill_text(r);
		if (n <= 0)
			return n < 0 ? (int)n : -ENOENT;
	}
}

static bool is_shared(const struct vma *v)
{
	return v->shared;
}

static int find_in_text(struct vma_reader *r, uint64_t addr, bool shared_only, struct vma *ret)
{
	struct vma v;
	int error;

	if (shared_only == r->last_shared && r->last_addr <= addr && addr < r->last.end) {
		*ret = r->last;
		return 0;
	}
	/*
	 * Addresses are asked for in rising order but for the wrap: what lies behind is looked
	 * for from the start.
	 */
	if (addr < r->passed) {
		error = rewind_text(r);
		if (error)
			return error;
	}
	do {
		error = next_in_text(r, &v);
		if (error == 0)
			r->passed = v.end;
	} while (error == 0 && (v.end <= addr || (shared_only && !is_shared(&v))));
	if (error) {
		r->passed = UINT64_MAX;
		return error;
	}
	r->last = v;
	r->last_addr = addr;
	r->last_shared = shared_only;
	*ret = v;
	return 0;
}

/* ---- either ---- */

static int find(struct vma_reader *r, uint64_t addr, bool shared_only, struct vma *ret)
{
	if (r->by_query) {
		int error = query(r, addr, shared_only ? QUERY_SHARED : 0, ret);

		if (error != -ENOTTY)
			return error;
		r->by_query = false;
	}
	return find_in_text(r, addr, shared_only, ret);
}

int vma_find(struct vma_reader *r, uint64_t addr, struct vma *ret)
{
	return find(r, addr, false, ret);
}

int vma_find_shared(struct vma_reader *r, uint64_t addr, struct vma *ret)
{
	return find(r, addr, true, ret);
}

int vma_reader_open(struct vma_reader *r, pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	r->fd = fd;
	r->by_query = true;
	r->last = (struct vma){0};
	r->last_addr = 0;
	r->last_shared = false;
	r->passed = 0;
	r->used = r->len = 0;
	return 0;
}

void vma_reader_close(struct vma_reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}
