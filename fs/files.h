/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control files of a group: one table of name, mode, how it is read and how it is written. A
 * file's index in a group is its place in the table, from 1; 0 is the directory.
 */
#ifndef MEMCGFS_FILES_H
#define MEMCGFS_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "manager/manager.h"

/* Longest text one write may have, in bytes: a page, as in the kernel. Longer: E2BIG. */
#define FILE_WRITE_MAX 4096

struct event_looks;

struct file_scan {
	struct manager *manager;
	uint64_t group_id;
	pid_t reader; /* a thread's id: pids are shown as it sees them */
};

struct file_write {
	struct manager *manager;
	struct group *group;
	const struct caller *caller; /* this and text stay until the answer */
	const char *text;
	dev_t dev;                 /* the mount's, as stat(2) tells it */
	struct event_looks *looks; /* under way, of this mount */
	uint64_t request;          /* names it for ever */
	bool again;                /* an earlier server was asked the same, and may have done it */
	/* The answer of a write that returns -EINPROGRESS: called once, on the loop, perhaps before
	 * write() returns. */
	group_done_fn done;
	void *userdata;
};

struct control_file {
	const char *name;
	mode_t mode;
	bool root_only;
	bool is_figure; /* made of a look at each member, and good for a moment (figures.h) */
	bool is_list;   /* its text is as long as there are processes: else less than a page */
	/* The text, malloc'd: from what the state file has, under manager_rdlock(); or, without the
	 * lock, from what the kernel says of each member. Both NULL: reading is EINVAL. */
	int (*read)(const struct group *g, char **ret, size_t *ret_len);
	int (*scan)(const struct file_scan *s, char **ret, size_t *ret_len);
	/* [loop]. 0, -errno, or -EINPROGRESS. NULL: writing is EINVAL. */
	int (*write)(const struct file_write *w);
	/* What a line with these arguments in cgroup.event_control is to be told of. 0 or -errno.
	 * NULL: EINVAL. */
	int (*event)(const char *arguments, struct listener_spec *ret);
};

/* NULL: there is no file of that index in this group. */
const struct control_file *control_file(const struct group *g, unsigned index);
/* Of a file that has this index in whatever group. */
bool control_file_is_figure(unsigned index);
/* 0: none of that name in this group. */
unsigned control_file_index(const struct group *g, const char *name);
/* The largest index there is. */
unsigned control_file_last(void);

/* ---- event_control.c ---- */
int event_control_write(const struct file_write *w);
int event_usage(const char *arguments, struct listener_spec *ret);
int event_memsw_usage(const char *arguments, struct listener_spec *ret);
int event_oom(const char *arguments, struct listener_spec *ret);
int event_pressure_level(const char *arguments, struct listener_spec *ret);
int event_mempressure_level(const char *arguments, struct listener_spec *ret);
int event_shrinker(const char *arguments, struct listener_spec *ret);
const char *mempressure_level_name(enum pressure_level level);

/* ---- memory_stat.c ---- */
int memory_stat_scan(const struct file_scan *s, char **ret, size_t *ret_len);

/* ---- numa_stat.c ---- */
int numa_stat_scan(const struct file_scan *s, char **ret, size_t *ret_len);

/* ---- source.c ---- */
int source_scan(const struct file_scan *s, char **ret, size_t *ret_len);

/* ---- kernel_files.c ---- */
int clone_children_scan(const struct file_scan *s, char **ret, size_t *ret_len);
int clone_children_write(const struct file_write *w);
int notify_on_release_scan(const struct file_scan *s, char **ret, size_t *ret_len);
int notify_on_release_write(const struct file_write *w);
int release_agent_scan(const struct file_scan *s, char **ret, size_t *ret_len);
int release_agent_write(const struct file_write *w);
int sane_behavior_read(const struct group *g, char **ret, size_t *ret_len);

#endif
