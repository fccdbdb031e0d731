/* SPDX-License-Identifier: GPL-2.0-or-later */
/* memcgctl's own parsers: sizes, group names, settings, the mount table, control files as JSON. */
#include <stdio.h>
#include <string.h>

#include "cli/control_text.h"
#include "cli/group.h"
#include "cli/mount.h"
#include "cli/size.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

#define KEPT 4711 /* what an output argument holds before, and after a failure */

static void test_size_parse(void)
{
	static const struct {
		const char *text;
		int r;
		uint64_t bytes;
	} rows[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"4096B", 0, 4096},
		{"64M", 0, 64ULL << 20},
		{"64m", 0, 64ULL << 20},
		{"64MB", 0, 64ULL << 20},
		{"64MiB", 0, 64ULL << 20},
		{"1.5G", 0, 3ULL << 29},
		{"0.1K", 0, 102},
		{"2.5P", 0, 5ULL << 49},
		{"15E", 0, 15ULL << 60},
		{"1.00000000000000000000000001K", 0, 1024},
		{"0.9999999999999999999999K", 0, 1023},
		{"18446744073709551614", 0, UINT64_MAX - 1},
		{"max", 0, SIZE_UNLIMITED},
		{"MAX", 0, SIZE_UNLIMITED},
		{"unlimited", 0, SIZE_UNLIMITED},
		{"-1", 0, SIZE_UNLIMITED},
		{"18446744073709551615", -ERANGE, 0},
		{"18446744073709551616", -ERANGE, 0},
		{"16E", -ERANGE, 0},
		{"", -EINVAL, 0},
		{"-2", -EINVAL, 0},
		{"+1", -EINVAL, 0},
		{" 1", -EINVAL, 0},
		{"1 M", -EINVAL, 0},
		{"M", -EINVAL, 0},
		{".5M", -EINVAL, 0},
		{"1.M", -EINVAL, 0},
		{"1.5", -EINVAL, 0},
		{"1.5B", -EINVAL, 0},
		{"1BB", -EINVAL, 0},
		{"1Mi", -EINVAL, 0},
		{"1MM", -EINVAL, 0},
		{"1Q", -EINVAL, 0},
		{"0x10", -EINVAL, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t bytes = KEPT;
		int r = size_parse(rows[i].text, &bytes);

		if (r != rows[i].r || bytes != (r ? KEPT : rows[i].bytes))
			printf("\n\"%s\": %d, %llu", rows[i].text, r, (unsigned long long)bytes);
		CU_ASSERT_EQUAL(r, rows[i].r);
		CU_ASSERT_EQUAL(bytes, r ? KEPT : rows[i].bytes);
	}
}

static void test_size_format(void)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{0, "0B"},
		{1023, "1023B"},
		{1024, "1K"},
		{1536, "1.5K"},
		{64ULL << 20, "64M"},
		{(64ULL << 20) + (52 << 10), "64.1M"},
		{(99ULL << 20) + (972800), "99.9M"},
		{100ULL << 20, "100M"},
		{(100ULL << 20) + (600 << 10), "101M"},
		{(1ULL << 30) - 1, "1G"},
		{(1ULL << 30) - (600 << 10), "1023M"},
		{3ULL << 60, "3E"},
		{9223372036854771712ULL, "max"}, /* 4 KiB pages */
		{9223372036854710272ULL, "max"}, /* 64 KiB pages */
		{INT64_MAX, "max"},
		{UINT64_MAX, "max"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char text[SIZE_TEXT];

		size_format(rows[i].bytes, text);
		CU_ASSERT_STRING_EQUAL(text, rows[i].text);
	}
}

