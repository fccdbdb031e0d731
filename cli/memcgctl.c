/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memcgctl: the table of verbs, help, and the options every verb takes. Single-threaded. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "cli/memcgctl.h"
#include "util/util.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(unversioned build)"
#endif

static const struct cli_verb *const verbs[] = {
	&verb_run,
	&verb_status,
	&verb_get,
	&verb_set,
};

static const char common_options[] = " -m, --mount <dir>        the mounted tree (default: "
				     "$MEMCGFS_MOUNT, then /proc/self/mounts)\n";
static const char json_option[] = " -J, --json               print JSON\n";
static const char tail_options[] = "\n -h, --help               display this help\n"
				   " -V, --version            display version\n"
				   "\nFor more details see memcgctl(1).\n";

static void print_help(const struct cli_verb *verb)
{
	printf("\nUsage:\n memcgctl %s %s\n\n%s.\n\nOptions:\n%s%s%s%s", verb->name, verb->synopsis,
	       verb->summary, verb->options ? verb->options : "", common_options,
	       verb->json ? json_option : "", tail_options);
}

static void print_main_help(void)
{
	printf("\nUsage:\n memcgctl [options] <verb> [<argument>...]\n\n"
	       "Use memory control groups of a mounted memcgfs.\n\nVerbs:\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf(" %-24s %s\n", verbs[i]->name, verbs[i]->summary);
	printf("\nOptions:\n%s%s%s", common_options, json_option, tail_options);
}

int cli_option(struct cli *cli, const struct cli_verb *verb, int option)
{
	switch (option) {
	case 'm':
		cli->mount = optarg;
		return CLI_GO_ON;
	case 'J':
		if (verb && !verb->json)
			return cli_usage(verb, "--json: this verb prints nothing");
		cli->json = true;
		return CLI_GO_ON;
	case 'h':
		if (verb)
			print_help(verb);
		else
			print_main_help();
		return CLI_OK;
	case 'V':
		printf("memcgctl from memcgfs %s\n", PACKAGE_VERSION);
		return CLI_OK;
	default: /* getopt has said what is wrong */
		return cli_usage(verb, NULL);
	}
}

static const struct cli_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

/* What was printed counts only once it is written: a full disk is a failure. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fprintf(stderr, "memcgctl: write error: %s\n", strerror(errno));
	return status == CLI_OK ? CLI_FAILURE : status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {CLI_LONG_OPTIONS};
	struct cli cli = {0};
	const struct cli_verb *verb;
	int c;

	setlocale(LC_CTYPE, ""); /* which bytes of a group's name a terminal can show */
	while ((c = getopt_long(argc, argv, "+" CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		int status = cli_option(&cli, NULL, c);

		if (status != CLI_GO_ON)
			return finish(status);
	}
	if (optind == argc)
		return cli_usage(NULL, "no verb given");
	verb = find_verb(argv[optind]);
	if (!verb)
		return cli_usage(NULL, "%s: no such verb", argv[optind]);
	if (cli.json && !verb->json)
		return cli_usage(verb, "--json: this verb prints nothing");

	argc -= optind;
	argv += optind;
	argv[0] = program_invocation_name; /* getopt begins its messages with it */
	optind = 0;                        /* glibc: start afresh */
	return finish(verb->run(&cli, argc, argv));
}
