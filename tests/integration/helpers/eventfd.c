// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * eventfd GROUP: does with one eventfd what it reads on stdin, a line each, and answers each with a
 * line: "ok", an errno's name, or what was read. GROUP is the group's directory.
 *   reg FILE [ARGUMENTS]   "E C ARGUMENTS" to cgroup.event_control, C an open FILE
 *   raw TEXT               TEXT with the eventfd for E, the last FILE for C, \n and \0, to the same
 *   from-thread FILE [ARGUMENTS]  as reg, written by another thread than the first
 *   add CHUNKS             "E CHUNKS" to mempressure.shrinker
 *   read MSEC              what the eventfd gives, or "none"
 *   fd                     the eventfd's number
 *   dup | close | fill | fork  the eventfd: moved to another number, closed, made as full as it can
 * be; a child that has it, too take N                 N chunks of memory of a MiB more serve from
 * now on, in a thread: free the chunks that the eventfd gives freed                  chunks freed
 * so far
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "helper.h"

#define MAX_CHUNKS 65536

static const char *group;
static int efd, cfd = -1;
static void *chunks[MAX_CHUNKS];
static unsigned nr_chunks, nr_freed;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int open_file(const char *name, int flags)
{
	char path[4096];

	snprintf(path, sizeof(path), *name == '/' ? "%s%s" : "%s/%s", *name == '/' ? "" : group,
		 name);
	return open(path, flags | O_CLOEXEC);
}

static void answer(bool ok)
{
	say(ok ? "ok" : strerrorname_np(errno));
}

static void write_to(const char *file, const char *text, size_t len)
{
	int fd = open_file(file, O_WRONLY);
	ssize_t n = fd < 0 ? -1 : write(fd, text, len);
	int error = errno;

	if (fd >= 0)
		close(fd);
	errno = error;
	answer(n == (ssize_t)len);
}

/* ---- commands ---- */

static void do_reg(char *arguments)
{
	char *file = strsep(&arguments, " "), text[4096];

	if (cfd >= 0)
		close(cfd);
	cfd = open_file(file, O_RDONLY);
	if (cfd < 0) {
		answer(false);
		return;
	}
	snprintf(text, sizeof(text), "%d %d %s", efd, cfd, arguments ? arguments : "");
	write_to("cgroup.event_control", text, strlen(text));
}

static void *reg_thread(void *arguments)
{
	do_reg(arguments);
	return NULL;
}

static void do_from_thread(char *arguments)
{
	pthread_t thread;

	pthread_create(&thread, NULL, reg_thread, arguments);
	pthread_join(thread, NULL);
}

static void do_raw(char *from)
{
	char text[8192];
	size_t len = 0;

	for (; from && *from; from++) {
		if (*from == 'E' || *from == 'C')
			len += (size_t)sprintf(text + len, "%d", *from == 'E' ? efd : cfd);
		else if (from[0] == '\\' && (from[1] == 'n' || from[1] == '0'))
			text[len++] = *++from == 'n' ? '\n' : '\0';
		else
			text[len++] = *from;
	}
	write_to("cgroup.event_control", text, len);
}

static void do_add(char *number_text)
{
	char text[64];

	snprintf(text, sizeof(text), "%d %s\n", efd, number_text);
	write_to("mempressure.shrinker", text, strlen(text) + 1);
}

static void do_read(char *msec)
{
	struct pollfd p = {.fd = efd, .events = POLLIN};
	eventfd_t value;

	if (poll(&p, 1, (int)number(msec)) != 1) {
		say("none");
		return;
	}
	eventfd_read(efd, &value);
	dprintf(STDOUT_FILENO, "%lu\n", value);
}

static void do_fd(char *unused)
{
	(void)unused;
	dprintf(STDOUT_FILENO, "%d\n", efd);
}

static void do_dup(char *unused)
{
	int fd = fcntl(efd, F_DUPFD_CLOEXEC, 100);

	(void)unused;
	close(efd);
	efd = fd;
	answer(fd >= 0);
}

static void do_close(char *unused)
{
	(void)unused;
	answer(!close(efd));
}

static void do_fill(char *unused)
{
	(void)unused;
	answer(!eventfd_write(efd, UINT64_MAX - 1));
}

static void do_fork(char *unused)
{
	pid_t pid = fork();

	(void)unused;
	if (!pid)
		for (;;)
			pause();
	dprintf(STDOUT_FILENO, "%d\n", pid);
}

static void do_take(char *count)
{
	for (unsigned long n = number(count); n > 0; n--) {
		void *p =
			mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			err(3, "mmap");
		madvise(p, MIB, MADV_NOHUGEPAGE);
		memset(p, 1, MIB);
		pthread_mutex_lock(&lock);
		chunks[nr_chunks++] = p;
		pthread_mutex_unlock(&lock);
	}
	say("ok");
}

static void *serve_thread(void *unused)
{
	eventfd_t n;

	while (!eventfd_read(efd, &n)) {
		pthread_mutex_lock(&lock);
		for (; n && nr_chunks; n--, nr_freed++)
			munmap(chunks[--nr_chunks], MIB);
		pthread_mutex_unlock(&lock);
	}
	return unused;
}

static void do_serve(char *unused)
{
	pthread_t thread;

	(void)unused;
	errno = pthread_create(&thread, NULL, serve_thread, NULL);
	answer(!errno);
}

static void do_freed(char *unused)
{
	(void)unused;
	pthread_mutex_lock(&lock);
	dprintf(STDOUT_FILENO, "%u\n", nr_freed);
	pthread_mutex_unlock(&lock);
}

static const struct command {
	const char *name;
	void (*run)(char *arguments);
} commands[] = {
	{"reg", do_reg},     {"from-thread", do_from_thread},
	{"raw", do_raw},     {"add", do_add},
	{"read", do_read},   {"fd", do_fd},
	{"dup", do_dup},     {"close", do_close},
	{"fill", do_fill},   {"fork", do_fork},
	{"take", do_take},   {"serve", do_serve},
	{"freed", do_freed},
};

static void run(char *line)
{
	char *name = strsep(&line, " ");

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name))
			continue;
		commands[i].run(line);
		return;
	}
	errx(2, "%s: no such command", name);
}

int main(int argc, char **argv)
{
	cfd = -1;
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (argc != 2)
		errx(2, "usage: eventfd GROUP");
	group = argv[1];
	efd = fcntl(eventfd(0, EFD_CLOEXEC), F_DUPFD_CLOEXEC, 50); /* where nothing else comes */
	close(3);
	signal(SIGCHLD, SIG_IGN);
	while ((n = getline(&line, &size, stdin)) > 0) {
		line[n - 1] = '\0';
		run(line);
	}
	return 0;
}
