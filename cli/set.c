/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memcgctl set: write control files, up to the first that refuses. Single-threaded. */
#include <string.h>

#include "cli/group.h"
#include "cli/memcgctl.h"
#include "util/util.h"

/* What is mistyped is said before anything is written. */
static int parse_settings(char **typed, size_t nr, struct setting *settings)
{
	for (size_t i = 0; i < nr; i++)
		if (setting_parse(typed[i], &settings[i]) < 0)
			return cli_usage(&verb_set,
					 "%s: not of the form FILE=VALUE, as in limit_in_bytes=64M",
					 typed[i]);
	return CLI_OK;
}

static int set_all(const struct cli *cli, const char *name, const struct setting *settings,
		   size_t nr)
{
	struct group *g = NULL;
	int status = group_open_typed(&g, cli, &verb_set, name);

	for (size_t i = 0; status == CLI_OK && i < nr; i++)
		status = group_set(g, &verb_set, &settings[i]);
	group_free(g);
	return status;
}

static int set_main(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_LONG_OPTIONS};
	cleanup_free struct setting *settings = NULL;
	size_t nr;
	int c, status;

	while ((c = getopt_long(argc, argv, CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		status = cli_option(cli, &verb_set, c);
		if (status != CLI_GO_ON)
			return status;
	}
	if (argc - optind < 2)
		return cli_usage(&verb_set, "a group and at least one FILE=VALUE are needed");
	nr = (size_t)(argc - optind - 1);
	settings = calloc(nr, sizeof(*settings));
	if (!settings)
		return cli_failure(&verb_set, "%s", strerror(ENOMEM));
	status = parse_settings(argv + optind + 1, nr, settings);
	return status == CLI_OK ? set_all(cli, argv[optind], settings, nr) : status;
}

const struct cli_verb verb_set = {
	.name = "set",
	.synopsis = "[options] <group> <file>=<value>...",
	.summary = "Write control files, in order, up to the first that refuses",
	.run = set_main,
};
