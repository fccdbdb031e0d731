// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A client of libmemcgfs: what it polls, and what it does when there is something. Whether the
 * daemon is another one than before is looked at when the mount table has changed: the kernel makes
 * /proc/self/mounts poll for that.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "shrinker/client.h"

static const char *const level_names[CLIENT_NR_LEVELS] = {"low", "medium", "oom"};

/* ---- registering ---- */

static int register_levels(struct memcg_client *c)
{
	for (int i = 0; i < CLIENT_NR_LEVELS; i++) {
		int r = c->level_efd[i] < 0
				? 0
				: memcg__group_register(c->dir, "mempressure.level",
							c->level_efd[i], level_names[i]);

		if (r && r != -EEXIST)
			return r;
	}
	return 0;
}

/* The directory may be another now: the tree is mounted elsewhere, or our group was. */
int memcg__client_register_all(struct memcg_client *c)
{
	struct memcg_shrinker *s;
	bool unique;
	char *dir;
	int r = memcg__group_find_dir(c->group, &dir);

	c->mount_id = 0;
	if (r)
		return r;
	free(c->dir);
	c->dir = dir;
	DL_FOREACH (c->shrinkers, s) {
		r = memcg__shrinker_register(s);
		if (r)
			return r;
	}
	r = register_levels(c);
	if (!r)
		c->mount_id = memcg__group_mount_id(dir, &unique);
	return r;
}

static bool mounts_changed(const struct memcg_client *c)
{
	struct pollfd p = {.fd = c->check_fd, .events = POLLPRI};

	return poll(&p, 1, 0) > 0;
}

/* Is it the mount that all are registered at? Where a number says nothing it may be another as soon
 * as the table has changed, and what the daemon knows already it says. */
static int check_mount(struct memcg_client *c)
{
	bool unique = false, changed = mounts_changed(c);
	uint64_t id;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	id = memcg__group_mount_id(c->dir, &unique);
	if (!c->mount_id || c->mount_id != id || (changed && !unique))
		r = memcg__client_register_all(c);
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* ---- what has come ---- */

/* NULL once it has ended: a function that was called before may have done that. */
static struct memcg_shrinker *find_shrinker(struct memcg_client *c, uint64_t id)
{
	struct memcg_shrinker *s;

	DL_FOREACH (c->shrinkers, s)
		if (s->id == id)
			return s;
	return NULL;
}

/* Chunks that it did not free it is asked for again; those it freed on top it offers no more. */
static int ask_shrinker(struct memcg_shrinker *s)
{
	struct memcg_client *c = s->client;
	uint64_t freed, id = s->id;
	eventfd_t want;

	if (eventfd_read(s->efd, &want))
		return 0;
	pthread_mutex_lock(&c->lock); /* as the daemon sees it */
	s->offered -= (int64_t)want < s->offered ? (int64_t)want : s->offered;
	pthread_mutex_unlock(&c->lock);
	freed = s->fn(want, s->userdata);
	s = find_shrinker(c, id);
	return !s || freed == want ? 0 : memcg_shrinker_adjust(s, (int64_t)(want - freed));
}

static void tell_level(struct memcg_client *c)
{
	int level = -1;
	eventfd_t value;

	for (int i = 0; i < CLIENT_NR_LEVELS; i++)
		if (c->level_efd[i] >= 0 && !eventfd_read(c->level_efd[i], &value))
			level = i;
	if (level >= 0 && c->level_fn)
		c->level_fn((enum memcg_level)level, c->level_userdata);
}

#define DISPATCH_MAX 32 /* the rest is still there the next time */

int memcg_client_dispatch(struct memcg_client *c)
{
	struct epoll_event events[DISPATCH_MAX];
	int nr, r;

	if (!c)
		return -EOPNOTSUPP;
	nr = epoll_wait(c->epoll_fd, events, DISPATCH_MAX, 0);
	if (nr < 0)
		return errno == EINTR ? 0 : -errno;
	/* Whoever polled our descriptor took the mount table's event: it is not among these. */
	r = check_mount(c);
	c->nr_refs++;
	for (int i = 0; i < nr; i++) {
		struct memcg_shrinker *s = find_shrinker(c, events[i].data.u64);
		int error = s ? ask_shrinker(s) : 0;

		if (events[i].data.u64 == CLIENT_LEVELS)
			tell_level(c);
		r = r ? r : error;
	}
	memcg__client_put(c);
	return r;
}

int memcg__client_watch(struct memcg_client *c, int fd, uint64_t id)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = id};

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

