/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's settings, from INI files and the command line. One thread, before there are others.
 */
#ifndef MEMCGFS_CONFIG_H
#define MEMCGFS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "accounting/lease.h"

#define CONFIG_FILE        "/etc/memcgfs.conf"
#define CONFIG_MESSAGE_MAX 512

enum config_hierarchy {
	HIERARCHY_AUTO,
	HIERARCHY_OVER,
	HIERARCHY_NAMED,
	HIERARCHY_CGROUP2,
	HIERARCHY_NONE,
};

struct config {
	enum config_hierarchy hierarchy; /* [daemon] hierarchy */
	char *name;                      /* [daemon] name: of the named hierarchy */
	char *state_dir;                 /* [daemon] state-dir; NULL: the default */
	char *mount_options;             /* [daemon] options, comma-separated; NULL: none */
	bool debug;                      /* [log] debug */
	enum lease_stop stop;            /* [lease] stop */
	unsigned sweep_percent;          /* [accounting] sweep-percent: of a CPU */
};

/* The defaults. 0 or -ENOMEM. */
int config_init(struct config *c);
/* Free what it holds. */
void config_done(struct config *c);

/*
 * Set one key. 0, or -EINVAL with a sentence in message that begins with the key: an unknown
 * section or key, or a bad value. A key that was set before is set anew.
 */
int config_set(struct config *c, const char *section, const char *key, const char *value,
	       char message[CONFIG_MESSAGE_MAX]);

/* Read INI text; `file` names it in messages. 0, or -EINVAL with "FILE:LINE: what is wrong" in
 * message. */
int config_parse(struct config *c, FILE *f, const char *file, char message[CONFIG_MESSAGE_MAX]);

/*
 * Read `file`, then the *.conf files of the directory FILE.d in the order of their names. NULL:
 * CONFIG_FILE, which need not be there. 0, or -errno after one log_error().
 */
int config_load(struct config *c, const char *file);

const char *config_hierarchy_name(enum config_hierarchy hierarchy);

#endif
