/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups: their tree, ids, making, removal and renaming, attributes, figures. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/manager_fixture.h"

static const struct caller nobody = {.pid = 1, .uid = 65534, .gid = 65533};

static int mkdir_error(struct group *parent, const char *name)
{
	struct group *untouched = parent;
	int r = group_mkdir(mgr, parent, name, 0755, &nobody, &untouched);

	CU_ASSERT_PTR_EQUAL(untouched, parent);
	return r;
}

static void test_root(void)
{
	struct group *root = manager_root(mgr);
	struct limit_write w;

	CU_ASSERT_PTR_NULL(group_parent(root));
	CU_ASSERT_STRING_EQUAL(group_name(root), "");
	CU_ASSERT_EQUAL(group_nr_children(root), 0);
	CU_ASSERT(group_id(root) != 0);
	CU_ASSERT_PTR_EQUAL(manager_group(mgr, group_id(root)), root);
	CU_ASSERT_EQUAL(group_attr(root, 0)->mode, S_IFDIR | 0755);
	CU_ASSERT_EQUAL(group_attr(root, 1)->mode, S_IFREG | 0644);
	CU_ASSERT_EQUAL(group_record(root)->memory.limit, LIMIT_MAX_BYTES);
	CU_ASSERT_EQUAL(group_record(root)->swappiness, 60);
	CU_ASSERT(usage_bytes_now(root) > 0); /* the machine's */
	limit_write(&w, root, 1000);
	CU_ASSERT_EQUAL(w.nr_done, 1);
	CU_ASSERT_EQUAL(w.error, -EINVAL);
	CU_ASSERT_EQUAL(group_set_oom_kill_disable(mgr, root, 1), -EINVAL);
	CU_ASSERT_EQUAL(group_record(root)->oom_kill_disable, 0);
}

static void test_mkdir(void)
{
	struct group *root = manager_root(mgr), *a = NULL, *b;

	CU_ASSERT_EQUAL_FATAL(group_mkdir(mgr, root, "a", 01750, &nobody, &a), 0);
	CU_ASSERT_PTR_EQUAL(group_parent(a), root);
	CU_ASSERT_PTR_EQUAL(group_child(root, "a"), a);
	CU_ASSERT_PTR_EQUAL(group_first_child(root), a);
	CU_ASSERT_PTR_EQUAL(manager_group(mgr, group_id(a)), a);
	CU_ASSERT_STRING_EQUAL(group_name(a), "a");
	CU_ASSERT(fake_dir_exists("a"));
	CU_ASSERT_EQUAL(group_attr(a, 0)->mode, S_IFDIR | 01750);
	CU_ASSERT_EQUAL(group_attr(a, 2)->mode, S_IFREG | 0444);
	for (unsigned i = 0; i < FIXTURE_NR_ATTR; i++) {
		CU_ASSERT_EQUAL(group_attr(a, i)->uid, nobody.uid);
		CU_ASSERT_EQUAL(group_attr(a, i)->gid, nobody.gid);
		CU_ASSERT(group_attr(a, i)->mtime_sec > 0);
	}
	CU_ASSERT_EQUAL(fake_slot_parent(a->slot), 0);
	CU_ASSERT_EQUAL(lease_slot_get_room(NULL, a->slot), LEASE_NO_LIMIT);

	/* A child has its parent's swappiness and oom_kill_disable, and room of its own. */
	CU_ASSERT_EQUAL(group_set_swappiness(mgr, a, 7), 0);
	CU_ASSERT_EQUAL(group_set_oom_kill_disable(mgr, a, 1), 0);
	CU_ASSERT_EQUAL(group_set_move_charge(mgr, a, 1), 0);
	b = group_make(a, "b");
	CU_ASSERT(fake_dir_exists("a/b"));
	CU_ASSERT_EQUAL(group_record(b)->swappiness, 7);
	CU_ASSERT_EQUAL(group_record(b)->oom_kill_disable, 1);
	CU_ASSERT_EQUAL(group_record(b)->move_charge, 0); /* as in the kernel */
	CU_ASSERT_EQUAL(group_record(b)->memory.limit, LIMIT_MAX_BYTES);
	CU_ASSERT_EQUAL(fake_slot_parent(b->slot), a->slot);
	CU_ASSERT_FALSE(fake_slot_limited(b->slot));
	CU_ASSERT_EQUAL(group_nr_children(root), 1);
	CU_ASSERT_EQUAL(group_nr_children(a), 1);
}

