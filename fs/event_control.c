// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cgroup.event_control: "<eventfd> <descriptor of a control file> <arguments>", both the writer's.
 * Which file that is, its inode number tells. Thread: the manager's loop.
 *
 * The control file's descriptor is looked at where it is, and never taken: the last close of one of
 * our own files would ask ourselves. AT_STATX_DONT_SYNC keeps statx() from asking.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fs/files.h"
#include "fs/node.h"
#include "fs/parse.h"
#include "util/util.h"

/* ---- which file it is ---- */

/* Flags that it was opened with, or -errno. */
static int opened_flags(pid_t tid, int number)
{
	char path[64], text[256];
	const char *flags;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", tid, number);
	n = read_file_at(AT_FDCWD, path, text, sizeof(text));
	if (n < 0)
		return n == -ENOENT ? -EBADF : (int)n;
	flags = strstr(text, "flags:");
	return flags ? (int)strtoul(flags + strlen("flags:"), NULL, 8) : -EINVAL;
}

/* The kernel asks for leave to read the file; who opened it for reading had that. */
static int check_readable(const struct file_write *w, int number, unsigned index)
{
	const struct file_attr *attr = group_attr(w->group, index);
	int flags = opened_flags(w->caller->pid, number);
	mode_t bit;

	if (flags < 0)
		return flags;
	if (flags & O_PATH)
		return -EBADF;
	if ((flags & O_ACCMODE) != O_WRONLY || w->caller->uid == 0)
		return 0;
	bit = w->caller->uid == attr->uid   ? S_IRUSR
	      : w->caller->gid == attr->gid ? S_IRGRP
					    : S_IROTH;
	return attr->mode & bit ? 0 : -EACCES;
}

/* The control file of this very group that the caller has open as `number`: its index, or -errno.
 */
static int find_file(const struct file_write *w, int number)
{
	struct statx st;
	char path[40];
	unsigned index;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", w->caller->pid, number);
	if (statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_INO, &st))
		return errno == ENOENT ? -EBADF : -errno;
	if (makedev(st.stx_dev_major, st.stx_dev_minor) != w->dev ||
	    node_group(w->manager, st.stx_ino) != w->group)
		return -EINVAL;
	index = node_index(st.stx_ino);
	return index ? (int)index : -EINVAL;
}

/* ---- what is to be told ---- */

int event_control_write(const struct file_write *w)
{
	cleanup_free char *text = strdup(w->text);
	struct eventfd_taken e = {.fd = -1};
	struct event_control line;
	const struct control_file *file;
	struct listener_spec spec;
	int r, index;

	if (!text)
		return -ENOMEM;
	r = parse_event_control(text, &line);
	if (r < 0)
		return r;
	r = eventfd_take(w->caller->pid, line.eventfd, &e);
	if (r < 0)
		return r;
	index = find_file(w, line.control_file);
	r = index < 0 ? index : check_readable(w, line.control_file, (unsigned)index);
	if (!r) {
		file = control_file(w->group, (unsigned)index);
		r = file->event ? file->event(line.arguments, &spec) : -EINVAL;
	}
	if (!r)
		r = group_listen(w->manager, w->group, &spec, w->caller, &e, w->again);
	if (e.fd >= 0)
		close(e.fd);
	return r;
}

static int event_threshold(const char *arguments, enum group_counter counter,
			   struct listener_spec *ret)
{
	uint64_t bytes;
	int r;

	/* The kernel drops blanks around the line, and none within. */
	if (*arguments == ' ' || *arguments == '\t')
		return -EINVAL;
	r = parse_bytes(arguments, &bytes);
	if (r < 0)
		return r;
	*ret = (struct listener_spec){
		.kind = LISTENER_THRESHOLD,
		.value = bytes & ~4095ULL,
		.mode = counter,
	};
	return 0;
}

int event_usage(const char *arguments, struct listener_spec *ret)
{
	return event_threshold(arguments, COUNTER_MEMORY, ret);
}

int event_memsw_usage(const char *arguments, struct listener_spec *ret)
{
	return event_threshold(arguments, COUNTER_MEMSW, ret);
}

/* Arguments make no difference, as in the kernel. */
int event_oom(const char *arguments, struct listener_spec *ret)
{
	(void)arguments;
	*ret = (struct listener_spec){.kind = LISTENER_OOM};
	return 0;
}

/* A chunk's size in bytes. */
int event_shrinker(const char *arguments, struct listener_spec *ret)
{
	uint64_t bytes;
	int r = parse_u64(arguments, &bytes);

	if (r < 0)
		return r;
	if (bytes < 1 || bytes > INT64_MAX)
		return -EINVAL;
	*ret = (struct listener_spec){.kind = LISTENER_SHRINKER, .value = bytes};
	return 0;
}

/* ---- levels ---- */

/* Its place in names, or -EINVAL. */
static int find_name(const char *const *names, size_t nr, const char *name, size_t len)
{
	for (size_t i = 0; i < nr; i++)
		if (strlen(names[i]) == len && !memcmp(names[i], name, len))
			return (int)i;
	return -EINVAL;
}

/* "LEVEL" or "LEVEL,MODE"; what comes after another comma makes no difference, as in the kernel. */
static int parse_level(const char *const levels[PRESSURE_NR_LEVELS], const char *text,
		       struct listener_spec *ret)
{
	static const char *const modes[] = {
		[PRESSURE_DEFAULT] = "default",
		[PRESSURE_HIERARCHY] = "hierarchy",
		[PRESSURE_LOCAL] = "local",
	};
	size_t len = strcspn(text, ",");
	int level = find_name(levels, PRESSURE_NR_LEVELS, text, len), mode = PRESSURE_DEFAULT;

	if (text[len] == ',')
		mode = find_name(modes, ARRAY_SIZE(modes), text + len + 1,
				 strcspn(text + len + 1, ","));
	if (level < 0 || mode < 0)
		return -EINVAL;
	*ret = (struct listener_spec){
		.kind = LISTENER_PRESSURE,
		.value = (uint64_t)level,
		.mode = (uint32_t)mode,
	};
	return 0;
}

int event_pressure_level(const char *arguments, struct listener_spec *ret)
{
	static const char *const levels[PRESSURE_NR_LEVELS] = {"low", "medium", "critical"};

	return parse_level(levels, arguments, ret);
}

static const char *const mempressure_levels[PRESSURE_NR_LEVELS] = {"low", "medium", "oom"};

int event_mempressure_level(const char *arguments, struct listener_spec *ret)
{
	return parse_level(mempressure_levels, arguments, ret);
}

const char *mempressure_level_name(enum pressure_level level)
{
	return mempressure_levels[level];
}
