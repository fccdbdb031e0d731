// SPDX-License-Identifier: GPL-2.0-or-later
/* Numbers of control files: what the kernel's controller was seen to take, and its errors. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/parse.h"
#include "manager/state.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

/* What a failed parse must leave in the result. */
#define UNTOUCHED 0x5eedULL

struct number_case {
	const char *text;
	int error;
	uint64_t value;
};

static void check(const char *parser, const struct number_case *c, int error, uint64_t value)
{
	uint64_t want = c->error ? UNTOUCHED : c->value;

	if (error != c->error || value != want)
		fprintf(stderr, "%s \"%s\": %d, %" PRIu64 ", not %d, %" PRIu64 "\n", parser,
			c->text, error, value, c->error, want);
	CU_ASSERT_EQUAL(error, c->error);
	CU_ASSERT_EQUAL(value, want);
}

static void test_bytes(void)
{
	static const struct number_case cases[] = {
		{"0", 0, 0},           {"1", 0, 1},           {"4097", 0, 4097},
		{"10M", 0, 10 << 20},  {"10m", 0, 10 << 20},  {"10k", 0, 10 << 10},
		{"1K", 0, 1 << 10},    {"1g", 0, 1 << 30},    {"1G", 0, 1 << 30},
		{"1t", 0, 1ULL << 40}, {"1T", 0, 1ULL << 40}, {"1p", 0, 1ULL << 50},
		{"1P", 0, 1ULL << 50}, {"1e", 0, 1ULL << 60}, {"1E", 0, 1ULL << 60},
		{"010000", 0, 4096},   {"0x10000", 0, 65536}, {"0X1f", 0, 31},
		{"0x1M", 0, 1 << 20},  {"0x1E", 0, 0x1e},     {"10MB", -EINVAL, 0},
		{"1.0", -EINVAL, 0},   {"1xx", -EINVAL, 0},   {"xx", -EINVAL, 0},
		{"max", -EINVAL, 0},   {"08", -EINVAL, 0},    {"0x", -EINVAL, 0},
		{"0xg", -EINVAL, 0},   {"1b", -EINVAL, 0},    {"1 2", -EINVAL, 0},
		{"5 M", -EINVAL, 0},   {"1kk", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = UNTOUCHED;
		int error = parse_bytes(cases[i].text, &value);

		check("parse_bytes", &cases[i], error, value);
	}
}

static void test_bytes_space(void)
{
	static const struct number_case cases[] = {
		{"  4096  ", 0, 4096},
		{"\t4096\n", 0, 4096},
		{"\v\f\r4096\r\n", 0, 4096},
		{"\xa0"
		 "4096\xa0",
		 0, 4096},
		/* No digits are the number 0, and so is nothing at all. */
		{"", 0, 0},
		{"\n", 0, 0},
		{" ", 0, 0},
		{"m", 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = UNTOUCHED;
		int error = parse_bytes(cases[i].text, &value);

		check("parse_bytes", &cases[i], error, value);
	}
}

static void test_bytes_sign(void)
{
	static const struct number_case cases[] = {
		{"-1", 0, LIMIT_MAX_BYTES},   {"-1\n", 0, LIMIT_MAX_BYTES},
		{" -1 ", 0, LIMIT_MAX_BYTES}, {"-2", -EINVAL, 0},
		{"--1", -EINVAL, 0},          {"-0", -EINVAL, 0},
		{"-1k", -EINVAL, 0},          {"-", -EINVAL, 0},
		{"- 1", -EINVAL, 0},          {"+4096", -EINVAL, 0},
		{"-10", -EINVAL, 0},          {"-01", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = UNTOUCHED;
		int error = parse_bytes(cases[i].text, &value);

		check("parse_bytes", &cases[i], error, value);
	}
}

static void test_bytes_wrap(void)
{
	static const struct number_case cases[] = {
		{"9223372036854771711", 0, 9223372036854771711ULL},
		{"9223372036854771712", 0, LIMIT_MAX_BYTES},
		{"9223372036854775807", 0, LIMIT_MAX_BYTES},
		{"18446744073709551615", 0, LIMIT_MAX_BYTES},
		{"8E", 0, LIMIT_MAX_BYTES},
		/* From here on modulo 2^64. */
		{"18446744073709551616", 0, 0},
		{"18446744073709551617", 0, 1},
		{"16E", 0, 0},
		{"17E", 0, 1ULL << 60},
		{"0x10000000000000001", 0, 1},
		{"99999999999999999999999", 0, 200376420520689663ULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = UNTOUCHED;
		int error = parse_bytes(cases[i].text, &value);

		check("parse_bytes", &cases[i], error, value);
	}
}

static void test_u64(void)
{
	static const struct number_case cases[] = {
		{"0", 0, 0},
		{"60", 0, 60},
		{"60\n", 0, 60},
		{"+60", 0, 60},
		{"0x10", 0, 16},
		{"010", 0, 8},
		{"18446744073709551615", 0, UINT64_MAX},
		{"0xffffffffffffffff", 0, UINT64_MAX},
		{"18446744073709551616", -ERANGE, 0},
		{"99999999999999999999", -ERANGE, 0},
		/* As the kernel: too large is said before what follows is looked at. */
		{"99999999999999999999x", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"\n", -EINVAL, 0},
		{"+", -EINVAL, 0},
		{"++1", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"xx", -EINVAL, 0},
		{" 60", -EINVAL, 0},
		{"60 ", -EINVAL, 0},
		{"60\n\n", -EINVAL, 0},
		{"1k", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
		{"1 1", -EINVAL, 0},
		{"0x", -EINVAL, 0},
		{"08", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t value = UNTOUCHED;
		int error = parse_u64(cases[i].text, &value);

		check("parse_u64", &cases[i], error, value);
	}
}

static void test_pid(void)
{
	static const struct number_case cases[] = {
		{"0", 0, 0},
		{"1", 0, 1},
		{"4194304", 0, 4194304},
		{"123\n", 0, 123},
		{" 123 ", 0, 123},
		{"+123", 0, 123},
		{"0x7b", 0, 123},
		{"0173", 0, 123},
		{"-0", 0, 0},
		{"0x7fffffff", 0, INT_MAX},
		{"0x80000000", -EINVAL, 0},
		{"99999999999999", -EINVAL, 0},
		{"99999999999999999999999", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"\n", -EINVAL, 0},
		{"xx", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"-123", -EINVAL, 0},
		{"+-1", -EINVAL, 0},
		{"- 1", -EINVAL, 0},
		{"1.0", -EINVAL, 0},
		{"123x", -EINVAL, 0},
		{"123 123", -EINVAL, 0},
		{"123,1", -EINVAL, 0},
		{"1k", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		pid_t pid = (pid_t)UNTOUCHED;
		int error = parse_pid(cases[i].text, &pid);

		check("parse_pid", &cases[i], error, (uint64_t)pid);
	}
}

/* What clients write to cgroup.event_control: as the kernel takes it. */
static void test_event_control(void)
{
	static const struct {
		const char *text;
		int error, eventfd, control_file;
		const char *arguments;
	} cases[] = {
		{"8 7 ", 0, 8, 7, ""},
		{"8 7", 0, 8, 7, ""},
		{"8 7 1048576\n", 0, 8, 7, "1048576"},
		{" 8 7 low,local", 0, 8, 7, "low,local"},
		{"8 7  1M", 0, 8, 7, " 1M"},
		{"8 99999999999", 0, 8, INT_MAX, ""},
		{"8", -EINVAL, 0, 0, NULL},
		{"", -EINVAL, 0, 0, NULL},
		{"x 7", -EINVAL, 0, 0, NULL},
		{"-1 -1", -EINVAL, 0, 0, NULL},
		{"8\t7 1M", -EINVAL, 0, 0, NULL},
		{"8 7\t1M", -EINVAL, 0, 0, NULL},
		{"8,7,1M", -EINVAL, 0, 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *text = strdup(cases[i].text);
		struct event_control line = {-1, -1, NULL};

		CU_ASSERT_EQUAL(parse_event_control(text, &line), cases[i].error);
		if (cases[i].error)
			continue;
		CU_ASSERT_EQUAL(line.eventfd, cases[i].eventfd);
		CU_ASSERT_EQUAL(line.control_file, cases[i].control_file);
		CU_ASSERT_STRING_EQUAL(line.arguments, cases[i].arguments);
	}
}

static void test_shrinker(void)
{
	int number = -1;
	int64_t chunks = 0;

	CU_ASSERT_EQUAL(parse_shrinker("5 10\n", &number, &chunks), 0);
	CU_ASSERT(number == 5 && chunks == 10);
	CU_ASSERT_EQUAL(parse_shrinker(" 6  +3 ", &number, &chunks), 0);
	CU_ASSERT(number == 6 && chunks == 3);
	CU_ASSERT_EQUAL(parse_shrinker("7 -4", &number, &chunks), 0);
	CU_ASSERT(number == 7 && chunks == -4);
	CU_ASSERT_EQUAL(parse_shrinker("7", &number, &chunks), -EINVAL);
	CU_ASSERT_EQUAL(parse_shrinker("7 ", &number, &chunks), -EINVAL);
	CU_ASSERT_EQUAL(parse_shrinker("x 1", &number, &chunks), -EINVAL);
	CU_ASSERT_EQUAL(parse_shrinker("7 x", &number, &chunks), -EINVAL);
	CU_ASSERT_EQUAL(parse_shrinker("7 -", &number, &chunks), -EINVAL);
	CU_ASSERT_EQUAL(parse_shrinker("7 1 2", &number, &chunks), -EINVAL);
	CU_ASSERT_EQUAL(parse_shrinker("7 99999999999999999999", &number, &chunks), -ERANGE);
	CU_ASSERT(number == 7 && chunks == -4);
}

static void test_word(void)
{
	static const char *const words[] = {"all", "rss"};

	CU_ASSERT_EQUAL(parse_word("rss", words, 2), 1);
	CU_ASSERT_EQUAL(parse_word(" all\n", words, 2), 0);
	CU_ASSERT_EQUAL(parse_word("", words, 2), -EINVAL);
	CU_ASSERT_EQUAL(parse_word("rs", words, 2), -EINVAL);
	CU_ASSERT_EQUAL(parse_word("rss2", words, 2), -EINVAL);
	CU_ASSERT_EQUAL(parse_word("RSS", words, 2), -EINVAL);
	CU_ASSERT_EQUAL(parse_word("all rss", words, 2), -EINVAL);
}

static void test_watermarks(void)
{
	static const struct {
		const char *text;
		int error;
		uint64_t high, low;
	} cases[] = {
		{"75 50", 0, 75, 50},
		{"75 50\n", 0, 75, 50},
		{" 100\t\t1 \n", 0, 100, 1},
		{"0 0", 0, 0, 0},
		{"0x4b 062", 0, 75, 50},
		{"1000 2000", 0, 1000, 2000}, /* what may be set is not the parser's to say */
		{"", -EINVAL, 0, 0},
		{" ", -EINVAL, 0, 0},
		{"75", -EINVAL, 0, 0},
		{"75 ", -EINVAL, 0, 0},
		{"75 50 25", -EINVAL, 0, 0},
		{"75,50", -EINVAL, 0, 0},
		{"75% 50%", -EINVAL, 0, 0},
		{"-1 -1", -EINVAL, 0, 0},
		{"75 -1", -EINVAL, 0, 0},
		{"x 50", -EINVAL, 0, 0},
		{"75 50K", -EINVAL, 0, 0},
		{"18446744073709551616 50", -ERANGE, 0, 0},
		{"75 18446744073709551616", -ERANGE, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t high = UNTOUCHED, low = UNTOUCHED;
		bool ok = !cases[i].error;

		CU_ASSERT_EQUAL(parse_watermarks(cases[i].text, &high, &low), cases[i].error);
		CU_ASSERT_EQUAL(high, ok ? cases[i].high : UNTOUCHED);
		CU_ASSERT_EQUAL(low, ok ? cases[i].low : UNTOUCHED);
	}
}

static CU_TestInfo tests[] = {
	{"sizes", test_bytes},
	{"sizes: white space", test_bytes_space},
	{"sizes: signs", test_bytes_sign},
	{"sizes: modulo 2^64", test_bytes_wrap},
	{"settings", test_u64},
	{"pids", test_pid},
	{"cgroup.event_control", test_event_control},
	{"mempressure.shrinker", test_shrinker},
	{"watermarks", test_watermarks},
	{"words", test_word},
	CU_TEST_INFO_NULL,
};

static CU_SuiteInfo suites[] = {
	{.pName = "parse", .pTests = tests},
	CU_SUITE_INFO_NULL,
};

int main(void)
{
	return run_suites(suites);
}
