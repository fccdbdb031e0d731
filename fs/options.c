/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's command line, parsed with getopt_long(3); values are checked where those of the
 * files are. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "fs/options.h"
#include "util/log.h"
#include "util/util.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown" /* compiled by hand, without configure */
#endif

enum {
	OPTION_HIERARCHY = 256,
	OPTION_NAME,
	OPTION_CONFIG,
	OPTION_STATE_DIR,
	OPTION_CHECK_CONFIG,
};

static const struct option long_options[] = {
	{"foreground", no_argument, NULL, 'f'},
	{"hierarchy", required_argument, NULL, OPTION_HIERARCHY},
	{"name", required_argument, NULL, OPTION_NAME},
	{"config", required_argument, NULL, OPTION_CONFIG},
	{"state-dir", required_argument, NULL, OPTION_STATE_DIR},
	{"check-config", no_argument, NULL, OPTION_CHECK_CONFIG},
	{"version", no_argument, NULL, 'V'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static const char help_text[] =
	"Usage: memcgfs [OPTIONS] MOUNTPOINT\n"
	"\n"
	"Mount a tree that behaves like the cgroup v1 memory controller, and hold processes to "
	"the\n"
	"limits written there. Goes to the background once the mount answers; `umount MOUNTPOINT'\n"
	"or SIGTERM ends it.\n"
	"\n"
	"  -f, --foreground      stay in the foreground, log to stderr\n"
	"  -o OPTS               mount options, separated by commas (allow_other, ...)\n"
	"      --hierarchy=KIND  where membership lives: over (the kernel's v1 memory mount that\n"
	"                        MOUNTPOINT is), named (a hierarchy of our own), or auto, the\n"
	"                        default: the first of them that works; cgroup2 and none are not\n"
	"                        in this version\n"
	"      --name=NAME       of the named hierarchy and of the state (memcgfs); each daemon\n"
	"                        needs its own\n"
	"      --config=FILE     settings (" CONFIG_FILE "), followed by FILE.d/*.conf\n"
	"      --state-dir=DIR   where state is kept (/run/memcgfs; without root\n"
	"                        $XDG_RUNTIME_DIR/memcgfs)\n"
	"      --check-config    read the settings, say whether they are good, and exit\n"
	"  -V, --version         print the version and exit\n"
	"  -h, --help            print this help and exit\n";

static int print(const char *text)
{
	if (fputs(text, stdout) < 0 || fflush(stdout) != 0) {
		int err = -errno;

		log_error("cannot write to standard output: %s", strerror(-err));
		return err;
	}
	return OPTIONS_PRINTED;
}

static int usage_error(const char *what, const char *which)
{
	log_error("%s%s; `memcgfs --help' tells more", what, which);
	return -EINVAL;
}

/* `more` goes behind *list after a comma. */
static int list_append(char **list, const char *more)
{
	char *longer;

	if (!*more)
		return 0;
	if (asprintf(&longer, "%s%s%s", *list ? *list : "", *list ? "," : "", more) < 0) {
		log_error("out of memory");
		return -ENOMEM;
	}
	free(*list);
	*list = longer;
	return 0;
}

/* optopt is an unknown letter, 0 for an unknown word, or what a known word with an unwanted value
 * stands for. */
static int unknown_option(char **argv)
{
	char letter[] = "-?";

	if (optopt == 0 || optopt >= OPTION_HIERARCHY || strchr("fVh", optopt))
		return usage_error("unknown option or unwanted value ", argv[optind - 1]);
	letter[1] = (char)optopt;
	return usage_error("unknown option ", letter);
}

/* One option; OPTIONS_RUN to go on. */
static int option_handle(struct options *o, int option, char **argv)
{
	switch (option) {
	case 'f':
		o->foreground = true;
		break;
	case 'o':
		return list_append(&o->mount_options, optarg);
	case OPTION_HIERARCHY:
		o->hierarchy = optarg;
		break;
	case OPTION_NAME:
		o->name = optarg;
		break;
	case OPTION_CONFIG:
		o->config_file = optarg;
		break;
	case OPTION_STATE_DIR:
		o->state_dir = optarg;
		break;
	case OPTION_CHECK_CONFIG:
		o->check_config = true;
		break;
	case 'V':
		return print("memcgfs " PACKAGE_VERSION "\n");
	case 'h':
		return print(help_text);
	case ':':
		return usage_error("a value is missing after ", argv[optind - 1]);
	default:
		return unknown_option(argv);
	}
	return OPTIONS_RUN;
}

int options_parse(struct options *o, int argc, char **argv)
{
	int option, result;

	*o = (struct options){0};
	optind = 0; /* begin anew, as tests do */
	while ((option = getopt_long(argc, argv, ":fo:Vh", long_options, NULL)) != -1) {
		result = option_handle(o, option, argv);
		if (result != OPTIONS_RUN)
			return result;
	}
	if (optind < argc - 1)
		return usage_error("more than one mount point: ", argv[optind + 1]);
	if (optind < argc)
		o->mountpoint = argv[optind];
	if (o->check_config)
		return OPTIONS_CHECK_CONFIG;
	if (!o->mountpoint || !*o->mountpoint)
		return usage_error("a mount point is missing", "");
	return OPTIONS_RUN;
}

void options_done(struct options *o)
{
	free(o->mount_options);
	o->mount_options = NULL;
}

int options_apply(const struct options *o, struct config *c)
{
	const struct {
		const char *key, *value;
	} given[] = {
		{"hierarchy", o->hierarchy},
		{"name", o->name},
		{"state-dir", o->state_dir},
	};
	char message[CONFIG_MESSAGE_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		int err = given[i].value
				  ? config_set(c, "daemon", given[i].key, given[i].value, message)
				  : 0;

		if (err < 0) {
			log_error("--%s", message);
			return err;
		}
	}
	return o->mount_options ? list_append(&c->mount_options, o->mount_options) : 0;
}
