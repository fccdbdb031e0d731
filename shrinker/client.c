// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A client of libmemcgfs: what it polls, and what it does when there is something. Whether the
 * daemon is another one than before is looked at when the mount table has changed: the kernel makes
 * /proc/self/mounts poll for that.
 */
#include <errno.h>
#include <fcntl.h>
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
	int r = 0;

	for (int i = 0; !r && i < CLIENT_NR_LEVELS; i++)
		if (c->level_efd[i] >= 0)
			r = memcg__group_register(c->dir, "mempressure.level", c->level_efd[i],
						  level_names[i]);
	return r;
}

/* The directory may be another now: the tree is mounted elsewhere, or our group was. */
int memcg__client_register_all(struct memcg_client *c)
{
	struct memcg_shrinker *s;
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
		c->mount_id = memcg__group_mount_id(dir);
	return r;
}

/* Is it the mount that all are registered at? */
static int check_mount(struct memcg_client *c)
{
	int r = 0;

	pthread_mutex_lock(&c->lock);
	if (!c->mount_id || c->mount_id != memcg__group_mount_id(c->dir))
		r = memcg__client_register_all(c);
	pthread_mutex_unlock(&c->lock);
	return r;
}

/* ---- what has come ---- */

/* Chunks that it did not free it is asked for again; those it freed on top it offers no more. */
static int ask_shrinker(struct memcg_shrinker *s)
{
	struct memcg_client *c = s->client;
	eventfd_t want;
	uint64_t freed;

	if (eventfd_read(s->efd, &want))
		return 0;
	pthread_mutex_lock(&c->lock); /* as the daemon sees it */
	s->offered -= (int64_t)want < s->offered ? (int64_t)want : s->offered;
	pthread_mutex_unlock(&c->lock);
	freed = s->fn(want, s->userdata);
	return freed == want ? 0 : memcg_shrinker_adjust(s, (int64_t)(want - freed));
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

/* NULL once it has ended: a function that was called before may have done that. */
static struct memcg_shrinker *find_shrinker(struct memcg_client *c, const void *what)
{
	struct memcg_shrinker *s;

	DL_FOREACH (c->shrinkers, s)
		if (s == what)
			return s;
	return NULL;
}

#define DISPATCH_MAX 32 /* the rest is still there the next time */

int memcg_client_dispatch(struct memcg_client *c)
{
	struct epoll_event events[DISPATCH_MAX];
	int nr = epoll_wait(c->epoll_fd, events, DISPATCH_MAX, 0), r;

	if (nr < 0)
		return errno == EINTR ? 0 : -errno;
	/* Whoever polled our descriptor took the mount table's event: it is not seen here again. */
	r = check_mount(c);
	c->nr_refs++;
	for (int i = 0; i < nr; i++) {
		struct memcg_shrinker *s = find_shrinker(c, events[i].data.ptr);
		int error = s ? ask_shrinker(s) : 0;

		if (events[i].data.ptr == c)
			tell_level(c);
		r = r ? r : error;
	}
	memcg__client_put(c);
	return r;
}

int memcg__client_watch(struct memcg_client *c, int fd, void *what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};

	return epoll_ctl(c->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int memcg_client_get_fd(struct memcg_client *c)
{
	return c->epoll_fd;
}

/* ---- levels ---- */

static void levels_close(struct memcg_client *c)
{
	for (int i = 0; i < CLIENT_NR_LEVELS; i++) {
		if (c->level_efd[i] >= 0)
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
		r = memcg__client_watch(c, c->level_efd[i], c);
		if (r)
			return r;
	}
	return 0;
}

int memcg_client_on_level(struct memcg_client *c, memcg_level_fn fn, void *userdata)
{
	int r = 0;

	if (fn && c->level_efd[0] < 0) {
		pthread_mutex_lock(&c->lock);
		r = levels_open(c);
		if (!r)
			r = register_levels(c);
		pthread_mutex_unlock(&c->lock);
	}
	if (!fn || (r && !c->level_fn))
		levels_close(c);
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
	pthread_mutex_destroy(&c->lock);
	free(c->group);
	free(c->dir);
	free(c);
	return NULL;
}

static int watch_mounts(struct memcg_client *c)
{
	struct epoll_event event = {.events = EPOLLPRI, .data.ptr = NULL};

	c->mounts_fd = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC);
	if (c->mounts_fd < 0)
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
	*c = (struct memcg_client){.nr_refs = 1, .epoll_fd = -1, .mounts_fd = -1};
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
