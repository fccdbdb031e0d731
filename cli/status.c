/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memcgctl status: a table of groups. Single-threaded. */
#include <stdio.h>
#include <string.h>

#include "cli/group.h"
#include "cli/memcgctl.h"
#include "cli/names.h"
#include "cli/output.h"
#include "util/util.h"

/* Each level holds a descriptor: well under the usual 1024. */
#define DEPTH_MAX 256

enum { COL_NAME, COL_USAGE, COL_LIMIT, COL_MAX, COL_FAILCNT, COL_TASKS, COL_OOM_KILLS };

static const struct output_column columns[] = {
	[COL_NAME] = {"NAME", OUTPUT_TEXT},
	[COL_USAGE] = {"USAGE", OUTPUT_SIZE},
	[COL_LIMIT] = {"LIMIT", OUTPUT_SIZE},
	[COL_MAX] = {"MAX", OUTPUT_SIZE},
	[COL_FAILCNT] = {"FAILCNT", OUTPUT_NUMBER},
	[COL_TASKS] = {"TASKS", OUTPUT_NUMBER},
	[COL_OOM_KILLS] = {"OOM-KILLS", OUTPUT_NUMBER},
};

/* The whole machine's greatest usage is not recorded: the root's file says 0. */
static const struct {
	size_t column;
	const char *file;
	bool not_of_root;
} number_files[] = {
	{COL_USAGE, "memory.usage_in_bytes", false},
	{COL_LIMIT, "memory.limit_in_bytes", false},
	{COL_MAX, "memory.max_usage_in_bytes", true},
	{COL_FAILCNT, "memory.failcnt", false},
};

static int count_tasks(const struct group *g, uint64_t *ret)
{
	cleanup_free char *text = NULL;
	uint64_t nr = 0;
	int r = group_read(g, "tasks", &text);

	if (r < 0)
		return r;
	for (const char *s = text; (s = strchr(s, '\n')); s++)
		nr++;
	*ret = nr;
	return 0;
}

/* A file that cannot be read, or is not there, leaves its cell empty: one group's trouble hides no
 * other group. */
static int add_group(struct output *o, const struct group *g)
{
	bool is_root = strcmp(g->name, "/") == 0;
	uint64_t value;
	int r = output_row(o);

	if (r == 0)
		r = output_text(o, COL_NAME, g->name);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(number_files); i++)
		if (!(is_root && number_files[i].not_of_root) &&
		    group_read_number(g, number_files[i].file, &value) == 0)
			r = output_number(o, number_files[i].column, value);
	if (r == 0 && count_tasks(g, &value) == 0)
		r = output_number(o, COL_TASKS, value);
	if (r == 0 && group_read_key(g, "memory.oom_control", "oom_kill", &value) == 0)
		r = output_number(o, COL_OOM_KILLS, value);
	return r;
}

static int add_tree(struct output *o, const struct group *g, unsigned depth)
{
	char **children = NULL;
	size_t nr = 0;
	int r = add_group(o, g);

	if (r < 0)
		return r;
	if (depth == DEPTH_MAX)
		return -ELOOP;
	r = group_children(g, &children, &nr);
	if (r == -ENOENT || r == -EACCES)
		return 0; /* removed since, or not ours to look into */
	for (size_t i = 0; r == 0 && i < nr; i++) {
		struct group *child = NULL;

		if (group_open_child(&child, g, children[i]) < 0)
			continue; /* removed since */
		r = add_tree(o, child, depth + 1);
		group_free(child);
	}
	names_free(children, nr);
	return r;
}

static int print_status(const struct cli *cli, const struct group *g, bool exact)
{
	struct output *o = NULL;
	int r = output_new(&o, "groups", columns, ARRAY_SIZE(columns), cli->json, exact);

	if (r == 0)
		r = add_tree(o, g, 0);
	if (r == 0)
		r = output_print(o);
	output_free(o);
	if (r < 0)
		return cli_failure(&verb_status, "%s: %s", g->name, strerror(-r));
	return CLI_OK;
}

static int status_main(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {{"bytes", no_argument, NULL, 'b'},
						CLI_LONG_OPTIONS};
	struct group *g = NULL;
	bool exact = false;
	int c, status;

	while ((c = getopt_long(argc, argv, "b" CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		if (c == 'b') {
			exact = true;
			continue;
		}
		status = cli_option(cli, &verb_status, c);
		if (status != CLI_GO_ON)
			return status;
	}
	if (argc - optind > 1)
		return cli_usage(&verb_status, "one group at most");
	status = group_open_typed(&g, cli, &verb_status, optind < argc ? argv[optind] : "/");
	if (status == CLI_OK)
		status = print_status(cli, g, exact);
	group_free(g);
	return status;
}

const struct cli_verb verb_status = {
	.name = "status",
	.synopsis = "[options] [<group>]",
	.summary = "Show a group and all groups below it",
	.options = " -b, --bytes              print sizes in bytes\n",
	.json = true,
	.run = status_main,
};
