/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Texts of files whose making takes a look at each member, for a while: ten times as long as they
 * took, up to a bound. So whoever reads one over and over takes a tenth of a CPU for it at most,
 * has most answers at once, and what a small group uses is never older than some 100 us. Any
 * thread.
 */
#ifndef MEMCGFS_FIGURES_H
#define MEMCGFS_FIGURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct figures;

/* max_nsec: how long a text is good at most. 0 or -ENOMEM. */
int figures_new(struct figures **ret, uint64_t max_nsec);
struct figures *figures_free(struct figures *f); /* NULL-safe, returns NULL */

/* A malloc'd copy of what is kept for key; false: nothing, or not any more. */
bool figures_get(struct figures *f, uint64_t key, char **ret, size_t *ret_len);
/*
 * Keep a copy of text, which took so long to make; begun: of figures_begin(), before that, so that
 * what was forgotten meanwhile is not kept. Without memory for it nothing is kept.
 */
uint64_t figures_begin(struct figures *f);
void figures_put(struct figures *f, uint64_t key, const char *text, size_t len, uint64_t took_nsec,
		 uint64_t begun);
/* Something was changed: all are made anew. */
void figures_forget(struct figures *f);

#endif
