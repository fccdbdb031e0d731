/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings' INI text, through libinih and the same table of keys that the daemon uses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fs/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted obeys the rules that the rest of the daemon relies on. */
static void check(const struct config *c)
{
	if (!c->name || !*c->name || strlen(c->name) > 63 || strchr(c->name, '/') ||
	    strchr(c->name, ','))
		abort();
	if (c->hierarchy > HIERARCHY_NONE || c->stop > LEASE_STOP_FREEZER)
		abort();
	if ((c->state_dir && !*c->state_dir) || (c->mount_options && !*c->mount_options))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char message[CONFIG_MESSAGE_MAX] = "";
	struct config c;
	FILE *f;
	int err;

	if (size == 0 || config_init(&c) < 0)
		return 0;
	f = fmemopen((void *)(uintptr_t)data, size, "r");
	if (!f)
		abort();
	err = config_parse(&c, f, "fuzz", message);
	fclose(f);
	/* A refusal says where and why. */
	if ((err < 0) != (strncmp(message, "fuzz:", 5) == 0))
		abort();
	check(&c);
	config_done(&c);
	return 0;
}
