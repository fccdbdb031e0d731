// SPDX-License-Identifier: GPL-2.0-or-later
/* Texts of open files between two reads of them. One mutex, held for a copy at most. Any thread. */
#include "fs/snapshot.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "util/util.h"

/*
 * What all open files together may keep, in bytes. A text of ours is below 4 KiB but for tasks, so
 * this is 2,000 open files or the list of a million threads.
 */
#define SNAPSHOTS_MAX_BYTES ((size_t)8 << 20)

struct snapshot {
	uint64_t handle;
	size_t len;
	UT_hash_handle hh;
	char text[];
};

struct snapshots {
	pthread_mutex_t lock;
	struct snapshot *by_handle; /* oldest first: uthash keeps the order of insertion */
	size_t bytes;
};

int snapshots_new(struct snapshots **ret)
{
	struct snapshots *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return 0;
}

static size_t cost(const struct snapshot *entry)
{
	return sizeof(*entry) + entry->len;
}

static void forget(struct snapshots *s, struct snapshot *entry)
{
	HASH_DEL(s->by_handle, entry);
	s->bytes -= cost(entry);
	free(entry);
}

struct snapshots *snapshots_free(struct snapshots *s)
{
	if (!s)
		return NULL;
	while (s->by_handle)
		forget(s, s->by_handle);
	pthread_mutex_destroy(&s->lock);
	free(s);
	return NULL;
}

static struct snapshot *find(struct snapshots *s, uint64_t handle)
{
	struct snapshot *entry;

	HASH_FIND(hh, s->by_handle, &handle, sizeof(handle), entry);
	return entry;
}

void snapshot_drop(struct snapshots *s, uint64_t handle)
{
	struct snapshot *entry;

	pthread_mutex_lock(&s->lock);
	entry = find(s, handle);
	if (entry)
		forget(s, entry);
	pthread_mutex_unlock(&s->lock);
}

void snapshot_put(struct snapshots *s, uint64_t handle, const char *text, size_t len)
{
	struct snapshot *entry = NULL, *old;

	if (len <= SNAPSHOTS_MAX_BYTES - sizeof(*entry))
		entry = malloc(sizeof(*entry) + len);
	if (entry) {
		entry->handle = handle;
		entry->len = len;
		memcpy(entry->text, text, len);
	}

	pthread_mutex_lock(&s->lock);
	old = find(s, handle);
	if (old)
		forget(s, old);
	if (entry) {
		while (s->by_handle && s->bytes + cost(entry) > SNAPSHOTS_MAX_BYTES)
			forget(s, s->by_handle);
		HASH_ADD(hh, s->by_handle, handle, sizeof(entry->handle), entry);
		s->bytes += cost(entry);
	}
	pthread_mutex_unlock(&s->lock);
}

bool snapshot_get(struct snapshots *s, uint64_t handle, size_t offset, size_t size, char **ret,
		  size_t *ret_len)
{
	struct snapshot *entry;
	char *copy = NULL;
	size_t len = 0;

	pthread_mutex_lock(&s->lock);
	entry = find(s, handle);
	if (entry) {
		offset = MIN(offset, entry->len);
		len = MIN(size, entry->len - offset);
		copy = malloc(MAX(len, (size_t)1));
		if (copy)
			memcpy(copy, entry->text + offset, len);
	}
	pthread_mutex_unlock(&s->lock);
	if (!copy)
		return false;
	*ret = copy;
	*ret_len = len;
	return true;
}
