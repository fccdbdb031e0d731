// SPDX-License-Identifier: GPL-2.0-or-later
/* Kept texts of figures. One mutex, held for a copy at most. Any thread. */
#include "fs/figures.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "util/util.h"

#define GOOD_FOR_FACTOR 10

/* A text is below 4 KiB: those of 500 groups' files. */
#define FIGURES_MAX_BYTES ((size_t)2 << 20)

struct figure {
	uint64_t key, until_nsec;
	size_t len;
	UT_hash_handle hh;
	char text[];
};

struct figures {
	pthread_mutex_t lock;
	struct figure *by_key; /* oldest first: uthash keeps the order of insertion */
	size_t bytes;
	uint64_t nr_forgotten, max_nsec;
};

int figures_new(struct figures **ret, uint64_t max_nsec)
{
	struct figures *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	pthread_mutex_init(&f->lock, NULL);
	f->max_nsec = max_nsec;
	*ret = f;
	return 0;
}

static void drop(struct figures *f, struct figure *x)
{
	HASH_DEL(f->by_key, x);
	f->bytes -= sizeof(*x) + x->len;
	free(x);
}

struct figures *figures_free(struct figures *f)
{
	if (!f)
		return NULL;
	figures_forget(f);
	pthread_mutex_destroy(&f->lock);
	free(f);
	return NULL;
}

static struct figure *find(struct figures *f, uint64_t key)
{
	struct figure *x;

	HASH_FIND(hh, f->by_key, &key, sizeof(key), x);
	return x;
}

uint64_t figures_begin(struct figures *f)
{
	uint64_t nr;

	pthread_mutex_lock(&f->lock);
	nr = f->nr_forgotten;
	pthread_mutex_unlock(&f->lock);
	return nr;
}

bool figures_get(struct figures *f, uint64_t key, char **ret, size_t *ret_len)
{
	struct figure *x;
	char *copy = NULL;

	pthread_mutex_lock(&f->lock);
	x = find(f, key);
	if (x && now_nsec() < x->until_nsec)
		copy = malloc(MAX(x->len, (size_t)1));
	if (copy) {
		memcpy(copy, x->text, x->len);
		*ret_len = x->len;
	}
	pthread_mutex_unlock(&f->lock);
	if (copy)
		*ret = copy;
	return copy;
}

void figures_put(struct figures *f, uint64_t key, const char *text, size_t len, uint64_t took_nsec,
		 uint64_t begun)
{
	struct figure *fresh = NULL, *old;

	if (len <= FIGURES_MAX_BYTES - sizeof(*fresh))
		fresh = malloc(sizeof(*fresh) + len);
	if (!fresh)
		return;
	fresh->key = key;
	fresh->len = len;
	fresh->until_nsec = now_nsec() + MIN(took_nsec * GOOD_FOR_FACTOR, f->max_nsec);
	memcpy(fresh->text, text, len);
	pthread_mutex_lock(&f->lock);
	if (f->nr_forgotten != begun) { /* it may be of before that */
		pthread_mutex_unlock(&f->lock);
		free(fresh);
		return;
	}
	old = find(f, key);
	if (old)
		drop(f, old);
	while (f->by_key && f->bytes + sizeof(*fresh) + len > FIGURES_MAX_BYTES)
		drop(f, f->by_key);
	HASH_ADD(hh, f->by_key, key, sizeof(fresh->key), fresh);
	f->bytes += sizeof(*fresh) + len;
	pthread_mutex_unlock(&f->lock);
}

void figures_forget(struct figures *f)
{
	pthread_mutex_lock(&f->lock);
	f->nr_forgotten++;
	while (f->by_key)
		drop(f, f->by_key);
	pthread_mutex_unlock(&f->lock);
}
