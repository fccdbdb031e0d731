// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * try [-u UID] OPERATION ARGUMENT...: one system call; prints "ok", or the name of its errno
 * ("open:" before it when opening failed already). Always exits 0, so that a test compares what it
 * prints.
 */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "helper.h"

static int do_write(char **a)
{
	int fd = open(a[0], O_WRONLY);

	if (fd < 0) {
		printf("open:");
		return -1;
	}
	return write(fd, a[1], strlen(a[1])) < 0 ? -1 : 0;
}

static int do_read(char **a)
{
	char buf[4096];
	int fd = open(a[0], O_RDONLY);

	if (fd < 0) {
		printf("open:");
		return -1;
	}
	return read(fd, buf, sizeof(buf)) < 0 ? -1 : 0;
}

static int do_readfd(char **a)
{
	char buf[4096];

	return pread((int)number(a[0]), buf, sizeof(buf), 0) < 0 ? -1 : 0;
}

static int do_writefd(char **a)
{
	return write((int)number(a[0]), a[1], strlen(a[1])) < 0 ? -1 : 0;
}

static int do_create(char **a)
{
	return open(a[0], O_CREAT | O_WRONLY, 0644) < 0 ? -1 : 0;
}

static int do_truncating(char **a)
{
	int fd = open(a[0], O_CREAT | O_TRUNC | O_WRONLY, 0644);

	return fd < 0 || write(fd, a[1], strlen(a[1])) < 0 ? -1 : 0;
}

static int do_truncate(char **a)
{
	return truncate(a[0], 0);
}

static int do_mkdir(char **a)
{
	return mkdir(a[0], 0755);
}

static int do_rmdir(char **a)
{
	return rmdir(a[0]);
}

static int do_unlink(char **a)
{
	return unlink(a[0]);
}

static int do_rename(char **a)
{
	return rename(a[0], a[1]);
}

static int do_symlink(char **a)
{
	return symlink(a[0], a[1]);
}

static int do_link(char **a)
{
	return link(a[0], a[1]);
}

static int do_mkfifo(char **a)
{
	return mkfifo(a[0], 0600);
}

/* "d NAME" or "f NAME" for each entry; "?" where type or inode number is missing. */
static int do_list(char **a)
{
	DIR *d = opendir(a[0]);

	if (!d)
		return -1;
	for (struct dirent *e; (e = readdir(d));) {
		char type = e->d_type == DT_DIR ? 'd' : e->d_type == DT_REG ? 'f' : '?';
		printf("%c %s\n", e->d_ino ? type : '?', e->d_name);
	}
	return closedir(d);
}

static const struct operation {
	const char *name;
	int nr_arguments;
	int (*run)(char **arguments);
} operations[] = {
	{"write", 2, do_write},       {"read", 1, do_read},     {"readfd", 1, do_readfd},
	{"writefd", 2, do_writefd},   {"create", 1, do_create}, {"truncating", 2, do_truncating},
	{"truncate", 1, do_truncate}, {"mkdir", 1, do_mkdir},   {"rmdir", 1, do_rmdir},
	{"unlink", 1, do_unlink},     {"rename", 2, do_rename}, {"symlink", 2, do_symlink},
	{"link", 2, do_link},         {"mkfifo", 1, do_mkfifo}, {"list", 1, do_list},
};

static void become_user(uid_t uid)
{
	if (setgroups(0, NULL) || setgid((gid_t)uid) || setuid(uid))
		err(2, "uid %u", uid);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "-u")) {
		become_user((uid_t)number(argv[2]));
		argv += 2;
		argc -= 2;
	}
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(operations); i++) {
		const struct operation *o = &operations[i];
		if (strcmp(argv[1], o->name) || argc != 2 + o->nr_arguments)
			continue;
		puts(o->run(argv + 2) ? strerrorname_np(errno) : "ok");
		return 0;
	}
	errx(2, "usage: try [-u UID] OPERATION ARGUMENT...");
}
