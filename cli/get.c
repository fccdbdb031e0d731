/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memcgctl get: print control files. Single-threaded. */
#include <stdio.h>
#include <string.h>

#include "cli/control_text.h"
#include "cli/group.h"
#include "cli/memcgctl.h"
#include "cli/names.h"
#include "cli/output.h"
#include "util/util.h"

struct value {
	char *file;
	char *text; /* as read; NULL: could not be */
	char *json; /* NULL: a string */
};

struct values {
	struct value *value;
	size_t nr;
};

static void values_clear(struct values *v)
{
	for (size_t i = 0; i < v->nr; i++) {
		free(v->value[i].file);
		free(v->value[i].text);
		free(v->value[i].json);
	}
	free(v->value);
}

static int values_alloc(struct values *v, size_t nr)
{
	v->value = calloc(nr ? nr : 1, sizeof(*v->value));
	return v->value ? 0 : -ENOMEM;
}

/* The files that were named: one that is not there, or cannot be read, ends it. */
static int read_named(struct values *v, const struct group *g, char **typed, size_t nr)
{
	int r = values_alloc(v, nr);

	while (r == 0 && v->nr < nr) {
		const char *name = typed[v->nr];
		struct value *value = &v->value[v->nr++];

		r = group_file(g, name, &value->file);
		if (r == -ENOENT)
			return cli_failure(&verb_get, "%s: %s: no such file", g->name, name);
		if (r < 0)
			break;
		r = group_read(g, value->file, &value->text);
		if (r < 0)
			return cli_failure(&verb_get, "%s: %s: %s", g->name, value->file,
					   r == -EINVAL ? "cannot be read" : strerror(-r));
	}
	return r < 0 ? cli_failure(&verb_get, "%s: %s", g->name, strerror(-r)) : CLI_OK;
}

static bool is_memory_file(const char *name)
{
	return strncmp(name, "memory.", 7) == 0 || strncmp(name, "mempressure.", 12) == 0;
}

/* Without names: every memory file that gives something. Those that are for writing refuse, and are
 * left out. */
static int read_all(struct values *v, const struct group *g)
{
	char **names = NULL;
	size_t nr = 0;
	int r = group_files(g, &names, &nr);

	if (r == 0)
		r = values_alloc(v, nr);
	for (size_t i = 0; r == 0 && i < nr; i++) {
		struct value *value = &v->value[v->nr];

		if (!is_memory_file(names[i]))
			continue;
		r = group_read(g, names[i], &value->text);
		if (r == -EINVAL || r == -EACCES || r == -EOPNOTSUPP) {
			r = 0;
			continue;
		}
		if (r < 0) {
			cli_failure(&verb_get, "%s: %s: %s", g->name, names[i], strerror(-r));
			break;
		}
		value->file = names[i];
		names[i] = NULL;
		v->nr++;
	}
	names_free(names, nr);
	return r < 0 ? CLI_FAILURE : CLI_OK;
}

/* "FILE: value"; more lines than one are indented below their file's name. */
static void print_indented(const struct value *v)
{
	const char *end = strchr(v->text, '\n');

	if (!end || !end[1]) {
		printf("%s: %s%s", v->file, v->text, end ? "" : "\n");
		return;
	}
	printf("%s:\n", v->file);
	for (const char *s = v->text; *s; s = *end ? end + 1 : end) {
		end = strchrnul(s, '\n');
		printf("\t%.*s\n", (int)(end - s), s);
	}
}

static void print_text(const struct values *v, bool bare)
{
	if (bare)
		fputs(v->value[0].text, stdout);
	for (size_t i = 0; !bare && i < v->nr; i++)
		print_indented(&v->value[i]);
}

static bool is_list(const char *file)
{
	return strcmp(file, "tasks") == 0 || strcmp(file, "cgroup.procs") == 0;
}

static void drop_last_newline(char *s)
{
	size_t len = strlen(s);

	if (len && s[len - 1] == '\n')
		s[len - 1] = '\0';
}

static int convert(struct values *v, struct output_column *columns)
{
	columns[0] = (struct output_column){"NAME", OUTPUT_TEXT};
	for (size_t i = 0; i < v->nr; i++) {
		struct value *value = &v->value[i];
		int r = control_text_to_json(value->text, is_list(value->file), &value->json);

		if (r < 0)
			return r;
		if (!value->json)
			drop_last_newline(value->text);
		columns[i + 1] =
			(struct output_column){value->file, value->json ? OUTPUT_RAW : OUTPUT_TEXT};
	}
	return 0;
}

/* One row; its columns are the files. */
static int print_json(struct values *v, const struct group *g)
{
	cleanup_free struct output_column *columns = calloc(v->nr + 1, sizeof(*columns));
	struct output *o = NULL;
	int r = columns ? convert(v, columns) : -ENOMEM;

	if (r == 0)
		r = output_new(&o, "groups", columns, v->nr + 1, true, true);
	if (r == 0)
		r = output_row(o);
	if (r == 0)
		r = output_text(o, 0, g->name);
	for (size_t i = 0; r == 0 && i < v->nr; i++)
		r = output_text(o, i + 1, v->value[i].json ? v->value[i].json : v->value[i].text);
	if (r == 0)
		r = output_print(o);
	output_free(o);
	return r;
}

static int get(const struct cli *cli, const struct group *g, char **typed, size_t nr)
{
	struct values v = {0};
	int status = nr ? read_named(&v, g, typed, nr) : read_all(&v, g);

	if (status == CLI_OK && cli->json) {
		int r = print_json(&v, g);

		if (r < 0)
			status = cli_failure(&verb_get, "%s: %s", g->name, strerror(-r));
	} else if (status == CLI_OK) {
		print_text(&v, nr == 1);
	}
	values_clear(&v);
	return status;
}

static int get_main(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {CLI_LONG_OPTIONS};
	struct group *g = NULL;
	int c, status;

	while ((c = getopt_long(argc, argv, CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		status = cli_option(cli, &verb_get, c);
		if (status != CLI_GO_ON)
			return status;
	}
	if (optind == argc)
		return cli_usage(&verb_get, "no group given");
	status = group_open_typed(&g, cli, &verb_get, argv[optind]);
	if (status == CLI_OK)
		status = get(cli, g, argv + optind + 1, (size_t)(argc - optind - 1));
	group_free(g);
	return status;
}

const struct cli_verb verb_get = {
	.name = "get",
	.synopsis = "[options] <group> [<file>...]",
	.summary = "Print control files, or all of a group's memory files",
	.json = true,
	.run = get_main,
};
