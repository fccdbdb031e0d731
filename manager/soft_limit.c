// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Soft limits: when the machine is short of memory, groups above theirs give back what is over it,
 * in the background, before anybody else has to.
 *
 * The kernel tells when tasks of the machine wait for memory (a trigger on /proc/pressure/memory);
 * nobody polls. They also wait where a group thrashes within a hard limit and the machine has
 * plenty, so it counts only while little is available. Each telling is worth one round of each
 * group over its soft limit. The trigger is set when the first soft limit is. Sizes in pages.
 * Thread: the manager's loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "manager/manager_private.h"
#include "util/log.h"
#include "util/util.h"

/*
 * Some task waited for memory for a tenth of two seconds: told every two seconds as long as that
 * goes on. Another window would cost the kernel a real-time thread, and takes CAP_SYS_RESOURCE.
 */
#define PRESSURE_FILE    "/proc/pressure/memory"
#define PRESSURE_TRIGGER "some 200000 2000000"

/* Less than this part of the memory is available: above it tasks wait for limits, not for memory.
 */
#define SHORT_DIVISOR 10

static bool machine_is_short(void)
{
	char text[4096];

	if (proc_read("meminfo", text, sizeof(text)) < 0)
		return false;
	return meminfo_kb(text, "MemAvailable:") < meminfo_kb(text, "MemTotal:") / SHORT_DIVISOR;
}

static bool has_soft_limit(const struct group *g)
{
	return g->parent && atomic_get(&g->record->soft_limit) < LIMIT_MAX_BYTES;
}

void soft_limits_on_pressure(struct manager *m)
{
	if (!machine_is_short())
		return;
	for (struct group *g = manager_root(m); g; g = group_next(manager_root(m), g))
		if (has_soft_limit(g))
			background_to_soft_limit(m, g);
}

static int on_pressure(sd_event_source *s, int fd, uint32_t revents, void *userdata)
{
	(void)fd;
	if (revents & EPOLLERR) { /* the trigger has gone */
		sd_event_source_set_enabled(s, SD_EVENT_OFF);
		return 0;
	}
	soft_limits_on_pressure(userdata);
	return 0;
}

/* 0 or -errno. */
static int trigger_set(struct manager *m)
{
	cleanup_close int fd = open(PRESSURE_FILE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	if (write(fd, PRESSURE_TRIGGER, sizeof(PRESSURE_TRIGGER)) < 0)
		return -errno;
	r = sd_event_add_io(m->event, &m->pressure_source, fd, EPOLLPRI, on_pressure, m);
	if (r < 0)
		return r;
	sd_event_source_set_io_fd_own(m->pressure_source, 1);
	fd = -1;
	return 0;
}

void soft_limits_watch(struct manager *m)
{
	int r;

	if (m->pressure_source || m->no_pressure)
		return;
	for (struct group *g = manager_root(m); g; g = group_next(manager_root(m), g)) {
		if (!has_soft_limit(g))
			continue;
		r = trigger_set(m);
		m->no_pressure = r < 0;
		if (r < 0)
			log_warning("soft limits have no effect, nothing tells of "
				    "pressure: " PRESSURE_FILE ": %s",
				    strerror(-r));
		return;
	}
}

void group_set_soft_limit(struct manager *m, struct group *g, uint64_t bytes)
{
	atomic_put(&g->record->soft_limit, MIN(bytes, LIMIT_MAX_BYTES) & ~4095ULL);
	soft_limits_watch(m);
}
