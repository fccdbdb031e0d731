// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Listeners: registrations of clients' eventfds at a group. What each is for is in the state file,
 * its eventfd with the keeper, so that both outlive this server. A listener lives as long as its
 * group, as in the kernel, but for one thing: the eventfd's last close is not seen, since it is
 * open here too. So owners are looked at when there is no room for more. Thread: the manager's
 * loop; a group's list changes under the write lock.
 */
#include "manager/guard.h"
#include "manager/keeper.h"
#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

/*
 * Of one group, and of one user but root in all groups. The kernel bounds them by a process's open
 * files, 1,024 where nothing else is set; here they are two processes' descriptors. The last ones
 * of a group and of all are root's, so that users cannot keep it from listening.
 */
#define LISTENERS_MAX_GROUP   512
#define LISTENERS_MAX_USER    1024
#define LISTENERS_GROUP_SPARE 64
#define LISTENERS_SPARE       256

/* Owners looked at when there is no room: 14 us each on an idle machine, in which no stop is
 * answered. */
#define LISTENERS_MAX_LOOKS 64

static uint64_t keeper_id(const struct manager *m, const struct listener *l)
{
	return KEEPER_LISTENER | (uint64_t)(l->record - m->state->listener);
}

/* ---- lists ---- */

/* fd is the new listener's. NULL: no memory. */
static struct listener *listener_link(struct manager *m, struct group *g,
				      struct listener_record *rec, int fd)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	*l = (struct listener){.record = rec, .fd = fd, .group = g};
	m->listeners[rec - m->state->listener] = l;
	manager_wrlock(m);
	DL_APPEND(g->listeners, l);
	manager_unlock(m);
	g->nr_listeners++;
	g->nr_thresholds += rec->kind == LISTENER_THRESHOLD;
	m->nr_thresholds += rec->kind == LISTENER_THRESHOLD;
	m->nr_shrinkers += rec->kind == LISTENER_SHRINKER;
	return l;
}

static void listener_free(struct manager *m, struct listener *l)
{
	m->listeners[l->record - m->state->listener] = NULL;
	m->nr_thresholds -= l->record->kind == LISTENER_THRESHOLD;
	m->nr_shrinkers -= l->record->kind == LISTENER_SHRINKER;
	close(l->fd);
	free(l);
}

/* It is in no group's list any more. */
static void listener_end(struct manager *m, struct listener *l)
{
	struct listener_record *rec = l->record;

	if (m->config.keeper)
		keeper_drop(m->config.keeper, keeper_id(m, l));
	listener_free(m, l);
	rec->kind = LISTENER_NONE;
}

void listener_remove(struct manager *m, struct listener *l)
{
	struct group *g = l->group;

	manager_wrlock(m);
	DL_DELETE(g->listeners, l);
	manager_unlock(m);
	g->nr_listeners--;
	g->nr_thresholds -= l->record->kind == LISTENER_THRESHOLD;
	listener_end(m, l);
}

void listeners_end(struct manager *m, struct listener *list)
{
	struct listener *l, *next;

	DL_FOREACH_SAFE (list, l, next) {
		listener_notify(l);
		listener_end(m, l);
	}
}

void listeners_free(struct manager *m)
{
	for (size_t i = 0; i < STATE_MAX_LISTENERS; i++)
		if (m->listeners[i])
			listener_free(m, m->listeners[i]);
}

/* ---- telling ---- */

/* One that is too full to be told has been told. */
void listener_notify(struct listener *l)
{
	if (!l->deaf)
		l->deaf = eventfd_add(l->fd, 1) == -EINTR;
}

void listeners_notify(struct group *top, enum listener_kind kind)
{
	for (struct group *g = top; g; g = group_next(top, g)) {
		struct listener *l;

		DL_FOREACH (g->listeners, l)
			if (l->record->kind == kind)
				listener_notify(l);
	}
}

/* ---- room for one more ---- */

