/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memcgctl run: a command inside a group of its own. Single-threaded. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/command.h"
#include "cli/group.h"
#include "cli/group_remove.h"
#include "cli/memcgctl.h"
#include "cli/mount.h"
#include "cli/private_daemon.h"
#include "cli/size.h"
#include "util/util.h"

struct run {
	char *name;               /* of group_name() */
	struct setting *settings; /* in the order given; as many as there are arguments fit */
	size_t nr_settings;
	char limit[SIZE_TEXT], soft[SIZE_TEXT];
	char *const *argv;
	struct signals signals;
};

struct run_group {
	struct group *group, *parent;
};

static int add_size(struct run *run, const char *option, const char *file, char text[SIZE_TEXT])
{
	uint64_t bytes;

	if (size_parse(optarg, &bytes) < 0)
		return cli_usage(&verb_run, "--%s: %s: not a size", option, optarg);
	if (bytes == SIZE_UNLIMITED)
		strcpy(text, "-1");
	else
		snprintf(text, SIZE_TEXT, "%" PRIu64, bytes);
	run->settings[run->nr_settings++] = (struct setting){.file = file, .value = text};
	return CLI_GO_ON;
}

static int set_name(struct run *run, const char *typed)
{
	char *name;
	int r = group_name(typed, &name);

	if (r < 0)
		return cli_usage(&verb_run, "--name: %s: %s", typed,
				 r == -EINVAL ? "no part of a group's name can be '.' or '..'"
					      : strerror(-r));
	if (!name[1]) {
		free(name);
		return cli_usage(&verb_run, "--name: the root is not a group to make");
	}
	free(run->name);
	run->name = name;
	return CLI_GO_ON;
}

static int take_option(struct cli *cli, struct run *run, int c)
{
	switch (c) {
	case 'n':
		return set_name(run, optarg);
	case 'l':
		return add_size(run, "limit", "memory.limit_in_bytes", run->limit);
	case 'S':
		return add_size(run, "soft", "memory.soft_limit_in_bytes", run->soft);
	case 's':
		if (setting_parse(optarg, &run->settings[run->nr_settings]) < 0)
			return cli_usage(&verb_run, "--set: %s: not of the form FILE=VALUE",
					 optarg);
		run->nr_settings++;
		return CLI_GO_ON;
	default:
		return cli_option(cli, &verb_run, c);
	}
}

