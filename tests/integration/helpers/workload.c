// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * workload WORKLOAD [ARGUMENT]...: a process that uses memory in a known way and stands still while
 * somebody looks at what it is charged for. It joins its group, the tasks files in $GROUP with ":"
 * in between, before it allocates; $OTHER is a second group for those that move or fork there. At
 * each point to look at it says "ready" and waits for a line.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include "helper.h"

#define BLOCK_BYTES  (64UL << 10) /* of one read or write */
#define HUGE_BYTES   (2 * MIB)
#define NR_CHILDREN  3
#define EXACT_PAGES  65 /* one more than the kernel charges at once */
#define STACK_BYTES  (64UL << 10)
#define ANON_BYTES   (200 * MIB)
#define MEDIUM_BYTES (100 * MIB)
#define SMALL_BYTES  (50 * MIB)

static pid_t children[NR_CHILDREN];
static char **argument; /* of the workload */

/* Joining, and standing still ------------------------------------------------------------------ */

static void join(const char *variable)
{
	char *files = getenv(variable), pid[16];
	size_t len = (size_t)snprintf(pid, sizeof(pid), "%d", getpid());

	if (!files)
		errx(2, "no $%s", variable);
	files = strdup(files);
	for (char *file = strtok(files, ":"); file; file = strtok(NULL, ":")) {
		int fd = open(file, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, pid, len) != (ssize_t)len)
			err(3, "%s", file);
		close(fd);
	}
	free(files);
}

static void stand_still(void)
{
	say("ready");
	await_line();
}

/* Memory --------------------------------------------------------------------------------------- */

static char *map(size_t bytes, int flags)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);

	if (p == MAP_FAILED)
		err(3, "mmap");
	madvise(p, bytes, MADV_NOHUGEPAGE);
	return p;
}

static void write_pages(char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE_BYTES)
		*(volatile char *)(p + i) = 1;
}

static void read_pages(char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE_BYTES)
		(void)*(volatile char *)(p + i);
}

static char *touched(size_t bytes)
{
	char *p = map(bytes, MAP_PRIVATE);

	write_pages(p, bytes);
	return p;
}

/* Children ------------------------------------------------------------------------------------- */

static pid_t start_child(int done, const char *group, void (*work)(char *, size_t), char *p,
			 size_t bytes)
{
	pid_t pid = fork();

	if (pid < 0)
		err(3, "fork");
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (group)
		join(group);
	work(p, bytes);
	if (write(done, "d", 1) != 1)
		err(3, "done");
	close(done);
	for (;;)
		pause();
}

/* Fork NR of them, each of which does WORK and stays; return when all have done it. */
static void with_children(size_t nr, const char *group, void (*work)(char *, size_t), char *p,
			  size_t bytes)
{
	int done[2];
	char c;

	if (pipe(done) < 0)
		err(3, "pipe");
	for (size_t i = 0; i < nr; i++)
		children[i] = start_child(done[1], group, work, p, bytes);
	close(done[1]);
	for (size_t i = 0; i < nr; i++)
		if (read(done[0], &c, 1) != 1)
			errx(3, "a child died");
	close(done[0]);
}

static void end_children(void)
{
	for (size_t i = 0; i < NR_CHILDREN && children[i]; i++) {
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
}

/* Files ---------------------------------------------------------------------------------------- */

static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		err(3, "%s", path);
	return fd;
}

static void write_file(int fd, size_t bytes)
{
	static const char block[BLOCK_BYTES];

	for (size_t at = 0; at < bytes; at += BLOCK_BYTES)
		if (write(fd, block, BLOCK_BYTES) != (ssize_t)BLOCK_BYTES)
			err(3, "write");
}

static void read_file(int fd, size_t bytes)
{
	static char block[BLOCK_BYTES];

	for (size_t at = 0; at < bytes; at += BLOCK_BYTES)
		if (read(fd, block, BLOCK_BYTES) != (ssize_t)BLOCK_BYTES)
			err(3, "read");
}

/* Workloads ------------------------------------------------------------------------------------ */

static void do_anon(void)
{
	join("GROUP");
	touched(ANON_BYTES);
	stand_still();
}

static void do_fork_read(void)
{
	join("GROUP");
	with_children(NR_CHILDREN, NULL, read_pages, touched(ANON_BYTES), ANON_BYTES);
	stand_still();
}

