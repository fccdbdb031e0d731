/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of a control file as JSON. Any thread. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/control_text.h"
#include "util/util.h"

#define BLANKS " \t\n"

struct word {
	const char *s;
	size_t len;
};

/* The next word before end, and *s behind it; false when there is none. */
static bool next_word(const char **s, const char *end, struct word *ret)
{
	const char *p = *s;

	while (p < end && strchr(BLANKS, *p))
		p++;
	if (p == end)
		return false;
	ret->s = p;
	while (p < end && !strchr(BLANKS, *p))
		p++;
	ret->len = (size_t)(p - ret->s);
	*s = p;
	return true;
}

static size_t count_digits(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && isdigit((unsigned char)s[n]))
		n++;
	return n;
}

/* A number as JSON allows it: no plus, no leading zero, no exponent: no control file has one. */
static bool is_number(struct word w)
{
	const char *s = w.s;
	size_t len = w.len, n;

	if (len && *s == '-') {
		s++;
		len--;
	}
	n = count_digits(s, len);
	if (n == 0 || (n > 1 && *s == '0'))
		return false;
	if (n == len)
		return true;
	return s[n] == '.' && n + 1 < len && count_digits(s + n + 1, len - n - 1) == len - n - 1;
}

/* Something that begins with a letter and needs no escape in a JSON string. */
static bool is_key(struct word w)
{
	if (!w.len || !(isalpha((unsigned char)w.s[0]) || w.s[0] == '_'))
		return false;
	for (size_t i = 0; i < w.len; i++)
		if (!isalnum((unsigned char)w.s[i]) && !strchr("_-.:()", w.s[i]))
			return false;
	return true;
}

static bool split_pair(struct word w, struct word *ret_key, struct word *ret_value)
{
	const char *equals = memchr(w.s, '=', w.len);

	if (!equals)
		return false;
	*ret_key = (struct word){w.s, (size_t)(equals - w.s)};
	*ret_value = (struct word){equals + 1, w.len - ret_key->len - 1};
	return is_key(*ret_key) && is_number(*ret_value);
}

static void print_member(FILE *f, bool first, struct word key, struct word value)
{
	fprintf(f, "%s\"%.*s\": %.*s", first ? "" : ", ", (int)key.len, key.s, (int)value.len,
		value.s);
}

/* All words numbers: prints them as an array's inside; *ret_nr says how many. */
static bool print_numbers(FILE *f, const char *text, size_t *ret_nr)
{
	const char *end = text + strlen(text);
	struct word w;
	size_t nr = 0;

	while (next_word(&text, end, &w)) {
		if (!is_number(w))
			return false;
		fprintf(f, "%s%.*s", nr++ ? ", " : "", (int)w.len, w.s);
	}
	*ret_nr = nr;
	return true;
}

/* The words of a line from `pair` on, "key=number" each, as an object. */
static bool print_pairs(FILE *f, const char *s, const char *end, struct word pair)
{
	bool first = true;
	struct word key, value;

	fputc('{', f);
	do {
		if (!split_pair(pair, &key, &value))
			return false;
		print_member(f, first, key, value);
		first = false;
	} while (next_word(&s, end, &pair));
	fputc('}', f);
	return true;
}

static bool print_line(FILE *f, bool first, const char *s, const char *end)
{
	struct word key, value, w;

	if (!next_word(&s, end, &key))
		return false;
	w = key;
	if (split_pair(w, &key, &value)) { /* total=7 N0=7: named by its first */
		fprintf(f, "%s\"%.*s\": ", first ? "" : ", ", (int)key.len, key.s);
		return print_pairs(f, s, end, w);
	}
	if (!is_key(key) || !next_word(&s, end, &w))
		return false;
	if (is_number(w)) {
		print_member(f, first, key, w);
		return !next_word(&s, end, &w);
	}
	fprintf(f, "%s\"%.*s\": ", first ? "" : ", ", (int)key.len, key.s);
	return print_pairs(f, s, end, w);
}

static bool print_object(FILE *f, const char *text)
{
	bool first = true;

	while (*text) {
		const char *end = strchrnul(text, '\n');

		if (!print_line(f, first, text, end))
			return false;
		first = false;
		text = *end ? end + 1 : end;
	}
	return !first;
}

/* *ret: inside between two brackets. */
static int bracket(const char *inside, char open, char close, char **ret)
{
	char *json;

	if (asprintf(&json, "%c%s%c", open, inside, close) < 0)
		return -ENOMEM;
	*ret = json;
	return 0;
}

int control_text_to_json(const char *text, bool list, char **ret)
{
	cleanup_free char *numbers = NULL, *members = NULL;
	size_t size, nr = 0;
	FILE *f = open_memstream(&numbers, &size);
	bool ok;

	if (!f)
		return -ENOMEM;
	ok = print_numbers(f, text, &nr) && (nr || list);
	if (fclose(f) != 0)
		return -ENOMEM;
	if (ok && nr == 1 && !list) {
		*ret = numbers;
		numbers = NULL;
		return 0;
	}
	if (ok)
		return bracket(numbers, '[', ']', ret);

	f = open_memstream(&members, &size);
	if (!f)
		return -ENOMEM;
	ok = print_object(f, text);
	if (fclose(f) != 0)
		return -ENOMEM;
	if (ok)
		return bracket(members, '{', '}', ret);
	*ret = NULL;
	return 0;
}
