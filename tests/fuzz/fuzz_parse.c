// SPDX-License-Identifier: GPL-2.0-or-later
/* Any text at all through the parsers of control files, beside what the C library and the
 * documentation say of it. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/parse.h"
#include "manager/state.h"
#include "shrinker/eventfd.h"
#include "tests/fuzz/fuzz_text.h"
#include "util/util.h"

static void must(bool holds, const char *what, const char *text)
{
	if (holds)
		return;
	fprintf(stderr, "%s: \"%s\"\n", what, text);
	abort();
}

static void fuzz_bytes(const char *text)
{
	uint64_t value = 42;
	int r = parse_bytes(text, &value);

	must(r == 0 || (r == -EINVAL && value == 42), "a size is taken, or EINVAL and untouched",
	     text);
	must(value <= LIMIT_MAX_BYTES, "a size is capped", text);
}

static void fuzz_u64(const char *text)
{
	uint64_t value = 42;
	int r = parse_u64(text, &value);

	if (r < 0) {
		must((r == -EINVAL || r == -ERANGE) && value == 42,
		     "EINVAL or ERANGE, and untouched", text);
		return;
	}
	errno = 0;
	must(value == strtoull(text, NULL, 0) && errno == 0, "a setting is what strtoull reads",
	     text);
	must(!strchr(text, '-') && !strchr(text, ' '), "a setting has no sign and no blank", text);
}

static void fuzz_pid(const char *text)
{
	pid_t pid = 42;
	char decimal[32];
	pid_t again;

	if (parse_pid(text, &pid) < 0) {
		must(pid == 42, "a pid is untouched on failure", text);
		return;
	}
	must(pid >= 0, "a pid is not negative", text);
	snprintf(decimal, sizeof(decimal), " %d\n", pid);
	must(parse_pid(decimal, &again) == 0 && again == pid, "a pid reads back", text);
}

static void fuzz_event_control(const char *text)
{
	char *copy = strdup(text), again[64];
	struct event_control line = {-1, -1, NULL}, second;

	if (!copy)
		return;
	if (parse_event_control(copy, &line) < 0) {
		must(line.eventfd == -1 && !line.arguments, "a line is untouched on failure", text);
		free(copy);
		return;
	}
	must(line.eventfd >= 0 && line.control_file >= 0, "a descriptor is not negative", text);
	must(line.arguments >= copy && line.arguments <= copy + strlen(text),
	     "arguments are in the text", text);
	snprintf(again, sizeof(again), " %d %d x\n", line.eventfd, line.control_file);
	must(parse_event_control(again, &second) == 0 && second.eventfd == line.eventfd &&
		     second.control_file == line.control_file && !strcmp(second.arguments, "x"),
	     "a line reads back", text);
	free(copy);
}

static void fuzz_shrinker(const char *text)
{
	int number = -1, again;
	int64_t chunks = 42, chunks_again;
	char decimal[64];
	int r = parse_shrinker(text, &number, &chunks);

	if (r < 0) {
		must((r == -EINVAL || r == -ERANGE) && number == -1 && chunks == 42,
		     "EINVAL or ERANGE, and untouched", text);
		return;
	}
	must(number >= 0, "a descriptor is not negative", text);
	snprintf(decimal, sizeof(decimal), "%d %+" PRId64, number, chunks);
	must(parse_shrinker(decimal, &again, &chunks_again) == 0 && again == number &&
		     chunks_again == chunks,
	     "chunks read back", text);
}

static void fuzz_eventfd_info(const char *text)
{
	struct eventfd_info info = {42, 42};

	must(eventfd_parse_info(text, &info) == 0 || (info.id == 42 && info.count == 42),
	     "untouched on failure", text);
}

static void fuzz_watermarks(const char *text)
{
	uint64_t high = 42, low = 43;
	char decimal[48];

	if (parse_watermarks(text, &high, &low) < 0) {
		must(high == 42 && low == 43, "marks are untouched on failure", text);
		return;
	}
	snprintf(decimal, sizeof(decimal), "%llu %llu", (unsigned long long)high,
		 (unsigned long long)low);
	high = low = 0;
	must(parse_watermarks(decimal, &high, &low) == 0, "marks that were read can be written",
	     text);
	must(!strchr(text, '-') && !strchr(text, '%'), "a mark has no sign", text);
}

static void fuzz_word(const char *text)
{
	static const char *const words[] = {"all", "rss", "a"};
	int r = parse_word(text, words, ARRAY_SIZE(words));

	must(r < 0 ? r == -EINVAL : strstr(text, words[r]) != NULL, "a word is in the text", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	fuzz_bytes(text);
	fuzz_u64(text);
	fuzz_pid(text);
	fuzz_event_control(text);
	fuzz_shrinker(text);
	fuzz_eventfd_info(text);
	fuzz_watermarks(text);
	fuzz_word(text);
	free(text);
	return 0;
}
