/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process's mappings, one at a time, by address: the PROCMAP_QUERY ioctl (Linux 6.11) or the text
 * of /proc/PID/maps. Addresses in bytes. A reader belongs to one thread at a time.
 */
#ifndef MEMCGFS_VMAS_H
#define MEMCGFS_VMAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum vma_kind {
	VMA_PRIVATE_ANON, /* and [heap], [stack], … */
	VMA_PRIVATE_FILE, /* may have anonymous pages: those written to */
	VMA_SHMEM,        /* shared anonymous memory, memfd, SysV and POSIX shared memory */
	VMA_SHARED_FILE,
	VMA_RESERVED, /* PROT_NONE: address space that nobody can touch */
	VMA_SPECIAL,  /* [vdso], [vvar], [vsyscall]: the kernel's own pages */
};

struct vma {
	uint64_t start, end;
	enum vma_kind kind;
	bool shared;
};

struct vma_reader {
	int fd;
	bool by_query;
	/*
	 * By text only: the last answer and its question, the end of the last mapping read, text
	 * not yet parsed.
	 */
	struct vma last;
	uint64_t last_addr;
	bool last_shared;
	uint64_t passed;
	size_t used, len;
	char text[4096];
};

/*
 * Parse one line of /proc/PID/maps, with or without newline. 0 or -EINVAL. Exposed for tests and
 * fuzzing.
 */
int vma_parse(const char *line, struct vma *ret);

/* 0, or -errno (-ESRCH: no such process). */
int vma_reader_open(struct vma_reader *r, pid_t pid);
void vma_reader_close(struct vma_reader *r);

/* The first mapping that ends after addr. 0, -ENOENT when there is none, or another -errno. */
int vma_find(struct vma_reader *r, uint64_t addr, struct vma *ret);

/* The first MAP_SHARED mapping that ends after addr. */
int vma_find_shared(struct vma_reader *r, uint64_t addr, struct vma *ret);

#endif