static void test_mkdir_errors(void)
{
	struct group *root = manager_root(mgr);
	char name[STATE_NAME_MAX + 2];

	memset(name, 'x', sizeof(name));
	name[STATE_NAME_MAX + 1] = 0;
	CU_ASSERT_EQUAL(mkdir_error(root, name), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(mkdir_error(root, ""), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(mkdir_error(root, "a/b"), -EINVAL);
	CU_ASSERT_EQUAL(mkdir_error(root, "a\n"), -EINVAL);
	group_make(root, "a");
	CU_ASSERT_EQUAL(mkdir_error(root, "a"), -EEXIST);

	/* When the hierarchy refuses, the slot is free again. */
	world.mkdir_error = -EACCES;
	CU_ASSERT_EQUAL(mkdir_error(root, "b"), -EACCES);
	world.mkdir_error = 0;
	CU_ASSERT_PTR_NULL(group_child(root, "b"));
	CU_ASSERT_EQUAL(world_state->group[2].in_use, 0);
	CU_ASSERT_EQUAL(group_make(root, "b")->slot, 2);

	/* A name of the greatest length is a name. */
	name[STATE_NAME_MAX] = 0;
	CU_ASSERT_EQUAL(mkdir_error(root, name),
			-ENOSPC); /* of the world's hierarchy, which was asked */
}

static void test_depth(void)
{
	struct group *g = manager_root(mgr);

	for (int depth = 1; depth < LEASE_MAX_DEPTH; depth++)
		g = group_make(g, "d");
	CU_ASSERT_EQUAL(mkdir_error(g, "d"), -EAGAIN);
	CU_ASSERT_PTR_NULL(group_first_child(g));
}

static void test_slots(void)
{
	struct group *root = manager_root(mgr), *last;

	for (uint32_t slot = 1; slot < STATE_MAX_GROUPS - 1; slot++)
		world_state->group[slot].in_use = 1;
	last = group_make(root, "last");
	CU_ASSERT_EQUAL(last->slot, STATE_MAX_GROUPS - 1);
	CU_ASSERT_EQUAL(mkdir_error(root, "one more"), -ENOSPC);
	CU_ASSERT_FALSE(fake_dir_exists("one more"));
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "last"), 0);
	CU_ASSERT_EQUAL(group_make(root, "one more")->slot, STATE_MAX_GROUPS - 1);
}

static void test_ids(void)
{
	struct group *root = manager_root(mgr), *a = group_make(root, "a");
	uint64_t old = group_id(a);
	uint32_t slot = a->slot;

	a->record->memory.failcnt = 5;
	a->record->events[GROUP_EVENT_OOM] = 5;
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "a"), 0);
	CU_ASSERT_PTR_NULL(manager_group(mgr, old));
	a = group_make(root, "a");
	CU_ASSERT_EQUAL(a->slot, slot);
	CU_ASSERT(group_id(a) != old);
	CU_ASSERT_PTR_NULL(manager_group(mgr, old));
	CU_ASSERT_PTR_EQUAL(manager_group(mgr, group_id(a)), a);
	CU_ASSERT_EQUAL(group_record(a)->memory.failcnt, 0);
	CU_ASSERT_EQUAL(group_record(a)->events[GROUP_EVENT_OOM], 0);
	CU_ASSERT_PTR_NULL(manager_group(mgr, 0));
	CU_ASSERT_PTR_NULL(manager_group(mgr, UINT64_MAX));
	CU_ASSERT_PTR_NULL(manager_group(mgr, (1 << 16) + STATE_MAX_GROUPS));
}

