/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The helpers: small files, clock, and lines of the log. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>

#include "tests/unit/run_suites.h"
#include "util/log.h"
#include "util/util.h"

static char dir[] = "/tmp/test_util.XXXXXX";
static int dir_fd = -1;

static int suite_init(void)
{
	if (!mkdtemp(dir))
		return 1;
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0;
}

static int suite_clean(void)
{
	close(dir_fd);
	return rmdir(dir);
}

static void make_file(const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	CU_ASSERT_FATAL(fd >= 0);
	CU_ASSERT_EQUAL(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void test_read(void)
{
	char buf[8] = "unread";

	make_file("f", "hello");
	CU_ASSERT_EQUAL(read_file_at(dir_fd, "f", buf, sizeof(buf)), 5);
	CU_ASSERT_STRING_EQUAL(buf, "hello");
	make_file("f", "longer than the buffer");
	CU_ASSERT_EQUAL(read_file_at(dir_fd, "f", buf, sizeof(buf)), 7);
	CU_ASSERT_STRING_EQUAL(buf, "longer ");
	CU_ASSERT_EQUAL(read_file_at(dir_fd, "none", buf, sizeof(buf)), -ENOENT);
	CU_ASSERT_EQUAL(read_file_at(dir_fd, "f", buf, 0), -EINVAL);
	CU_ASSERT_EQUAL(read_fd(-1, buf, sizeof(buf)), -EBADF);
	CU_ASSERT_EQUAL(unlinkat(dir_fd, "f", 0), 0);
}

/* From the beginning each time, wherever the descriptor's offset is. */
static void test_read_again(void)
{
	char buf[16];
	int fd;

	make_file("f", "hello");
	fd = openat(dir_fd, "f", O_RDONLY | O_CLOEXEC);
	CU_ASSERT_EQUAL(read_fd(fd, buf, sizeof(buf)), 5);
	CU_ASSERT_EQUAL(read_fd(fd, buf, sizeof(buf)), 5);
	CU_ASSERT_EQUAL(lseek(fd, 0, SEEK_CUR), 0);
	close(fd);
	unlinkat(dir_fd, "f", 0);
}

static void test_write(void)
{
	char buf[16];

	CU_ASSERT_EQUAL(write_file_at(dir_fd, "f", "x", 1), -ENOENT);
	make_file("f", "");
	CU_ASSERT_EQUAL(write_file_at(dir_fd, "f", "12345", 5), 0);
	CU_ASSERT_EQUAL(read_file_at(dir_fd, "f", buf, sizeof(buf)), 5);
	CU_ASSERT_STRING_EQUAL(buf, "12345");
	CU_ASSERT_EQUAL(write_file_at(AT_FDCWD, "/dev/full", "x", 1), -ENOSPC);
	unlinkat(dir_fd, "f", 0);
}

static void test_clock_and_page(void)
{
	uint64_t before = now_usec();

	CU_ASSERT_EQUAL(page_size(), (size_t)sysconf(_SC_PAGESIZE));
	usleep(2000);
	CU_ASSERT(now_usec() >= before + 2000);
}

/* What log_message(priority, "%s", text) writes to stderr; got is empty when it writes nothing. */
static void capture(int priority, const char *text, char *got, size_t size)
{
	int saved = dup(STDERR_FILENO), p[2];
	ssize_t n;

	CU_ASSERT_EQUAL_FATAL(pipe2(p, O_NONBLOCK | O_CLOEXEC), 0);
	fflush(stderr);
	dup2(p[1], STDERR_FILENO);
	log_message(priority, "%s", text);
	dup2(saved, STDERR_FILENO);
	close(saved);
	n = read(p[0], got, size - 1);
	got[n > 0 ? n : 0] = '\0';
	close(p[0]);
	close(p[1]);
}

static void test_log_line(void)
{
	char got[4096], text[4000];

	log_target(false);
	capture(LOG_INFO, "mounted", got, sizeof(got));
	CU_ASSERT_STRING_EQUAL(got, "memcgfs: mounted\n");
	/* A name cannot pretend to be another message, or reach the terminal. */
	capture(LOG_ERR, "group a\nmemcgfs: \033[2J", got, sizeof(got));
	CU_ASSERT_STRING_EQUAL(got, "memcgfs: group a?memcgfs: ?[2J\n");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	capture(LOG_ERR, text, got, sizeof(got));
	CU_ASSERT(strlen(got) < 2100);
	CU_ASSERT_EQUAL(got[strlen(got) - 1], '\n');
	CU_ASSERT_PTR_EQUAL(strchr(got, '\n'), got + strlen(got) - 1);
}

static void test_log_verbose(void)
{
	char got[64];

	capture(LOG_DEBUG, "detail", got, sizeof(got));
	CU_ASSERT_STRING_EQUAL(got, "");
	log_verbose(true);
	capture(LOG_DEBUG, "detail", got, sizeof(got));
	CU_ASSERT_STRING_EQUAL(got, "memcgfs: detail\n");
	log_verbose(false);
	errno = EBUSY;
	log_message(LOG_DEBUG, "not shown");
	CU_ASSERT_EQUAL(errno, EBUSY);
}

/* What a signal handler may log, read from stderr and errno as before. */
static void test_log_from_handler(void)
{
	const char *const text[] = {"refused ", "this", NULL};
	int fds[2], saved = dup(STDERR_FILENO);
	char got[512], big[400];
	ssize_t n;

	CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	errno = EBUSY;
	log_from_handler(text);
	CU_ASSERT_EQUAL(errno, EBUSY);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	log_from_handler((const char *const[]){big, "never seen", NULL});
	dup2(saved, STDERR_FILENO);
	close(fds[1]);
	n = read(fds[0], got, sizeof(got) - 1);
	CU_ASSERT_FATAL(n > 0);
	got[n] = '\0';
	CU_ASSERT_EQUAL(strncmp(got, "memcgfs: refused this\nmemcgfs: xxx", 34), 0);
	CU_ASSERT_EQUAL(n, 22 + 257); /* cut, but still a line */
	CU_ASSERT_EQUAL(got[n - 1], '\n');
	close(fds[0]);
	close(saved);
}

/* In a mount namespace whose /dev/log is ours. 0: the line came; 77: that takes root. */
static int log_to_own_syslog(void)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	char got[128] = "";

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/dev", "tmpfs", 0, NULL))
		return 77;
	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)))
		return 1;
	log_target(true);
	log_from_handler((const char *const[]){"refused ", "this", NULL});
	if (recv(fd, got, sizeof(got) - 1, 0) < 0)
		return 2;
	return strcmp(got, "<27>memcgfs: refused this") ? 3 : 0;
}

static void test_log_from_handler_to_syslog(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(log_to_own_syslog());
	CU_ASSERT_EQUAL_FATAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFEXITED(status));
	CU_ASSERT(WEXITSTATUS(status) == 0 || (geteuid() != 0 && WEXITSTATUS(status) == 77));
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"a small file is read whole or cut", test_read},
		{"a descriptor is read from its beginning", test_read_again},
		{"a file is written in one go", test_write},
		{"clock and page size", test_clock_and_page},
		{"a message is one printable line", test_log_line},
		{"debug messages only when asked for", test_log_verbose},
		{"a signal handler logs a line", test_log_from_handler},
		{"a signal handler logs to syslog", test_log_from_handler_to_syslog},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"util", suite_init, suite_clean, NULL, NULL, tests},
				 CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
