/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What members' memory comes to, where it is not simply their resident sets: families and borrowed
 * pages, shared memory, who came to rest, mapped pages, the swap cache. Sizes in pages. Thread: the
 * manager's loop, but for what is marked. Included by manager_private.h.
 */
#ifndef MEMCGFS_ACCOUNTS_H
#define MEMCGFS_ACCOUNTS_H

#include "manager/manager_private.h"

/* ---- family.c ---- */
bool process_shares_pages(const struct process *p);
/* It has pages that may not count in its group, or not with it. */
bool process_is_entangled(const struct process *p);
void family_join(struct manager *m, struct process *p, struct process *parent);
/* p's pages are its own from now on, or gone. */
void family_leave(struct manager *m, struct process *p);
/* b is taken over. */
void process_set_borrowed(struct manager *m, struct process *p, struct borrowed *b);
void process_set_owed(struct manager *m, struct process *p, const struct owed_list *owed);
/* nr pages that it has and these slots are charged for were paged out. */
void process_pay_back(struct manager *m, struct process *p, const bool *slots, uint64_t nr);
/* nr of its pages were paged out, anonymous ones and others, since it had so many anonymous ones.
 */
void process_anon_went(struct process *p, uint64_t before, uint64_t nr);
void owed_rename(struct owed_list *list, uint32_t from, uint32_t to);
/* Group from goes: what is charged to it and had elsewhere is its parent's. */
void borrowed_inherit(struct manager *m, struct group *from);
uint64_t process_faults(pid_t tgid); /* so far; any thread */
/*
 * Pages found in a process when it had had so many faults and anonymous pages, and that may be gone
 * now that it has anon: a fault that brought no page more made a copy of a page that was shared, or
 * brought one in place of another that went. Rather too many, but for faults that bring huge pages.
 * Any thread.
 */
uint64_t copies_since(pid_t tgid, uint64_t faults_seen, uint64_t anon_seen, uint64_t anon);
/* Too big to be looked at while its group is counted; or at each tick. */
bool family_is_big(const struct process *p);
bool family_is_swept(const struct process *p);
/* Nothing of what it has now counts in its group with it. */
void process_save_all(struct process *p, const struct process_usage *u, uint64_t faults);
void process_set_shared_outside(struct manager *m, struct process *p, bool shared);
/* To look at p's page table. */
struct share_member process_share_member(const struct process *p);
/* Right before a look whose result it is to have. Any thread. */
void share_begin(struct share_member *x, int status_fd);
/* What is saved with p, less so many pages that it may have copied since. */
void process_set_share(struct process *p, uint64_t saved, uint64_t nr_copies);
/* What is known: found. */
void process_share_set(struct manager *m, struct process *p, const struct share_member *found,
		       bool whole);
/* found: by share_count(), of all of its family or not. False: it is not believed. */
bool process_share_found(struct manager *m, struct process *p, const struct share_member *found,
			 bool whole);
/* p->saved becomes what it is now, if that is cheap; exact: even if it is not quite. */
void process_look_at_family(struct manager *m, struct process *p, bool exact);
/* Pages that are saved whatever p and its family did since they were last looked at. */
uint64_t process_saved_surely(const struct process *p);

/* ---- shmem.c ---- */
uint64_t realtime_nsec(void);
/* u: as just read. at_once: also if it was looked for just now. */
void process_look_at_shmem(struct manager *m, struct process *p, const struct process_usage *u,
			   bool at_once);
bool process_may_have_shmem(const struct manager *m, const struct process *p,
			    const struct process_usage *u);
/* written: as the tick's record has it. */
bool process_tick_may_bring_shmem(struct process *p, uint64_t written);
/* p comes to another group: only what it brings from now on is charged there. */
void process_forget_shmem(struct process *p, const struct process_usage *u);

/* It has ended: what it had swapped out of files went with it, or is not known any more. */
void process_drop_shmem(struct manager *m, const struct process *p);
void shmem_inherit(struct manager *m, const struct group *from);
/* In family.c: charged to the group of this slot, and in no member's own figures. */
void left_add(struct manager *m, uint32_t slot, int64_t pages, int64_t swap);

/* ---- settle.c ---- */
int settle_new(struct manager *m);
/* p had a tick: it is counted again until it has come to rest. */
void process_unsettle(struct manager *m, struct process *p);
void process_settled(struct manager *m, struct process *p); /* or ends */
void process_on_shrunk(struct manager *m, const struct lease_record *r);

/* ---- sweep.c ---- */
int sweeps_new(struct manager *m);
/* What is known of f may not hold any more. */
void family_changed(struct manager *m, struct family *f);
void family_forget(struct manager *m, struct family *f); /* it ends */

/* ---- swap_cache.c: any thread ---- */
/* Of so many pages that a group has swapped out, those that are in memory still. */
uint64_t swap_cached_pages(struct manager *m, uint64_t swapped);
/* What the group uses with them: no more than its limit for their sake, since the kernel would give
 * them up first. */
uint64_t usage_with_swap_cache(uint64_t usage, uint64_t cached, uint64_t limit);

/* ---- mapped.c: any thread ---- */
struct mapped *mapped_new(void);
struct mapped *mapped_free(struct mapped *x); /* NULL-safe, returns NULL */
/* Mapped pages of what is charged to each of nr slots alone. False: that is not told here. */
bool mapped_get(struct manager *m, const uint32_t *slots, size_t nr, uint64_t *ret_pages);

#endif
