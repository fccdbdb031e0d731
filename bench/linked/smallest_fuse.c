// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * smallest_fuse MOUNTPOINT: the smallest server of libfuse's low-level interface that has a file to
 * read, `number`, made anew at each open as control files are. In the foreground, until it is
 * unmounted.
 */
#define FUSE_USE_VERSION 34
#include <errno.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_INO 2

static int attr_of(fuse_ino_t ino, struct stat *st)
{
	*st = (struct stat){.st_ino = ino, .st_nlink = 1, .st_mode = S_IFREG | 0444};
	if (ino == FUSE_ROOT_ID)
		st->st_mode = S_IFDIR | 0755;
	return ino == FUSE_ROOT_ID || ino == NUMBER_INO ? 0 : ENOENT;
}

static void do_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {.ino = NUMBER_INO, .attr_timeout = 1, .entry_timeout = 1};

	if (parent != FUSE_ROOT_ID || strcmp(name, "number") != 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	attr_of(NUMBER_INO, &e.attr);
	fuse_reply_entry(req, &e);
}

static void do_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;
	int error = attr_of(ino, &st);

	(void)fi;
	if (error)
		fuse_reply_err(req, error);
	else
		fuse_reply_attr(req, &st, 1);
}

static void do_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static void do_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	static const char text[] = "9223372036854771712\n";
	size_t len = sizeof(text) - 1, at = (size_t)off < len ? (size_t)off : len;

	(void)ino;
	(void)fi;
	fuse_reply_buf(req, text + at, len - at < size ? len - at : size);
}

static const struct fuse_lowlevel_ops ops = {
	.lookup = do_lookup,
	.getattr = do_getattr,
	.open = do_open,
	.read = do_read,
};

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *se = fuse_session_new(&args, &ops, sizeof(ops), NULL);

	if (argc != 2 || !se || fuse_session_mount(se, argv[1])) {
		fprintf(stderr, "usage: smallest_fuse MOUNTPOINT\n");
		return 2;
	}
	fuse_session_loop(se);
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	return 0;
}
