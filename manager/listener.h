/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is told of what: registrations of eventfds, and what makes them due. Thread: the manager's
 * loop. Included by manager_private.h.
 */
#ifndef MEMCGFS_LISTENER_H
#define MEMCGFS_LISTENER_H

#include "manager/manager_private.h"

/* ---- listener.c ---- */
/* Those of earlier servers, once groups are known. */
void listeners_adopt(struct manager *m);
/* g has just been removed: they are told, and end. */
void listeners_end(struct manager *m, struct listener *list);
void listeners_free(struct manager *m);
void listener_remove(struct manager *m, struct listener *l);
void listener_notify(struct listener *l);
/* Does who registered it still have its eventfd, and did not mean us to wait for it? looks: see
 * eventfd_is_held(). */
bool listener_is_held(struct listener *l, unsigned *looks);
/* Those of a kind, of g and all groups below it. */
void listeners_notify(struct group *top, enum listener_kind kind);

/* ---- threshold.c ---- */
int thresholds_new(struct manager *m);
void thresholds_adopt(struct manager *m); /* there may be some of an earlier server */
/* l is new; its group has just been counted. */
void threshold_begin(struct manager *m, struct listener *l);
/* g's usage is fresh. */
void thresholds_check(struct group *g);

/* ---- shrink.c ---- */
/*
 * Have the shrinkers of g and of all groups below it asked for so many pages; of the root, its own
 * only. Pages that they were asked for.
 */
uint64_t group_ask(struct manager *m, struct group *g, uint64_t nr_pages);
/*
 * The same, before anything is paged out. True: they have some time now, or have it already, and
 * group_asked() and background_page_out() are called when it is over.
 */
bool group_ask_first(struct manager *m, struct group *g, uint64_t nr_pages);
/* They were asked a moment ago, and more may come of it. */
bool shrinkers_may_be_at_it(const struct group *g);
/* g's limit has been met, and p may have been asked to free memory: may it go on for that? */
bool process_has_grace(struct manager *m, struct process *p, struct group *g);
int deadlines_new(struct manager *m);

/* ---- pressure.c ---- */
/* A round of g's reclaim looked at so many pages, and got so many back. */
void group_add_pressure(struct manager *m, struct group *g, uint64_t scanned, uint64_t reclaimed);

#endif
