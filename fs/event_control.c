// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cgroup.event_control: "<eventfd> <descriptor of a control file> <arguments>", both the writer's.
 * Which file that is, its inode number tells. Thread: the manager's loop.
 */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/event_look.h"
#include "fs/files.h"
#include "fs/node.h"
#include "fs/parse.h"
#include "util/util.h"

/* ---- which file it is ---- */

/* The kernel asks for leave to read the file; who opened it for reading had that. */
static int check_readable(const struct file_write *w, int flags, unsigned index)
{
	const struct file_attr *attr = group_attr(w->group, index);
	mode_t bit;

	if (flags & O_PATH)
		return -EBADF;
	if ((flags & O_ACCMODE) != O_WRONLY || w->caller->uid == 0)
		return 0;
	bit = w->caller->uid == attr->uid   ? S_IRUSR
	      : w->caller->gid == attr->gid ? S_IRGRP
					    : S_IROTH;
	return attr->mode & bit ? 0 : -EACCES;
}

/* The control file of this very group that was looked at: its index, or -errno. */
static int find_file(const struct file_write *w, const struct event_look *l)
{
	unsigned index;
	int r;

	if (l->dev != w->dev || node_group(w->manager, l->ino) != w->group)
		return -EINVAL;
	index = node_index(l->ino);
	if (!index)
		return -EINVAL;
	r = check_readable(w, l->flags, index);
	return r < 0 ? r : (int)index;
}

/* ---- what is to be told ---- */

/* A line whose descriptors are looked at. */
struct event_write {
	struct event_look look; /* first */
	struct file_write write;
	uint64_t group_id;
};

static int listen_to(const struct file_write *w, struct event_look *l)
{
	cleanup_free char *text = strdup(w->text);
	const struct control_file *file;
	struct listener_spec spec;
	struct event_control line;
	int r, index;

	if (!text)
		return -ENOMEM;
	index = find_file(w, l);
	if (index < 0)
		return index;
	r = parse_event_control(text, &line);
	if (r < 0)
		return r;
	file = control_file(w->group, (unsigned)index);
	r = file->event ? file->event(line.arguments, &spec) : -EINVAL;
	return r < 0 ? r
		     : group_listen(w->manager, w->group, &spec, w->caller, &l->taken, w->again);
}

static void on_look(struct manager *m, struct manager_request *request)
{
	struct event_look *l =
		(struct event_look *)((char *)request - offsetof(struct event_look, done));
	struct event_write *e = (struct event_write *)l;
	int r = l->error;

	e->write.group = manager_group(m, e->group_id);
	if (!r)
		r = e->write.group ? listen_to(&e->write, l) : -ENODEV;
	if (l->taken.fd >= 0)
		close(l->taken.fd);
	e->write.done(r, e->write.userdata);
	free(e);
}

int event_control_write(const struct file_write *w)
{
	cleanup_free char *text = strdup(w->text);
	struct event_control line;
	struct event_write *e;
	int r;

	if (!text)
		return -ENOMEM;
	r = parse_event_control(text, &line);
	if (r < 0)
		return r;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	*e = (struct event_write){
		.look = {.tid = w->caller->pid,
			 .uid = w->caller->uid,
			 .eventfd = line.eventfd,
			 .control_file = line.control_file,
			 .done.run = on_look},
		.write = *w,
		.group_id = group_id(w->group),
	};
	r = event_look_begin(w->looks, &e->look);
	if (r < 0) {
		free(e);
		return r;
	}
	return -EINPROGRESS;
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
	int r = parse_level(mempressure_levels, arguments, ret);

	if (!r)
		ret->once = true;
	return r;
}

const char *mempressure_level_name(enum pressure_level level)
{
	return mempressure_levels[level];
}
