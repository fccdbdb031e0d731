// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The table of control files, and the short ones among their readers and writers. Reads on any
 * thread (read: under manager_rdlock(); scan: without), writes on the manager's loop. Sizes in
 * bytes.
 */
#include "fs/files.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/fs.h"
#include "fs/parse.h"
#include "util/util.h"

__attribute__((format(printf, 3, 4))) static int text_printf(char **ret, size_t *ret_len,
							     const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return -ENOMEM;
	*ret = text;
	*ret_len = (size_t)len;
	return 0;
}

static int text_u64(char **ret, size_t *ret_len, uint64_t value)
{
	return text_printf(ret, ret_len, "%" PRIu64 "\n", value);
}

/* ---- membership ---- */

static int tasks_scan(const struct file_scan *s, char **ret, size_t *ret_len)
{
	return group_tasks(s->manager, s->group_id, false, s->reader, ret, ret_len);
}

static int procs_scan(const struct file_scan *s, char **ret, size_t *ret_len)
{
	return group_tasks(s->manager, s->group_id, true, s->reader, ret, ret_len);
}

static int attach(const struct file_write *w, bool whole_process)
{
	pid_t pid;
	int r = parse_pid(w->text, &pid);

	if (r < 0)
		return r;
	group_attach(w->manager, w->group, pid, whole_process, w->caller, w->done, w->userdata);
	return -EINPROGRESS;
}

static int tasks_write(const struct file_write *w)
{
	return attach(w, false);
}

static int procs_write(const struct file_write *w)
{
	return attach(w, true);
}

/* ---- the counter ---- */

static int usage_text(const struct file_scan *s, enum group_counter counter, char **ret,
		      size_t *ret_len)
{
	uint64_t bytes;
	int r = group_usage_bytes(s->manager, s->group_id, counter, &bytes);

	return r < 0 ? r : text_u64(ret, ret_len, bytes);
}

static int max_usage_text(const struct file_scan *s, enum group_counter counter, char **ret,
			  size_t *ret_len)
{
	uint64_t bytes;
	int r = group_max_usage_bytes(s->manager, s->group_id, counter, &bytes);

	return r < 0 ? r : text_u64(ret, ret_len, bytes);
}

static int limit_set(const struct file_write *w, enum group_counter counter)
{
	uint64_t bytes;
	int r = parse_bytes(w->text, &bytes);

	if (r < 0)
		return r;
	if (w->group == manager_root(w->manager))
		return -EINVAL;
	if (counter == COUNTER_KMEM) /* without effect, as in the kernel since Linux 6.6 */
		return 0;
	if (counter == COUNTER_TCP)
		return group_set_tcp_limit(w->manager, w->group, bytes);
	group_set_limit(w->manager, w->group, counter, bytes, w->done, w->userdata);
	return -EINPROGRESS;
}

/* The files of one counter: usage, limit, failcnt; and with max_usage. */
#define COUNTER_FILES(name, counter)                                                            \
	static int name##usage_scan(const struct file_scan *s, char **ret, size_t *ret_len)     \
	{                                                                                       \
		return usage_text(s, counter, ret, ret_len);                                    \
	}                                                                                       \
	static int name##limit_read(const struct group *g, char **ret, size_t *ret_len)         \
	{                                                                                       \
		return text_u64(ret, ret_len, atomic_get(&group_counter(g, counter)->limit));   \
	}                                                                                       \
	static int name##limit_write(const struct file_write *w)                                \
	{                                                                                       \
		return limit_set(w, counter);                                                   \
	}                                                                                       \
	static int name##failcnt_read(const struct group *g, char **ret, size_t *ret_len)       \
	{                                                                                       \
		return text_u64(ret, ret_len, atomic_get(&group_counter(g, counter)->failcnt)); \
	}                                                                                       \
	static int name##failcnt_write(const struct file_write *w)                              \
	{                                                                                       \
		return group_reset_failcnt(w->manager, w->group, counter);                      \
	}

#define COUNTER_FILES_AND_PEAK(name, counter)                                                   \
	COUNTER_FILES(name, counter)                                                            \
	static int name##max_usage_scan(const struct file_scan *s, char **ret, size_t *ret_len) \
	{                                                                                       \
		return max_usage_text(s, counter, ret, ret_len);                                \
	}                                                                                       \
	static int name##max_usage_write(const struct file_write *w)                            \
	{                                                                                       \
		return group_reset_max_usage(w->manager, w->group, counter);                    \
	}

