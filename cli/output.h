/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables and JSON from one list of columns (libsmartcols). Single-threaded. */
#ifndef MEMCGFS_CLI_OUTPUT_H
#define MEMCGFS_CLI_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum output_type {
	OUTPUT_TEXT,
	OUTPUT_NUMBER,
	OUTPUT_SIZE, /* bytes: with a unit in a table, exact in JSON; unlimited is "max", and null
			in JSON */
	OUTPUT_RAW,  /* JSON already */
};

struct output_column {
	const char *name; /* upper case; JSON has it in lower case */
	enum output_type type;
};

struct output;

/* title names the array in JSON; exact: bytes without units in tables too. columns must outlive it.
 * 0 or -errno. */
int output_new(struct output **ret, const char *title, const struct output_column *columns,
	       size_t nr_columns, bool json, bool exact);
struct output *output_free(struct output *o); /* NULL-safe, returns NULL */

/*
 * Begin a row, then fill its cells by column; a cell that is not filled is "-" in a table and null
 * in JSON. 0 or -errno.
 */
int output_row(struct output *o);
int output_text(struct output *o, size_t column, const char *text);
int output_number(struct output *o, size_t column, uint64_t value);

/* Print everything to stdout. 0 or -errno. */
int output_print(struct output *o);

#endif
