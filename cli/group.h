/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One group of the mounted tree as its directory: names, control files, settings. Single-threaded.
 */
#ifndef MEMCGFS_CLI_GROUP_H
#define MEMCGFS_CLI_GROUP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct cli;
struct cli_verb;

struct group {
	int fd;     /* O_PATH of the directory */
	char *name; /* "/" for the root, else "/a/b" */
};

struct setting {
	const char *file; /* as typed: "memory." may be missing */
	const char *value;
};

/* "a//b/", "/a/b" -> "/a/b"; "" and "/" -> "/". *ret is malloc'd. -EINVAL for "." or "..",
 * -ENAMETOOLONG, -ENOMEM. */
int group_name(const char *typed, char **ret);

/* NAME=VALUE, split in place at the first '='. -EINVAL without one, or without a name. */
int setting_parse(char *typed, struct setting *ret);

/* The group at name (of group_name) below the mount. 0 or -errno; -ENOTDIR for a control file. */
int group_open(struct group **ret, const char *mount, const char *name);
struct group *group_free(struct group *g); /* NULL-safe, returns NULL */

/*
 * What a verb does with what was typed: find the mount, open the group, say in one line what is
 * wrong. CLI_OK, or the exit status to end with.
 */
int group_open_typed(struct group **ret, const struct cli *cli, const struct cli_verb *verb,
		     const char *typed);

/* Does dir look like the root of a tree? 0, or the exit status after one line. */
int mount_check(const struct cli_verb *verb, const char *dir);

/* The control file meant by what was typed, malloc'd: that name, else with "memory." before it.
 * -ENOENT. */
int group_file(const struct group *g, const char *typed, char **ret);

/* All of a control file, NUL-terminated and malloc'd; -EFBIG beyond 16 MiB (two million pids). 0 or
 * -errno. */
int group_read(const struct group *g, const char *file, char **ret);

/* A control file that is one number. -EINVAL when it is something else. */
int group_read_number(const struct group *g, const char *file, uint64_t *ret);

/* The number behind a key of a file of "key number" lines. -ENOENT without that key. */
int group_read_key(const struct group *g, const char *file, const char *key, uint64_t *ret);

/* Write a setting; on failure one line that names group, file, value and meaning. CLI_OK or
 * CLI_FAILURE. */
int group_set(const struct group *g, const struct cli_verb *verb, const struct setting *s);

/* A group right below g. */
int group_open_child(struct group **ret, const struct group *g, const char *child);

#endif