static void test_group_name(void)
{
	static const char *const good[][2] = {
		{"", "/"},
		{"/", "/"},
		{"///", "/"},
		{"a", "/a"},
		{"/a/b", "/a/b"},
		{"a//b/", "/a/b"},
		{"a.b/..c", "/a.b/..c"},
		{"...", "/..."},
	};
	static const char *const bad[] = {"..", "/..", "a/../b", "a/..", ".", "./a", "a/."};
	static char too_long[5000];
	char *name;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		name = NULL;
		CU_ASSERT_EQUAL_FATAL(group_name(good[i][0], &name), 0);
		CU_ASSERT_STRING_EQUAL(name, good[i][1]);
		free(name);
	}
	name = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		CU_ASSERT_EQUAL(group_name(bad[i], &name), -EINVAL);
	memset(too_long, 'a', sizeof(too_long) - 1);
	CU_ASSERT_EQUAL(group_name(too_long, &name), -ENAMETOOLONG);
	CU_ASSERT_PTR_NULL(name);
}

static void test_setting(void)
{
	char plain[] = "memory.oom_control=1", empty[] = "x=", twice[] = "a=b=c";
	char none[] = "limit", nameless[] = "=1", nothing[] = "";
	struct setting s = {.file = "kept", .value = "kept"};

	CU_ASSERT_EQUAL(setting_parse(none, &s), -EINVAL);
	CU_ASSERT_EQUAL(setting_parse(nameless, &s), -EINVAL);
	CU_ASSERT_EQUAL(setting_parse(nothing, &s), -EINVAL);
	CU_ASSERT_STRING_EQUAL(s.file, "kept");
	CU_ASSERT_STRING_EQUAL(nameless, "=1");
	CU_ASSERT_EQUAL(setting_parse(plain, &s), 0);
	CU_ASSERT_STRING_EQUAL(s.file, "memory.oom_control");
	CU_ASSERT_STRING_EQUAL(s.value, "1");
	CU_ASSERT_EQUAL(setting_parse(empty, &s), 0);
	CU_ASSERT_STRING_EQUAL(s.value, "");
	CU_ASSERT_EQUAL(setting_parse(twice, &s), 0);
	CU_ASSERT_STRING_EQUAL(s.file, "a");
	CU_ASSERT_STRING_EQUAL(s.value, "b=c");
}

/* What mounts_find makes of a table: r, and the directory where r is 0. */
static void check_table(const char *table, bool private, int wanted_r, const char *wanted_dir)
{
	FILE *f = fmemopen((void *)table, strlen(table), "r");
	char *dir = NULL;
	int r;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	r = mounts_find(f, private, &dir);
	fclose(f);
	CU_ASSERT_EQUAL(r, wanted_r);
	if (wanted_dir) {
		CU_ASSERT_PTR_NOT_NULL_FATAL(dir);
		CU_ASSERT_STRING_EQUAL(dir, wanted_dir);
	} else {
		CU_ASSERT_PTR_NULL(dir);
	}
	free(dir);
}

#define OTHER   "proc /proc proc rw 0 0\n"
#define ONE     "memcgfs /mnt/a fuse.memcgfs rw,nosuid 0 0\n"
#define TWO     "memcgfs /mnt/b fuse.memcgfs rw 0 0\n"
#define BLANK   "memcgfs /mnt/a\\040b\\011\\134c\\043 fuse.memcgfs rw 0 0\n"
#define ODD     "memcgfs /mnt/\\04x\\400\\000\\ fuse.memcgfs rw 0 0\n"
#define PRIVATE "memcgfs /run/memcgfs/run-x/tree fuse.memcgfs rw 0 0\n"
#define PRIVAT2 "memcgfs /run/memcgfs/run-y/tree fuse.memcgfs rw 0 0\n"

static void test_mounts(void)
{
	check_table(OTHER, true, -ENOENT, NULL);
	check_table("\n \nx\nx y\n", true, -ENOENT, NULL);
	check_table(OTHER ONE OTHER, false, 0, "/mnt/a");
	check_table(ONE TWO OTHER, false, 0, "/mnt/b");
	check_table(BLANK, false, 0, "/mnt/a b\t\\c#");
	check_table(ODD, false, 0, "/mnt/\\04x\\400\\000\\");
	check_table("memcgfs /a fuse.memcgfs", false, 0, "/a");
	check_table("fuse.memcgfs fuse.memcgfs fuse.sshfs rw 0 0\n", true, -ENOENT, NULL);
	check_table("x /a fuse.memcgfs2 rw 0 0\n", true, -ENOENT, NULL);
}

