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
#include <stdio.h>

#include <utlist.h>

#include "shrinker/memcgfs.h"

#define CLIENT_NR_LEVELS (MEMCG_LEVEL_OOM + 1)

struct memcg_shrinker {
	struct memcg_client *client;
	struct memcg_shrinker *prev, *next;
	uint64_t id; /* no other of this client has, or had */
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
	int check_fd;            /* the same for ourselves, whoever polls epoll_fd */
	char *group;             /* as it was asked for; NULL: our own */
	memcg_level_fn level_fn;
	void *level_userdata;
	uint64_t last_id; /* of what is watched */

	/* All that follows, and what shrinkers offer. The client's own thread reads lists without
	 * it: no other changes them. */
	pthread_mutex_t lock;
	int level_efd[CLIENT_NR_LEVELS]; /* -1: not listened to */
	struct memcg_shrinker *shrinkers;
	char *dir;         /* the group's directory */
	uint64_t mount_id; /* of the mount that all are registered at; 0: none */
};

/* What epoll says: one of these, or a shrinker's id. */
enum client_watched { CLIENT_MOUNTS, CLIENT_LEVELS, CLIENT_FIRST_SHRINKER };

/* ---- client_mount.c ---- */
/* A tree, and what is mounted at its directory of the hierarchy under it: all malloc'd. */
struct memcg_mount {
	char *dir;
	char *root, *options; /* NULL: there is no hierarchy */
};

/* The last tree in a mountinfo(5) table (on dir, if that is not NULL), as memcgctl takes it.
 * -EOPNOTSUPP: there is none. */
int memcg__mount_find(FILE *table, const char *dir, struct memcg_mount *ret);
/* A process's path below the mount, malloc'd, by its /proc/PID/cgroup. -ENOENT: it has none there.
 */
int memcg__mount_own_path(FILE *cgroups, const struct memcg_mount *mount, char **ret);
void memcg__mount_free(struct memcg_mount *mount);

/* ---- client_group.c ---- */
/* The directory of the group (NULL: our own), malloc'd. 0, -EOPNOTSUPP, -ENOENT, -ENOMEM. */
int memcg__group_find_dir(const char *group, char **ret);
/* A number for the mount that dir is in; 0: there is none. Unless it is unique, a later mount may
 * have the same. */
uint64_t memcg__group_mount_id(const char *dir, bool *ret_unique);
/* "<efd> <open file> <arguments>" to the group's cgroup.event_control. -EEXIST: that is known. */
int memcg__group_register(const char *dir, const char *file, int efd, const char *arguments);
/* "<efd> <chunks>" to its mempressure.shrinker. */
int memcg__group_add_chunks(const char *dir, int efd, int64_t chunks);

/* ---- client.c ---- */
int memcg__client_watch(struct memcg_client *c, int fd, uint64_t id);
/* The daemon has duplicates of eventfds: closing one does not end it. */
void memcg__client_unwatch(struct memcg_client *c, int fd);
/* Under the lock: all of it anew, at the daemon there is now. */
int memcg__client_register_all(struct memcg_client *c);
struct memcg_client *memcg__client_put(struct memcg_client *c);

/* ---- client_shrinker.c: under the lock ---- */
int memcg__shrinker_register(struct memcg_shrinker *s);

#endif
