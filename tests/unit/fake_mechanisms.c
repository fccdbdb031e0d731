/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The world's processes: made, started as real children, signalled, and read as /proc would tell of
 * them. Sizes in pages. Thread: the test's; the reading functions any.
 */
#include <dlfcn.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "accounting/process_usage.h"
#include "reclaim/reclaim.h"
#include "tests/unit/fake_mechanisms.h"

#define SIGNAL_BIT(n) (1ULL << ((n)-1))

/* Not declared outside of manager_private.h, which no mechanism knows. */
ssize_t proc_read(const char *path, char *buf, size_t size);
int proc_tasks(pid_t tgid, pid_t **ret, size_t *ret_nr);

struct fake_world world;
static struct fake_process processes[FAKE_MAX_PROCESSES];
static unsigned nr_processes;

/* ---- making ---- */

/* Not to be found before process_publish(). */
static struct fake_process *process_make(pid_t pid)
{
	struct fake_process *fp;

	if (nr_processes == FAKE_MAX_PROCESSES)
		abort();
	fp = &processes[nr_processes];
	*fp = (struct fake_process){
		.pid = pid, .nr_threads = 1, .pss_anon = FAKE_PRIVATE, .alive = 1};
	return fp;
}

static struct fake_process *process_publish(struct fake_process *fp)
{
	__atomic_fetch_add(&nr_processes, 1, __ATOMIC_RELEASE);
	return fp;
}

static pid_t next_pid(void)
{
	return FAKE_FIRST_PID + (pid_t)nr_processes * FAKE_PID_STEP;
}

struct fake_process *world_process(uint64_t rss_anon)
{
	struct fake_process *fp = process_make(next_pid());

	fp->rss_anon = rss_anon;
	return process_publish(fp);
}

struct fake_process *fake_fork(const struct fake_process *parent, pid_t pid)
{
	struct fake_process *fp = process_make(pid ? pid : next_pid());

	fp->rss_anon = atomic_get(&parent->rss_anon);
	fp->rss_shmem = atomic_get(&parent->rss_shmem);
	fp->uid = parent->uid;
	fp->member = parent->member;
	fp->lease.slot = parent->lease.slot;
	strcpy(fp->dir, parent->dir);
	return process_publish(fp);
}

struct fake_process *fake_by_index(unsigned i)
{
	return i < __atomic_load_n(&nr_processes, __ATOMIC_ACQUIRE) ? &processes[i] : NULL;
}

struct fake_process *fake_by_pid(pid_t pid)
{
	struct fake_process *fp;

	for (unsigned i = 0; (fp = fake_by_index(i)); i++)
		if (fp->pid == pid && atomic_get(&fp->alive))
			return fp;
	return NULL;
}

static void real_children_end(void)
{
	for (unsigned i = 0; i < nr_processes; i++) {
		if (!processes[i].real)
			continue;
		kill(processes[i].pid, SIGKILL);
		waitpid(processes[i].pid, NULL, 0);
	}
}

void fake_events_forget(void)
{
	for (unsigned i = 0; i < nr_processes; i++) {
		if (processes[i].faults_fd)
			close(processes[i].faults_fd);
		processes[i].faults_fd = 0;
	}
}

void world_reset(void)
{
	real_children_end();
	fake_events_forget();
	memset(processes, 0, sizeof(processes));
	nr_processes = 0;
	world = (struct fake_world){.swap_free = 1 << 20};
	fake_lease_reset();
	fake_hierarchy_reset();
	fake_reclaim_reset();
}

/* ---- real children: this program again, with an argument ---- */

#define CHILD_OPTION "--sleep-with-threads"

static void *thread_sleep(void *userdata)
{
	for (;;)
		pause();
	return userdata;
}

void world_child_main(int argc, char **argv)
{
	if (argc != 4 || strcmp(argv[1], CHILD_OPTION))
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, argv[3]);
	for (long n = strtol(argv[2], NULL, 10); n > 1; n--) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, thread_sleep, NULL))
			_exit(EXIT_FAILURE);
	}
	if (write(STDOUT_FILENO, "r", 1) != 1)
		_exit(EXIT_FAILURE);
	thread_sleep(NULL);
}

static pid_t child_spawn(unsigned nr_threads, const char *name)
{
	char nr[16], byte, *argv[] = {"child", CHILD_OPTION, nr, (char *)name, NULL},
			   *envp[] = {NULL};
	posix_spawn_file_actions_t actions;
	int ready[2];
	pid_t pid;

	snprintf(nr, sizeof(nr), "%u", nr_threads);
	if (pipe2(ready, O_CLOEXEC))
		abort();
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ready[1], STDOUT_FILENO);
	if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, envp))
		abort();
	posix_spawn_file_actions_destroy(&actions);
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		abort();
	close(ready[0]);
	return pid;
}

