// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Taking over a mount. The kernel says FUSE_INIT once in the life of a mount, and the session must
 * have heard it: so the first server notes it in the state file, before answering it, and those
 * after it process the note. Which of the two it is to be is read off the device: as long as the
 * kernel's own has not been answered, nothing else can come out of it.
 */
#include "fs/takeover.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <string.h>

#include "util/log.h"
#include "util/util.h"

/* Linux 6.9; Debian 12's <linux/fuse.h> is older. */
#define NOTIFY_RESEND 7
#define UNIQUE_RESEND (1ULL << 63)

static const struct fuse_in_header *header_of(const struct fuse_buf *buf)
{
	return buf->mem;
}

static _Thread_local bool resent;
static _Thread_local uint64_t unique;

void takeover_process(struct fuse_session *session, const struct fuse_buf *buf)
{
	resent = header_of(buf)->unique & UNIQUE_RESEND;
	unique = header_of(buf)->unique & ~UNIQUE_RESEND;
	fuse_session_process_buf(session, buf);
	resent = false;
}

bool takeover_is_resent(void)
{
	return resent;
}

uint64_t takeover_unique(void)
{
	return unique;
}

/* What nobody took yet stays where it is: for the first server of a mount this does nothing. */
static void resend(int fd, bool taking_over)
{
	struct fuse_out_header notify = {.len = sizeof(notify), .error = NOTIFY_RESEND};

	if (write(fd, &notify, sizeof(notify)) < 0 && taking_over)
		log_warning(
			"requests that the last server left unanswered stay so (Linux 6.9 or later "
			"is needed): %s, ignoring",
			strerror(errno));
}

static int set_nonblocking(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

/* The first request, if there is one now: its length, 0 when the mount has gone, -EAGAIN. */
static int receive_now(struct fuse_session *session, struct fuse_buf *buf)
{
	int fd = fuse_session_fd(session);
	int n, r = set_nonblocking(fd, true);

	if (r < 0)
		return r;
	do
		n = fuse_session_receive_buf(session, buf);
	while (n == -EINTR);
	r = set_nonblocking(fd, false);
	return r < 0 ? r : n;
}

static int note(struct state *state, const struct fuse_buf *buf)
{
	if (buf->size > sizeof(state->fuse_init)) {
		log_error("cannot note a FUSE_INIT of %zu bytes", buf->size);
		return -EPROTO;
	}
	/* The length last: a server that dies in between has noted nothing. */
	__atomic_store_n(&state->fuse_init_len, 0, __ATOMIC_RELEASE);
	memcpy(state->fuse_init, buf->mem, buf->size);
	__atomic_store_n(&state->fuse_init_len, (uint32_t)buf->size, __ATOMIC_RELEASE);
	return 0;
}

/* The answer goes to a request that has been answered: the kernel says ENOENT, and libfuse takes
 * that in silence. */
static int replay(struct fuse_session *session, const struct state *state)
{
	uint64_t aligned[ARRAY_SIZE(state->fuse_init) / sizeof(uint64_t) + 1];
	struct fuse_buf buf = {.mem = aligned, .size = state->fuse_init_len};

	memcpy(aligned, state->fuse_init, sizeof(state->fuse_init));
	if (buf.size < sizeof(struct fuse_in_header) || buf.size > sizeof(state->fuse_init) ||
	    header_of(&buf)->opcode != FUSE_INIT) {
		log_error("cannot take over the mount: the state file does not say how it began");
		return -EPROTO;
	}
	fuse_session_process_buf(session, &buf);
	return 0;
}

int takeover_negotiate(struct fuse_session *session, struct state *state)
{
	struct fuse_buf buf = {.mem = NULL};
	cleanup_free void *mem = NULL;
	int n, r;

	resend(fuse_session_fd(session), state->fuse_init_len != 0);
	n = receive_now(session, &buf);
	mem = buf.mem;
	if (n == -EAGAIN)
		return replay(session, state);
	if (n <= 0) {
		if (n < 0)
			log_error("cannot read from /dev/fuse: %s", strerror(-n));
		return n;
	}
	r = header_of(&buf)->opcode == FUSE_INIT ? note(state, &buf) : replay(session, state);
	if (r < 0)
		return r;
	takeover_process(session, &buf);
	return 0;
}
