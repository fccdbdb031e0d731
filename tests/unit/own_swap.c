/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Swap for tests: a zram device of the test's own. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/own_swap.h"
#include "util/util.h"

#define ZRAM_CONTROL "/sys/class/zram-control/"
#define LOCK         "/var/tmp/memcgfs-test.lock" /* as in tests/integration/run */

/*
 * Above all others: what went to another's device comes back into memory when that is turned off.
 */
#define PRIORITY SWAP_FLAG_PRIO_MASK

static int device = -1, lock_fd = -1;
static pid_t guard = -1;
static char device_path[32];

static int write_text(const char *path, const char *text)
{
	return write_file_at(AT_FDCWD, path, text, strlen(text));
}

/* union swap_header of the kernel's include/linux/swap.h, as mkswap(8) writes it. */
static int write_header(const char *path, uint32_t nr_pages)
{
	cleanup_free char *page = calloc(1, page_size());
	uint32_t info[2] = {1, nr_pages - 1}; /* version, last page */

	if (!page)
		return -ENOMEM;
	memcpy(page + 1024, info, sizeof(info));
	memcpy(page + page_size() - 10, "SWAPSPACE2", 10);
	return write_file_at(AT_FDCWD, path, page, page_size());
}

static int device_remove(void)
{
	char text[16];
	int error;

	snprintf(text, sizeof(text), "%d", device);
	error = write_text(ZRAM_CONTROL "hot_remove", text);
	if (!error)
		device = -1;
	return error;
}

static int device_add(unsigned mib)
{
	char text[32], path[64];
	ssize_t n = read_file_at(AT_FDCWD, ZRAM_CONTROL "hot_add", text, sizeof(text));

	if (n <= 0)
		return n < 0 ? (int)n : -ENODEV;
	device = atoi(text);
	snprintf(device_path, sizeof(device_path), "/dev/zram%d", device);
	snprintf(path, sizeof(path), "/sys/block/zram%d/disksize", device);
	snprintf(text, sizeof(text), "%uM", mib);
	return write_text(path, text);
}

static int take_down(void)
{
	if (swapoff(device_path) < 0)
		return -errno;
	return device_remove();
}

/* Whatever kills the test, in a session of its own: the swap goes with it. */
static int start_guard(void)
{
	struct pollfd parent = {.events = POLLIN};

	parent.fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (parent.fd < 0)
		return -errno;
	guard = fork();
	if (guard == 0) {
		sigset_t all;

		/* An interrupt of the whole group is just when it is needed. */
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		setsid();
		while (poll(&parent, 1, -1) < 0)
			;
		_exit(take_down() != 0);
	}
	close(parent.fd);
	return guard < 0 ? -errno : 0;
}

static void end_guard(void)
{
	if (guard <= 0)
		return;
	kill(guard, SIGKILL);
	waitpid(guard, NULL, 0);
	guard = -1;
}

/*
 * One test after the other, on the whole machine, and those of tests/integration/run: their swap
 * has this priority, too, and what this takes of their programs' comes back uncounted at its end.
 * Held by the guard, too.
 */
static int lock(void)
{
	if (access(ZRAM_CONTROL "hot_add", R_OK))
		return -errno;
	lock_fd = open(LOCK, O_RDONLY | O_CREAT | O_CLOEXEC, 0644);
	if (lock_fd < 0)
		return -errno;
	return flock(lock_fd, LOCK_EX) < 0 ? -errno : 0;
}

static int unlock(int result)
{
	if (lock_fd >= 0)
		close(lock_fd);
	lock_fd = -1;
	return result;
}

int own_swap_on(unsigned mib)
{
	uint32_t nr_pages = (uint32_t)(((uint64_t)mib << 20) / page_size());
	int error = lock();

	if (!error)
		error = device_add(mib);
	if (!error)
		error = write_header(device_path, nr_pages);
	if (!error)
		error = start_guard();
	if (!error && swapon(device_path, SWAP_FLAG_PREFER | PRIORITY) < 0)
		error = -errno;
	if (!error)
		return 0;
	end_guard();
	if (device >= 0)
		device_remove();
	return unlock(error);
}

int own_swap_off(void)
{
	if (device < 0)
		return 0;
	end_guard();
	return unlock(take_down());
}