void memcg__client_unwatch(struct memcg_client *c, int fd)
{
	epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

int memcg_client_get_fd(struct memcg_client *c)
{
	return c ? c->epoll_fd : -EOPNOTSUPP;
}

/* ---- levels: under the lock ---- */

static void levels_close(struct memcg_client *c)
{
	for (int i = 0; i < CLIENT_NR_LEVELS; i++) {
		if (c->level_efd[i] < 0)
			continue;
		memcg__client_unwatch(c, c->level_efd[i]);
		close(c->level_efd[i]);
		c->level_efd[i] = -1;
	}
}

static int levels_open(struct memcg_client *c)
{
	for (int i = 0; i < CLIENT_NR_LEVELS; i++) {
		int r;

		c->level_efd[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (c->level_efd[i] < 0)
			return -errno;
		r = memcg__client_watch(c, c->level_efd[i], CLIENT_LEVELS);
		if (r)
			return r;
	}
	return 0;
}

int memcg_client_on_level(struct memcg_client *c, memcg_level_fn fn, void *userdata)
{
	int r = 0;

	if (!c)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&c->lock);
	if (fn && c->level_efd[0] < 0) {
		r = levels_open(c);
		if (!r)
			r = register_levels(c);
	}
	if (!fn || (r && !c->level_fn))
		levels_close(c);
	pthread_mutex_unlock(&c->lock);
	if (r)
		return r;
	c->level_fn = fn;
	c->level_userdata = userdata;
	return 0;
}

/* ---- the client ---- */

struct memcg_client *memcg__client_put(struct memcg_client *c)
{
	if (--c->nr_refs)
		return NULL;
	levels_close(c);
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	if (c->mounts_fd >= 0)
		close(c->mounts_fd);
	if (c->check_fd >= 0)
		close(c->check_fd);
	pthread_mutex_destroy(&c->lock);
	free(c->group);
	free(c->dir);
	free(c);
	return NULL;
}

static int watch_mounts(struct memcg_client *c)
{
	struct epoll_event event = {.events = EPOLLPRI, .data.u64 = CLIENT_MOUNTS};

	c->mounts_fd = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
	c->check_fd = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
	if (c->mounts_fd < 0 || c->check_fd < 0)
		return -errno;
	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, c->mounts_fd, &event) ? -errno : 0;
}

static int client_open_fds(struct memcg_client *c)
{
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0)
		return -errno;
	return watch_mounts(c);
}

int memcg_client_open(struct memcg_client **ret, const char *group)
{
	struct memcg_client *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	*c = (struct memcg_client){
		.nr_refs = 1,
		.epoll_fd = -1,
		.mounts_fd = -1,
		.check_fd = -1,
		.last_id = CLIENT_FIRST_SHRINKER,
	};
	for (int i = 0; i < CLIENT_NR_LEVELS; i++)
		c->level_efd[i] = -1;
	pthread_mutex_init(&c->lock, NULL);
	c->group = group ? strdup(group) : NULL;
	r = group && !c->group ? -ENOMEM : client_open_fds(c);
	if (!r)
		r = memcg__client_register_all(c);
	if (!r && access(c->dir, F_OK))
		r = -errno;
	if (r) {
		memcg__client_put(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct memcg_client *memcg_client_unref(struct memcg_client *c)
{
	return c ? memcg__client_put(c) : NULL;
}
