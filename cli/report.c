/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What memcgctl says on stderr, and the exit status that goes with it. Single-threaded. */
#include <stdarg.h>
#include <stdio.h>

#include "cli/memcgctl.h"

int cli_usage(const struct cli_verb *verb, const char *fmt, ...)
{
	if (fmt) {
		va_list ap;

		va_start(ap, fmt);
		fprintf(stderr, "memcgctl: %s%s", verb ? verb->name : "", verb ? ": " : "");
		vfprintf(stderr, fmt, ap);
		fputc('\n', stderr);
		va_end(ap);
	}
	fprintf(stderr, "Try 'memcgctl %s%s--help' for more information.\n", verb ? verb->name : "",
		verb ? " " : "");
	return CLI_USAGE;
}

int cli_failure(const struct cli_verb *verb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "memcgctl: %s: ", verb->name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	return CLI_FAILURE;
}
