/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the keeper's side (keeper.c) and the server's (keeper_link.c) share: one struct keeper_link
 * per process, in static memory, which fork copies. In the keeper it is the keeper's; in a server
 * it is the link.
 */
#ifndef MEMCGFS_KEEPER_PRIVATE_H
#define MEMCGFS_KEEPER_PRIVATE_H

#include <signal.h>
#include <stddef.h>

#include "manager/keeper.h"

enum keeper_message_type {
	KEEPER_KEEP, /* with a descriptor */
	KEEPER_DROP,
	KEEPER_READY,
	KEEPER_EXIT, /* the server's exit status, for a keeper that is not its parent */
};

struct keeper_message {
	uint32_t type;
	int32_t status;
	uint64_t id;
};

/* ---- the table of kept descriptors: one per process, no allocation (keeper_table.c) ---- */

/* Enter (id, fd), in place of what id had. 0 or -ENOSPC. *ret_old: the descriptor replaced, or -1.
 */
int keeper_table_put(uint64_t id, int fd, int *ret_old);
/* Take id out. Its descriptor, or -ENOENT. */
int keeper_table_remove(uint64_t id);
/* All that is in the table now was there before this process. */
void keeper_table_mark_inherited(void);
/* Iterate with *pos from 0; removing what was returned is allowed. */
bool keeper_table_next(unsigned *pos, bool inherited_only, uint64_t *ret_id, int *ret_fd);

/* ---- which descriptors are whose (keeper_fds.c) ---- */

/* Descriptor numbers that can be told apart: 16 KiB of bits. */
#define KEEPER_FD_BITS 131072

/* What is open now, but for `except`, belongs to the set-up: every server and keeper has it. 0 or
 * -errno. */
int keeper_fds_remember(int except);
/* Close all but the set-up's, the table's, and own[]. */
void keeper_fds_close_others(const int *own, size_t nr_own);

/* ---- both sides ---- */

struct keeper_link {
	int (*server)(struct keeper_link *link, void *userdata);
	void (*end)(void *userdata);
	void *userdata;
	sigset_t mask;   /* before keeper_run: what servers begin with */
	bool background; /* let go of the terminal when ready */
	bool detached;
	int null_fd; /* /dev/null, open before descriptors can be short */
	int sock;    /* to the other side; -1 when that has closed it */

	/* The keeper's alone. */
	int ready_fd;
	int signal_fd;
	pid_t server_pid;
	int server_pidfd;
	int status; /* as the server told it, or -1 */
	bool quitting;
	uint64_t started_usec;
	bool served;
	unsigned quick_points; /* for deaths in a row within a second of the start */
};

/* A pair of connected sockets, the first for the keeper, the second for the server. 0 or -errno. */
int keeper_socketpair(int ret[2]);
/* Let go of the terminal. */
void keeper_detach(struct keeper_link *k);
/* Become the keeper of a server that lives: the one that pidfd names. */
_Noreturn void keeper_adopt(struct keeper_link *k, int sock, pid_t pid, int pidfd);

/* The server's side: tell the keeper. 0 or -errno. */
int keeper_link_send(struct keeper_link *link, const struct keeper_message *msg, int fd);

#endif
