/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The state file: made, adopted, refused; slots and their generations. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "manager/state.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

static char dir[] = "/tmp/test_state.XXXXXX";
static char path[64];

static int suite_init(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/state", dir);
	return 0;
}

static int suite_clean(void)
{
	return rmdir(dir);
}

static void test_new(void)
{
	struct state *s = NULL;
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(state_open(&s, path), 0);
	CU_ASSERT_EQUAL(s->group[0].in_use, 1);
	CU_ASSERT_EQUAL(s->group[0].generation, 1);
	CU_ASSERT_EQUAL(s->group[0].memory.limit, LIMIT_MAX_BYTES);
	CU_ASSERT_EQUAL(s->fuse_init_len, 0);
	CU_ASSERT_EQUAL(stat(path, &st), 0);
	CU_ASSERT_EQUAL(st.st_size, (off_t)sizeof(struct state));
	CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
	/* Sparse: a group costs what its record takes, all others nothing. */
	CU_ASSERT(st.st_blocks * 512 < 65536);
	CU_ASSERT_PTR_NULL(state_close(s));
	CU_ASSERT_PTR_NULL(state_close(NULL));
	unlink(path);
}

static void test_adopt(void)
{
	struct state *s = NULL;
	int slot;

	CU_ASSERT_EQUAL_FATAL(state_open(&s, path), 0);
	slot = state_slot_new(s);
	CU_ASSERT_EQUAL_FATAL(slot, 1);
	strcpy(s->group[slot].name, "a group");
	s->group[slot].memory.failcnt = 7;
	state_close(s);

	CU_ASSERT_EQUAL_FATAL(state_open(&s, path), 0);
	CU_ASSERT_EQUAL(s->group[1].in_use, 1);
	CU_ASSERT_STRING_EQUAL(s->group[1].name, "a group");
	CU_ASSERT_EQUAL(s->group[1].memory.failcnt, 7);
	state_close(s);
	unlink(path);
}

/* What a process wrote that was killed in the middle is there for the next. */
static void test_survives_kill(void)
{
	struct state *s = NULL;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(state_open(&s, path), 0);
	pid = fork();
	if (pid == 0) {
		atomic_put(&s->group[0].memory.failcnt, 42);
		raise(SIGKILL);
	}
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
	CU_ASSERT_EQUAL(atomic_get(&s->group[0].memory.failcnt), 42);
	state_close(s);
	CU_ASSERT_EQUAL_FATAL(state_open(&s, path), 0);
	CU_ASSERT_EQUAL(s->group[0].memory.failcnt, 42);
	state_close(s);
	unlink(path);
}

static void test_slots(void)
{
	struct state *s = NULL;

	CU_ASSERT_EQUAL_FATAL(state_open(&s, path), 0);
	CU_ASSERT_EQUAL(state_slot_new(s), 1);
	CU_ASSERT_EQUAL(state_slot_new(s), 2);
	CU_ASSERT_EQUAL(state_slot_new(s), 3);
	CU_ASSERT_EQUAL(s->group[2].generation, 1);
	s->group[2].memory.limit = 1;
	strcpy(s->group[2].name, "old");

	state_slot_free(s, 2);
	CU_ASSERT_EQUAL(s->group[2].in_use, 0);
	CU_ASSERT_EQUAL(state_slot_new(s), 2);
	CU_ASSERT_EQUAL(s->group[2].in_use, 1);
	CU_ASSERT_EQUAL(s->group[2].generation, 2);
	CU_ASSERT_EQUAL(s->group[2].memory.limit, 0);
	CU_ASSERT_STRING_EQUAL(s->group[2].name, "");

	state_slot_free(s, 2);
	s->group[2].generation = UINT32_MAX;
	CU_ASSERT_EQUAL(state_slot_new(s), 2);
	CU_ASSERT_EQUAL(s->group[2].generation, 1);

	/* The root stays. */
	state_slot_free(s, 0);
	state_slot_free(s, STATE_MAX_GROUPS);
	CU_ASSERT_EQUAL(s->group[0].in_use, 1);
	state_close(s);
	unlink(path);
}