static void test_rmdir(void)
{
	struct group *root = manager_root(mgr), *a = group_make(root, "a"), *b = group_make(a, "b");
	struct fake_process *fp = member_make(b, 10);

	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "x"), -ENOENT);
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "a"), -EBUSY); /* a child */
	CU_ASSERT_EQUAL(group_rmdir(mgr, a, "b"), -EBUSY);    /* a task */
	CU_ASSERT_PTR_EQUAL(group_child(a, "b"), b);
	CU_ASSERT_PTR_NOT_NULL(member(fp));

	/* Its page cache goes to the parent. */
	world_read_file(fp, 1, 100);
	CU_ASSERT_EQUAL(lease_slot_get_cache(NULL, b->slot), 100);
	/* A process that has gone, of which we were not told yet. */
	world.lose_records = true;
	world_exit(fp);
	CU_ASSERT_EQUAL(group_rmdir(mgr, a, "b"), 0);
	CU_ASSERT_PTR_NULL(member(fp));
	CU_ASSERT_FALSE(fake_dir_exists("a/b"));
	CU_ASSERT_EQUAL(lease_slot_get_cache(NULL, a->slot), 100);
	CU_ASSERT_EQUAL(group_nr_children(a), 0);

	/* From a top-level group it goes to nobody. */
	CU_ASSERT_EQUAL(group_rmdir(mgr, root, "a"), 0);
	CU_ASSERT_EQUAL(lease_slot_get_cache(NULL, 0), 0);
	CU_ASSERT_EQUAL(group_nr_children(root), 0);
}

static void test_rename_errors(void)
{
	struct group *root = manager_root(mgr), *a = group_make(root, "a"),
		     *other = group_make(root, "other");
	char name[STATE_NAME_MAX + 2];

	memset(name, 'x', sizeof(name));
	name[STATE_NAME_MAX + 1] = 0;
	CU_ASSERT_EQUAL(group_rename(mgr, root, "x", root, "y"), -ENOENT);
	CU_ASSERT_EQUAL(group_rename(mgr, root, "a", other, "a"), -EIO);
	CU_ASSERT_EQUAL(group_rename(mgr, root, "a", root, "other"), -EEXIST);
	CU_ASSERT_EQUAL(group_rename(mgr, root, "a", root, "a\nb"), -EINVAL);
	CU_ASSERT_EQUAL(group_rename(mgr, root, "a", root, ""), -ENAMETOOLONG);
	CU_ASSERT_EQUAL(group_rename(mgr, root, "a", root, name), -ENAMETOOLONG);
	world.rename_error = -EPERM;
	CU_ASSERT_EQUAL(group_rename(mgr, root, "a", root, "b"), -EPERM);
	CU_ASSERT_PTR_EQUAL(group_child(root, "a"), a);
	CU_ASSERT_PTR_NULL(group_child(root, "b"));
	CU_ASSERT_STRING_EQUAL(group_name(a), "a");
}

static void test_rename(void)
{
	struct group *root = manager_root(mgr), *a = group_make(root, "a"), *b = group_make(a, "b");
	struct fake_process *fp = member_make(b, 10);
	uint64_t id = group_id(a);
	cleanup_free char *path = NULL;

	CU_ASSERT_EQUAL(group_rename(mgr, root, "a", root, "a longer name"), 0);
	CU_ASSERT_PTR_NULL(group_child(root, "a"));
	CU_ASSERT_PTR_EQUAL(group_child(root, "a longer name"), a);
	CU_ASSERT_EQUAL(group_id(a), id);
	path = group_path(b);
	CU_ASSERT_STRING_EQUAL(path, "a longer name/b");
	CU_ASSERT(fake_dir_exists(path));
	CU_ASSERT_PTR_EQUAL(group_by_path(mgr, path), b);
	CU_ASSERT_PTR_EQUAL(member(fp)->group, b);
	/* The old name is free. */
	group_make(root, "a");
	CU_ASSERT_EQUAL(group_nr_children(root), 2);
}

static void test_attr(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	const struct file_attr to = {
		.mode = S_IFDIR | 04640, .uid = 11, .gid = 12, .mtime_sec = 13};
	struct file_attr was = *group_attr(a, 1);

	CU_ASSERT_EQUAL(group_set_attr(mgr, a, 1, &to, MANAGER_ATTR_MODE), 0);
	CU_ASSERT_EQUAL(group_attr(a, 1)->mode, S_IFREG | 04640); /* the type stays */
	CU_ASSERT_EQUAL(group_attr(a, 1)->uid, was.uid);
	CU_ASSERT_EQUAL(group_set_attr(mgr, a, 1, &to, MANAGER_ATTR_UID), 0);
	CU_ASSERT_EQUAL(group_attr(a, 1)->uid, 11);
	CU_ASSERT_EQUAL(group_attr(a, 1)->gid, was.gid);
	CU_ASSERT_EQUAL(group_set_attr(mgr, a, 1, &to, MANAGER_ATTR_GID), 0);
	CU_ASSERT_EQUAL(group_attr(a, 1)->gid, 12);
	CU_ASSERT_EQUAL(group_attr(a, 1)->mtime_sec, was.mtime_sec);
	CU_ASSERT_EQUAL(group_set_attr(mgr, a, 1, &to, MANAGER_ATTR_MTIME), 0);
	CU_ASSERT_EQUAL(group_attr(a, 1)->mtime_sec, 13);
	CU_ASSERT_EQUAL(group_set_attr(mgr, a, FIXTURE_NR_ATTR, &to, MANAGER_ATTR_UID), -ENOENT);
	CU_ASSERT_EQUAL(a->record->attr[FIXTURE_NR_ATTR].uid, 0);
	CU_ASSERT_EQUAL(group_attr(a, 0)->uid, 0);
}

