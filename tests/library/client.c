// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * client [GROUP]: a program that uses libmemcgfs, as it is told on stdin, a line each; each is
 * answered with a line: "ok", an errno's name, or what is there. GROUP: else its own.
 *   open | close       the client
 *   new NAME BYTES     a shrinker; frees HALF of what it is asked for
 *   adjust CHUNKS      the last one
 *   unref              the last one
 *   level | nolevel    listen to levels, or not
 *   ready MSEC         wait: "ready" to dispatch, or "idle"
 *   oldkernel          from now on mounts' numbers are as before Linux 6.8, and all the same
 *   poll MSEC          wait, and dispatch: "want N" or "level N" for each that has come, and its
 * result
 */
#include <poll.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <memcgfs.h>

#include "tests/integration/helpers/helper.h"

static struct memcg_client *client;
static struct memcg_shrinker *shrinker;

static void answer(int r)
{
	say(r ? strerrorname_np(-r) : "ok");
}

static uint64_t free_half(uint64_t want, void *unused)
{
	(void)unused;
	dprintf(STDOUT_FILENO, "want %lu\n", want);
	return want / 2;
}

static void on_level(enum memcg_level level, void *unused)
{
	(void)unused;
	dprintf(STDOUT_FILENO, "level %d\n", level);
}

/* In place of the C library's, for libmemcgfs: a number that the next mount has again. */
static bool old_kernel;
int statx(int dir_fd, const char *path, int flags, unsigned mask, struct statx *ret)
{
	int r = (int)syscall(SYS_statx, dir_fd, path, flags, mask, ret);

	if (!r && old_kernel) {
		ret->stx_mask = STATX_BASIC_STATS | STATX_MNT_ID;
		ret->stx_mnt_id = 1;
	}
	return r;
}

static void do_ready(const char *msec)
{
	struct pollfd p = {.fd = memcg_client_get_fd(client), .events = POLLIN};

	say(poll(&p, 1, (int)number(msec)) > 0 ? "ready" : "idle");
}

static void do_poll(const char *msec)
{
	struct pollfd p = {.fd = memcg_client_get_fd(client), .events = POLLIN};

	poll(&p, 1, (int)number(msec));
	answer(memcg_client_dispatch(client));
}

static void run(char *line, const char *group)
{
	char *name = strsep(&line, " "), *first = strsep(&line, " ");

	if (!strcmp(name, "open")) {
		answer(memcg_client_open(&client, group));
	} else if (!strcmp(name, "close")) {
		client = memcg_client_unref(client);
		answer(0);
	} else if (!strcmp(name, "new")) {
		answer(memcg_shrinker_new(client, &shrinker, first, number(line), free_half, NULL));
	} else if (!strcmp(name, "adjust")) {
		answer(memcg_shrinker_adjust(shrinker, strtol(first, NULL, 10)));
	} else if (!strcmp(name, "unref")) {
		shrinker = memcg_shrinker_unref(shrinker);
		answer(0);
	} else if (!strcmp(name, "level")) {
		answer(memcg_client_on_level(client, on_level, NULL));
	} else if (!strcmp(name, "nolevel")) {
		answer(memcg_client_on_level(client, NULL, NULL));
	} else if (!strcmp(name, "oldkernel")) {
		old_kernel = true;
		answer(0);
	} else if (!strcmp(name, "ready")) {
		do_ready(first);
	} else if (!strcmp(name, "poll")) {
		do_poll(first);
	} else {
		errx(2, "%s: no such command", name);
	}
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		line[n - 1] = '\0';
		run(line, argc > 1 ? argv[1] : NULL);
	}
	free(line);
	return 0;
}
