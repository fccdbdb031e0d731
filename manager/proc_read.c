// SPDX-License-Identifier: GPL-2.0-or-later
/* Small files below /proc. Any thread. */
#include <fcntl.h>
#include <stdio.h>

#include "manager/manager_private.h"
#include "util/util.h"

ssize_t proc_read(const char *path, char *buf, size_t size)
{
	char full[96];

	snprintf(full, sizeof(full), "/proc/%s", path);
	return read_file_at(AT_FDCWD, full, buf, size);
}