static void do_fork_write(void)
{
	join("GROUP");
	with_children(NR_CHILDREN, NULL, write_pages, touched(ANON_BYTES), ANON_BYTES / 2);
	stand_still();
}

static void do_shared(void)
{
	join("GROUP");
	with_children(NR_CHILDREN, NULL, write_pages, map(ANON_BYTES, MAP_SHARED), ANON_BYTES);
	stand_still();
}

static void do_huge(void)
{
	char *p;

	join("GROUP");
	p = map(ANON_BYTES + HUGE_BYTES, MAP_PRIVATE);
	p += HUGE_BYTES - (uintptr_t)p % HUGE_BYTES;
	madvise(p, ANON_BYTES, MADV_HUGEPAGE);
	write_pages(p, ANON_BYTES);
	stand_still();
}

static void do_mlock(void)
{
	join("GROUP");
	if (mlock(map(MEDIUM_BYTES, MAP_PRIVATE), MEDIUM_BYTES) < 0)
		err(3, "mlock");
	stand_still();
}

static void do_populate(void)
{
	join("GROUP");
	map(MEDIUM_BYTES, MAP_PRIVATE | MAP_POPULATE);
	stand_still();
}

static void do_zero(void) /* what was only read is all the same page */
{
	join("GROUP");
	read_pages(map(MEDIUM_BYTES, MAP_PRIVATE), MEDIUM_BYTES);
	stand_still();
}

static void do_advise(void) /* a quarter is lazily freed, then another one at once */
{
	char *p;

	join("GROUP");
	p = touched(ANON_BYTES);
	madvise(p, ANON_BYTES / 4, MADV_FREE);
	stand_still();
	madvise(p + ANON_BYTES / 4, ANON_BYTES / 4, MADV_DONTNEED);
	stand_still();
}

/* Half goes to swap; then a child has all of it as well, and reads what was left in memory. */
static void do_swap(void) /* private|shared */
{
	char *p;

	join("GROUP");
	p = map(ANON_BYTES, strcmp(argument[0], "shared") ? MAP_PRIVATE : MAP_SHARED);
	write_pages(p, ANON_BYTES);
	if (madvise(p, ANON_BYTES / 2, MADV_PAGEOUT) < 0)
		err(3, "MADV_PAGEOUT");
	stand_still();
	with_children(1, NULL, read_pages, p + ANON_BYTES / 2, ANON_BYTES / 2);
	stand_still();
}

static void touch_exact(void)
{
	char *p = map(EXACT_PAGES * PAGE_BYTES, MAP_PRIVATE);

	write_pages(p, EXACT_PAGES * PAGE_BYTES);
	stand_still();
	munmap(p, EXACT_PAGES * PAGE_BYTES);
}

__attribute__((noinline)) static void touch_stack(void)
{
	char stack[STACK_BYTES];

	write_pages(stack, sizeof(stack));
}

/* Once before it joins, so that no page of its own (stack, data, bindings) is new to it later. */
static void do_exact(void)
{
	touch_stack();
	touch_exact();
	join("GROUP");
	touch_exact();
	stand_still();
}

static void do_late(void)
{
	touched(MEDIUM_BYTES);
	join("GROUP");
	touched(SMALL_BYTES);
	stand_still();
}

static void do_move(void)
{
	join("GROUP");
	touched(MEDIUM_BYTES);
	join("OTHER");
	touched(SMALL_BYTES);
	stand_still();
}

static void do_split(void) /* then the parent leaves it all to the child */
{
	char *p;

	join("GROUP");
	p = touched(MEDIUM_BYTES);
	with_children(1, "OTHER", write_pages, p, MEDIUM_BYTES / 2);
	stand_still();
	munmap(p, MEDIUM_BYTES);
	stand_still();
}

static size_t cached_pages(int fd, size_t bytes)
{
	size_t nr = bytes / PAGE_BYTES, cached = 0;
	unsigned char *in_core = malloc(nr);
	void *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);

	if (!in_core || p == MAP_FAILED || mincore(p, bytes, in_core) < 0)
		err(3, "mincore");
	for (size_t i = 0; i < nr; i++)
		cached += in_core[i] & 1;
	munmap(p, bytes);
	free(in_core);
	return cached;
}

static void do_make(void) /* FILE BYTES; on disk. In no group, as the next */
{
	int fd = open_file(argument[0], O_CREAT | O_WRONLY);

	write_file(fd, number(argument[1]));
	if (fsync(fd) < 0)
		err(3, "fsync");
	close(fd);
}

