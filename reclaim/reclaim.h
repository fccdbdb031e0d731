/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How memory is got back: page-out of members' pages, dropping of page cache, and the kill of last
 * resort. Plain data in, plain data out; knows neither groups nor FUSE. Every function here may
 * block for long and is called on a worker's thread, never on the manager's.
 */
#ifndef MEMCGFS_RECLAIM_H
#define MEMCGFS_RECLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Once, before all else: measures what page-out beside a running program costs here. 1 to 3 ms. */
void reclaim_prepare(void);

/* One process to page out of. The clock hand is the caller's to keep between calls. */
struct reclaim_process {
	pid_t pid;
	int proc_fd; /* an open file below /proc/PID, or -1: proves that pid still names the process
			meant */
	uint64_t hand; /* in/out: address where the next call goes on */
	uint64_t
		rss; /* in: pages the caller believes the process has, for the proportional split */
	bool runs_alone; /* in: it has one thread, and that runs meanwhile (follow.h) */
	/* in: sets wanted[i] for each of nr pages from address start on, which are to be had; NULL:
	 * all are. */
	void (*choose)(void *of, pid_t pid, uint64_t start, size_t nr, bool *wanted);
	void *of;
	uint64_t nr_paged_out; /* out: pages that were there, and went */
};

/* What to page out: private anonymous memory, shared memory, private mappings of files. */
enum page_out_kind { PAGE_OUT_ANON = 1, PAGE_OUT_SHMEM = 2, PAGE_OUT_FILES = 4 };

/*
 * Page out about nr_pages pages of the nr processes, split in proportion to rss, each from its hand
 * on, wrapping once; of the kinds that are named, or'ed. Pages mapped by more than one process stay
 * (MADV_PAGEOUT passes over them), and so do locked ones. Processes that end meanwhile are skipped.
 * Returns the pages that went, or -errno if nothing could be tried at all (-EPERM, -ENOSYS).
 */
int64_t page_out(struct reclaim_process *processes, size_t nr, uint64_t nr_pages, unsigned kinds);

/* Free swap in pages, 0 when there is no swap: page-out of anonymous memory is then of no use. */
uint64_t swap_free_pages(void);

/* One file with page cache to give back. */
struct reclaim_file {
	uint32_t dev_major, dev_minor;
	uint64_t ino;
	uint64_t nr_pages; /* in: pages believed cached, for the order: most first */
};

/*
 * Drop page cache of the files, most pages first, until about nr_pages are gone: dirty pages are
 * written back first. A file is opened by its inode number where the file system can
 * (open_by_handle_at), else through the descriptors and mappings of the processes. Returns the
 * pages dropped (by cachestat(2) or mincore(2), before against after), or -errno.
 */
int64_t cache_drop(const struct reclaim_file *files, size_t nr_files,
		   const struct reclaim_process *processes, size_t nr_processes, uint64_t nr_pages);

/*
 * Kill a process by pidfd, checking with proc_fd (see reclaim_process) that pid still names it, and
 * release its memory with process_mrelease(2) where the kernel has it. 0, or -ESRCH if it has gone
 * already, or another -errno.
 */
int process_kill(pid_t pid, int proc_fd);

/*
 * pidfd of the process that proc_fd proves to be alive under pid, or -ESRCH. A pid that was reused
 * is never returned.
 */
int process_open(pid_t pid, int proc_fd);

#endif
