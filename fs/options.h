/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's command line. One thread, before there are others. */
#ifndef MEMCGFS_OPTIONS_H
#define MEMCGFS_OPTIONS_H

#include <stdbool.h>

#include "fs/config.h"

/* Strings are argv's, but for mount_options. NULL: not given. */
struct options {
	bool foreground, check_config;
	const char *mountpoint;
	const char *config_file;
	const char *hierarchy, *name, *state_dir;
	char *mount_options; /* of all -o, comma-separated */
};

enum options_action {
	OPTIONS_RUN,
	OPTIONS_CHECK_CONFIG,
	OPTIONS_PRINTED, /* help or version, to stdout: there is nothing more to do */
};

/* An enum options_action, or -errno after one log_error(). options_done() in either case. */
int options_parse(struct options *o, int argc, char **argv);
void options_done(struct options *o);

/* What the command line says goes over what the files say; mount options are added. 0 or -errno
 * after one log_error(). */
int options_apply(const struct options *o, struct config *c);

#endif
