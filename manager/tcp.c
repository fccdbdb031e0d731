// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What TCP sockets hold, as the lease's mechanism sees it. In bytes. Any thread, without the lock,
 * but group_set_tcp_limit(): the manager's loop.
 */
#include <fcntl.h>
#include <string.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

/*
 * "TCP: inuse 5 orphan 0 tw 0 alloc 7 mem 1": pages, of all network namespaces. Each CPU may keep
 * back a MiB either way (SK_MEMORY_PCPU_RESERVE): for want of something better.
 */
static uint64_t machine_tcp_bytes(void)
{
	char text[1024];
	const char *at;

	if (read_file_at(AT_FDCWD, "/proc/net/sockstat", text, sizeof(text)) < 0)
		return 0;
	at = strstr(text, "TCP: ");
	at = at ? strstr(at, " mem ") : NULL;
	return at ? pages_to_bytes(strtoull(at + strlen(" mem "), NULL, 10)) : 0;
}

static int find_slot(struct manager *m, uint64_t id, uint32_t *ret)
{
	const struct group *g;

	manager_rdlock(m);
	g = manager_group(m, id);
	if (g)
		*ret = g->slot;
	manager_unlock(m);
	return g ? 0 : -ENODEV;
}

static int publish(struct manager *m, uint64_t id, uint64_t bytes)
{
	struct group *g;

	manager_rdlock(m);
	g = manager_group(m, id);
	if (g)
		counter_publish(&g->record->tcp, bytes);
	manager_unlock(m);
	return g ? 0 : -ENODEV;
}

int group_tcp_bytes(struct manager *m, uint64_t id, uint64_t *ret)
{
	uint64_t bytes = 0;
	uint32_t slot;
	int r = find_slot(m, id, &slot);

	if (r)
		return r;
	r = lease_tcp_bytes(m->lease, slot, &bytes);
	if (r) {
		log_debug("TCP sockets of members are not known, taken for none: %s", strerror(-r));
		bytes = slot ? 0 : machine_tcp_bytes();
	}
	r = publish(m, id, bytes);
	if (!r)
		*ret = bytes;
	return r;
}

int group_set_tcp_limit(struct manager *m, struct group *g, uint64_t bytes)
{
	(void)m;
	if (!g->parent)
		return -EINVAL;
	atomic_put(&g->record->tcp.limit, pages_to_bytes(bytes_to_pages(bytes)));
	return 0;
}
