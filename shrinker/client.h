/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of libmemcgfs. Names begin with memcg__, for who links the static library. No
 * descriptor below the mount is kept open: a client does not keep a daemon from being unmounted.
 */
#ifndef MEMCGFS_CLIENT_H
#define MEMCGFS_CLIENT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <utlist.h>

#include "shrinker/memcgfs.h"

#define CLIENT_NR_LEVELS (MEMCG_LEVEL_OOM + 1)

struct memcg_shrinker {
	struct memcg_client *client;
	struct memcg_shrinker *prev, *next;
	char *name;
	uint64_t chunk_bytes;
	memcg_free_fn fn;
	void *userdata;
	int efd;
	int64_t offered; /* chunks; under the client's lock */
};

struct memcg_client {
	unsigned nr_refs;        /* one for itself, one for each shrinker */
	int epoll_fd, mounts_fd; /* mounts_fd tells when the mount table changes */
	char *group;             /* as it was asked for; NULL: our own */
	memcg_level_fn level_fn;
	void *level_userdata;
	int level_efd[CLIENT_NR_LEVELS]; /* -1: not listened to */
	struct memcg_shrinker *shrinkers;

	pthread_mutex_t lock; /* all that follows, and what shrinkers offer */
	char *dir;            /* the group's directory */
	uint64_t mount_id;    /* of the mount that all are registered at; 0: none */
};

/* ---- client_group.c ---- */
/* The directory of the group (NULL: our own), malloc'd. 0, -EOPNOTSUPP, -ENOENT, -ENOMEM. */
int memcg__group_find_dir(const char *group, char **ret);
/* A number for the mount that dir is in; 0: there is none. */
uint64_t memcg__group_mount_id(const char *dir);
/* "<efd> <open file> <arguments>" to the group's cgroup.event_control. */
int memcg__group_register(const char *dir, const char *file, int efd, const char *arguments);
/* "<efd> <chunks>" to its mempressure.shrinker. */
int memcg__group_add_chunks(const char *dir, int efd, int64_t chunks);

/* ---- client.c ---- */
int memcg__client_watch(struct memcg_client *c, int fd, void *what);
/* Under the lock: all of it anew, at the daemon there is now. */
int memcg__client_register_all(struct memcg_client *c);
struct memcg_client *memcg__client_put(struct memcg_client *c);

/* ---- client_shrinker.c: under the lock ---- */
int memcg__shrinker_register(struct memcg_shrinker *s);

#endif
