/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The directory of a daemon that serves one run: STATE/run-XXXXXX, with the mount point `tree` in
 * it. Single-threaded. */
#ifndef MEMCGFS_CLI_PRIVATE_DIR_H
#define MEMCGFS_CLI_PRIVATE_DIR_H

#define PRIVATE_PATH_MAX 4096

struct private_dir {
	char path[PRIVATE_PATH_MAX]; /* without symbolic links; "": none */
	char tree[PRIVATE_PATH_MAX];
};

/* Under /run/memcgfs, or $XDG_RUNTIME_DIR/memcgfs without root. 0, or -errno after one line; *ret
 * is "" then. */
int private_dir_make(struct private_dir *ret);

/* Remove it with what a daemon left in it: mounts, and files of its state. */
void private_dir_remove(struct private_dir *dir);

#endif
