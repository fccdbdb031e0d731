/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one process uses, read from /proc/PID/{status,smaps_rollup,io}. Any thread. All sizes in
 * pages.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "accounting/process_usage.h"
#include "accounting/task_stat.h"
#include "util/util.h"

/* Enough where nobody is in hundreds of groups. */
#define STATUS_USUAL_BYTES 4096

enum field_type { FIELD_KB, FIELD_HEX, FIELD_DECIMAL, FIELD_SUM, FIELD_CHAR };

struct field {
	const char *key;
	enum field_type type;
	size_t offset;
};

#define FIELD(k, t, member)                                  \
	{                                                    \
		k, t, offsetof(struct process_usage, member) \
	}

static const struct field status_fields[] = {
	FIELD("State:", FIELD_CHAR, state),
	FIELD("TracerPid:", FIELD_DECIMAL, tracer),
	FIELD("VmLck:", FIELD_KB, locked),
	FIELD("RssAnon:", FIELD_KB, rss_anon),
	FIELD("RssFile:", FIELD_KB, rss_file),
	FIELD("RssShmem:", FIELD_KB, rss_shmem),
	FIELD("VmPTE:", FIELD_KB, page_tables),
	FIELD("VmSwap:", FIELD_KB, swap),
	FIELD("Threads:", FIELD_DECIMAL, nr_threads),
	FIELD("ShdPnd:", FIELD_HEX, signals_pending),
	FIELD("SigBlk:", FIELD_HEX, signals_blocked),
	FIELD("SigIgn:", FIELD_HEX, signals_ignored),
	FIELD("SigCgt:", FIELD_HEX, signals_caught),
	FIELD("voluntary_ctxt_switches:", FIELD_SUM, nr_switches),
	FIELD("nonvoluntary_ctxt_switches:", FIELD_SUM, nr_switches),
};

_Static_assert(sizeof(pid_t) == sizeof(uint32_t), "FIELD_DECIMAL is 32 bits wide");

/* A decimal or hexadecimal number after blanks; without digits it is 0, out of range ULLONG_MAX. */
static uint64_t parse_number(const char *s, int base)
{
	s += strspn(s, " \t");
	if (!isxdigit((unsigned char)*s)) /* strtoull would skip a newline, and take a sign */
		return 0;
	return strtoull(s, NULL, base);
}

static uint64_t parse_kb(const char *s)
{
	uint64_t kb = parse_number(s, 10);

	return kb / (page_size() / 1024);
}

static void field_set(const struct field *f, const char *value, struct process_usage *u)
{
	char *to = (char *)u + f->offset;
	uint64_t number;

	if (f->type == FIELD_CHAR) {
		*to = value[strspn(value, " \t")];
		return;
	}
	if (f->type == FIELD_DECIMAL) {
		uint32_t small = (uint32_t)MIN(parse_number(value, 10), (uint64_t)INT32_MAX);

		memcpy(to, &small, sizeof(small));
		return;
	}
	switch (f->type) {
	case FIELD_KB:
		number = parse_kb(value);
		break;
	case FIELD_SUM:
		memcpy(&number, to, sizeof(number));
		number += parse_number(value, 10);
		break;
	default:
		number = parse_number(value, 16);
		break;
	}
	memcpy(to, &number, sizeof(number));
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

/* Where the value of `key` at a line's start begins, or NULL. */
static const char *find_value(const char *text, const char *key)
{
	size_t len = strlen(key);

	for (const char *line = text; *line; line = next_line(line))
		if (strncmp(line, key, len) == 0)
			return line + len;
	return NULL;
}

/* A thread whose status this is: it has given back its kernel stack, reaped or not. */
static bool has_ended(const struct process_usage *u)
{
	return u->state == 'Z' || u->state == 'X';
}

int process_usage_parse(const char *text, struct process_usage *ret)
{
	struct process_usage u = {0};

	for (const char *line = text; *line; line = next_line(line)) {
		for (size_t i = 0; i < ARRAY_SIZE(status_fields); i++) {
			const struct field *f = &status_fields[i];
			size_t len;

			if (*line != *f->key)
				continue;
			len = strlen(f->key);
			if (strncmp(line, f->key, len) != 0)
				continue;
			field_set(f, line + len, &u);
			break;
		}
	}
	/*
	 * Every process has a state; all the rest may be missing (zombies and kernel threads
	 * have no Vm lines).
	 */
	if (u.state == '\0' || u.state == '\n')
		return -EINVAL;
	u.nr_stacks = u.nr_threads - (has_ended(&u) && u.nr_threads);
	*ret = u;
	return 0;
}

int process_usage_open(pid_t pid)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return fd;
}

