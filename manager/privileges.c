// SPDX-License-Identifier: GPL-2.0-or-later
/* Capabilities: those that are used, and by what. doc/design.md says what fails without each. One
 * thread. */
#include <errno.h>
#include <string.h>
#include <sys/capability.h>

#include "manager/sandbox.h"
#include "util/log.h"
#include "util/util.h"

/* clang-format off */
static const cap_value_t daemon_caps[] = {
	CAP_CHECKPOINT_RESTORE,
	CAP_DAC_READ_SEARCH,
	CAP_FOWNER,
	CAP_IPC_LOCK,
	CAP_KILL,
	CAP_PERFMON,
	CAP_SYS_ADMIN,
	CAP_SYS_NICE,
	CAP_SYS_PTRACE,
};

static const cap_value_t heir_caps[] = {
	CAP_DAC_READ_SEARCH,
	CAP_SYS_ADMIN,
};
/* clang-format on */

static const struct {
	const cap_value_t *caps;
	size_t nr;
} kept[SANDBOX_NR_ROLES] = {
	[SANDBOX_DAEMON] = {daemon_caps, ARRAY_SIZE(daemon_caps)},
	[SANDBOX_HEIR] = {heir_caps, ARRAY_SIZE(heir_caps)},
};

/* Of these, what is permitted only: accounting/page_walk.c has it in effect while it opens one
 * file. */
static const cap_value_t dormant_cap[SANDBOX_NR_ROLES] = {
	[SANDBOX_DAEMON] = CAP_SYS_ADMIN,
	[SANDBOX_HEIR] = -1,
};

/* Nothing is executed any more, so nothing needs to be in it. It takes CAP_SETPCAP. */
static int drop_bounding_set(void)
{
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++)
		if (cap_get_bound(cap) > 0 && cap_drop_bound(cap) < 0)
			return -errno;
	return 0;
}

/* What was never permitted cannot be kept. */
static int keep(cap_t to, cap_t from, cap_value_t cap, bool dormant)
{
	cap_flag_value_t is_set;

	if (cap_get_flag(from, cap, CAP_PERMITTED, &is_set) < 0)
		return errno == EINVAL ? 0 : -errno; /* newer than this kernel */
	if (is_set == CAP_CLEAR)
		return 0;
	if (cap_set_flag(to, CAP_PERMITTED, 1, &cap, CAP_SET) < 0 ||
	    cap_set_flag(to, CAP_EFFECTIVE, 1, &cap, dormant ? CAP_CLEAR : CAP_SET) < 0)
		return -errno;
	return 0;
}

static int keep_only(const cap_value_t *caps, size_t nr, cap_value_t dormant)
{
	cap_t from = cap_get_proc(), to = cap_init();
	int r = from && to ? 0 : -ENOMEM;

	for (size_t i = 0; i < nr && r == 0; i++)
		r = keep(to, from, caps[i], caps[i] == dormant);
	if (r == 0 && cap_set_proc(to) < 0)
		r = -errno;
	cap_free(from);
	cap_free(to);
	return r;
}

int privileges_drop(enum sandbox_role role)
{
	int r = drop_bounding_set();

	if (r < 0)
		log_warning("cannot empty the bounding set of capabilities, ignoring: %s",
			    strerror(-r));
	if (cap_reset_ambient() < 0)
		return -errno;
	return keep_only(kept[role].caps, kept[role].nr, dormant_cap[role]);
}
