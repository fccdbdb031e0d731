// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ask_latency GROUP HIGH_MIB RUNS: a member of GROUP, whose high mark is at HIGH_MIB, with a
 * shrinker there. Microseconds from the charge that passes the mark to its eventfd being readable,
 * a line for each run.
 *
 * It touches memory up to a little below the mark, then so many pages at a time as are charged
 * together, and sleeps in between: what comes out of a nap belongs to the pages before it.
 */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE        4096UL
#define MIB         (1024UL * 1024UL)
#define BURST_PAGES 8         /* LEASE_PAGES */
#define BELOW       (2 * MIB) /* the mark: from there on in bursts */
#define BEYOND      (8 * MIB) /* and not further than that */
#define NAP_NSEC    5000000   /* ten times what is measured */
#define REST_NSEC   50000000  /* until the round has ended, 10 ms after the ask */

static const char *group;
static int efd;
static uint64_t asked_nsec; /* atomic; 0: not yet */

static uint64_t now_nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void nap(long nsec)
{
	const struct timespec t = {.tv_nsec = nsec};

	nanosleep(&t, NULL);
}

static int open_in_group(const char *file, int flags)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", group, file);
	fd = open(path, flags);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

static void put(const char *file, const char *text)
{
	int fd = open_in_group(file, O_WRONLY);

	if (write(fd, text, strlen(text)) < 0)
		err(1, "%s: %s", file, text);
	close(fd);
}

static void offer(void)
{
	char text[64];

	snprintf(text, sizeof(text), "%d 1000000", efd);
	put("mempressure.shrinker", text);
}

static void *await_asks(void *unused)
{
	struct pollfd p = {.fd = efd, .events = POLLIN};
	eventfd_t chunks;

	for (;;) {
		if (poll(&p, 1, -1) == 1)
			__atomic_store_n(&asked_nsec, now_nsec(), __ATOMIC_RELEASE);
		eventfd_read(efd, &chunks);
	}
	return unused;
}

static unsigned long resident_bytes(void)
{
	unsigned long size, resident;
	FILE *f = fopen("/proc/self/statm", "r");

	if (!f || fscanf(f, "%lu %lu", &size, &resident) != 2)
		err(1, "statm");
	fclose(f);
	return resident * PAGE;
}

static void touch(char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		((volatile char *)p)[i] = 1;
}

/* Microseconds, or -1: nobody asked. */
static double measure(unsigned long high)
{
	unsigned long total = high + BEYOND, at = high - BELOW - resident_bytes();
	char *p = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t begin = 0, end = 0;

	if (p == MAP_FAILED)
		err(1, "mmap");
	madvise(p, total, MADV_NOHUGEPAGE);
	touch(p, at);
	__atomic_store_n(&asked_nsec, 0, __ATOMIC_RELEASE);
	while (!end && at < total) {
		begin = now_nsec();
		touch(p + at, BURST_PAGES * PAGE);
		at += BURST_PAGES * PAGE;
		nap(NAP_NSEC);
		end = __atomic_load_n(&asked_nsec, __ATOMIC_ACQUIRE);
	}
	munmap(p, total);
	nap(REST_NSEC);
	return end > begin ? (double)(end - begin) / 1000 : -1;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	char text[64];
	int cfd;

	if (argc != 4)
		errx(2, "usage: ask_latency GROUP HIGH_MIB RUNS");
	group = argv[1];
	efd = eventfd(0, EFD_NONBLOCK);
	cfd = open_in_group("mempressure.shrinker", O_RDONLY);
	snprintf(text, sizeof(text), "%d %d %lu", efd, cfd, PAGE);
	put("cgroup.event_control", text);
	close(cfd);
	if (pthread_create(&thread, NULL, await_asks, NULL))
		errx(1, "pthread_create");
	for (int i = atoi(argv[3]); i > 0; i--) {
		double usec;

		offer();
		usec = measure(strtoul(argv[2], NULL, 10) * MIB);
		if (usec < 0)
			errx(1, "nobody asked");
		printf("%.0f\n", usec);
		fflush(stdout);
	}
	return 0;
}