static int read_long_status(int fd, struct process_usage *ret)
{
	cleanup_free char *text = malloc(STATUS_MAX_BYTES);
	ssize_t n;

	if (!text)
		return -ENOMEM;
	n = read_fd(fd, text, STATUS_MAX_BYTES);
	if (n <= 0)
		return n < 0 ? (int)n : -ESRCH;
	return process_usage_parse(text, ret);
}

struct live_thread {
	pid_t tgid;
	struct process_usage *usage;
};

static int read_if_alive(pid_t tid, void *userdata)
{
	const struct live_thread *live = userdata;
	cleanup_free char *text = NULL;
	struct process_usage u;

	if (task_status_read(live->tgid, tid, &text) || process_usage_parse(text, &u) ||
	    has_ended(&u))
		return 0;
	*live->usage = u;
	return 1;
}

/*
 * A leader that has ended while other threads live has no figures of its own any more: those of
 * the first thread that lives are the process's.
 */
static bool read_live_thread(pid_t tgid, struct process_usage *ret)
{
	struct live_thread live = {.tgid = tgid, .usage = ret};

	return process_for_each_task(tgid, read_if_alive, &live) == 1;
}

int process_usage_read(int fd, struct process_usage *ret)
{
	char text[STATUS_USUAL_BYTES];
	struct process_usage u;
	const char *tgid;
	int r;
	/* In one read: the kernel would make all of it once more to say that this was the end. */
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return n < 0 ? -errno : -ESRCH;
	text[n] = 0;
	if ((size_t)n == sizeof(text) - 1)
		return read_long_status(fd, ret);
	r = process_usage_parse(text, &u);
	if (r)
		return r;
	tgid = find_value(text, "Tgid:");
	if (u.state == 'Z' && u.nr_threads > 1 && tgid &&
	    read_live_thread((pid_t)parse_number(tgid, 10), ret)) {
		ret->nr_stacks = u.nr_stacks;
		return 0;
	}
	*ret = u;
	return 0;
}

static int read_proc_file(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[48];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	n = read_file_at(AT_FDCWD, path, buf, size);
	if (n < 0)
		return n == -ENOENT ? -ESRCH : (int)n;
	return n == 0 ? -ESRCH : 0;
}

/*
 * Only the difference between what is mapped and its share is taken from smaps_rollup: a mapping
 * that is being unmapped is missing there while its pages are still held, and still in RSS.
 */
int process_usage_read_shared(pid_t pid, struct process_usage *usage)
{
	char text[2048]; /* about 700 bytes in Linux 6.18 */
	const char *mapped, *anon, *shmem;
	uint64_t saved;
	int r = read_proc_file(pid, "smaps_rollup", text, sizeof(text));

	if (r < 0)
		return r;
	mapped = find_value(text, "Anonymous:");
	anon = find_value(text, "Pss_Anon:");
	shmem = find_value(text, "Pss_Shmem:");
	if (!mapped || !anon || !shmem)
		return -ENODATA;
	saved = parse_kb(mapped) - MIN(parse_kb(mapped), parse_kb(anon));
	usage->rss_anon -= MIN(usage->rss_anon, saved);
	usage->rss_shmem = MIN(usage->rss_shmem, parse_kb(shmem));
	return 0;
}

int process_written_bytes(pid_t pid, uint64_t *ret)
{
	char text[512]; /* seven short lines */
	const char *value;
	int r = read_proc_file(pid, "io", text, sizeof(text));

	if (r < 0)
		return r;
	value = find_value(text, "wchar:");
	if (!value)
		return -ENODATA;
	*ret = parse_number(value, 10);
	return 0;
}