bool listener_is_held(struct listener *l, unsigned *looks)
{
	struct listener_record *rec = l->record;
	int number = rec->number;
	bool held = !l->deaf && eventfd_is_held(rec->tgid, &number, rec->eventfd_id, looks);

	if (number != rec->number) /* who lists shrinkers reads it, too */
		__atomic_store_n(&rec->number, number, __ATOMIC_RELAXED);
	return held;
}

/* What bounds a registration; the last three not root's. */
enum bound { BOUND_ALL, BOUND_GROUP, BOUND_OTHERS, BOUND_GROUP_OTHERS, BOUND_USER, NR_BOUNDS };

static const unsigned bound_max[NR_BOUNDS] = {
	[BOUND_ALL] = STATE_MAX_LISTENERS,
	[BOUND_GROUP] = LISTENERS_MAX_GROUP,
	[BOUND_OTHERS] = STATE_MAX_LISTENERS - LISTENERS_SPARE,
	[BOUND_GROUP_OTHERS] = LISTENERS_MAX_GROUP - LISTENERS_GROUP_SPARE,
	[BOUND_USER] = LISTENERS_MAX_USER,
};

struct room {
	struct manager *manager;
	const struct group *group;
	uid_t uid;
	unsigned nr[NR_BOUNDS];
	unsigned nr_steps; /* of the hand */
};

/* Does l count towards b, for who wants room? */
static bool counts(const struct room *r, const struct listener *l, enum bound b)
{
	switch (b) {
	case BOUND_ALL:
		return true;
	case BOUND_GROUP:
		return l->group == r->group;
	case BOUND_OTHERS:
		return r->uid && l->record->uid;
	case BOUND_GROUP_OTHERS:
		return r->uid && l->record->uid && l->group == r->group;
	default:
		return r->uid && l->record->uid == r->uid;
	}
}

static void room_count(struct room *r)
{
	for (size_t i = 0; i < STATE_MAX_LISTENERS; i++) {
		const struct listener *l = r->manager->listeners[i];

		for (enum bound b = 0; l && b < NR_BOUNDS; b++)
			r->nr[b] += counts(r, l, b);
	}
}

/* NR_BOUNDS: there is room. */
static enum bound room_bound(const struct room *r)
{
	enum bound b = 0;

	while (b < NR_BOUNDS && r->nr[b] < bound_max[b])
		b++;
	return b;
}

/* Whose turn it is of those that are in the way; NULL: they all had it. */
static struct listener *room_next(struct room *r, enum bound b)
{
	struct manager *m = r->manager;

	while (r->nr_steps++ < STATE_MAX_LISTENERS) {
		m->listeners_hand = (m->listeners_hand + 1) % STATE_MAX_LISTENERS;
		if (m->listeners[m->listeners_hand] &&
		    counts(r, m->listeners[m->listeners_hand], b))
			return m->listeners[m->listeners_hand];
	}
	return NULL;
}

static void room_drop(struct room *r, struct listener *l)
{
	for (enum bound b = 0; b < NR_BOUNDS; b++)
		r->nr[b] -= counts(r, l, b);
	listener_remove(r->manager, l);
}

/* Those whose owners have no use for them any more go. */
static int make_room(struct manager *m, const struct group *g, uid_t uid)
{
	struct room room = {.manager = m, .group = g, .uid = uid};
	unsigned looks = EVENTFD_MAX_LOOKS, nr = 0;
	enum bound b;

	room_count(&room);
	while ((b = room_bound(&room)) != NR_BOUNDS) {
		struct listener *l = nr++ < LISTENERS_MAX_LOOKS ? room_next(&room, b) : NULL;

		if (!l)
			return -ENOSPC;
		if (!listener_is_held(l, &looks))
			room_drop(&room, l);
	}
	return 0;
}

/* ---- a registration ---- */

static struct listener *find_same(const struct group *g, const struct listener_spec *spec,
				  uint64_t eventfd_id)
{
	struct listener *l;

	DL_FOREACH (g->listeners, l) {
		const struct listener_record *rec = l->record;

		if (rec->eventfd_id == eventfd_id && rec->kind == spec->kind &&
		    (rec->kind == LISTENER_SHRINKER ||
		     (rec->value == spec->value && rec->mode == spec->mode)))
			return l;
	}
	return NULL;
}

