/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state file: created, adopted, and its slots handed out. The file is sparse: what no group
 * uses takes no memory, as long as nobody reads it through the mapping. Thread: the manager's loop.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "manager/state.h"
#include "util/util.h"

#define STATE_MAGIC   0x6d636766 /* "mcgf" */
#define STATE_VERSION 5          /* +1 whenever struct state changes its layout */

static bool state_is_blank(const struct state *s)
{
	return s->magic == 0 && s->version == 0;
}

/*
 * Touching a hole of the file on a full file system raises SIGBUS; this makes it an error.
 * Kernels before 5.14 do not know the request, and are taken at their luck.
 */
static int populate(void *record, size_t size)
{
	uintptr_t begin = (uintptr_t)record & ~(uintptr_t)(page_size() - 1);
	size_t len = (uintptr_t)record + size - begin;

	if (madvise((void *)begin, len, MADV_POPULATE_WRITE) == 0 || errno == EINVAL)
		return 0;
	return -ENOSPC;
}

/* The magic goes last: a file without it was never finished, and is begun anew. */
static int state_init(struct state *s)
{
	struct group_record *root = &s->group[0];
	int err = populate(root, sizeof(*root));

	if (err < 0)
		return err;

	root->in_use = 1;
	root->generation = 1;
	root->memory.limit = root->memsw.limit = root->kmem.limit = LIMIT_MAX_BYTES;
	root->rss.limit = LIMIT_MAX_BYTES;
	root->tcp.limit = LIMIT_MAX_BYTES;
	root->soft_limit = LIMIT_MAX_BYTES;
	s->version = STATE_VERSION;
	__atomic_store_n(&s->magic, STATE_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

/* Give a new file its size. A file of any other size but none is not ours to touch. */
static int state_file_size(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EPROTO;
	if (st.st_size == (off_t)sizeof(struct state))
		return 0;
	if (st.st_size != 0)
		return -EPROTO;
	return ftruncate(fd, sizeof(struct state)) < 0 ? -errno : 0;
}

int state_open(struct state **ret, const char *path)
{
	cleanup_close int fd = -1;
	struct state *s;
	int err;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0)
		return -errno;
	err = state_file_size(fd);
	if (err < 0)
		return err;
	s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		return -errno;

	if (state_is_blank(s))
		err = state_init(s);
	else if (s->magic != STATE_MAGIC || s->version != STATE_VERSION)
		err = -EPROTO;
	if (err < 0) {
		state_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

struct state *state_close(struct state *s)
{
	if (s)
		munmap(s, sizeof(*s));
	return NULL;
}

/* Everything but the generation, which is raised; 0 is skipped so that no group's id is 0. */
static void record_clear(struct group_record *r)
{
	uint32_t generation = r->generation + 1;

	memset(r, 0, sizeof(*r));
	r->generation = generation ? generation : 1;
}

int state_slot_new(struct state *s)
{
	for (uint32_t slot = 1; slot < STATE_MAX_GROUPS; slot++) {
		struct group_record *r = &s->group[slot];
		int err = populate(r, sizeof(*r));

		if (err < 0)
			return err;
		if (r->in_use)
			continue;
		record_clear(r);
		r->in_use = 1;
		return (int)slot;
	}
	return -ENOSPC;
}

void state_slot_free(struct state *s, uint32_t slot)
{
	if (slot > 0 && slot < STATE_MAX_GROUPS)
		s->group[slot].in_use = 0;
}

bool state_has_groups(const struct state *s)
{
	for (uint32_t slot = 1; slot < STATE_MAX_GROUPS; slot++)
		if (s->group[slot].in_use)
			return true;
	return false;
}

int state_listener_new(struct state *s)
{
	uint64_t i = 0;
	int err;

	while (i < s->nr_listeners && s->listener[i].kind)
		i++;
	if (i == STATE_MAX_LISTENERS)
		return -ENOSPC;
	err = populate(&s->listener[i], sizeof(s->listener[i]));
	if (err < 0)
		return err;
	s->listener[i] = (struct listener_record){.kind = LISTENER_NONE};
	s->nr_listeners = MAX(s->nr_listeners, i + 1);
	return (int)i;
}