COUNTER_FILES_AND_PEAK(, COUNTER_MEMORY)
COUNTER_FILES_AND_PEAK(memsw_, COUNTER_MEMSW)
COUNTER_FILES_AND_PEAK(kmem_, COUNTER_KMEM)
COUNTER_FILES_AND_PEAK(tcp_, COUNTER_TCP)
COUNTER_FILES(rss_, COUNTER_RSS)

static int soft_limit_read(const struct group *g, char **ret, size_t *ret_len)
{
	return text_u64(ret, ret_len, atomic_get(&group_record(g)->soft_limit));
}

static int soft_limit_write(const struct file_write *w)
{
	uint64_t bytes;
	int r = parse_bytes(w->text, &bytes);

	if (r < 0)
		return r;
	group_set_soft_limit(w->manager, w->group, bytes);
	return 0;
}

static int reclaim_write(const struct file_write *w)
{
	uint64_t bytes;
	int r = parse_bytes(w->text, &bytes);

	if (r < 0)
		return r;
	group_reclaim_bytes(w->manager, w->group, bytes, w->done, w->userdata);
	return -EINPROGRESS;
}

/* Whatever is written. */
static int force_empty_write(const struct file_write *w)
{
	group_force_empty(w->manager, w->group, w->done, w->userdata);
	return -EINPROGRESS;
}

/* ---- settings ---- */

static int number_write(const struct file_write *w,
			int (*set)(struct manager *m, struct group *g, uint64_t value))
{
	uint64_t value;
	int r = parse_u64(w->text, &value);

	return r < 0 ? r : set(w->manager, w->group, value);
}

static int swappiness_read(const struct group *g, char **ret, size_t *ret_len)
{
	return text_u64(ret, ret_len, atomic_get(&group_record(g)->swappiness));
}

static int swappiness_write(const struct file_write *w)
{
	return number_write(w, group_set_swappiness);
}

static int move_charge_read(const struct group *g, char **ret, size_t *ret_len)
{
	return text_u64(ret, ret_len, atomic_get(&group_record(g)->move_charge));
}

static int move_charge_write(const struct file_write *w)
{
	return number_write(w, group_set_move_charge);
}

static const char *const control_types[] = {
	[CONTROL_ALL] = "all",
	[CONTROL_RSS] = "rss",
	[CONTROL_CACHE] = "cache",
};

static int control_type_read(const struct group *g, char **ret, size_t *ret_len)
{
	return text_printf(ret, ret_len, "%s\n", control_types[group_control_type(g)]);
}

static int control_type_write(const struct file_write *w)
{
	int r = parse_word(w->text, control_types, ARRAY_SIZE(control_types));

	return r < 0 ? r : group_set_control_type(w->manager, w->group, (enum control_type)r);
}

static int oom_control_read(const struct group *g, char **ret, size_t *ret_len)
{
	const struct group_record *rec = group_record(g);

	return text_printf(ret, ret_len,
			   "oom_kill_disable %" PRIu64 "\nunder_oom %" PRIu64 "\noom_kill %" PRIu64
			   "\n",
			   atomic_get(&rec->oom_kill_disable), atomic_get(&rec->under_oom),
			   atomic_get(&rec->oom_kill));
}

static int oom_control_write(const struct file_write *w)
{
	return number_write(w, group_set_oom_kill_disable);
}

static int watermarks_read(const struct group *g, char **ret, size_t *ret_len)
{
	unsigned high, low;

	group_watermarks(g, &high, &low);
	return text_printf(ret, ret_len, "%u %u\n", high, low);
}

static int watermarks_write(const struct file_write *w)
{
	uint64_t high, low;
	int r = parse_watermarks(w->text, &high, &low);

	return r < 0 ? r : group_set_watermarks(w->manager, w->group, high, low);
}

/* Groups always count their children in: the kernel dropped the other way too, and kept the file.
 */
static int use_hierarchy_read(const struct group *g, char **ret, size_t *ret_len)
{
	(void)g;
	return text_u64(ret, ret_len, 1);
}

static int use_hierarchy_write(const struct file_write *w)
{
	uint64_t value;
	int r = parse_u64(w->text, &value);

	if (r < 0)
		return r;
	return value == 1 ? 0 : -EINVAL;
}