static void listener_begin(struct manager *m, struct listener *l)
{
	switch ((enum listener_kind)l->record->kind) {
	case LISTENER_THRESHOLD:
		threshold_begin(m, l);
		break;
	case LISTENER_OOM:
		if (atomic_get(&l->group->record->under_oom))
			listener_notify(l);
		break;
	default:
		break;
	}
}

/* The kind goes in last: without it the record is nobody's, and a descriptor kept for it is dropped
 * by the next server. */
static int listener_new(struct manager *m, struct group *g, const struct listener_record *filled,
			int fd)
{
	int index = state_listener_new(m->state), r = 0;
	struct listener_record *rec;
	struct listener *l;

	if (index < 0)
		return index;
	rec = &m->state->listener[index];
	*rec = *filled;
	rec->kind = LISTENER_NONE;
	if (m->config.keeper)
		r = keeper_keep(m->config.keeper, KEEPER_LISTENER | (uint64_t)index, fd);
	if (r)
		return r;
	__atomic_store_n(&rec->kind, filled->kind, __ATOMIC_RELEASE);
	l = listener_link(m, g, rec, fd);
	if (l) {
		listener_begin(m, l);
		return 0;
	}
	if (m->config.keeper)
		keeper_drop(m->config.keeper, KEEPER_LISTENER | (uint64_t)index);
	rec->kind = LISTENER_NONE;
	return -ENOMEM;
}

int group_listen(struct manager *m, struct group *g, const struct listener_spec *spec,
		 const struct caller *c, struct eventfd_taken *e, bool again)
{
	struct listener_record rec = {
		.kind = spec->kind,
		.uid = c->uid,
		.group_id = group_id(g),
		.eventfd_id = e->info.id,
		.tgid = e->tgid,
		.number = e->number,
		.value = spec->value,
		.mode = spec->mode,
	};
	struct listener *same = find_same(g, spec, e->info.id);
	unsigned looks = EVENTFD_MAX_LOOKS;
	int r;

	if (same && again)
		return 0;
	if (same && (spec->once || spec->kind == LISTENER_SHRINKER)) {
		if (listener_is_held(same, &looks))
			return -EEXIST;
		listener_remove(m, same);
	}
	r = make_room(m, g, c->uid);
	if (r)
		return r;
	if (spec->kind == LISTENER_THRESHOLD && g->parent)
		group_true_up(m, g);
	e->fd = guard_place_event(e->fd);
	if (e->fd > m->max_status_fd)
		return -ENOSPC;
	r = listener_new(m, g, &rec, e->fd);
	if (!r)
		e->fd = -1;
	return r;
}

/* ---- what earlier servers left ---- */

static bool adopt(struct manager *m, uint64_t index, int fd)
{
	struct listener_record *rec;
	struct eventfd_info info;
	struct group *g;

	if (index >= m->state->nr_listeners)
		return false;
	rec = &m->state->listener[index];
	if (rec->kind == LISTENER_NONE)
		return false;
	g = manager_group(m, rec->group_id);
	return g && !eventfd_identify(getpid(), fd, &info) && info.id == rec->eventfd_id &&
	       listener_link(m, g, rec, fd);
}

void listeners_adopt(struct manager *m)
{
	unsigned pos = 0;
	uint64_t id;
	int fd;

	while (m->config.keeper && keeper_next(m->config.keeper, &pos, &id, &fd)) {
		if (!(id & KEEPER_LISTENER) || adopt(m, id & ~KEEPER_LISTENER, fd))
			continue;
		keeper_drop(m->config.keeper, id);
		close(fd);
	}
	for (uint64_t i = 0; i < m->state->nr_listeners; i++)
		if (!m->listeners[i])
			m->state->listener[i].kind = LISTENER_NONE;
	thresholds_adopt(m);
}