static void test_mounts_private(void)
{
	check_table(PRIVATE, false, -ENOENT, NULL);
	check_table(PRIVATE, true, 0, "/run/memcgfs/run-x/tree");
	check_table(PRIVATE PRIVAT2, true, -ENOTUNIQ, NULL);
	check_table(PRIVATE PRIVAT2, false, -ENOENT, NULL);
	check_table(ONE PRIVATE PRIVAT2, true, 0, "/mnt/a");
	check_table("x /tree fuse.memcgfs rw 0 0\n", false, 0, "/tree");
	check_table("x /run-/trees fuse.memcgfs rw 0 0\n", false, 0, "/run-/trees");
}

static void test_find_order(void)
{
	char *dir = NULL;

	setenv("MEMCGFS_MOUNT", "/from/environment", 1);
	CU_ASSERT_EQUAL_FATAL(mount_find("/from/option", false, &dir), 0);
	CU_ASSERT_STRING_EQUAL(dir, "/from/option");
	free(dir);
	CU_ASSERT_EQUAL_FATAL(mount_find(NULL, false, &dir), 0);
	CU_ASSERT_STRING_EQUAL(dir, "/from/environment");
	free(dir);
	unsetenv("MEMCGFS_MOUNT");
}

static void test_control_text(void)
{
	static const struct {
		const char *text;
		bool list;
		const char *json; /* NULL: a string */
	} rows[] = {
		{"0\n", false, "0"},
		{"-1\n", false, "-1"},
		{"9223372036854771712\n", false, "9223372036854771712"},
		{"7", false, "7"},
		{"75 50\n", false, "[75, 50]"},
		{"1\n2\n3\n", true, "[1, 2, 3]"},
		{"1\n", true, "[1]"},
		{"", true, "[]"},
		{"", false, NULL},
		{"\n", false, NULL},
		{"low\n", false, NULL},
		{"007\n", false, NULL},
		{"+1\n", false, NULL},
		{"1.\n", false, NULL},
		{"-\n", false, NULL},
		{"max\n", true, NULL},
		{"cache 4096\nrss 0\n", false, "{\"cache\": 4096, \"rss\": 0}"},
		{"cache 4096", false, "{\"cache\": 4096}"},
		{"cache 4096 5\n", false, NULL},
		{"cache 4096\n\nrss 0\n", false, NULL},
		{"ca\"che 1\n", false, NULL},
		{"total=3 N0=1 N1=2\nfile=0 N0=0\n", false,
		 "{\"total\": {\"total\": 3, \"N0\": 1, \"N1\": 2}, \"file\": {\"file\": 0, "
		 "\"N0\": 0}}"},
		{"some avg10=0.50 total=9\n", false, "{\"some\": {\"avg10\": 0.50, \"total\": 9}}"},
		{"some avg10=0.50 total\n", false, NULL},
		{"total=x\n", false, NULL},
		{"rss: /proc/PID/status\n", false, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *json = NULL;

		CU_ASSERT_EQUAL_FATAL(control_text_to_json(rows[i].text, rows[i].list, &json), 0);
		if (rows[i].json) {
			CU_ASSERT_PTR_NOT_NULL_FATAL(json);
			CU_ASSERT_STRING_EQUAL(json, rows[i].json);
		} else {
			CU_ASSERT_PTR_NULL(json);
		}
		free(json);
	}
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"size_parse", test_size_parse},
		{"size_format", test_size_format},
		{"group_name", test_group_name},
		{"setting", test_setting},
		{"mounts", test_mounts},
		{"mounts_private", test_mounts_private},
		{"find_order", test_find_order},
		{"control_text", test_control_text},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"cli", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