static int parse(struct cli *cli, struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{"name", required_argument, NULL, 'n'},
		{"limit", required_argument, NULL, 'l'},
		{"soft", required_argument, NULL, 'S'},
		{"set", required_argument, NULL, 's'},
		CLI_LONG_OPTIONS,
	};
	int c;

	/* "+": the command's options are its own */
	while ((c = getopt_long(argc, argv, "+n:l:S:s:" CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		int status = take_option(cli, run, c);

		if (status != CLI_GO_ON)
			return status;
	}
	if (optind == argc)
		return cli_usage(&verb_run, "no command given");
	run->argv = argv + optind;
	if (!run->name && asprintf(&run->name, "/run-%d", (int)getpid()) < 0) {
		run->name = NULL;
		return cli_failure(&verb_run, "%s", strerror(ENOMEM));
	}
	return CLI_GO_ON;
}

static int make_group(struct run_group *ret, const char *mount, const char *name)
{
	const char *last = strrchr(name, '/') + 1;
	cleanup_free char *parent = strndup(name, (size_t)MAX(last - 1 - name, 1));
	int r;

	if (!parent)
		return cli_failure(&verb_run, "%s", strerror(ENOMEM));
	r = group_open(&ret->parent, mount, parent);
	if (r < 0)
		return cli_failure(&verb_run, "%s: %s", parent,
				   r == -ENOENT ? "no such group" : strerror(-r));
	if (mkdirat(ret->parent->fd, last, 0755) < 0)
		r = -errno;
	if (r < 0)
		return cli_failure(&verb_run, "%s: %s", name,
				   r == -EEXIST ? "there is such a group already" : strerror(-r));
	r = group_open(&ret->group, mount, name);
	if (r < 0) {
		unlinkat(ret->parent->fd, last, AT_REMOVEDIR);
		return cli_failure(&verb_run, "%s: %s", name, strerror(-r));
	}
	return CLI_OK;
}

static void remove_group(const struct run_group *g)
{
	unsigned moved = 0;
	int r = group_remove(g->group, g->parent, &moved);

	if (moved)
		cli_failure(&verb_run, "%u process%s left in %s, moved to %s", moved,
			    moved == 1 ? "" : "es", g->group->name, g->parent->name);
	if (r == -EBUSY)
		cli_failure(&verb_run, "%s: in use (groups below it?), not removed",
			    g->group->name);
	else if (r == -ETIMEDOUT)
		cli_failure(&verb_run, "%s: tasks do not leave it, not removed", g->group->name);
	else if (r < 0 && r != -ENOENT)
		cli_failure(&verb_run, "%s: not removed: %s", g->group->name, strerror(-r));
}

/* Who sees "Killed" should learn why. */
static void explain_kill(const struct group *g, const char *command, int status)
{
	char text[SIZE_TEXT];
	uint64_t kills, limit;

	if (status != COMMAND_SIGNAL + SIGKILL ||
	    group_read_key(g, "memory.oom_control", "oom_kill", &kills) < 0 || kills == 0 ||
	    group_read_number(g, "memory.limit_in_bytes", &limit) < 0)
		return;
	size_format(limit, text);
	cli_failure(&verb_run, "%s: killed: %s was out of memory (limit %s)", command, g->name,
		    text);
}

static int run_in_group(const struct run *run, const struct group *g, const char *export_mount)
{
	int status = CLI_OK;
	pid_t pid;

	for (size_t i = 0; status == CLI_OK && i < run->nr_settings; i++)
		status = group_set(g, &verb_run, &run->settings[i]);
	if (status != CLI_OK)
		return status;
	if (command_start(&pid, g, run->argv, &run->signals, export_mount) < 0)
		return CLI_FAILURE;
	status = command_wait(pid, &run->signals);
	explain_kill(g, run->argv[0], status);
	return status;
}

static int run_in_tree(const struct run *run, const char *mount, bool private)
{
	struct run_group g = {0};
	int status = mount_check(&verb_run, mount);

	if (status == CLI_OK)
		status = make_group(&g, mount, run->name);
	if (status == CLI_OK) {
		status = run_in_group(run, g.group, private ? mount : NULL);
		remove_group(&g);
	}
	group_free(g.group);
	group_free(g.parent);
	return status;
}

static int run_in_private_tree(const struct run *run)
{
	struct private_daemon *d = NULL;
	int status, r = private_daemon_start(&d, &run->signals);

	if (r > 0)
		return COMMAND_SIGNAL + r;
	if (r < 0)
		return CLI_FAILURE;
	status = run_in_tree(run, private_daemon_mount(d), true);
	private_daemon_stop(d);
	return status;
}

static int run_anywhere(const struct cli *cli, struct run *run)
{
	cleanup_free char *mount = NULL;
	int status, r = signals_hold(&run->signals);

	if (r < 0)
		return cli_failure(&verb_run, "cannot hold signals: %s", strerror(-r));
	r = mount_find(cli->mount, false, &mount);
	if (r == 0)
		status = run_in_tree(run, mount, false);
	else if (r == -ENOENT)
		status = run_in_private_tree(run);
	else
		status = cli_failure(&verb_run, "cannot look for the mount: %s", strerror(-r));
	signals_close(&run->signals);
	return status;
}

static int run_main(struct cli *cli, int argc, char **argv)
{
	struct run run = {.settings = calloc((size_t)argc, sizeof(struct setting))};
	int status;

	if (!run.settings)
		return cli_failure(&verb_run, "%s", strerror(ENOMEM));
	status = parse(cli, &run, argc, argv);
	if (status == CLI_GO_ON)
		status = run_anywhere(cli, &run);
	free(run.settings);
	free(run.name);
	return status;
}

const struct cli_verb verb_run = {
	.name = "run",
	.synopsis = "[options] [--] <command> [<argument>...]",
	.summary = "Run a command inside a new group, and remove the group when it ends",
	.options = " -n, --name <group>       the group's name (default: run-PID)\n"
		   " -l, --limit <size>       memory.limit_in_bytes, such as 64M\n"
		   " -S, --soft <size>        memory.soft_limit_in_bytes\n"
		   " -s, --set <file>=<value> any control file; may be given more than once\n",
	.run = run_main,
};
