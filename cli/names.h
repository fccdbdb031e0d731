/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names in a group's directory: groups below it, control files. Single-threaded. */
#ifndef MEMCGFS_CLI_NAMES_H
#define MEMCGFS_CLI_NAMES_H

#include "cli/group.h"

/* Sorted and malloc'd, to be freed with names_free(). 0, or -errno: -E2BIG beyond 65536. */
int group_children(const struct group *g, char ***ret, size_t *ret_nr);
int group_files(const struct group *g, char ***ret, size_t *ret_nr);

char **names_free(char **names, size_t nr); /* NULL-safe, returns NULL */

#endif
