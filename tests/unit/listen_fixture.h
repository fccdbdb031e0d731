/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Listeners on eventfds of this process's own. Sizes in pages. */
#ifndef MEMCGFS_LISTEN_FIXTURE_H
#define MEMCGFS_LISTEN_FIXTURE_H

#include "tests/unit/manager_fixture.h"

struct caller self(void);
/* One more registration of the eventfd. */
int listen_as(const struct caller *who, struct group *g, int efd, const struct listener_spec *spec,
	      bool again);
int listen_to(struct group *g, int efd, enum listener_kind kind, uint64_t value, uint32_t mode);
/* What was added to it since the last look. */
uint64_t told(int efd);
int eventfd_new(void);
/* Its owner lets go. What the manager has of it is open in this very process: so it is another that
 * had it, and has ended. */
void let_go(int efd);

#endif
