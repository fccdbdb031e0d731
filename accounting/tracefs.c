// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the kernel's tracepoints are described. Any thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "accounting/tracefs.h"
#include "util/util.h"

static int open_events_of(int dirfd, const char *path)
{
	int fd = openat(dirfd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* An empty directory where tracefs would be mounted is not it. */
	if (faccessat(fd, "filemap", F_OK, 0)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static int open_events_detached(void)
{
	cleanup_close int fs = (int)syscall(SYS_fsopen, "tracefs", 1 /* FSOPEN_CLOEXEC */);
	cleanup_close int mnt = -1;

	if (fs < 0)
		return -errno;
	if (syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0))
		return -errno;
	mnt = (int)syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, 0);
	if (mnt < 0)
		return -errno;
	return open_events_of(mnt, "events");
}

int tracefs_open_events(void)
{
	static const char *const paths[] = {"/sys/kernel/tracing/events",
					    "/sys/kernel/debug/tracing/events"};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		int fd = open_events_of(AT_FDCWD, paths[i]);

		if (fd >= 0)
			return fd;
	}
	return open_events_detached();
}

int tracefs_event_id(int events_fd, const char *event)
{
	char path[128], text[32], *end;
	ssize_t n;
	long id;

	snprintf(path, sizeof(path), "%s/id", event);
	n = read_file_at(events_fd, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	id = strtol(text, &end, 10);
	if (end == text || id <= 0 || id > INT32_MAX)
		return -EINVAL;
	return (int)id;
}

bool tracefs_event_has_field(int events_fd, const char *event, const char *field)
{
	char path[128], text[4096], word[64];

	snprintf(path, sizeof(path), "%s/format", event);
	snprintf(word, sizeof(word), " %s;", field);
	return read_file_at(events_fd, path, text, sizeof(text)) > 0 && strstr(text, word);
}
