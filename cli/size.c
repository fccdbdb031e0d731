/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes as people write and read them; bytes inside. Any thread. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/size.h"
#include "util/util.h"

static const char units[] = "BKMGTPE"; /* 1024 to the power of the index */

/* "", "B", "K", "KB", "KiB", ... : the shift, or -EINVAL. */
static int parse_unit(const char *s)
{
	const char *unit;

	if (!*s)
		return 0;
	unit = strchr(units, toupper((unsigned char)*s));
	if (!unit)
		return -EINVAL;
	s++;
	if (unit != units && strcasecmp(s, "iB") != 0 && strcasecmp(s, "B") != 0 && *s)
		return -EINVAL;
	if (unit == units && *s)
		return -EINVAL;
	return (int)(unit - units) * 10;
}

/* Digits after the point: the fraction in units of 2^-32. *ret_end is behind them. */
static uint64_t parse_fraction(const char *s, const char **ret_end)
{
	uint64_t numerator = 0, denominator = 1;

	for (; isdigit((unsigned char)*s); s++) {
		if (denominator >=
		    1000000000) /* nine digits are enough; the product below stays in 64 bits */
			continue;
		numerator = numerator * 10 + (uint64_t)(*s - '0');
		denominator *= 10;
	}
	*ret_end = s;
	return (numerator << 32) / denominator;
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
	uint64_t whole = 0, fraction = 0, bytes;
	int shift;

	if (!strcasecmp(text, "max") || !strcasecmp(text, "unlimited") || !strcmp(text, "-1")) {
		*ret_bytes = SIZE_UNLIMITED;
		return 0;
	}
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	for (; isdigit((unsigned char)*text); text++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*text - '0'), &whole))
			return -ERANGE;
	if (*text == '.') {
		if (!isdigit((unsigned char)text[1]))
			return -EINVAL;
		fraction = parse_fraction(text + 1, &text);
	}
	shift = parse_unit(text);
	if (shift < 0)
		return shift;
	if (fraction && shift == 0)
		return -EINVAL; /* of a byte */
	if (__builtin_mul_overflow(whole, 1ULL << shift, &bytes))
		return -ERANGE;
	/* fraction < 2^32, so the sum below cannot pass the next whole unit, which fits or is 2^64
	 */
	bytes += shift > 32 ? fraction << (shift - 32) : fraction >> (32 - shift);
	if (bytes == SIZE_UNLIMITED)
		return -ERANGE;
	*ret_bytes = bytes;
	return 0;
}

void size_format(uint64_t bytes, char text[SIZE_TEXT])
{
	unsigned unit = 0;
	uint64_t tenths;

	if (size_is_unlimited(bytes)) {
		strcpy(text, "max");
		return;
	}
	while (unit + 2 < sizeof(units) && bytes >> (10 * (unit + 1)))
		unit++;
	if (unit == 0) {
		snprintf(text, SIZE_TEXT, "%uB", (unsigned)bytes);
		return;
	}
	/* below 1024 units, so ten times that and the rounding fit: drop what a tenth cannot show
	 * first */
	tenths = ((bytes >> (10 * (unit - 1))) * 10 + 512) >> 10;
	if (tenths >= 10235 && unit + 2 < sizeof(units)) { /* 1023.5M is shown as 1G */
		tenths = 10;
		unit++;
	}
	if (tenths % 10 && tenths < 1000)
		snprintf(text, SIZE_TEXT, "%u.%u%c", (unsigned)(tenths / 10),
			 (unsigned)(tenths % 10), units[unit]);
	else
		snprintf(text, SIZE_TEXT, "%u%c", (unsigned)((tenths + 5) / 10), units[unit]);
}