/* The kernel's has no lines since Linux 5.9, when slab pages came to be shared by groups. */
static int slabinfo_read(const struct group *g, char **ret, size_t *ret_len)
{
	(void)g;
	return text_printf(ret, ret_len, "%s", "");
}

static int events_read(const struct group *g, char **ret, size_t *ret_len)
{
	static const struct {
		const char *name;
		enum group_event event;
	} lines[] = {
		{"max", GROUP_EVENT_MAX},
		{"high", GROUP_EVENT_HIGH},
		{"oom", GROUP_EVENT_OOM},
		{"oom_kill", GROUP_EVENT_OOM_KILL},
		{"reclaim_background", GROUP_EVENT_RECLAIM_BACKGROUND},
		{"reclaim_direct", GROUP_EVENT_RECLAIM_DIRECT},
		{"stop", GROUP_EVENT_STOP},
		{"stop_usec", GROUP_EVENT_STOP_USEC},
		{"paged_out", GROUP_EVENT_PAGED_OUT},
		{"cache_dropped", GROUP_EVENT_CACHE_DROPPED},
		{"shrink_asked", GROUP_EVENT_SHRINK_ASKED},
		{"shrink_chunks", GROUP_EVENT_SHRINK_CHUNKS},
	};
	FILE *f = open_memstream(ret, ret_len);

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		fprintf(f, "%s %" PRIu64 "\n", lines[i].name,
			atomic_get(&group_record(g)->events[lines[i].event]));
	return fclose(f) ? -ENOMEM : 0;
}

static int mempressure_level_read(const struct group *g, char **ret, size_t *ret_len)
{
	return text_printf(ret, ret_len, "%s\n", mempressure_level_name(group_pressure_level(g)));
}

/* ---- shrinkers ---- */

static int shrinker_scan(const struct file_scan *s, char **ret, size_t *ret_len)
{
	return group_shrinkers(s->manager, s->group_id, s->reader, ret, ret_len);
}

static int shrinker_write(const struct file_write *w)
{
	int64_t chunks;
	int eventfd, r = parse_shrinker(w->text, &eventfd, &chunks);

	if (r < 0)
		return r;
	return group_adjust_shrinker(w->manager, w->group, w->caller, eventfd, chunks, w->request);
}

/* ---- the table ---- */

/*
 * A file's place names it in inode numbers and in the state file: new ones go to the end. The last
 * one must be a memory.* file: what libcgroup 2.0.2 says of a whole group is what it made of the
 * file that was listed last, and it makes an error of one that is not the controller's.
 */
