// SPDX-License-Identifier: LGPL-2.1-or-later
/* A shrinker of libmemcgfs: how many chunks it offers, here and at the daemon. In chunks. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shrinker/client.h"

int memcg__shrinker_register(struct memcg_shrinker *s)
{
	char size[32];
	int r;

	snprintf(size, sizeof(size), "%" PRIu64, s->chunk_bytes);
	r = memcg__group_register(s->client->dir, "mempressure.shrinker", s->efd, size);
	if (r == -EEXIST) /* the daemon knows it, and how many it offers */
		return 0;
	return r || !s->offered ? r : memcg__group_add_chunks(s->client->dir, s->efd, s->offered);
}

static struct memcg_shrinker *shrinker_free(struct memcg_shrinker *s)
{
	if (s->efd >= 0)
		close(s->efd);
	free(s->name);
	free(s);
	return NULL;
}

static struct memcg_shrinker *shrinker_alloc(const char *name)
{
	struct memcg_shrinker *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->name = strdup(name);
	s->efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return s->name && s->efd >= 0 ? s : shrinker_free(s);
}

static bool has_name(const struct memcg_client *c, const char *name)
{
	const struct memcg_shrinker *s;

	DL_FOREACH (c->shrinkers, s)
		if (!strcmp(s->name, name))
			return true;
	return false;
}

/* Under the lock. */
static int shrinker_begin(struct memcg_client *c, struct memcg_shrinker *s)
{
	int r = memcg__shrinker_register(s);

	if (!r)
		r = memcg__client_watch(c, s->efd, s->id);
	if (!r)
		DL_APPEND(c->shrinkers, s);
	return r;
}

int memcg_shrinker_new(struct memcg_client *c, struct memcg_shrinker **ret, const char *name,
		       uint64_t chunk_bytes, memcg_free_fn fn, void *userdata)
{
	struct memcg_shrinker *s;
	int r;

	if (!c)
		return -EOPNOTSUPP;
	if (!name || !fn || !chunk_bytes || chunk_bytes > INT64_MAX)
		return -EINVAL;
	if (has_name(c, name))
		return -EEXIST;
	s = shrinker_alloc(name);
	if (!s)
		return -ENOMEM;
	s->client = c;
	s->id = c->last_id++;
	s->chunk_bytes = chunk_bytes;
	s->fn = fn;
	s->userdata = userdata;
	pthread_mutex_lock(&c->lock);
	r = shrinker_begin(c, s);
	pthread_mutex_unlock(&c->lock);
	if (r) {
		shrinker_free(s);
		return r;
	}
	c->nr_refs++;
	*ret = s;
	return 0;
}

/* A daemon that does not know it is another than it was registered at. */
static int tell(struct memcg_shrinker *s, int64_t chunks)
{
	struct memcg_client *c = s->client;
	int r = memcg__group_add_chunks(c->dir, s->efd, chunks);

	return r == -ENOENT || r == -ENODEV || r == -ENOTCONN || r == -EOPNOTSUPP
		       ? memcg__client_register_all(c)
		       : r;
}

int memcg_shrinker_adjust(struct memcg_shrinker *s, int64_t chunks)
{
	struct memcg_client *c;
	int r = 0;

	if (!s)
		return -EOPNOTSUPP;
	c = s->client;
	pthread_mutex_lock(&c->lock);
	if (__builtin_add_overflow(s->offered, chunks, &s->offered))
		s->offered = chunks < 0 ? 0 : INT64_MAX;
	if (s->offered < 0)
		s->offered = 0;
	if (chunks)
		r = tell(s, chunks);
	pthread_mutex_unlock(&c->lock);
	return r;
}

struct memcg_shrinker *memcg_shrinker_unref(struct memcg_shrinker *s)
{
	struct memcg_client *c;

	if (!s)
		return NULL;
	c = s->client;
	pthread_mutex_lock(&c->lock);
	DL_DELETE(c->shrinkers, s);
	/* Closed here it is closed for good: the daemon sees that before it asks. */
	memcg__client_unwatch(c, s->efd);
	shrinker_free(s);
	pthread_mutex_unlock(&c->lock);
	memcg__client_put(c);
	return NULL;
}
