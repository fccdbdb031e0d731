/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few helpers every room needs: page size, clock, small files. Any thread. */
#include <fcntl.h>
#include <time.h>

#include "util/util.h"

size_t page_size(void)
{
	static size_t size;
	size_t s = __atomic_load_n(&size, __ATOMIC_RELAXED);

	if (s == 0) {
		s = (size_t)sysconf(_SC_PAGESIZE);
		__atomic_store_n(&size, s, __ATOMIC_RELAXED);
	}
	return s;
}

uint64_t now_nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

uint64_t now_usec(void)
{
	return now_nsec() / 1000;
}

ssize_t read_fd(int fd, char *buf, size_t size)
{
	size_t len = 0;

	if (size == 0)
		return -EINVAL;
	while (len < size - 1) {
		ssize_t n = pread(fd, buf + len, size - 1 - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	buf[len] = '\0';
	return (ssize_t)len;
}

ssize_t read_file_at(int dirfd, const char *path, char *buf, size_t size)
{
	cleanup_close int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return read_fd(fd, buf, size);
}

int write_file_at(int dirfd, const char *path, const void *data, size_t len)
{
	cleanup_close int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = write(fd, data, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

int fd_place(int fd, int lowest)
{
	int high;

	if (fd >= lowest)
		return fd;
	high = fcntl(fd, F_DUPFD_CLOEXEC, lowest);
	if (high < 0)
		return fd;
	close(fd);
	return high;
}

void signals_block_others(sigset_t *ret_before)
{
	static const int own[] = {SIGSYS, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
	sigset_t others;

	sigfillset(&others);
	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		sigdelset(&others, own[i]);
	pthread_sigmask(SIG_SETMASK, &others, ret_before);
}

int thread_start(pthread_t *ret, const pthread_attr_t *attr, void *(*fn)(void *), void *userdata)
{
	sigset_t before;
	int r;

	signals_block_others(&before);
	r = pthread_create(ret, attr, fn, userdata);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}
