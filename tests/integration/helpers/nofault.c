// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nofault [-w] MODE MIB [FILE]: get MIB of memory in a way that does not fault once per page, say
 * "done", and go on using the CPU until a line, or the end, of stdin. With -w: say "ready" and wait
 * for a line first. The modes:
 *
 *  - thp: private memory in huge pages
 *  - populate: MAP_POPULATE
 *  - mlock: mlock(2) before the first touch
 *  - memfd: write(2) to a memfd
 *  - fallocate: fallocate(2) of a memfd
 *  - tmpfs: write(2) to FILE on a tmpfs
 *  - read: read(2) of FILE into fresh memory
 *  - leaderless: as populate, by a second thread after the first has ended
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "helper.h"

#define HUGE_BYTES (2 * MIB)

static unsigned char *map(size_t bytes, int flags)
{
	unsigned char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		err(3, "mmap");
	return p;
}

static int get_thp(size_t bytes, const char *file)
{
	unsigned char *p = map(bytes + HUGE_BYTES, 0);

	(void)file;
	p += HUGE_BYTES - (uintptr_t)p % HUGE_BYTES;
	if (madvise(p, bytes, MADV_HUGEPAGE))
		return -1;
	for (size_t i = 0; i < bytes; i += HUGE_BYTES)
		*(volatile unsigned char *)(p + i) = 1;
	return 0;
}

static int get_populate(size_t bytes, const char *file)
{
	(void)file;
	map(bytes, MAP_POPULATE);
	return 0;
}

static int get_mlock(size_t bytes, const char *file)
{
	(void)file;
	return mlock(map(bytes, 0), bytes);
}

static int write_all(int fd, size_t bytes)
{
	static unsigned char block[256 * 1024];

	memset(block, 1, sizeof(block));
	for (size_t done = 0; done < bytes;) {
		size_t want = bytes - done < sizeof(block) ? bytes - done : sizeof(block);
		ssize_t n = write(fd, block, want);
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

static int get_memfd(size_t bytes, const char *file)
{
	int fd = memfd_create("nofault", 0);

	(void)file;
	return fd < 0 ? -1 : write_all(fd, bytes);
}

static int get_fallocate(size_t bytes, const char *file)
{
	int fd = memfd_create("nofault", 0);

	(void)file;
	return fd < 0 ? -1 : fallocate(fd, 0, 0, (off_t)bytes);
}

static int get_tmpfs(size_t bytes, const char *file)
{
	int fd = open(file, O_RDWR | O_CREAT | O_TRUNC, 0600);

	return fd < 0 ? -1 : write_all(fd, bytes);
}

static int get_read(size_t bytes, const char *file)
{
	unsigned char *p = map(bytes, 0);
	int fd = open(file, O_RDONLY);

	if (fd < 0)
		return -1;
	for (size_t done = 0; done < bytes;) {
		ssize_t n = read(fd, p + done, bytes - done);
		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	return 0;
}

static void use_cpu_until_told(void)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

	while (poll(&p, 1, 0) == 0)
		for (volatile unsigned i = 0; i < 1000000; i++)
			;
}

static void *follower(void *bytes)
{
	get_populate(*(size_t *)bytes, NULL);
	say("done");
	use_cpu_until_told();
	exit(0);
}

static int get_leaderless(size_t bytes, const char *file)
{
	static size_t wanted;
	pthread_t thread;

	(void)file;
	wanted = bytes;
	if (pthread_create(&thread, NULL, follower, &wanted))
		return -1;
	pthread_exit(NULL);
}

static const struct mode {
	const char *name;
	int (*get)(size_t bytes, const char *file);
	bool needs_file;
} modes[] = {
	{"thp", get_thp, false},
	{"populate", get_populate, false},
	{"mlock", get_mlock, false},
	{"memfd", get_memfd, false},
	{"fallocate", get_fallocate, false},
	{"tmpfs", get_tmpfs, true},
	{"read", get_read, true},
	{"leaderless", get_leaderless, false},
};

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	errx(2, "%s: no such mode", name);
}

int main(int argc, char **argv)
{
	bool wait = argc > 1 && !strcmp(argv[1], "-w");

	argc -= wait;
	argv += wait;
	if (argc < 3)
		errx(2, "usage: nofault [-w] MODE MIB [FILE]");
	const struct mode *m = find_mode(argv[1]);
	if (m->needs_file && argc != 4)
		errx(2, "%s needs a file", m->name);
	if (wait) {
		say("ready");
		await_line();
	}
	if (m->get(number(argv[2]) * MIB, argv[3]))
		err(3, "%s", m->name);
	say("done");
	use_cpu_until_told();
	return 0;
}
