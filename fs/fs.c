// SPDX-License-Identifier: GPL-2.0-or-later
/* The session on /dev/fuse: its threads, their start and their end. */
#include "fs/fs.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "fs/takeover.h"
#include "fs/tree.h"
#include "util/log.h"
#include "util/util.h"

/* Who does something and looks what came of it starts a program for that: 1 ms and more. */
#define FIGURES_MAX_NSEC 2000000

/* Threads that receive. None ever waits for the loop, so more would only wait for a CPU. */
#define NR_THREADS 4

/* Bytes of one read or write request. A text of ours but tasks is below 4 KiB; buffers are this
 * long, once per thread. */
#define REQUEST_BYTES (64U << 10)

struct fs_thread {
	struct fs *fs;
	pthread_t id;
	struct fuse_buf buf;
};

struct fs_threads {
	unsigned nr; /* that were started */
	struct fs_thread thread[NR_THREADS];
};

static void init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	conn->max_write = REQUEST_BYTES;
}

static const struct fuse_lowlevel_ops operations = {
	.init = init,
	.lookup = tree_lookup,
	.getattr = tree_getattr,
	.readdir = tree_readdir,
	.statfs = tree_statfs,
	.open = io_open,
	.read = io_read,
	.write = io_write,
	.release = io_release,
	.mkdir = change_mkdir,
	.rmdir = change_rmdir,
	.rename = change_rename,
	.setattr = change_setattr,
	.setxattr = xattr_set,
	.getxattr = xattr_get,
	.listxattr = xattr_list,
	.removexattr = xattr_remove,
	.create = refuse_create,
	.mknod = refuse_mknod,
	.symlink = refuse_symlink,
	.link = refuse_link,
	.unlink = refuse_unlink,
};

/* ---- threads ---- */

/* What the end of receiving means: the mount has gone, or the device does not work any more. */
static void on_end(struct fs *f, int n)
{
	if (n < 0 && n != -ECONNABORTED) {
		log_error("cannot read from /dev/fuse: %s", strerror(-n));
		manager_quit(f->manager, 1);
		return;
	}
	manager_quit(f->manager, 0);
}

/* Cancelled by fs_stop() while it waits for a request, and nowhere else. */
static void *serve(void *userdata)
{
	struct fs_thread *t = userdata;
	struct fuse_session *session = t->fs->session;
	int n = 0, old;

	while (!fuse_session_exited(session)) {
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
		n = fuse_session_receive_buf(session, &t->buf);
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
		if (n == -EINTR || n == -EAGAIN)
			continue;
		if (n <= 0)
			break;
		takeover_process(session, &t->buf);
	}
	on_end(t->fs, n);
	return NULL;
}

/* Signals are the loop's business. Threads begin with them blocked, and not to be cancelled. */
static int start_threads(struct fs *f)
{
	int r = 0;

	for (unsigned i = 0; i < NR_THREADS && r == 0; i++) {
		struct fs_thread *t = &f->threads->thread[i];

		t->fs = f;
		r = thread_start(&t->id, NULL, serve, t);
		if (r == 0)
			f->threads->nr++;
	}
	return r;
}

static void stop_threads(struct fs_threads *threads)
{
	for (unsigned i = 0; i < threads->nr; i++)
		pthread_cancel(threads->thread[i].id);
	for (unsigned i = 0; i < threads->nr; i++) {
		pthread_join(threads->thread[i].id, NULL);
		free(threads->thread[i].buf.mem);
	}
	threads->nr = 0;
}

/* ---- the session ---- */

static void log_fuse(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char line[256];
	size_t len;

	vsnprintf(line, sizeof(line), fmt, ap);
	len = strcspn(line, "\n");
	log_message((int)level, "%.*s", (int)len, line);
}

static int session_new(struct fs *f, int fuse_fd)
{
	char name[] = "memcgfs", path[32], *argv[] = {name, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	int fd = fcntl(fuse_fd, F_DUPFD_CLOEXEC, 3); /* the session closes its own */

	if (fd < 0)
		return -errno;
	fuse_set_log_func(log_fuse);
	f->session = fuse_session_new(&args, &operations, sizeof(operations), f);
	fuse_opt_free_args(&args);
	snprintf(path, sizeof(path), "/dev/fd/%d", fd);
	if (!f->session || fuse_session_mount(f->session, path) != 0) {
		close(fd);
		return -ENOMEM;
	}
	return 0;
}

static void fs_free(struct fs *f)
{
	if (f->session)
		fuse_session_destroy(f->session);
	snapshots_free(f->snapshots);
	figures_free(f->figures);
	free(f->threads);
	free(f);
}

void fs_put(struct fs *f)
{
	if (__atomic_fetch_sub(&f->nr_users, 1, __ATOMIC_ACQ_REL) == 1)
		fs_free(f);
}

/* A request that is still on its way through the manager keeps the session until it has been
 * answered. */
struct fs *fs_stop(struct fs *f)
{
	if (!f)
		return NULL;
	if (f->threads)
		stop_threads(f->threads);
	f->looks = event_looks_end(f->looks);
	fs_put(f);
	return NULL;
}

static int start(struct fs *f, struct state *state, int fuse_fd)
{
	int r;

	f->threads = calloc(1, sizeof(*f->threads));
	if (!f->threads)
		return -ENOMEM;
	r = snapshots_new(&f->snapshots);
	if (!r)
		r = figures_new(&f->figures, FIGURES_MAX_NSEC);
	if (r < 0)
		return r;
	r = event_looks_new(&f->looks, f->manager);
	if (r < 0)
		return r;
	r = session_new(f, fuse_fd);
	if (r < 0)
		return r;
	r = takeover_negotiate(f->session, state);
	return r < 0 ? r : start_threads(f);
}

int fs_start(struct fs **ret, struct manager *m, struct state *state, int fuse_fd, dev_t dev)
{
	struct fs *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->manager = m;
	f->dev = dev;
	f->nr_users = 1;
	/* No handle of an earlier server's comes again: it opened fewer than a million files in
	 * each microsecond of its life. */
	f->next_handle = (uint32_t)now_usec(); /* not where the server before began */
	r = start(f, state, fuse_fd);
	if (r < 0) {
		fs_stop(f);
		return r;
	}
	*ret = f;
	return 0;
}
