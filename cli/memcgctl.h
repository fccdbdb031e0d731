/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the verbs of memcgctl share: the verb's row, the options every verb takes, exit statuses.
 * Single-threaded.
 *
 * A new verb is a file of its own with a `const struct cli_verb verb_NAME`, declared here, and a
 * row in memcgctl.c.
 */
#ifndef MEMCGFS_MEMCGCTL_H
#define MEMCGFS_MEMCGCTL_H

#include <getopt.h>
#include <stdbool.h>

/* Exit statuses; `run` ends with its command's beyond these. */
#define CLI_OK      0
#define CLI_FAILURE 1
#define CLI_USAGE   2

/* cli_option() says: not the end yet, read the next option. */
#define CLI_GO_ON (-1)

struct cli {
	const char *mount; /* --mount, NULL: look for one */
	bool json;
};

struct cli_verb {
	const char *name;
	const char *synopsis; /* what follows "memcgctl NAME" */
	const char *summary;  /* a phrase in the imperative, no full stop */
	const char *options; /* help lines of its own options, each ends in a newline; NULL: none */
	bool json;           /* prints something, so takes --json */
	int (*run)(struct cli *cli, int argc, char **argv); /* exit status */
};

extern const struct cli_verb verb_run, verb_status, verb_get, verb_set;

/* getopt's short and long options that every verb takes: part of each verb's lists. */
#define CLI_SHORT_OPTIONS "m:JhV"
/* clang-format off */
#define CLI_LONG_OPTIONS                                                       \
	{ "mount", required_argument, NULL, 'm' },                             \
	{ "json", no_argument, NULL, 'J' },                                    \
	{ "help", no_argument, NULL, 'h' },                                    \
	{ "version", no_argument, NULL, 'V' },                                 \
	{ NULL, 0, NULL, 0 }
/* clang-format on */

/* Take one of the options above, or '?'. CLI_GO_ON, or the exit status to end with. */
int cli_option(struct cli *cli, const struct cli_verb *verb, int option);

/* One line on stderr that says where the usage is, after one that says what is wrong. CLI_USAGE. */
int cli_usage(const struct cli_verb *verb, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* "memcgctl: VERB: MESSAGE" on stderr. CLI_FAILURE. */
int cli_failure(const struct cli_verb *verb, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
