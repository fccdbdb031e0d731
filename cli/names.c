/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The names in a group's directory: groups below it, control files. Single-threaded. */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/names.h"
#include "util/util.h"

/* Entries taken from one directory; the tree itself ends at 4096 groups, and a group has some fifty
 * files. */
#define NAMES_MAX 65536

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **names_free(char **names, size_t nr)
{
	while (names && nr)
		free(names[--nr]);
	free(names);
	return NULL;
}

static bool is_of_type(int dirfd, const struct dirent *e, mode_t type)
{
	struct stat st;

	if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
		return false;
	if (e->d_type != DT_UNKNOWN)
		return (mode_t)DTTOIF(e->d_type) == type;
	return fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (st.st_mode & S_IFMT) == type;
}

static int add_name(char ***names, size_t *nr, const char *name)
{
	/* Room doubles whenever the count is a power of two. */
	if ((*nr & (*nr - 1)) == 0) {
		char **more = reallocarray(*names, *nr ? *nr * 2 : 1, sizeof(char *));

		if (!more)
			return -ENOMEM;
		*names = more;
	}
	(*names)[*nr] = strdup(name);
	if (!(*names)[*nr])
		return -ENOMEM;
	++*nr;
	return *nr > NAMES_MAX ? -E2BIG : 0;
}

static int read_names(const struct group *g, mode_t type, char ***ret, size_t *ret_nr)
{
	int fd = openat(g->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char **names = NULL;
	size_t nr = 0;
	int r = 0;

	if (!dir) {
		int error = errno;

		if (fd >= 0)
			close(fd);
		return -error;
	}
	while (r == 0) {
		const struct dirent *e;

		errno = 0;
		e = readdir(dir);
		if (!e) {
			r = -errno;
			break;
		}
		if (is_of_type(fd, e, type))
			r = add_name(&names, &nr, e->d_name);
	}
	closedir(dir);
	if (r < 0) {
		names_free(names, nr);
		return r;
	}
	if (nr)
		qsort(names, nr, sizeof(*names), compare_names);
	*ret = names;
	*ret_nr = nr;
	return 0;
}

int group_children(const struct group *g, char ***ret, size_t *ret_nr)
{
	return read_names(g, S_IFDIR, ret, ret_nr);
}

int group_files(const struct group *g, char ***ret, size_t *ret_nr)
{
	return read_names(g, S_IFREG, ret, ret_nr);
}
