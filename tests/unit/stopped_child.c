/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Real children for tests of reclaim. Thread: the test's. */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "tests/unit/stopped_child.h"

char *child_map(size_t size, int flags)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	if (at == MAP_FAILED)
		_exit(3);
	return at;
}

char *child_fill(char *at, size_t size)
{
	for (size_t i = 0; i < size; i += page_size())
		memset(at + i, (int)(i / page_size() % 255 + 1), 64);
	return at;
}

int child_check(const char *at, size_t size)
{
	for (size_t i = 0; i < size; i += page_size())
		for (size_t j = 0; j < 64; j++)
			if ((unsigned char)at[i + j] != i / page_size() % 255 + 1)
				return 1;
	return 0;
}

struct process_usage child_usage(const struct child *c)
{
	struct process_usage u = {0};

	CU_ASSERT_EQUAL(process_usage_read(c->process.proc_fd, &u), 0);
	return u;
}

uint64_t child_resident(const struct child *c)
{
	struct process_usage u = child_usage(c);

	return u.rss_anon + u.rss_shmem;
}

struct child child_start(child_fn set_up, check_fn then)
{
	struct child c = {{.pid = fork(), .proc_fd = -1}};
	int status = 0;

	if (c.process.pid == 0) {
		void *memory = set_up();

		raise(SIGSTOP);
		_exit(then ? then(memory) : 0);
	}
	CU_ASSERT_FATAL(c.process.pid > 0);
	CU_ASSERT_EQUAL(waitpid(c.process.pid, &status, WUNTRACED), c.process.pid);
	CU_ASSERT_FATAL(WIFSTOPPED(status));
	c.process.proc_fd = process_usage_open(c.process.pid);
	c.process.rss = child_resident(&c);
	return c;
}

int child_finish(struct child *c)
{
	int status = -1;

	kill(c->process.pid, SIGCONT);
	CU_ASSERT_EQUAL(waitpid(c->process.pid, &status, 0), c->process.pid);
	close(c->process.proc_fd);
	return status;
}

void *private_64(void)
{
	return child_fill(child_map(64 * MIB, MAP_PRIVATE), 64 * MIB);
}

int check_64(void *memory)
{
	return child_check(memory, 64 * MIB);
}

void *private_16(void)
{
	return child_fill(child_map(16 * MIB, MAP_PRIVATE), 16 * MIB);
}

int check_16(void *memory)
{
	return child_check(memory, 16 * MIB);
}

void *private_4(void)
{
	return child_map(4 * MIB, MAP_PRIVATE);
}
