// SPDX-License-Identifier: GPL-2.0-or-later
/* Pids as another process sees them: by ioctl where nsfs has it (Linux 6.11), else by the NSpid
 * line of /proc. Any thread. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "accounting/task_stat.h"
#include "manager/pid_namespace.h"
#include "util/util.h"

/* PID_NS_INIT_INO of <linux/nsfs.h> in 6.18, and so since 3.8. */
#define INITIAL_INO 0xEFFFFFFCU

int pid_namespace_is_initial(void)
{
	struct stat st;

	if (!stat("/proc/self/ns/pid", &st))
		return st.st_ino == INITIAL_INO;
	/* A kernel without pid namespaces has the directory, but not the file. */
	if (errno == ENOENT && !access("/proc/self/ns", F_OK))
		return 1;
	return -errno;
}

/* A process of our own namespace has one pid, as far as we see; one further down has several. */
static bool has_one_pid(pid_t pid)
{
	cleanup_free char *text = NULL;
	const char *line;

	if (task_status_read(pid, pid, &text))
		return false;
	line = strstr(text, "\nNSpid:\t");
	if (!line)
		return false;
	line += strlen("\nNSpid:\t");
	return !memchr(line, '\t', strcspn(line, "\n"));
}

int pid_namespace_open(pid_t of)
{
	struct stat ours, theirs;
	char path[32];
	int fd;

	if (has_one_pid(of)) /* whose link may be closed to us: it may have more privileges */
		return -ENOENT;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", of);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno == -ENOENT ? -ESRCH : -errno;
	if (fstat(fd, &theirs) || stat("/proc/self/ns/pid", &ours)) {
		close(fd);
		return -EIO;
	}
	if (ours.st_ino != theirs.st_ino)
		return fd;
	close(fd);
	return -ENOENT;
}

/* The pid that `pid` has in the innermost namespace it is in, if that is the one of ns_fd; else 0.
 */
static pid_t innermost_pid(int ns_fd, pid_t pid)
{
	cleanup_free char *text = NULL;
	char path[32], *line, *last;
	struct stat want, have;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	if (fstat(ns_fd, &want) || stat(path, &have) || want.st_ino != have.st_ino)
		return 0;
	if (task_status_read(pid, pid, &text))
		return 0;
	line = strstr(text, "\nNSpid:");
	if (!line)
		return 0;
	line[1 + strcspn(line + 1, "\n")] = 0;
	last = strrchr(line, '\t');
	return last ? (pid_t)strtol(last, NULL, 10) : 0;
}

static pid_t search_proc(int ns_fd, pid_t pid)
{
	DIR *dir = opendir("/proc");
	pid_t found = -ESRCH;

	if (!dir)
		return -errno;
	for (struct dirent *e; found < 0 && (e = readdir(dir));) {
		pid_t candidate = (pid_t)strtol(e->d_name, NULL, 10);

		if (candidate > 0 && innermost_pid(ns_fd, candidate) == pid)
			found = candidate;
	}
	closedir(dir);
	return found;
}

pid_t pid_from_namespace(int ns_fd, pid_t pid)
{
	int r = ioctl(ns_fd, NSFS_GET_PID_FROM_PIDNS, pid);

	if (r > 0)
		return r;
	if (errno == ENOTTY || errno == EINVAL)
		return search_proc(ns_fd, pid);
	return -ESRCH;
}

pid_t pid_in_namespace(int ns_fd, pid_t pid)
{
	int r = ioctl(ns_fd, NSFS_GET_PID_IN_PIDNS, pid);

	if (r > 0)
		return r;
	if (errno == ENOTTY || errno == EINVAL)
		return innermost_pid(ns_fd, pid);
	return 0;
}