static const struct control_file table[] = {
	{"tasks", 0644, .is_list = true, .scan = tasks_scan, .write = tasks_write},
	{"cgroup.procs", 0644, .is_list = true, .scan = procs_scan, .write = procs_write},
	{"memory.usage_in_bytes", 0444, .is_figure = true, .scan = usage_scan,
	 .event = event_usage},
	{"memory.max_usage_in_bytes", 0644, .is_figure = true, .scan = max_usage_scan,
	 .write = max_usage_write},
	{"memory.limit_in_bytes", 0644, .read = limit_read, .write = limit_write},
	{"memory.failcnt", 0644, .read = failcnt_read, .write = failcnt_write},
	{"memory.stat", 0444, .is_figure = true, .scan = memory_stat_scan},
	{"memory.oom_control", 0644, .read = oom_control_read, .write = oom_control_write,
	 .event = event_oom},
	{"memory.swappiness", 0644, .read = swappiness_read, .write = swappiness_write},
	{"memory.use_hierarchy", 0644, .read = use_hierarchy_read, .write = use_hierarchy_write},
	{"memory.events", 0444, .read = events_read},
	{"cgroup.event_control", 0200, .write = event_control_write},
	{"memory.pressure_level", 0444, .event = event_pressure_level},
	{"mempressure.level", 0444, .read = mempressure_level_read,
	 .event = event_mempressure_level},
	{"mempressure.shrinker", 0644, .is_list = true, .scan = shrinker_scan,
	 .write = shrinker_write, .event = event_shrinker},
	/* The same, where libcgroup finds it: it takes what is before the first dot for a
	 * controller's name. */
	{"memory.mempressure.level", 0444, .read = mempressure_level_read,
	 .event = event_mempressure_level},
	{"memory.watermarks", 0644, .read = watermarks_read, .write = watermarks_write},
	{"memory.mempressure.shrinker", 0644, .is_list = true, .scan = shrinker_scan,
	 .write = shrinker_write, .event = event_shrinker},
	{"memory.reclaim", 0200, .write = reclaim_write},
	{"cgroup.clone_children", 0644, .scan = clone_children_scan, .write = clone_children_write},
	{"notify_on_release", 0644, .scan = notify_on_release_scan,
	 .write = notify_on_release_write},
	{"release_agent", 0644, .root_only = true, .scan = release_agent_scan,
	 .write = release_agent_write},
	{"cgroup.sane_behavior", 0444, .root_only = true, .read = sane_behavior_read},
	{"memory.force_empty", 0200, .write = force_empty_write},
	{"memory.soft_limit_in_bytes", 0644, .read = soft_limit_read, .write = soft_limit_write},
	{"memory.memsw.usage_in_bytes", 0444, .is_figure = true, .scan = memsw_usage_scan,
	 .event = event_memsw_usage},
	{"memory.memsw.max_usage_in_bytes", 0644, .is_figure = true, .scan = memsw_max_usage_scan,
	 .write = memsw_max_usage_write},
	{"memory.memsw.limit_in_bytes", 0644, .read = memsw_limit_read, .write = memsw_limit_write},
	{"memory.memsw.failcnt", 0644, .read = memsw_failcnt_read, .write = memsw_failcnt_write},
	/* No event: the kernel has no thresholds of kernel memory. */
	{"memory.kmem.usage_in_bytes", 0444, .is_figure = true, .scan = kmem_usage_scan},
	{"memory.kmem.max_usage_in_bytes", 0644, .is_figure = true, .scan = kmem_max_usage_scan,
	 .write = kmem_max_usage_write},
	{"memory.kmem.limit_in_bytes", 0644, .read = kmem_limit_read, .write = kmem_limit_write},
	{"memory.kmem.failcnt", 0644, .read = kmem_failcnt_read, .write = kmem_failcnt_write},
	{"memory.kmem.slabinfo", 0444, .read = slabinfo_read},
	{"memory.kmem.tcp.usage_in_bytes", 0444, .scan = tcp_usage_scan},
	{"memory.kmem.tcp.max_usage_in_bytes", 0644, .scan = tcp_max_usage_scan,
	 .write = tcp_max_usage_write},
	{"memory.kmem.tcp.limit_in_bytes", 0644, .read = tcp_limit_read, .write = tcp_limit_write},
	{"memory.kmem.tcp.failcnt", 0644, .read = tcp_failcnt_read, .write = tcp_failcnt_write},
	{"memory.numa_stat", 0444, .is_figure = true, .scan = numa_stat_scan},
	{"memory.source", 0444, .scan = source_scan},
	{"memory.move_charge_at_immigrate", 0644, .read = move_charge_read,
	 .write = move_charge_write},
	{"memory.control_type", 0644, .read = control_type_read, .write = control_type_write},
	{"memory.rss.usage_in_bytes", 0444, .is_figure = true, .scan = rss_usage_scan},
	{"memory.rss.limit_in_bytes", 0644, .read = rss_limit_read, .write = rss_limit_write},
	{"memory.rss.failcnt", 0644, .read = rss_failcnt_read, .write = rss_failcnt_write},
};

_Static_assert(ARRAY_SIZE(table) < STATE_MAX_FILES, "index 0 is the directory");

const struct control_file *control_file(const struct group *g, unsigned index)
{
	const struct control_file *file;

	if (index < 1 || index > ARRAY_SIZE(table))
		return NULL;
	file = &table[index - 1];
	return file->root_only && group_parent(g) ? NULL : file;
}

bool control_file_is_figure(unsigned index)
{
	return index >= 1 && index <= ARRAY_SIZE(table) && table[index - 1].is_figure;
}

unsigned control_file_index(const struct group *g, const char *name)
{
	for (unsigned i = 1; i <= ARRAY_SIZE(table); i++) {
		const struct control_file *file = control_file(g, i);

		if (file && strcmp(file->name, name) == 0)
			return i;
	}
	return 0;
}

unsigned control_file_last(void)
{
	return ARRAY_SIZE(table);
}

unsigned fs_default_attr(struct file_attr attr[STATE_MAX_FILES])
{
	time_t now = time(NULL);

	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		attr[i + 1] = (struct file_attr){
			.mode = S_IFREG | table[i].mode,
			.mtime_sec = now,
		};
	return ARRAY_SIZE(table) + 1;
}

bool fs_is_control_file(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return true;
	return false;
}
