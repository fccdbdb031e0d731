// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A process's open /proc/PID/status, and how many use it: while it is open it names that process,
 * and its number nothing else. The manager opens it; readers keep it open while they read. Any
 * thread.
 */
#include <errno.h>
#include <sys/mman.h>

#include "manager/manager_private.h"
#include "util/util.h"

int status_file_open(pid_t tgid, struct status_file **ret)
{
	struct status_file *f = malloc(sizeof(*f));
	int fd;

	if (!f)
		return -ENOMEM;
	fd = process_usage_open(tgid);
	if (fd < 0) {
		free(f);
		return fd;
	}
	*f = (struct status_file){.fd = fd, .nr_users = 1};
	*ret = f;
	return 0;
}

int status_file_ended(struct status_file **ret)
{
	struct status_file *f = malloc(sizeof(*f));
	int fd = memfd_create("memcgfs-ended", MFD_CLOEXEC);

	if (!f || fd < 0) {
		int r = f ? -errno : -ENOMEM;

		free(f);
		if (fd >= 0)
			close(fd);
		return r;
	}
	*f = (struct status_file){.fd = fd, .nr_users = 1};
	*ret = f;
	return 0;
}

struct status_file *status_file_get(struct status_file *f)
{
	__atomic_fetch_add(&f->nr_users, 1, __ATOMIC_RELAXED);
	return f;
}

struct status_file *status_file_put(struct status_file *f)
{
	if (f && __atomic_fetch_sub(&f->nr_users, 1, __ATOMIC_ACQ_REL) == 1) {
		close(f->fd);
		free(f);
	}
	return NULL;
}
