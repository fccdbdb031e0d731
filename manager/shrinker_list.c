// SPDX-License-Identifier: GPL-2.0-or-later
/* Text of mempressure.shrinker: who could free how much. Any thread, without the lock. */
#include <inttypes.h>
#include <stdio.h>

#include "manager/manager_private.h"
#include "manager/pid_namespace.h"
#include "util/util.h"

struct entry {
	pid_t tgid;
	int number;
	uint64_t eventfd_id, chunk_bytes, chunks, nr_asked;
};

static int copy_entries(struct manager *m, uint64_t id, struct entry **ret, size_t *ret_nr)
{
	const struct listener *l;
	struct entry *entries = NULL;
	const struct group *g;
	size_t nr = 0;
	int r = -ENODEV;

	manager_rdlock(m);
	g = manager_group(m, id);
	if (g) {
		DL_FOREACH (g->listeners, l)
			nr += l->record->kind == LISTENER_SHRINKER;
		entries = calloc(nr + 1, sizeof(*entries));
		r = entries ? 0 : -ENOMEM;
		nr = 0;
	}
	for (l = r ? NULL : g->listeners; l; l = l->next) {
		struct listener_record *rec = l->record;

		if (rec->kind == LISTENER_SHRINKER)
			entries[nr++] = (struct entry){
				rec->tgid,
				__atomic_load_n(&rec->number, __ATOMIC_RELAXED),
				rec->eventfd_id,
				rec->value,
				atomic_get(&rec->chunks),
				atomic_get(&rec->nr_asked),
			};
	}
	manager_unlock(m);
	*ret = entries;
	*ret_nr = nr;
	return r;
}

/* Those whose owners have gone are gone, too. */
static void print(FILE *f, struct entry *entries, size_t nr, pid_t reader)
{
	cleanup_close int ns = pid_namespace_open(reader);
	unsigned looks = EVENTFD_MAX_LOOKS;

	for (size_t i = 0; i < nr; i++) {
		struct entry *e = &entries[i];

		if (!eventfd_is_held(e->tgid, &e->number, e->eventfd_id, &looks))
			continue;
		fprintf(f, "%d %d %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
			ns < 0 ? e->tgid : pid_in_namespace(ns, e->tgid), e->number, e->chunk_bytes,
			e->chunks, e->nr_asked);
	}
}

int group_shrinkers(struct manager *m, uint64_t id, pid_t reader, char **ret, size_t *ret_len)
{
	cleanup_free struct entry *entries = NULL;
	size_t nr;
	FILE *f;
	int r = copy_entries(m, id, &entries, &nr);

	if (r)
		return r;
	f = open_memstream(ret, ret_len);
	if (!f)
		return -ENOMEM;
	print(f, entries, nr, reader);
	return fclose(f) ? -ENOMEM : 0;
}
