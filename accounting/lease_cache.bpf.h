/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of lease.bpf.c that charges page cache: which file's pages are whose, kept by
 * tracepoints on the insertion and removal of folios. Units: pages.
 */
#ifndef MEMCGFS_LEASE_CACHE_BPF_H
#define MEMCGFS_LEASE_CACHE_BPF_H

/* As events/filemap/mm_filemap_add_to_page_cache/format (and _delete_) have it. */
struct filemap_record {
	u64 common;
	u64 pfn;
	u64 i_ino;
	u64 index;
	u32 s_dev;
	unsigned char order;
};

static __always_inline u32 folio_order(const struct filemap_record *ctx)
{
	return filemap_has_order ? ctx->order & 15 : 0;
}

static __always_inline s64 folio_pages(const struct filemap_record *ctx)
{
	return 1LL << folio_order(ctx);
}

static __always_inline unsigned short *owner_of(u64 pfn)
{
	u32 block = (u32)(pfn >> LEASE_OWNERS_SHIFT);
	struct lease_owners *o = bpf_map_lookup_elem(&owners, &block);

	return o ? &o->owner[pfn & ((1 << LEASE_OWNERS_SHIFT) - 1)] : 0;
}

/* slot 0: nobody's. */
static __always_inline void folio_set_owner(const struct filemap_record *ctx, u32 slot)
{
	unsigned short *o = owner_of(ctx->pfn), owner = 0;

	if (slot && slot < LEASE_MAX_SLOTS)
		owner = LEASE_OWNER(slot, folio_order(ctx));
	if (o && *o != owner)
		*o = owner;
}

/* Count nr_pages of a file for slot; the slot that really took them (file shared by many: its first
 * owner), or 0. */
static __always_inline u32 owner_add(struct lease_file_owners *o, u32 slot, int nr_pages)
{
	for (int i = 0; i < LEASE_FILE_OWNERS; i++) {
		u32 have = o->slot[i];

		if (!have)
			have = __sync_val_compare_and_swap(&o->slot[i], 0, slot);
		if (!have || have == slot) {
			__sync_fetch_and_add(&o->nr_pages[i], nr_pages);
			return slot;
		}
	}
	__sync_fetch_and_add(&o->nr_pages[0], nr_pages);
	return o->slot[0];
}

SEC("tp/filemap/mm_filemap_add_to_page_cache")
int lease_cache_add(struct filemap_record *ctx)
{
	u32 tgid = current_tgid(), full, wake, slot;
	struct lease_member *member;
	struct lease_file_key key = {.ino = ctx->i_ino, .dev = ctx->s_dev};
	struct lease_file_owners *o, fresh = {};
	s64 nr_pages = folio_pages(ctx);
	struct lease_slot *s;

	member = bpf_map_lookup_elem(&members, &tgid);
	if (!member || !member->slot) {
		folio_set_owner(ctx, 0);
		return 0;
	}
	o = bpf_map_lookup_elem(&files, &key);
	if (!o) {
		bpf_map_update_elem(&files, &key, &fresh, NOEXIST);
		o = bpf_map_lookup_elem(&files, &key);
		if (!o) { /* table full: not charged, and so never uncharged */
			__sync_fetch_and_add(&files_full, 1);
			return 0;
		}
	}
	slot = owner_add(o, member->slot, (int)nr_pages);
	folio_set_owner(ctx, slot);
	s = bpf_map_lookup_elem(&slots, &slot);
	if (s)
		__sync_fetch_and_add(&s->cache, (u64)nr_pages);
	full = charge(slot, LEASE_CACHE, nr_pages, &wake);
	if (wake)
		wake_manager(wake, tgid);
	/* One read(2) inserts many folios before it returns to where a stop takes effect: one is
	 * enough. */
	if (full && !member->stopped)
		stop_current(member);
	return 0;
}

/* So many pages of owner i's have gone; how many of them it had. */
static __always_inline int owner_take(struct lease_file_owners *o, int i, int nr_pages)
{
	int take = o->nr_pages[i];
	u32 slot = o->slot[i], wake;
	struct lease_slot *s;

	if (take > nr_pages)
		take = nr_pages;
	if (take <= 0)
		return 0;
	__sync_fetch_and_add(&o->nr_pages[i], -take);
	s = bpf_map_lookup_elem(&slots, &slot);
	if (!s) /* charged to nobody */
		return take;
	__sync_fetch_and_add(o->is_shmem ? &s->shmem : &s->cache, -(u64)take);
	charge(slot, LEASE_CACHE, -(s64)take, &wake);
	return take;
}

SEC("tp/filemap/mm_filemap_delete_from_page_cache")
int lease_cache_delete(struct filemap_record *ctx)
{
	struct lease_file_key key = {.ino = ctx->i_ino, .dev = ctx->s_dev};
	struct lease_file_owners *o;
	int left = (int)folio_pages(ctx);
	unsigned short *owner = owner_of(ctx->pfn);
	u32 whose = owner ? *owner >> LEASE_OWNER_ORDER_BITS : 0;

	folio_set_owner(ctx, 0);
	o = bpf_map_lookup_elem(&files, &key);
	if (!o)
		return 0;
	/* Where that is known nobody else's; else the first one's who has any. */
	for (int i = 0; i < LEASE_FILE_OWNERS && whose; i++)
		if (o->slot[i] == whose)
			left -= owner_take(o, i, left);
	for (int i = 0; i < LEASE_FILE_OWNERS; i++)
		left -= owner_take(o, i, left);
	return 0;
}

struct seq_file;
struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));
struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	void *map;
	struct lease_file_key *key;
	struct lease_file_owners *value;
} __attribute__((preserve_access_index));

/*
 * The table of files, read out through a file. (Reading it with bpf(2) would keep this CPU's
 * overflow programs from running until it is done, however long the reader is preempted meanwhile.)
 * Entries without pages are taken out.
 */
SEC("iter/bpf_map_elem")
int lease_list_files(struct bpf_iter__bpf_map_elem *ctx)
{
	struct lease_file_key *key = ctx->key;
	struct lease_file_owners *owners = ctx->value;
	struct lease_file_entry e = {};
	long sum = 0;

	if (!key || !owners) /* the end of the table */
		return 0;
	e.key = *key;
	e.owners = *owners;
	for (int i = 0; i < LEASE_FILE_OWNERS; i++)
		sum += e.owners.nr_pages[i];
	if (sum)
		bpf_seq_write(ctx->meta->seq, &e, sizeof(e));
	else
		bpf_map_delete_elem(&files, &e.key);
	return 0;
}

#endif
