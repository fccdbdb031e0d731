/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The signals that would end a run half way: held back and read from a descriptor. Single-threaded
 * process. */
#include <sys/signalfd.h>

#include "cli/signals.h"
#include "util/util.h"

static const int held[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

int signals_hold(struct signals *ret)
{
	struct signals s;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
		struct sigaction now;

		if (sigaction(held[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			sigaddset(&set, held[i]);
	}
	s.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s.fd < 0)
		return -errno;
	sigaddset(&set, SIGPIPE);
	if (sigprocmask(SIG_BLOCK, &set, &s.before) < 0) {
		int r = -errno;

		close(s.fd);
		return r;
	}
	*ret = s;
	return 0;
}

void signals_give_back(const struct signals *s)
{
	sigprocmask(SIG_SETMASK, &s->before, NULL);
}

void signals_close(struct signals *s)
{
	if (s && s->fd >= 0) {
		close(s->fd);
		s->fd = -1;
	}
}

int signals_next(const struct signals *s, bool *ret_from_process)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;
	*ret_from_process = info.ssi_code <=
			    0; /* SI_USER, SI_QUEUE, SI_TKILL; the kernel's own are positive */
	return (int)info.ssi_signo;
}
