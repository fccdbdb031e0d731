// SPDX-License-Identifier: GPL-2.0-or-later
/* The sandbox, in children that enter it for good and report by their exit status and what they
 * log. */
#include <CUnit/Basic.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "manager/sandbox.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

#define LOG_MAX 4096

/* What fn() ends with in the sandbox, -1: it was killed; what it logged. */
static int in_sandbox(enum sandbox_role role, int (*fn)(void), char log[LOG_MAX])
{
	int fds[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	pid = fork();
	CU_ASSERT_FATAL(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		_exit(sandbox_enter(role) == 0 ? fn() : 99);
	}
	close(fds[1]);
	while (len < LOG_MAX - 1 && (n = read(fds[0], log + len, LOG_MAX - 1 - len)) > 0)
		len += (size_t)n;
	log[len] = '\0';
	close(fds[0]);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* ---- in the child; 0: as it should be ---- */

static bool is_refused(long r)
{
	return r == -1 && errno == EPERM;
}

static void *refused_in_thread(void *arg)
{
	*(bool *)arg = is_refused(syscall(SYS_getpgid, 0));
	return NULL;
}

static int call_outside(void)
{
	bool refused = false;
	sigset_t before;
	pthread_t id;

	prctl(PR_SET_NAME, "tester");
	if (!is_refused(syscall(SYS_swapoff, "/")) || !is_refused(syscall(SYS_swapoff, "/")))
		return 1;
	/* As the daemon makes its threads. */
	signals_block_others(&before);
	if (pthread_create(&id, NULL, refused_in_thread, &refused))
		return 2;
	pthread_join(id, NULL);
	return refused ? 0 : 3;
}

static int call_with_arguments_outside(void)
{
	if (!is_refused(open("/tmp/memcgfs-never", O_RDWR | O_CREAT, 0600)))
		return 1;
	if (!is_refused(socket(AF_INET, SOCK_STREAM, 0)))
		return 2;
	if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
	    MAP_FAILED)
		return 3;
	if (!is_refused(syscall(SYS_bpf, 5 /* BPF_PROG_LOAD */, NULL, 0)))
		return 4;
	if (!is_refused(syscall(SYS_clone, 0x10000000 /* CLONE_NEWUSER */ | SIGCHLD, 0, 0, 0, 0)))
		return 5;
	return 0;
}

static void *wait_for_ever(void *arg)
{
	pthread_barrier_wait(arg);
	for (;;)
		poll(NULL, 0, -1);
	return NULL;
}

/* What servers do from beginning to end, as far as the C library has a part in it. */
static int live_inside(void)
{
	pthread_barrier_t barrier;
	pthread_t id;
	int status;
	pid_t pid;

	pthread_barrier_init(&barrier, NULL, 2);
	if (pthread_create(&id, NULL, wait_for_ever, &barrier))
		return 1;
	pthread_barrier_wait(&barrier);
	if (pthread_cancel(id) || pthread_join(id, NULL))
		return 2;
	pid = fork();
	if (pid == 0)
		_exit(is_refused(syscall(SYS_swapoff, "/")) ? 17 : 18);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 17 << 8)
		return 3;
	return 0;
}

/* The hexadecimal number on a line of /proc/self/status. */
static uint64_t status_line(const char *key)
{
	char text[4096];
	const char *at;

	if (read_file_at(AT_FDCWD, "/proc/self/status", text, sizeof(text)) < 0)
		return UINT64_MAX;
	at = strstr(text, key);
	return at ? strtoull(at + strlen(key), NULL, 16) : UINT64_MAX;
}

static int nothing_to_gain(void)
{
	/* How root does without it. */
	uint64_t never = 1ULL << CAP_SYS_MODULE | 1ULL << CAP_DAC_OVERRIDE;
	uint64_t dormant = 1ULL << CAP_SYS_ADMIN;

	if (geteuid() == 0 && status_line("\nCapBnd:") != 0)
		return 1;
	if (status_line("\nCapPrm:") & never || status_line("\nCapEff:") & (never | dormant))
		return 2;
	if (status_line("\nCapInh:") != 0 || status_line("\nCapAmb:") != 0)
		return 3;
	return status_line("\nNoNewPrivs:") == 1 && status_line("\nSeccomp:") == 2 ? 0 : 4;
}

static int heirs_calls(void)
{
	/* The kernel's answer, not the filter's: no such directory. */
	if (syscall(SYS_umount2, "/nowhere/memcgfs", 0) == 0 || (geteuid() == 0 && errno != ENOENT))
		return 1;
	if (!is_refused(syscall(SYS_bpf, 0, NULL, 0)))
		return 2;
	return is_refused(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0)) ? 0 : 3;
}

/* ---- tests ---- */

static void test_refusal(void)
{
	char log[LOG_MAX];

	CU_ASSERT_EQUAL(in_sandbox(SANDBOX_DAEMON, call_outside, log), 0);
	CU_ASSERT_EQUAL(count(log, "memcgfs: refused the system call swapoff of tester, which went "
				   "on with EPERM\n"),
			1);
	CU_ASSERT_EQUAL(count(log, "refused the system call getpgid "), 1);
	CU_ASSERT_EQUAL(count(log, "\n"), geteuid() == 0 ? 2 : 3);
}

static void test_arguments(void)
{
	char log[LOG_MAX];

	CU_ASSERT_EQUAL(in_sandbox(SANDBOX_DAEMON, call_with_arguments_outside, log), 0);
	CU_ASSERT_EQUAL(count(log, "refused the system call openat "), 1);
	CU_ASSERT_EQUAL(count(log, "refused the system call bpf "), 1);
}

static void test_inside(void)
{
	char log[LOG_MAX];

	CU_ASSERT_EQUAL(in_sandbox(SANDBOX_DAEMON, live_inside, log), 0);
	CU_ASSERT_EQUAL(count(log, "refused"), 1); /* the child's */
}

static void test_privileges(void)
{
	char log[LOG_MAX];

	CU_ASSERT_EQUAL(in_sandbox(SANDBOX_DAEMON, nothing_to_gain, log), 0);
}

static void test_heir(void)
{
	char log[LOG_MAX];

	CU_ASSERT_EQUAL(in_sandbox(SANDBOX_HEIR, heirs_calls, log), 0);
	CU_ASSERT_EQUAL(count(log, "refused the system call umount2"), 0);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a call outside is refused, in every thread, and logged once", test_refusal},
		{"a call may be allowed for some arguments only", test_arguments},
		{"threads are made and cancelled, children inherit it", test_inside},
		{"there are no privileges to be gained", test_privileges},
		{"the heir may unmount, and not much else", test_heir},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"sandbox", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
