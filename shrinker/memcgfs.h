/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libmemcgfs: an application's caches as a memory control group sees them. The application says how
 * many chunks it could free, and is asked to free some before anything of its group is paged out.
 *
 * Functions return 0 or -errno, and leave what they would have set untouched on failure; without a
 * daemon, -EOPNOTSUPP; so they say of a client or a shrinker that is NULL, because there was none
 * when it was opened. The library prints nothing, starts no thread and handles no signal. A client
 * belongs to one thread, but for memcg_shrinker_adjust().
 */
#ifndef MEMCGFS_H
#define MEMCGFS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct memcg_client;
struct memcg_shrinker;

/*
 * A client of one group: a path below the tree's root, or NULL for the group that this process is
 * in now. The tree is the one at $MEMCGFS_MOUNT if that is set, else the mounted one.
 */
int memcg_client_open(struct memcg_client **ret, const char *group);
/* Takes NULL, returns NULL. Shrinkers that there are still go on living, and are not asked. */
struct memcg_client *memcg_client_unref(struct memcg_client *c);

/* A descriptor to poll for POLLIN; then call memcg_client_dispatch(). */
int memcg_client_get_fd(struct memcg_client *c);
/* Calls the functions below for what has come. Does not wait for anything to come. */
int memcg_client_dispatch(struct memcg_client *c);

/* Free `want` chunks: returns how many were really freed. What was not is offered again by the
 * library. */
typedef uint64_t (*memcg_free_fn)(uint64_t want, void *userdata);

/*
 * A cache of chunks of chunk_bytes each, more or less. name tells it from others of this client:
 * -EEXIST. It begins without chunks.
 */
int memcg_shrinker_new(struct memcg_client *c, struct memcg_shrinker **ret, const char *name,
		       uint64_t chunk_bytes, memcg_free_fn fn, void *userdata);
/*
 * So many more chunks could be freed, or fewer. Chunks freed by the function above are not to be
 * subtracted. Any thread. On failure the number is noted, and told to the next daemon.
 */
int memcg_shrinker_adjust(struct memcg_shrinker *s, int64_t chunks);
struct memcg_shrinker *memcg_shrinker_unref(
	struct memcg_shrinker *s); /* takes NULL, returns NULL */

/* How hard the group's memory is being reclaimed: mempressure.level. */
enum memcg_level { MEMCG_LEVEL_LOW, MEMCG_LEVEL_MEDIUM, MEMCG_LEVEL_OOM };
typedef void (*memcg_level_fn)(enum memcg_level level, void *userdata);

/* Have fn called when there is reclaim; NULL: no more. */
int memcg_client_on_level(struct memcg_client *c, memcg_level_fn fn, void *userdata);

#ifdef __cplusplus
}
#endif

#endif
