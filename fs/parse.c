// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers as the kernel's control files take them: memparse(), kstrtoull(), kstrtoint(). No state,
 * any thread. */
#include "fs/parse.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "manager/state.h"
#include "util/util.h"

/* The rest of a text that is being read. */
struct span {
	const char *p, *end;
};

/* The kernel's isspace(), which knows Latin-1's no-break space. */
static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r') || (unsigned char)c == 0xa0;
}

static struct span strip(const char *text)
{
	struct span s = {text, text + strlen(text)};

	while (s.p < s.end && is_space(*s.p))
		s.p++;
	while (s.p < s.end && is_space(s.end[-1]))
		s.end--;
	return s;
}

int parse_word(const char *text, const char *const *words, size_t nr)
{
	struct span s = strip(text);
	size_t len = (size_t)(s.end - s.p);

	for (size_t i = 0; i < nr; i++)
		if (strlen(words[i]) == len && memcmp(s.p, words[i], len) == 0)
			return (int)i;
	return -EINVAL;
}

/* -1: not a digit in any base up to 16. */
static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static unsigned take_base(struct span *s)
{
	if (s->p == s->end || *s->p != '0')
		return 10;
	/* "0x" without a digit behind it is an octal 0 and a stray x. */
	if (s->end - s->p > 2 && (s->p[1] == 'x' || s->p[1] == 'X') && digit_value(s->p[2]) >= 0) {
		s->p += 2;
		return 16;
	}
	return 8;
}

/* Take all digits: how many, their value modulo 2^64, and whether that lost anything. */
static size_t take_digits(struct span *s, uint64_t *ret, bool *ret_overflow)
{
	unsigned base = take_base(s);
	const char *start = s->p;
	uint64_t value = 0;
	bool overflow = false;

	for (; s->p < s->end; s->p++) {
		int digit = digit_value(*s->p);

		if (digit < 0 || (unsigned)digit >= base)
			break;
		if (value > (UINT64_MAX - (unsigned)digit) / base)
			overflow = true;
		value = value * base + (unsigned)digit;
	}
	*ret = value;
	*ret_overflow = overflow;
	return (size_t)(s->p - start);
}

/* Powers of 1024 that a suffix stands for; 0: it is none. */
static unsigned suffix_power(char c)
{
	static const char suffixes[] = "kKmMgGtTpPeE";
	const char *at = memchr(suffixes, c, sizeof(suffixes) - 1);

	return at ? (unsigned)(at - suffixes) / 2 + 1 : 0;
}

int parse_bytes(const char *text, uint64_t *ret)
{
	struct span s = strip(text);
	uint64_t value;
	bool wrapped; /* as memparse() does, without a word */
	unsigned power;

	if (s.end - s.p == 2 && s.p[0] == '-' && s.p[1] == '1') {
		*ret = LIMIT_MAX_BYTES;
		return 0;
	}
	take_digits(&s, &value, &wrapped);
	power = s.p < s.end ? suffix_power(*s.p) : 0;
	if (power) {
		s.p++;
		value <<= 10 * power;
	}
	if (s.p != s.end)
		return -EINVAL;
	*ret = MIN(value, LIMIT_MAX_BYTES);
	return 0;
}

int parse_u64(const char *text, uint64_t *ret)
{
	struct span s = {text, text + strlen(text)};
	uint64_t value;
	bool overflow;

	if (s.p < s.end && *s.p == '+')
		s.p++;
	if (take_digits(&s, &value, &overflow) == 0)
		return -EINVAL;
	if (overflow)
		return -ERANGE;
	if (s.p < s.end && *s.p == '\n')
		s.p++;
	if (s.p != s.end)
		return -EINVAL;
	*ret = value;
	return 0;
}

/* One number of several, with white space before it. */
static int take_number(struct span *s, uint64_t *ret)
{
	bool overflow;

	while (s->p < s->end && is_space(*s->p))
		s->p++;
	if (take_digits(s, ret, &overflow) == 0)
		return -EINVAL;
	return overflow ? -ERANGE : 0;
}

int parse_watermarks(const char *text, uint64_t *ret_high, uint64_t *ret_low)
{
	struct span s = strip(text);
	uint64_t high, low;
	int r = take_number(&s, &high);

	if (r)
		return r;
	if (s.p == s.end || !is_space(*s.p))
		return -EINVAL;
	r = take_number(&s, &low);
	if (r)
		return r;
	if (s.p != s.end)
		return -EINVAL;
	*ret_high = high;
	*ret_low = low;
	return 0;
}

int parse_pid(const char *text, pid_t *ret)
{
	struct span s = strip(text);
	bool negative = s.p < s.end && *s.p == '-', overflow;
	uint64_t value;

	if (s.p < s.end && (*s.p == '-' || *s.p == '+'))
		s.p++;
	if (take_digits(&s, &value, &overflow) == 0 || s.p != s.end)
		return -EINVAL;
	if (overflow || value > INT_MAX || (negative && value != 0))
		return -EINVAL;
	*ret = (pid_t)value;
	return 0;
}

/* As simple_strtoul() does it: no digits are 0. */
static int take_descriptor(struct span *s)
{
	uint64_t value = 0;

	for (; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++)
		value = MIN(value * 10 + (uint64_t)(*s->p - '0'), INT_MAX);
	return (int)value;
}

static void skip_spaces(struct span *s)
{
	while (s->p < s->end && is_space(*s->p))
		s->p++;
}

/* Decimal digits, at least one, with an optional sign, up to the end. */
static int take_signed(struct span *s, int64_t *ret)
{
	bool negative = s->p < s->end && *s->p == '-', overflow = false;
	int64_t value = 0;

	if (s->p < s->end && (*s->p == '-' || *s->p == '+'))
		s->p++;
	if (s->p == s->end)
		return -EINVAL;
	for (; s->p < s->end; s->p++) {
		if (*s->p < '0' || *s->p > '9')
			return -EINVAL;
		overflow |= __builtin_mul_overflow(value, 10, &value);
		overflow |= __builtin_add_overflow(value, *s->p - '0', &value);
	}
	*ret = negative ? -value : value;
	return overflow ? -ERANGE : 0;
}

int parse_shrinker(const char *text, int *ret_eventfd, int64_t *ret_chunks)
{
	struct span s = strip(text);
	const char *begin = s.p;
	int64_t chunks;
	int number = take_descriptor(&s), r;

	if (s.p == begin || s.p == s.end || !is_space(*s.p))
		return -EINVAL;
	skip_spaces(&s);
	r = take_signed(&s, &chunks);
	if (r < 0)
		return r;
	*ret_eventfd = number;
	*ret_chunks = chunks;
	return 0;
}

int parse_event_control(char *text, struct event_control *ret)
{
	struct span s = strip(text);
	struct event_control line;

	text[s.end - text] = '\0';
	line.eventfd = take_descriptor(&s);
	if (s.p == s.end || *s.p != ' ')
		return -EINVAL;
	s.p++;
	line.control_file = take_descriptor(&s);
	if (s.p < s.end && *s.p != ' ')
		return -EINVAL;
	line.arguments = s.p < s.end ? s.p + 1 : s.p;
	*ret = line;
	return 0;
}