struct fake_process *world_child(unsigned nr_threads, const char *name)
{
	struct fake_process *fp = process_make(child_spawn(nr_threads, name));
	char path[32];
	struct stat st;

	fp->real = true;
	snprintf(path, sizeof(path), "/proc/%d/task", fp->pid);
	if (stat(path, &st))
		abort();
	fp->nr_threads = st.st_nlink - 2; /* a sanitizer has threads of its own */
	return process_publish(fp);
}

/* ---- who a descriptor names: its size is the process's place in the table, plus one ---- */

static struct fake_process *by_fd(int fd)
{
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !st.st_size)
		return NULL;
	return fake_by_index((unsigned)st.st_size - 1);
}

static bool has_thread(const struct fake_process *fp, pid_t tid)
{
	return atomic_get(&fp->alive) && tid >= fp->pid &&
	       (uint64_t)(tid - fp->pid) < atomic_get(&fp->nr_threads);
}

static struct fake_process *by_tid(pid_t tid)
{
	struct fake_process *fp = fake_by_pid(tid);

	for (unsigned i = 0; !fp && fake_by_index(i); i++)
		if (has_thread(fake_by_index(i), tid))
			fp = fake_by_index(i);
	return fp;
}

int process_usage_open(pid_t pid)
{
	struct fake_process *fp = by_tid(pid);
	int fd;

	if (world.usage_open_error)
		return world.usage_open_error;
	if (!fp)
		return -ESRCH;
	fd = memfd_create("fake process", MFD_CLOEXEC);
	if (fd >= 0 && ftruncate(fd, fp - processes + 1))
		abort();
	return fd < 0 ? -errno : fd;
}

int process_open(pid_t pid, int proc_fd)
{
	const struct fake_process *fp = by_fd(proc_fd);

	if (!fp || fp->pid != pid || !atomic_get(&fp->alive))
		return -ESRCH;
	return fcntl(proc_fd, F_DUPFD_CLOEXEC, 0);
}

/* ---- signals ---- */

static void signal_count(struct fake_process *fp, int sig)
{
	switch (sig) {
	case SIGSTOP:
		atomic_inc(&fp->nr_stops, 1);
		atomic_put(&fp->stopped, 1);
		break;
	case SIGCONT: /* discards what stops are pending, as the kernel has it */
		atomic_inc(&fp->nr_continues, 1);
		atomic_put(&fp->stopped, 0);
		atomic_put(&fp->pending, 0);
		break;
	case SIGKILL:
		atomic_inc(&fp->nr_kills, 1);
		if (!fp->undying)
			fake_die(fp);
		break;
	default:
		if (fp->caught & SIGNAL_BIT(sig))
			atomic_put(&fp->pending, atomic_get(&fp->pending) | SIGNAL_BIT(sig));
		else
			atomic_put(&fp->stopped, 1);
	}
}

int process_kill(pid_t pid, int proc_fd)
{
	struct fake_process *fp = by_fd(proc_fd);

	if (!fp || fp->pid != pid || !atomic_get(&fp->alive))
		return -ESRCH;
	if (!atomic_get(
		    &fp->nr_kills)) /* else it only gives back the memory of one killed already */
		signal_count(fp, SIGKILL);
	return 0;
}

/*
 * Those that the manager sends to the world's processes come to it; all other calls go to the
 * kernel, with six arguments as libc does it, however many there were: the sanitizer does not like
 * that.
 */
__attribute__((no_sanitize_address)) long syscall(long number, ...)
{
	static long (*real)(long number, ...);
	struct fake_process *fp;
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (size_t i = 0; i < ARRAY_SIZE(a); i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_pidfd_send_signal) {
		fp = by_fd((int)a[0]);
		if (!fp)
			abort();
		signal_count(fp, (int)a[1]);
		return 0;
	}
	if (number == SYS_tgkill && fake_by_pid((pid_t)a[0])) {
		signal_count(fake_by_pid((pid_t)a[0]), (int)a[2]);
		return 0;
	}
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- what /proc tells ---- */

/* status_file_ended(): no process's. */
static bool is_empty_file(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) && !st.st_size;
}

int process_usage_read(int fd, struct process_usage *ret)
{
	static uint64_t nr_reads;
	const struct fake_process *fp;

	if (world.on_usage_read)
		world.on_usage_read();
	fp = by_fd(fd);
	if (!fp && is_empty_file(fd))
		return -ESRCH;
	if (!fp)
		abort(); /* a descriptor that was closed, or given to something else */
	if (!atomic_get(&fp->alive))
		return -ESRCH;
	atomic_inc(&nr_reads, 1);
	*ret = (struct process_usage){
		.rss_anon = atomic_get(&fp->rss_anon),
		.rss_file = atomic_get(&fp->rss_file),
		.rss_shmem = atomic_get(&fp->rss_shmem),
		.swap = atomic_get(&fp->swap),
		.locked = atomic_get(&fp->locked),
		.page_tables = atomic_get(&fp->page_tables),
		.nr_threads = (uint32_t)atomic_get(&fp->nr_threads),
		.nr_stacks = (uint32_t)atomic_get(&fp->nr_threads),
		.state = atomic_get(&fp->stopped) ? 'T' : (atomic_get(&fp->runs) ? 'R' : 'S'),
		.signals_pending = atomic_get(&fp->pending),
		.signals_caught = atomic_get(&fp->caught),
		.nr_switches = atomic_get(&fp->sleeps) ? 0 : atomic_get(&nr_reads),
	};
	return 0;
}

