/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The mount table's parser: any text, no crash; what it finds was in the text, and a second look
 * finds the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/mount.h"
#include "util/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *find(const uint8_t *data, size_t size, bool private, int *ret_r)
{
	FILE *f = fmemopen((void *)data, size, "r");
	char *dir = NULL;

	if (!f)
		abort();
	*ret_r = mounts_find(f, private, &dir);
	fclose(f);
	if ((*ret_r == 0) != (dir != NULL))
		abort();
	return dir;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int r_public, r_any;
	cleanup_free char *public_dir = NULL, *any_dir = NULL;

	if (size == 0)
		return 0;
	public_dir = find(data, size, false, &r_public);
	any_dir = find(data, size, true, &r_any);
	if (public_dir && (r_any != 0 || strcmp(public_dir, any_dir) != 0))
		abort(); /* a tree for all goes before those of runs */
	if (public_dir && strlen(public_dir) > size)
		abort();
	if (any_dir && !*any_dir)
		abort();
	return 0;
}
