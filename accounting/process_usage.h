/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one process uses, as /proc tells it. Any thread. All sizes in pages. */
#ifndef MEMCGFS_PROCESS_USAGE_H
#define MEMCGFS_PROCESS_USAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* /proc/PID/status is about 1.5 KiB, but its Groups line has up to 65536 numbers of up to 11 bytes.
 */
#define STATUS_MAX_BYTES (1 << 20)

/*
 * A thread's stack in the kernel: THREAD_SIZE, of x86-64 in arch/x86/include/asm/page_64_types.h,
 * of arm64 with pages of 4 KiB in arch/arm64/include/asm/memory.h. So much times all threads is
 * KernelStack of /proc/meminfo.
 */
#define KERNEL_STACK_BYTES (16 << 10)

struct process_usage {
	uint64_t rss_anon, rss_file, rss_shmem; /* resident pages by kind */
	uint64_t swap;                          /* swapped-out anonymous pages */
	uint64_t locked;                        /* mlock'd pages */
	uint64_t page_tables;                   /* of the address space, but for the top level */
	uint32_t nr_threads;
	uint32_t nr_stacks;       /* kernel stacks: threads, but for a leader that has ended */
	char state;               /* R S D T t Z X … */
	uint64_t signals_pending; /* ShdPnd: bit n-1 is signal n, for the process */
	uint64_t signals_ignored; /* SigIgn */
	uint64_t signals_caught;  /* SigCgt */
	uint64_t signals_blocked; /* SigBlk of the main thread */
	pid_t tracer;             /* TracerPid, 0 for none */
	uint64_t nr_switches;     /* of the main thread, away from a CPU */
};

/* Open /proc/PID/status; the descriptor stays bound to this process even when the pid is reused. fd
 * or -errno. */
int process_usage_open(pid_t pid);

/* Read from such a descriptor. 0, or -ESRCH when the process has gone (a zombie has no memory: all
 * sizes 0). */
int process_usage_read(int fd, struct process_usage *ret);

/* Parse the text of /proc/PID/status. 0 or -EINVAL. Exposed for tests and fuzzing. */
int process_usage_parse(const char *text, struct process_usage *ret);

/*
 * Lower rss_anon and rss_shmem of what process_usage_read() gave to the process's proportional
 * share (smaps_rollup), for processes that share pages. Costs about 10 ms per GiB resident. 0 or
 * -errno, usage then untouched.
 */
int process_usage_read_shared(pid_t pid, struct process_usage *usage);

/*
 * Pages of tmpfs files and memfds that the process holds open and that no mapping of it shows in
 * rss_shmem: st_blocks of each such descriptor, each inode once. fn is called for each. 0 or
 * -errno.
 */
typedef void (*process_shmem_fn)(uint64_t dev, uint64_t ino, uint64_t nr_pages, void *userdata);
int process_shmem_files(pid_t pid, process_shmem_fn fn, void *userdata);

/* A file of shared memory that the process has open or mapped. */
struct shmem_file {
	uint64_t dev, ino;             /* as stat(2) has them */
	uint64_t nr_pages, nr_swapped; /* resident, and swapped out */
	uint64_t born_nsec;            /* CLOCK_REALTIME; 0: not told */
	bool is_mapped_to_write;
};
/*
 * fn for each such file, once; there is no list of more than 4,096 descriptors and mappings of such
 * files: -E2BIG. Costs 1 us a descriptor and 1 us a mapping; where swap is in use 5
 * us more for each file. 0, -ESRCH, or another -errno.
 */
typedef void (*shmem_file_fn)(const struct shmem_file *f, void *userdata);
int process_shmem_list(pid_t pid, shmem_file_fn fn, void *userdata);

/* A mapping of such a file. */
struct shmem_mapping {
	uint64_t dev, ino;
	uint64_t vpn, nr_pages; /* where: the address divided by the page's size */
};
/* fn for each, in the order of addresses. 0, -ESRCH, or another -errno. */
typedef void (*shmem_mapping_fn)(const struct shmem_mapping *mapping, void *userdata);
int process_shmem_mappings(pid_t pid, shmem_mapping_fn fn, void *userdata);

/* Bytes the process passed to write(2) and its like so far (wchar of /proc/PID/io). 0 or -errno. */
int process_written_bytes(pid_t pid, uint64_t *ret);

#endif
