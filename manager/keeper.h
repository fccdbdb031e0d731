/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper: the process that set everything up. It forks the server and from then on allocates
 * nothing: it holds descriptors, forks another server when one dies, and ends when the server ends
 * by itself (exit status 0 or KEEPER_FATAL).
 *
 * Descriptors that a server makes and that must outlive it are sent to the keeper under a number.
 * They are inherited by the next server, which finds them with keeper_next().
 */
#ifndef MEMCGFS_KEEPER_H
#define MEMCGFS_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define KEEPER_MAX_FDS 20000 /* the hard RLIMIT_NOFILE where this was written */
#define KEEPER_FATAL   3     /* a server's exit status that says: another would fare no better */

/*
 * In an id: when the keeper dies this descriptor is to be released after those without (guard.h).
 */
#define KEEPER_LATE (UINT64_C(1) << 63)

/* In an id: an eventfd of a client's, by its listener's place in the state file. Else it is a lease
 * event. */
#define KEEPER_LISTENER (UINT64_C(1) << 62)

struct keeper_link;

/*
 * Run servers until one ends by itself, or SIGTERM, SIGINT or SIGHUP (passed on to the server,
 * SIGHUP as SIGTERM). server() is called in each forked child and its return value is that child's
 * exit status; it leaves open what was open when keeper_run was called. end() is called once, when
 * there will be no more servers, in whichever process is the keeper by then: this one, or one that
 * keeper_replace forked. Returns the exit status, after end().
 *
 * ready_fd: -1, or where readiness (keeper_ready) is written as one byte; keeper and server then
 * also let go of the terminal: stdin, stdout and stderr become /dev/null, messages go to syslog.
 * The keeper closes it.
 *
 * Servers that die within a second of their start, five in a row without having come to serve or
 * fifty in all, are not started again: KEEPER_FATAL.
 */
int keeper_run(int (*server)(struct keeper_link *link, void *userdata), void (*end)(void *userdata),
	       void *userdata, int ready_fd);

/* ---- in the server, on the thread that server() was called on ---- */

/* Tell whoever started the daemon that the mount answers. */
void keeper_ready(struct keeper_link *link);

/*
 * Have the keeper hold a duplicate of fd under id until keeper_drop; an id kept before is replaced.
 * The caller leaves fd open until then: a keeper made by keeper_replace gets it from here. Blocks
 * for a second at most. 0, -ENOSPC (KEEPER_MAX_FDS are held), -ENOENT (drop: no such id), or
 * -errno; a keeper that has died is no failure.
 */
int keeper_keep(struct keeper_link *link, uint64_t id, int fd);
int keeper_drop(struct keeper_link *link, uint64_t id);

/*
 * Descriptors inherited from an earlier server: iterate with *pos from 0. false at the end. They
 * are kept until keeper_drop, which may be called in between, and then the caller's to close.
 */
bool keeper_next(struct keeper_link *link, unsigned *pos, uint64_t *ret_id, int *ret_fd);

/*
 * Becomes readable (POLLIN/POLLHUP) when the keeper has died; then call keeper_replace, which forks
 * another, and ask for the descriptor again: it is another one. 0 or -errno.
 */
int keeper_get_fd(const struct keeper_link *link);
int keeper_replace(struct keeper_link *link);

#endif