static void test_settings(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *fp = member_make(a, 100);

	CU_ASSERT_EQUAL(group_set_swappiness(mgr, a, 200), 0);
	CU_ASSERT_EQUAL(group_set_swappiness(mgr, a, 201), -EINVAL);
	CU_ASSERT_EQUAL(group_record(a)->swappiness, 200);
	CU_ASSERT_EQUAL(group_set_oom_kill_disable(mgr, a, 2), -EINVAL);
	CU_ASSERT_EQUAL(group_set_oom_kill_disable(mgr, a, 1), 0);
	CU_ASSERT_EQUAL(group_record(a)->oom_kill_disable, 1);
	CU_ASSERT_EQUAL(group_set_move_charge(mgr, a, 3), 0);
	CU_ASSERT_EQUAL(group_set_move_charge(mgr, a, 4), -EINVAL);
	CU_ASSERT_EQUAL(group_record(a)->move_charge, 3);
	CU_ASSERT_EQUAL(group_set_move_charge(mgr, manager_root(mgr), 2), 0);

	a->record->memory.failcnt = 3;
	CU_ASSERT_EQUAL(group_reset_failcnt(mgr, a, COUNTER_MEMORY), 0);
	CU_ASSERT_EQUAL(group_record(a)->memory.failcnt, 0);

	/* The greatest usage is kept until it is reset, to what is used then. */
	atomic_put(&fp->rss_anon, 40);
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(40));
	CU_ASSERT_EQUAL(group_record(a)->memory.usage, pages_to_bytes(40));
	CU_ASSERT_EQUAL(group_record(a)->memory.max_usage, pages_to_bytes(100));
	CU_ASSERT_EQUAL(group_reset_max_usage(mgr, a, COUNTER_MEMORY), 0);
	CU_ASSERT_EQUAL(group_record(a)->memory.max_usage, pages_to_bytes(40));
}

/* The root's is the machine's, and its peak what was seen of that. */
static void test_root_peak(void)
{
	struct group *root = manager_root(mgr);
	uint64_t usage = 0, max = 0;

	CU_ASSERT_EQUAL(group_usage_bytes(mgr, group_id(root), COUNTER_MEMORY, &usage), 0);
	CU_ASSERT(usage > 0);
	CU_ASSERT_EQUAL(group_max_usage_bytes(mgr, group_id(root), COUNTER_MEMORY, &max), 0);
	CU_ASSERT(max >= usage);
}

static void test_walk(void)
{
	struct group *root = manager_root(mgr), *a = group_make(root, "a"),
		     *ab = group_make(a, "b"), *abc = group_make(ab, "c"), *ad = group_make(a, "d"),
		     *e = group_make(root, "e"), *g;
	struct group *const whole[] = {root, a, ab, abc, ad, e}, *const part[] = {a, ab, abc, ad};
	cleanup_free char *path = group_path(abc), *top = group_path(root);
	size_t nr = 0;

	for (g = root; g; g = group_next(root, g))
		CU_ASSERT(nr < ARRAY_SIZE(whole) && whole[nr++] == g);
	CU_ASSERT_EQUAL(nr, ARRAY_SIZE(whole));
	nr = 0;
	for (g = a; g; g = group_next(a, g))
		CU_ASSERT(nr < ARRAY_SIZE(part) && part[nr++] == g);
	CU_ASSERT_EQUAL(nr, ARRAY_SIZE(part));
	CU_ASSERT_PTR_EQUAL(group_next_sibling(ab), ad);
	CU_ASSERT_PTR_NULL(group_next_sibling(ad));

	CU_ASSERT_STRING_EQUAL(path, "a/b/c");
	CU_ASSERT_STRING_EQUAL(top, "");
	CU_ASSERT_PTR_EQUAL(group_by_path(mgr, "a/b/c"), abc);
	CU_ASSERT_PTR_EQUAL(group_by_path(mgr, ""), root);
	CU_ASSERT_PTR_NULL(group_by_path(mgr, "a/b/x"));
	CU_ASSERT_PTR_NULL(group_by_path(mgr, "a/bb"));
}

