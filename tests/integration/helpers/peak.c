// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peak PID... | peak -g PROCS_FILE...: the most that processes had in RssAnon + RssShmem together,
 * in bytes, measured from outside and without the daemon. Says "ready" after the first look, goes
 * on until stdin ends, then prints the maximum.
 *
 * Processes are read one after the other while they run, so what moves from one to another in
 * between must not count twice: all are read forwards, then backwards, and the smaller figure of
 * each counts. Where every figure only grew or only shrank in between, the sum is at most what was
 * really there at the turn.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <time.h>

#include "helper.h"

#define MAX_PROCESSES 4096
#define LIST_NSEC     5000000 /* membership changes less often than memory */
#define SAMPLE_USEC   500

struct process {
	int pid, fd;
	bool listed;
	uint64_t bytes;
};

static struct process processes[MAX_PROCESSES];
static size_t nr_processes;

static uint64_t now_nsec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t field(const char *text, const char *key)
{
	const char *p = strstr(text, key);

	return p ? strtoull(p + strlen(key), NULL, 10) * 1024 : 0;
}

/* A process that has gone, or is a zombie, has nothing. */
static uint64_t read_bytes(const struct process *p)
{
	char text[4096];
	ssize_t n = pread(p->fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = 0;
	return field(text, "\nRssAnon:") + field(text, "\nRssShmem:");
}

static void add(int pid)
{
	char path[32];

	for (size_t i = 0; i < nr_processes; i++) {
		if (processes[i].pid == pid) {
			processes[i].listed = true;
			return;
		}
	}
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (nr_processes == MAX_PROCESSES)
		errx(2, "too many processes");
	processes[nr_processes++] = (struct process){.pid = pid, .fd = fd, .listed = true};
}

static void forget_unlisted(void)
{
	size_t kept = 0;

	for (size_t i = 0; i < nr_processes; i++) {
		if (processes[i].listed)
			processes[kept++] = processes[i];
		else
			close(processes[i].fd);
	}
	nr_processes = kept;
}

static void list_groups(char **files, int nr)
{
	int pid;

	for (size_t i = 0; i < nr_processes; i++)
		processes[i].listed = false;
	for (int i = 0; i < nr; i++) {
		FILE *f = fopen(files[i], "re");
		if (!f)
			err(2, "%s", files[i]);
		while (fscanf(f, "%d", &pid) == 1)
			add(pid);
		fclose(f);
	}
	forget_unlisted();
}

static uint64_t sample(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < nr_processes; i++)
		processes[i].bytes = read_bytes(&processes[i]);
	for (size_t i = nr_processes; i-- > 0;) {
		uint64_t again = read_bytes(&processes[i]);
		sum += again < processes[i].bytes ? again : processes[i].bytes;
	}
	return sum;
}

static bool asked_to_end(void)
{
	const struct timespec t = {.tv_nsec = SAMPLE_USEC * 1000};
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

	return ppoll(&p, 1, &t, NULL) > 0;
}

int main(int argc, char **argv)
{
	bool groups = argc > 2 && !strcmp(argv[1], "-g");
	uint64_t listed_at = 0, most = 0;

	if (argc < 2)
		errx(2, "usage: peak PID... | peak -g PROCS_FILE...");
	prctl(PR_SET_TIMERSLACK, 1); /* the default 50 us would be a tenth of the interval */
	for (int i = 1; i < argc && !groups; i++)
		add((int)number(argv[i]));
	for (bool first = true;; first = false) {
		if (groups && now_nsec() - listed_at > LIST_NSEC) {
			list_groups(argv + 2, argc - 2);
			listed_at = now_nsec();
		}
		uint64_t bytes = sample();
		most = bytes > most ? bytes : most;
		if (first)
			say("ready");
		if (asked_to_end())
			break;
	}
	printf("%llu\n", (unsigned long long)most);
	return 0;
}