static void test_full(void)
{
	struct state *s = NULL;
	int nr = 0;

	CU_ASSERT_EQUAL_FATAL(state_open(&s, path), 0);
	while (nr < STATE_MAX_GROUPS && state_slot_new(s) > 0)
		nr++;
	CU_ASSERT_EQUAL(nr, STATE_MAX_GROUPS - 1);
	CU_ASSERT_EQUAL(state_slot_new(s), -ENOSPC);
	state_slot_free(s, STATE_MAX_GROUPS - 1);
	CU_ASSERT_EQUAL(state_slot_new(s), STATE_MAX_GROUPS - 1);
	state_close(s);
	unlink(path);
}

static void write_at(off_t offset, uint32_t value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CU_ASSERT_EQUAL(pwrite(fd, &value, sizeof(value), offset), (ssize_t)sizeof(value));
	close(fd);
}

/* ret stays as it was, and so does the file. */
static void assert_refused(void)
{
	struct state *s = (struct state *)dir;
	struct stat before, after;

	CU_ASSERT_EQUAL(stat(path, &before), 0);
	CU_ASSERT_EQUAL(state_open(&s, path), -EPROTO);
	CU_ASSERT_PTR_EQUAL(s, dir);
	CU_ASSERT_EQUAL(stat(path, &after), 0);
	CU_ASSERT_EQUAL(before.st_size, after.st_size);
}

static void test_refused(void)
{
	struct state *s = NULL;

	CU_ASSERT_EQUAL_FATAL(state_open(&s, path), 0);
	state_close(s);
	write_at(offsetof(struct state, version), 999);
	assert_refused();
	unlink(path);

	CU_ASSERT_EQUAL_FATAL(state_open(&s, path), 0);
	state_close(s);
	write_at(offsetof(struct state, magic), 0x12345678);
	assert_refused();

	CU_ASSERT_EQUAL(truncate(path, 100), 0);
	assert_refused();
	CU_ASSERT_EQUAL(truncate(path, sizeof(struct state) + 1), 0);
	assert_refused();
	unlink(path);
}

/* Killed between making the file and finishing it. */
static void test_unfinished(void)
{
	struct state *s = NULL;
	int fd;

	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	close(fd);
	CU_ASSERT_EQUAL_FATAL(state_open(&s, path), 0);
	state_close(s);
	write_at(offsetof(struct state, magic), 0);
	write_at(offsetof(struct state, version), 0);
	CU_ASSERT_EQUAL_FATAL(state_open(&s, path), 0);
	CU_ASSERT_EQUAL(s->group[0].in_use, 1);
	state_close(s);
	unlink(path);
}

static void test_errors(void)
{
	struct state *s = NULL;

	CU_ASSERT_EQUAL(state_open(&s, "/nonexistent/state"), -ENOENT);
	CU_ASSERT_EQUAL(state_open(&s, dir), -EISDIR);
	CU_ASSERT_EQUAL(symlink("/dev/null", path), 0);
	CU_ASSERT_EQUAL(state_open(&s, path), -ELOOP);
	unlink(path);
	CU_ASSERT_EQUAL(mkfifo(path, 0600), 0);
	CU_ASSERT_EQUAL(state_open(&s, path), -EPROTO);
	unlink(path);
	CU_ASSERT_PTR_NULL(s);
}

int main(void)
{
	CU_TestInfo tests[] = {{"a new file", test_new},
			       {"an earlier file is adopted", test_adopt},
			       {"survives kill", test_survives_kill},
			       {"slots and generations", test_slots},
			       {"all slots taken", test_full},
			       {"other versions and sizes are refused", test_refused},
			       {"an unfinished file is begun anew", test_unfinished},
			       {"errors", test_errors},
			       CU_TEST_INFO_NULL};
	CU_SuiteInfo suites[] = {{"state", suite_init, suite_clean, NULL, NULL, tests},
				 CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