/* One that lies in directories of others is called by its path. */
static void test_path_name(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *far, *below;
	const struct caller c = {.pid = getpid()};
	const char *rest;
	char *path;

	CU_ASSERT_EQUAL(hierarchy_mkdir(NULL, "a/theirs"), 0);
	CU_ASSERT_EQUAL(group_mkdir(mgr, a, "theirs/x", 0755, &c, &far), -EINVAL);
	CU_ASSERT_EQUAL_FATAL(group_mkdir_at(mgr, a, "theirs/x", 0755, &c, &far), 0);
	CU_ASSERT(fake_dir_exists("a/theirs/x"));
	below = group_make(far, "b");
	path = group_path(below);
	CU_ASSERT_STRING_EQUAL(path, "a/theirs/x/b");
	free(path);
	CU_ASSERT_PTR_EQUAL(group_by_path(mgr, "a/theirs/x/b"), below);
	CU_ASSERT_PTR_EQUAL(group_by_path(mgr, "a/theirs/x"), far);
	CU_ASSERT_PTR_NULL(group_by_path(mgr, "a/theirs"));
	CU_ASSERT_PTR_NULL(group_by_path(mgr, "a/theirs/xx"));
	CU_ASSERT_PTR_EQUAL(group_above_path(mgr, "a/theirs/y/z", &rest), a);
	CU_ASSERT_STRING_EQUAL(rest, "theirs/y/z");
	CU_ASSERT_PTR_EQUAL(group_above_path(mgr, "a/theirs/x/b/c", &rest), below);
	CU_ASSERT_STRING_EQUAL(rest, "c");
	CU_ASSERT_EQUAL(group_mkdir_at(mgr, a, "theirs/x", 0755, &c, &far), -EEXIST);
	CU_ASSERT_EQUAL(group_rename_at(mgr, far, "theirs/y"), 0);
	CU_ASSERT_PTR_EQUAL(group_by_path(mgr, "a/theirs/y/b"), below);
	/* The next server finds it again, also where others are. */
	world.hierarchy_shared = true;
	world_restart();
	CU_ASSERT_PTR_NOT_NULL(group_by_path(mgr, "a/theirs/y/b"));
	CU_ASSERT_PTR_NULL(group_by_path(mgr, "a/theirs"));
}

static void test_usage(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b");
	struct fake_process *x = member_make(a, 100), *y = member_make(b, 1000);

	y->rss_shmem = 30;
	y->rss_file = 500; /* mapped files are page cache, not the member's */
	y->swap = 70;
	world_read_file(x, 1, 5);
	CU_ASSERT_EQUAL(usage_bytes_now(b), pages_to_bytes(1030));
	CU_ASSERT_EQUAL(usage_bytes_now(a), pages_to_bytes(1135));
	CU_ASSERT_EQUAL(limit_set(a, 5000), 0);
	CU_ASSERT_EQUAL(limit_set(b, 6000), 0);
	CU_ASSERT_EQUAL(group_hierarchical_limit(b, COUNTER_MEMORY), pages_to_bytes(5000));
	CU_ASSERT_EQUAL(limit_set(b, 3000), 0);
	CU_ASSERT_EQUAL(group_hierarchical_limit(b, COUNTER_MEMORY), pages_to_bytes(3000));
	CU_ASSERT_EQUAL(group_hierarchical_limit(a, COUNTER_MEMORY), pages_to_bytes(5000));
}

