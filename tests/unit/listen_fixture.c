/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/listen_fixture.h"

#include <sys/eventfd.h>

struct caller self(void)
{
	return (struct caller){.pid = getpid()};
}

int listen_as(const struct caller *who, struct group *g, int efd, const struct listener_spec *spec,
	      bool again)
{
	struct caller c = {.pid = getpid(), .uid = who->uid};
	struct eventfd_taken e;
	int r;

	CU_ASSERT_EQUAL_FATAL(eventfd_take(gettid(), efd, &e), 0);
	r = group_listen(mgr, g, spec, &c, &e, again);
	if (e.fd >= 0)
		close(e.fd);
	return r;
}

int listen_to(struct group *g, int efd, enum listener_kind kind, uint64_t value, uint32_t mode)
{
	const struct listener_spec spec = {.kind = kind, .value = value, .mode = mode};
	const struct caller root = self();

	return listen_as(&root, g, efd, &spec, false);
}

uint64_t told(int efd)
{
	eventfd_t value = 0;

	eventfd_read(efd, &value);
	return value;
}

int eventfd_new(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void let_go(int efd)
{
	close(efd);
	for (size_t i = 0; i < STATE_MAX_LISTENERS; i++)
		if (mgr->listeners[i] && mgr->listeners[i]->record->number == efd)
			mgr->listeners[i]->record->tgid = INT32_MAX;
}
