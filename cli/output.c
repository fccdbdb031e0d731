/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables and JSON from one list of columns (libsmartcols). Single-threaded. */
#include <inttypes.h>
#include <stdio.h>

#include <libsmartcols.h>

#include "cli/output.h"
#include "cli/size.h"
#include "util/util.h"

struct output {
	struct libscols_table *table;
	struct libscols_line *line;
	const struct output_column *columns;
	size_t nr_columns;
	bool json, exact;
};

static int add_column(struct output *o, const struct output_column *c)
{
	bool right = c->type == OUTPUT_NUMBER || c->type == OUTPUT_SIZE;
	struct libscols_column *column =
		scols_table_new_column(o->table, c->name, 0, right ? SCOLS_FL_RIGHT : 0);

	if (!column)
		return -ENOMEM;
	return scols_column_set_json_type(column, c->type == OUTPUT_TEXT ? SCOLS_JSON_STRING
									 : SCOLS_JSON_NUMBER);
}

int output_new(struct output **ret, const char *title, const struct output_column *columns,
	       size_t nr_columns, bool json, bool exact)
{
	struct output *o = calloc(1, sizeof(*o));
	int r = 0;

	if (!o)
		return -ENOMEM;
	*o = (struct output){
		.table = scols_new_table(),
		.columns = columns,
		.nr_columns = nr_columns,
		.json = json,
		.exact = exact,
	};
	if (!o->table || scols_table_set_name(o->table, title) < 0 ||
	    scols_table_enable_json(o->table, json) < 0)
		r = -ENOMEM;
	for (size_t i = 0; r == 0 && i < nr_columns; i++)
		r = add_column(o, &columns[i]);
	if (r < 0) {
		output_free(o);
		return r;
	}
	*ret = o;
	return 0;
}

struct output *output_free(struct output *o)
{
	if (!o)
		return NULL;
	scols_unref_table(o->table);
	free(o);
	return NULL;
}

int output_row(struct output *o)
{
	int r = 0;

	o->line = scols_table_new_line(o->table, NULL);
	if (!o->line)
		return -ENOMEM;
	for (size_t i = 0; !o->json && r == 0 && i < o->nr_columns; i++)
		r = scols_line_set_data(o->line, i, "-");
	return r;
}

int output_text(struct output *o, size_t column, const char *text)
{
	return scols_line_set_data(o->line, column, text);
}

int output_number(struct output *o, size_t column, uint64_t value)
{
	bool size = o->columns[column].type == OUTPUT_SIZE;
	char text[SIZE_TEXT];

	if (size && o->json && size_is_unlimited(value))
		return 0; /* null */
	if (size && !o->json && (!o->exact || size_is_unlimited(value)))
		size_format(value, text);
	else
		snprintf(text, sizeof(text), "%" PRIu64, value);
	return scols_line_set_data(o->line, column, text);
}

int output_print(struct output *o)
{
	return scols_print_table(o->table);
}
