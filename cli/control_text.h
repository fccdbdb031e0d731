/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of a control file as JSON. Any thread. */
#ifndef MEMCGFS_CLI_CONTROL_TEXT_H
#define MEMCGFS_CLI_CONTROL_TEXT_H

#include <stdbool.h>

/*
 * *ret, malloc'd:
 *   one number                                       the number
 *   several numbers, or list (a file of pids)        an array of numbers
 *   lines of "key number"                            an object of numbers
 *   lines of "key=number ..." or "key a=number ..."  an object of objects, by key
 *   anything else                                    NULL: a string
 * Numbers keep all their digits. 0 or -ENOMEM.
 */
int control_text_to_json(const char *text, bool list, char **ret);

#endif