int process_usage_read_shared(pid_t pid, struct process_usage *ret)
{
	const struct fake_process *fp = fake_by_pid(pid);

	if (!fp)
		return -ESRCH;
	ret->rss_anon = MIN(ret->rss_anon, atomic_get(&fp->pss_anon));
	return 0;
}

int process_shmem_files(pid_t pid, process_shmem_fn fn, void *userdata)
{
	const struct fake_process *fp = fake_by_pid(pid);

	if (!fp)
		return -ESRCH;
	if (atomic_get(&fp->shmem_files))
		fn(1, 1, atomic_get(&fp->shmem_files), userdata);
	return 0;
}

int process_shmem_list(pid_t pid, shmem_file_fn fn, void *userdata)
{
	(void)fn;
	(void)userdata;
	return fake_by_pid(pid) ? 0 : -ESRCH;
}

int process_written_bytes(pid_t pid, uint64_t *ret)
{
	const struct fake_process *fp = fake_by_pid(pid);

	if (!fp)
		return -ESRCH;
	*ret = atomic_get(&fp->written_bytes);
	return 0;
}

static int fake_text(const struct fake_process *fp, const char *file, char *buf, size_t size)
{
	int n = -ENOENT;

	if (!strcmp(file, "oom_score_adj"))
		n = snprintf(buf, size, "%d\n", fp->oom_score_adj);
	else if (!strcmp(file, "comm"))
		n = snprintf(buf, size, "fake\n");
	else if (!strcmp(file, "status"))
		n = snprintf(buf, size,
			     "Name:\tfake\nState:\tS (sleeping)\nTgid:\t%d\nUid:\t%u\t%u\t%u\t%u\n",
			     fp->pid, fp->uid, fp->uid, fp->uid, fp->uid);
	else if (!strcmp(file, "stat"))
		n = snprintf(buf, size, "%d (a) b)) S 1 1 1 0 -1 4194304 %u 55 7 66 0 0\n", fp->pid,
			     100 + fp->nr_copies + (unsigned)atomic_get(&fp->nr_touched));
	else if (!strcmp(file, "smaps_rollup"))
		n = snprintf(buf, size, "Rss: 1 kB\nAnonHugePages:      2048 kB\n");
	return n;
}

/* oom_score_adj may not be lowered without privileges, so real children's is the world's too. */
ssize_t proc_read(const char *path, char *buf, size_t size)
{
	char *file, full[96];
	pid_t pid = (pid_t)strtol(path, &file, 10);
	struct fake_process *fp;

	if (!strcmp(path, "meminfo"))
		return snprintf(buf, size, "MemTotal: 1000 kB\nMemAvailable: %d kB\n",
				world.is_short ? 99 : 100);
	file += *file == '/';
	for (unsigned i = 0; (fp = fake_by_index(i)); i++) {
		if (pid < fp->pid || pid >= fp->pid + (fp->real ? 1 : (pid_t)fp->nr_threads))
			continue;
		if (!fp->real || !strcmp(file, "oom_score_adj"))
			return atomic_get(&fp->alive) ? fake_text(fp, file, buf, size) : -ENOENT;
	}
	snprintf(full, sizeof(full), "/proc/%s", path);
	return read_file_at(AT_FDCWD, full, buf, size);
}

#define MAX_TASKS 256

static size_t real_tasks(pid_t tgid, pid_t *tids)
{
	size_t nr = 0;
	char path[32];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", tgid);
	dir = opendir(path);
	for (struct dirent *e; dir && nr < MAX_TASKS && (e = readdir(dir));) {
		tids[nr] = (pid_t)strtol(e->d_name, NULL, 10);
		nr += tids[nr] > 0;
	}
	if (dir)
		closedir(dir);
	return nr;
}

int proc_tasks(pid_t tgid, pid_t **ret, size_t *ret_nr)
{
	struct fake_process *fp = fake_by_pid(tgid);
	pid_t *tids = calloc(MAX_TASKS, sizeof(*tids));
	size_t nr = 0;

	if (fp && !fp->real)
		for (; nr < fp->nr_threads; nr++)
			tids[nr] = fp->pid + (pid_t)nr;
	else
		nr = real_tasks(tgid, tids);
	if (!nr) {
		free(tids);
		return -ESRCH;
	}
	*ret = tids;
	*ret_nr = nr;
	return 0;
}