static void test_stat(void)
{
	struct group *a = group_make(manager_root(mgr), "a"), *b = group_make(a, "b"),
		     *c = group_make(b, "c");
	struct fake_process *x = member_make(a, 100), *y = member_make(b, 1000),
			    *z = member_make(c, 7);
	struct group_stat s, sum;

	y->rss_shmem = 30;
	y->rss_file = 500;
	y->swap = 70;
	y->locked = 20;
	world_touch(x, 160);
	world_touch(y, 80);
	world_read_file(x, 1, 5);
	CU_ASSERT_EQUAL(group_stat(mgr, group_id(a), &s, &sum), 0);
	CU_ASSERT_EQUAL(s.rss, pages_to_bytes(260));
	CU_ASSERT_EQUAL(s.cache, pages_to_bytes(5));
	CU_ASSERT_EQUAL(s.swap, 0);
	CU_ASSERT_EQUAL(s.rss_huge, 2048 << 10);
	CU_ASSERT_EQUAL(s.pgfault, 100 + 7 + 160);
	CU_ASSERT_EQUAL(s.pgmajfault, 7);
	/* Charged here, without the child's 80; but never less than is used. */
	CU_ASSERT_EQUAL(s.pgpgin, 265);
	CU_ASSERT_EQUAL(s.pgpgout, 0);
	CU_ASSERT_EQUAL(sum.rss, pages_to_bytes(260 + 1080 + 7));
	CU_ASSERT_EQUAL(sum.shmem, pages_to_bytes(30));
	CU_ASSERT_EQUAL(sum.cache, pages_to_bytes(35));
	/* Whose they are is not told in this world: no more than is charged. */
	CU_ASSERT_EQUAL(sum.mapped_file, 0);
	CU_ASSERT_EQUAL(sum.swap, pages_to_bytes(70));
	CU_ASSERT_EQUAL(sum.unevictable, pages_to_bytes(20));
	CU_ASSERT_EQUAL(sum.active_anon, pages_to_bytes(260 + 1080 + 7 + 30 - 20));
	CU_ASSERT_EQUAL(sum.pgfault, 3 * (100 + 7) + 160 + 80);
	CU_ASSERT_EQUAL(z->nr_stops, 0);
	/* What was charged and is no longer used was paged out, or freed. */
	atomic_put(&x->rss_anon, 10);
	CU_ASSERT_EQUAL(group_stat(mgr, group_id(a), &s, &sum), 0);
	CU_ASSERT_EQUAL(s.pgpgin, 165);
	CU_ASSERT_EQUAL(s.pgpgout, 150);
	CU_ASSERT_EQUAL(group_stat(mgr, group_id(a) + ((uint64_t)1 << 32), &s, &sum), -ENODEV);
}

static void test_tasks(void)
{
	struct group *a = group_make(manager_root(mgr), "a");
	struct fake_process *x = member_make(a, 1), *y = member_make(a, 1);
	cleanup_free char *threads = NULL, *procs = NULL, *none = NULL;
	char want[128];
	size_t len = 0;

	x->nr_threads = 2;
	CU_ASSERT_EQUAL_FATAL(group_tasks(mgr, group_id(a), true, getpid(), &procs, &len), 0);
	snprintf(want, sizeof(want), "%d\n%d\n", x->pid, y->pid);
	CU_ASSERT_STRING_EQUAL(procs, want);
	CU_ASSERT_EQUAL(len, strlen(want));
	CU_ASSERT_EQUAL_FATAL(group_tasks(mgr, group_id(a), false, getpid(), &threads, &len), 0);
	snprintf(want, sizeof(want), "%d\n%d\n%d\n", x->pid, x->pid + 1, y->pid);
	CU_ASSERT_STRING_EQUAL(threads, want);
	world_exit(x);
	world_exit(y);
	world_run();
	CU_ASSERT_EQUAL_FATAL(group_tasks(mgr, group_id(a), true, getpid(), &none, &len), 0);
	CU_ASSERT_STRING_EQUAL(none, "");
	CU_ASSERT_EQUAL(len, 0);
}

int main(int argc, char **argv)
{
	CU_TestInfo tests[] = {{"the root", test_root},
			       {"mkdir", test_mkdir},
			       {"mkdir's errors", test_mkdir_errors},
			       {"depth", test_depth},
			       {"all slots taken", test_slots},
			       {"ids and generations", test_ids},
			       {"rmdir", test_rmdir},
			       {"rename's errors", test_rename_errors},
			       {"rename", test_rename},
			       {"attributes", test_attr},
			       {"settings and resets", test_settings},
			       {"peak of the root", test_root_peak},
			       {"walking the tree", test_walk},
			       {"groups called by a path", test_path_name},
			       {"usage", test_usage},
			       {"stat", test_stat},
			       {"tasks", test_tasks},
			       CU_TEST_INFO_NULL};

	world_child_main(argc, argv);
	return run_tests("groups", tests);
}
