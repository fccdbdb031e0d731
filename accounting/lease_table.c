// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a server must leave to the next one where no map in the kernel does: slots, members, and how
 * far each thread's events were read. Anonymous shared memory, made before the first fork. Thread:
 * the manager's loop.
 */
#include <string.h>
#include <sys/mman.h>

#include "accounting/lease_signal.h"
#include "util/util.h"

struct lease_table *lease_table_new(void)
{
	void *t = mmap(NULL, sizeof(struct lease_table), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return t == MAP_FAILED ? NULL : t;
}

struct lease_table *lease_table_free(struct lease_table *t)
{
	if (t)
		munmap(t, sizeof(*t));
	return NULL;
}

struct shared_member *lease_table_add_member(struct lease_table *t, pid_t tgid, uint32_t slot)
{
	uint32_t i = t->first_free_member;

	while (i < t->nr_members && t->members[i].tgid)
		i++;
	t->first_free_member = i;
	if (i == LEASE_MAX_MEMBERS)
		return NULL;
	t->members[i].member = (struct lease_member){.slot = slot};
	t->members[i].tgid = tgid;
	t->nr_members = MAX(t->nr_members, i + 1);
	return &t->members[i];
}

void lease_table_remove_member(struct lease_table *t, struct shared_member *m)
{
	m->tgid = 0;
	t->first_free_member = MIN(t->first_free_member, (uint32_t)(m - t->members));
}

struct shared_member *lease_table_find_member(struct lease_table *t, pid_t tgid)
{
	for (uint32_t i = 0; i < t->nr_members; i++)
		if (t->members[i].tgid == tgid)
			return &t->members[i];
	return NULL;
}

struct shared_thread *lease_table_add_thread(struct lease_table *t, uint64_t id, pid_t tgid)
{
	uint32_t i = t->first_free_thread;

	while (i < t->nr_threads && t->threads[i].id)
		i++;
	t->first_free_thread = i;
	if (i == LEASE_MAX_THREADS)
		return NULL;
	t->threads[i] = (struct shared_thread){.id = id, .tgid = tgid};
	t->nr_threads = MAX(t->nr_threads, i + 1);
	return &t->threads[i];
}

void lease_table_remove_thread(struct lease_table *t, struct shared_thread *s)
{
	s->id = 0;
	t->first_free_thread = MIN(t->first_free_thread, (uint32_t)(s - t->threads));
}

struct shared_thread *lease_table_find_thread(struct lease_table *t, uint64_t id)
{
	for (uint32_t i = 0; i < t->nr_threads; i++)
		if (t->threads[i].id == id)
			return &t->threads[i];
	return NULL;
}
