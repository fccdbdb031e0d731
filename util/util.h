/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few helpers every room needs. */
#ifndef MEMCGFS_UTIL_H
#define MEMCGFS_UTIL_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)     ((a) < (b) ? (a) : (b))
#define MAX(a, b)     ((a) > (b) ? (a) : (b))

static inline void cleanup_freep(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_closep(const int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

#define cleanup_free  __attribute__((cleanup(cleanup_freep)))
#define cleanup_close __attribute__((cleanup(cleanup_closep)))

/* Counters that one thread writes and others read. */
static inline uint64_t atomic_get(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static inline void atomic_put(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELAXED);
}

static inline void atomic_inc(uint64_t *p, uint64_t v)
{
	__atomic_fetch_add(p, v, __ATOMIC_RELAXED);
}

/* Bytes in a page; constant after the first call. */
size_t page_size(void);

/* Monotonic clock in microseconds, and in nanoseconds. */
uint64_t now_usec(void);
uint64_t now_nsec(void);

/*
 * Block all signals for this thread, but for those that tell of what it did itself: blocked, they
 * would end the process. *ret_before: the mask before.
 */
void signals_block_others(sigset_t *ret_before);

/* pthread_create(3) of a thread that takes no signals but those: the daemon's are meant for its
 * loop. 0 or -errno. */
int thread_start(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *), void *userdata);

/*
 * Read a whole small file below dirfd (AT_FDCWD works) into buf, NUL-terminated, at most size - 1
 * bytes. Returns the length, or -errno.
 */
ssize_t read_file_at(int dirfd, const char *path, char *buf, size_t size);

/* Like read_file_at on an open descriptor, from offset 0. */
ssize_t read_fd(int fd, char *buf, size_t size);

/* Move fd to `lowest` or above. Where the table of descriptors is too small, it stays what it is.
 */
int fd_place(int fd, int lowest);

/* Write len bytes to a file below dirfd in one write(2). 0 or -errno. */
int write_file_at(int dirfd, const char *path, const void *data, size_t len);

#endif