/* FILE BYTES; out of memory. Exit status 1: some of it is not, the journal may still hold it. */
static void do_drop(void)
{
	int fd = open_file(argument[0], O_RDONLY);

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (cached_pages(fd, number(argument[1])))
		exit(1);
	close(fd);
}

static void do_read(void) /* FILE BYTES; without $GROUP in no group */
{
	if (getenv("GROUP"))
		join("GROUP");
	read_file(open_file(argument[0], O_RDONLY), number(argument[1]));
	stand_still();
}

static void do_write(void) /* FILE BYTES; open, then closed */
{
	int fd;

	join("GROUP");
	fd = open_file(argument[0], O_CREAT | O_WRONLY);
	write_file(fd, number(argument[1]));
	stand_still();
	close(fd);
	stand_still();
}

static void do_map(void) /* FILE BYTES; mapped, then not any more */
{
	size_t bytes = number(argument[1]);
	char *p;

	join("GROUP");
	p = mmap(NULL, bytes, PROT_READ, MAP_SHARED, open_file(argument[0], O_RDONLY), 0);
	if (p == MAP_FAILED)
		err(3, "mmap");
	read_pages(p, bytes);
	stand_still();
	munmap(p, bytes);
	stand_still();
}

static void do_map_private(void) /* FILE BYTES; every page is written, so there are two of it */
{
	size_t bytes = number(argument[1]);
	char *p;

	join("GROUP");
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, open_file(argument[0], O_RDONLY),
		 0);
	if (p == MAP_FAILED)
		err(3, "mmap");
	read_pages(p, bytes);
	write_pages(p, bytes);
	stand_still();
}

static void do_allocate(void) /* FILE BYTES */
{
	join("GROUP");
	if (fallocate(open_file(argument[0], O_CREAT | O_WRONLY), 0, 0,
		      (off_t)number(argument[1])) < 0)
		err(3, "fallocate");
	stand_still();
}

static void do_memfd(void)
{
	int fd;

	join("GROUP");
	fd = memfd_create("accuracy", MFD_CLOEXEC);
	if (fd < 0)
		err(3, "memfd_create");
	write_file(fd, SMALL_BYTES);
	stand_still();
}

static void do_sysv(void) /* KEY; touched and detached, then removed */
{
	int id;
	char *p;

	join("GROUP");
	id = shmget((key_t)number(argument[0]), SMALL_BYTES, IPC_CREAT | IPC_EXCL | 0600);
	if (id < 0)
		err(3, "shmget");
	p = shmat(id, NULL, 0);
	if (p == (void *)-1)
		err(3, "shmat");
	write_pages(p, SMALL_BYTES);
	shmdt(p);
	stand_still();
	shmctl(id, IPC_RMID, NULL);
	stand_still();
}

static void do_run(void) /* COMMAND...: says and awaits nothing itself */
{
	join("GROUP");
	execvp(argument[0], argument);
	err(127, "%s", argument[0]);
}

static const struct workload {
	const char *name;
	int nr_arguments; /* at least */
	void (*run)(void);
} workloads[] = {
	{"anon", 0, do_anon},
	{"fork_read", 0, do_fork_read},
	{"fork_write", 0, do_fork_write},
	{"shared", 0, do_shared},
	{"huge", 0, do_huge},
	{"mlock", 0, do_mlock},
	{"populate", 0, do_populate},
	{"zero", 0, do_zero},
	{"advise", 0, do_advise},
	{"swap", 1, do_swap},
	{"exact", 0, do_exact},
	{"late", 0, do_late},
	{"move", 0, do_move},
	{"split", 0, do_split},
	{"make", 2, do_make},
	{"drop", 2, do_drop},
	{"read", 2, do_read},
	{"write", 2, do_write},
	{"map", 2, do_map},
	{"map_private", 2, do_map_private},
	{"allocate", 2, do_allocate},
	{"memfd", 0, do_memfd},
	{"sysv", 1, do_sysv},
	{"run", 1, do_run},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(workloads); i++) {
		const struct workload *w = &workloads[i];
		if (strcmp(argv[1], w->name) || argc < 2 + w->nr_arguments)
			continue;
		argument = argv + 2;
		w->run();
		end_children();
		return 0;
	}
	errx(2, "usage: workload WORKLOAD [ARGUMENT]...");
}
