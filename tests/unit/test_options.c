/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line and the INI files: what is taken, what is refused, and that a refusal is one
 * clear line. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/options.h"
#include "tests/unit/run_suites.h"
#include "util/util.h"

static char dir[] = "/tmp/test_options.XXXXXX";
static char file[64], conf_d[64];

/* ---- what was printed ---- */

static int saved_fd = -1, capture_stream;
static FILE *capture;
static char printed[4096];

static void capture_begin(int fd)
{
	fflush(NULL);
	capture = tmpfile();
	CU_ASSERT_PTR_NOT_NULL_FATAL(capture);
	capture_stream = fd;
	saved_fd = dup(fd);
	dup2(fileno(capture), fd);
}

/* What was printed since; the number of lines. */
static int capture_end(void)
{
	int lines = 0;
	ssize_t n;

	fflush(NULL);
	dup2(saved_fd, capture_stream);
	close(saved_fd);
	n = pread(fileno(capture), printed, sizeof(printed) - 1, 0);
	fclose(capture);
	printed[MAX(n, 0)] = '\0';
	for (const char *p = printed; (p = strchr(p, '\n')); p++)
		lines++;
	return lines;
}

static int parse(struct options *o, const char *const *args)
{
	static char *argv[16];
	int argc = 0, action;

	argv[argc++] = (char *)(uintptr_t) "memcgfs";
	while (args[argc - 1]) {
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
		argc++;
	}
	argv[argc] = NULL;
	capture_begin(STDERR_FILENO);
	action = options_parse(o, argc, argv);
	CU_ASSERT_EQUAL(capture_end(), action < 0 ? 1 : 0);
	return action;
}

#define PARSE(o, ...) parse(o, (const char *const[]){__VA_ARGS__, NULL})

/* ---- the command line ---- */

static void test_defaults(void)
{
	struct options o;

	CU_ASSERT_EQUAL(PARSE(&o, "/mnt"), OPTIONS_RUN);
	CU_ASSERT_STRING_EQUAL(o.mountpoint, "/mnt");
	CU_ASSERT_FALSE(o.foreground);
	CU_ASSERT_PTR_NULL(o.mount_options);
	CU_ASSERT_PTR_NULL(o.config_file);
	CU_ASSERT_PTR_NULL(o.hierarchy);
	CU_ASSERT_PTR_NULL(o.name);
	CU_ASSERT_PTR_NULL(o.state_dir);
	options_done(&o);
}

static void test_all(void)
{
	struct options o;

	CU_ASSERT_EQUAL(PARSE(&o, "-f", "-o", "a,b", "--hierarchy=named", "--name", "n", "/mnt",
			      "-oc", "--config=/c", "--state-dir=/s"),
			OPTIONS_RUN);
	CU_ASSERT(o.foreground);
	CU_ASSERT_STRING_EQUAL(o.mountpoint, "/mnt");
	CU_ASSERT_STRING_EQUAL(o.mount_options, "a,b,c");
	CU_ASSERT_STRING_EQUAL(o.hierarchy, "named");
	CU_ASSERT_STRING_EQUAL(o.name, "n");
	CU_ASSERT_STRING_EQUAL(o.config_file, "/c");
	CU_ASSERT_STRING_EQUAL(o.state_dir, "/s");
	options_done(&o);

	CU_ASSERT_EQUAL(PARSE(&o, "--foreground", "--", "-f"), OPTIONS_RUN);
	CU_ASSERT_STRING_EQUAL(o.mountpoint, "-f");
	options_done(&o);
}

static void assert_refused(const char *const *args, const char *expected)
{
	struct options o;

	CU_ASSERT_EQUAL(parse(&o, args), -EINVAL);
	if (!strstr(printed, expected))
		fprintf(stderr, "expected '%s' in: %s", expected, printed);
	CU_ASSERT_PTR_NOT_NULL(strstr(printed, expected));
	options_done(&o);
}

#define REFUSED(expected, ...) assert_refused((const char *const[]){__VA_ARGS__, NULL}, expected)

static void test_refused(void)
{
	REFUSED("a mount point is missing", "-f");
	REFUSED("a mount point is missing", "");
	REFUSED("more than one mount point: /b", "/a", "/b");
	REFUSED("unknown option -z", "--name=x", "-zf", "/mnt");
	REFUSED("--frob", "--frob", "/mnt");
	REFUSED("--foreground=yes", "--foreground=yes", "/mnt");
	REFUSED("missing after --name", "/mnt", "--name");
	REFUSED("missing after -o", "/mnt", "-o");
}

static void test_printed(void)
{
	char *const help[] = {(char[]){"memcgfs"}, (char[]){"--help"}, NULL};
	char *const version[] = {(char[]){"memcgfs"}, (char[]){"--version"}, NULL};
	static const char *const names[] = {"--foreground",   "-o ",       "--hierarchy",
					    "--name",         "--config=", "--state-dir",
					    "--check-config", "--version", "--help"};
	struct options o;

	capture_begin(STDOUT_FILENO);
	CU_ASSERT_EQUAL(options_parse(&o, 2, (char **)(uintptr_t)help), OPTIONS_PRINTED);
	CU_ASSERT(capture_end() > 10);
	CU_ASSERT_EQUAL(strncmp(printed, "Usage: memcgfs [OPTIONS] MOUNTPOINT\n", 36), 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		CU_ASSERT_PTR_NOT_NULL(strstr(printed, names[i]));

	capture_begin(STDOUT_FILENO);
	CU_ASSERT_EQUAL(options_parse(&o, 2, (char **)(uintptr_t)version), OPTIONS_PRINTED);
	CU_ASSERT_EQUAL(capture_end(), 1);
	CU_ASSERT_EQUAL(strncmp(printed, "memcgfs ", 8), 0);

	CU_ASSERT_EQUAL(PARSE(&o, "--check-config"), OPTIONS_CHECK_CONFIG);
}

static void test_apply(void)
{
	struct options o = {.hierarchy = "named", .name = "other", .state_dir = "/s"};
	struct config c;

	o.mount_options = strdup("b");
	CU_ASSERT_EQUAL_FATAL(config_init(&c), 0);
	c.mount_options = strdup("a");
	CU_ASSERT_EQUAL(options_apply(&o, &c), 0);
	CU_ASSERT_EQUAL(c.hierarchy, HIERARCHY_NAMED);
	CU_ASSERT_STRING_EQUAL(c.name, "other");
	CU_ASSERT_STRING_EQUAL(c.state_dir, "/s");
	CU_ASSERT_STRING_EQUAL(c.mount_options, "a,b");

	o.name = "not/good";
	capture_begin(STDERR_FILENO);
	CU_ASSERT_EQUAL(options_apply(&o, &c), -EINVAL);
	CU_ASSERT_EQUAL(capture_end(), 1);
	CU_ASSERT_PTR_NOT_NULL(strstr(printed, "--name must be "));
	CU_ASSERT_STRING_EQUAL(c.name, "other");
	config_done(&c);
	options_done(&o);
}

/* ---- INI text ---- */

static int config_text(struct config *c, const char *text, char message[CONFIG_MESSAGE_MAX])
{
	FILE *f = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	int err;

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	CU_ASSERT_EQUAL_FATAL(config_init(c), 0);
	err = config_parse(c, f, "F", message);
	fclose(f);
	return err;
}

static void test_ini(void)
{
	char message[CONFIG_MESSAGE_MAX];
	struct config c;

	CU_ASSERT_EQUAL(config_text(&c, "\n", message), 0);
	CU_ASSERT_EQUAL(c.hierarchy, HIERARCHY_AUTO);
	CU_ASSERT_STRING_EQUAL(c.name, "memcgfs");
	CU_ASSERT_EQUAL(c.stop, LEASE_STOP_AUTO);
	CU_ASSERT_FALSE(c.debug);
	CU_ASSERT_PTR_NULL(c.state_dir);
	config_done(&c);

	CU_ASSERT_EQUAL(config_text(&c,
				    "# a comment\n; another\n[daemon]\n  hierarchy = named\n"
				    "\tname=a.b_c-9 ; why\nstate-dir = /x y\noptions: allow_other\n"
				    "[lease]\nstop = signal\nstop = freezer\n[log]\ndebug = yes",
				    message),
			0);
	CU_ASSERT_EQUAL(c.hierarchy, HIERARCHY_NAMED);
	CU_ASSERT_STRING_EQUAL(c.name, "a.b_c-9");
	CU_ASSERT_STRING_EQUAL(c.state_dir, "/x y");
	CU_ASSERT_STRING_EQUAL(c.mount_options, "allow_other");
	CU_ASSERT_EQUAL(c.stop, LEASE_STOP_FREEZER);
	CU_ASSERT(c.debug);
	config_done(&c);
}

/* contrib/memcgfs.conf with every "#key = value" in force. */
static char *example_in_force(void)
{
	const char *srcdir = getenv("srcdir");
	char path[PATH_MAX], line[1024], *text;
	size_t len;
	FILE *in, *out;

	snprintf(path, sizeof(path), "%s/contrib/memcgfs.conf", srcdir ? srcdir : ".");
	in = fopen(path, "re");
	CU_ASSERT_PTR_NOT_NULL_FATAL(in);
	out = open_memstream(&text, &len);
	while (fgets(line, sizeof(line), in)) {
		size_t key = strspn(line + 1, "abcdefghijklmnopqrstuvwxyz0123456789-");
		bool is_key = line[0] == '#' && key && !strncmp(line + 1 + key, " = ", 3);

		fputs(is_key ? line + 1 : line, out);
	}
	fclose(in);
	fclose(out);
	return text;
}

/* What the example shows is what the daemon does without it. */
static void test_example(void)
{
	char message[CONFIG_MESSAGE_MAX] = "", *text = example_in_force();
	struct config shown, defaults;

	CU_ASSERT_EQUAL_FATAL(config_text(&shown, text, message), 0);
	CU_ASSERT_EQUAL_FATAL(config_init(&defaults), 0);
	CU_ASSERT_EQUAL(shown.hierarchy, defaults.hierarchy);
	CU_ASSERT_STRING_EQUAL(shown.name, defaults.name);
	CU_ASSERT_EQUAL(shown.debug, defaults.debug);
	CU_ASSERT_EQUAL(shown.stop, defaults.stop);
	/* These two are chosen elsewhere: fs/statedir.c, fs/mount.c. */
	CU_ASSERT_STRING_EQUAL(shown.state_dir, "/run/memcgfs");
	CU_ASSERT_STRING_EQUAL(shown.mount_options, "defaults");
	CU_ASSERT_PTR_NULL(defaults.state_dir);
	CU_ASSERT_PTR_NULL(defaults.mount_options);
	config_done(&shown);
	config_done(&defaults);
	free(text);
}

static void test_ini_refused(void)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"\n[daemon]\nnam = x\n", "F:3: nam is no key of [daemon]"},
		{"[daemn]\n#name = x\n", "F:1: there is no section [daemn]"},
		{"[daemn]\nname = x\n", "F:1: there is no section [daemn]"},
		{"name = x\n", "F:1: name stands before any [section]"},
		{"[lease]\n\nstop = soon\n",
		 "F:3: stop must be auto, bpf, signal or freezer, not 'soon'"},
		{"[daemon]\nname = a/b", "F:2: name must be 1 to 63 letters, digits, '.', '_' and "
					 "'-', not 'a/b'"},
		{"[daemon]\nname = ..\n", "F:2: name must be"},
		{"[daemon]\nname =\n", "F:2: name must be"},
		{"[daemon]\nhierarchy = v2\n", "F:2: hierarchy must be auto, over, named,"},
		{"[log]\ndebug = 1\n", "F:2: debug must be yes or no, not '1'"},
		{"[lease]\nstop\n", "F:2: neither [section] nor key = value"},
		{"[lease\nstop = bpf\n", "F:1: neither [section] nor key = value"},
		/* The first of two. */
		{"[lease]\nfoo\nstop = soon\n", "F:2: neither"},
		{"[lease]\nstop = soon\nfoo\n", "F:2: stop must be"},
		/* An indented line is no continuation of the one before. */
		{"[daemon]\nname = a\n  b\n", "F:3: neither"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char message[CONFIG_MESSAGE_MAX] = "";
		struct config c;

		CU_ASSERT_EQUAL(config_text(&c, cases[i].text, message), -EINVAL);
		if (strncmp(message, cases[i].message, strlen(cases[i].message)) != 0)
			fprintf(stderr, "expected '%s', got '%s'\n", cases[i].message, message);
		CU_ASSERT_EQUAL(strncmp(message, cases[i].message, strlen(cases[i].message)), 0);
		config_done(&c);
	}
}

static void test_ini_long_lines(void)
{
	char text[1024], message[CONFIG_MESSAGE_MAX] = "";
	struct config c;

	/* A name of 64: the kernel takes 63. */
	snprintf(text, sizeof(text), "[daemon]\nname = %064d\n", 1);
	CU_ASSERT_EQUAL(config_text(&c, text, message), -EINVAL);
	config_done(&c);
	snprintf(text, sizeof(text), "[daemon]\nname = %063d\n", 1);
	CU_ASSERT_EQUAL(config_text(&c, text, message), 0);
	config_done(&c);
	/* A comment that goes on with what would be a key. */
	snprintf(text, sizeof(text), "[daemon]\n#%0197dname = x\n", 1);
	CU_ASSERT_EQUAL(config_text(&c, text, message), -EINVAL);
	CU_ASSERT_EQUAL(strncmp(message, "F:2: the line is longer than", 28), 0);
	config_done(&c);
}

/* ---- files ---- */

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	CU_ASSERT_PTR_NOT_NULL_FATAL(f);
	fputs(text, f);
	fclose(f);
}

static void write_conf_d(const char *name, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", conf_d, name);
	write_text(path, text);
}

static void remove_conf_d(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", conf_d, name);
	CU_ASSERT_EQUAL(unlink(path), 0);
}

/* config_load's result; on failure it has printed one line. */
static int load(struct config *c)
{
	int err;

	CU_ASSERT_EQUAL_FATAL(config_init(c), 0);
	capture_begin(STDERR_FILENO);
	err = config_load(c, file);
	CU_ASSERT_EQUAL(capture_end(), err < 0 ? 1 : 0);
	return err;
}

static void test_files(void)
{
	struct config c;

	CU_ASSERT_EQUAL(load(&c), -ENOENT);
	CU_ASSERT_PTR_NOT_NULL(strstr(printed, file));
	config_done(&c);

	write_text(file, "[daemon]\nname = first\nstate-dir = /first\n");
	CU_ASSERT_EQUAL(load(&c), 0);
	CU_ASSERT_STRING_EQUAL(c.name, "first");
	config_done(&c);

	CU_ASSERT_EQUAL(mkdir(conf_d, 0700), 0);
	write_conf_d("20.conf", "[daemon]\nname = third\n");
	write_conf_d("10.conf", "[daemon]\nname = second\n[log]\ndebug = yes\n");
	write_conf_d("30.conf~", "[daemon]\nname = not this\n");
	write_conf_d(".40.conf", "[daemon]\nname = nor this\n");
	CU_ASSERT_EQUAL(load(&c), 0);
	CU_ASSERT_STRING_EQUAL(c.name, "third");
	CU_ASSERT_STRING_EQUAL(c.state_dir, "/first");
	CU_ASSERT(c.debug);
	config_done(&c);

	write_conf_d("15.conf", "[daemon]\n\nnmae = x\n");
	CU_ASSERT_EQUAL(load(&c), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(printed, ".d/15.conf:3: nmae is no key of [daemon]"));
	config_done(&c);

	remove_conf_d("10.conf");
	remove_conf_d("15.conf");
	remove_conf_d("20.conf");
	remove_conf_d("30.conf~");
	remove_conf_d(".40.conf");
	CU_ASSERT_EQUAL(rmdir(conf_d), 0);
	CU_ASSERT_EQUAL(unlink(file), 0);
}

static void test_unreadable(void)
{
	struct config c;

	CU_ASSERT_EQUAL(mkdir(file, 0700), 0);
	CU_ASSERT_EQUAL(load(&c), -EINVAL);
	CU_ASSERT_PTR_NOT_NULL(strstr(printed, "cannot be read"));
	config_done(&c);
	CU_ASSERT_EQUAL(rmdir(file), 0);
}

static int suite_init(void)
{
	if (!mkdtemp(dir))
		return 1;
	snprintf(file, sizeof(file), "%s/conf", dir);
	snprintf(conf_d, sizeof(conf_d), "%s/conf.d", dir);
	return 0;
}

static int suite_clean(void)
{
	return rmdir(dir);
}

int main(void)
{
	CU_TestInfo tests[] = {{"defaults", test_defaults},
			       {"all options", test_all},
			       {"refused command lines", test_refused},
			       {"help, version, check-config", test_printed},
			       {"the command line over the files", test_apply},
			       {"INI text", test_ini},
			       {"the example shows the defaults", test_example},
			       {"refused INI text", test_ini_refused},
			       {"long lines", test_ini_long_lines},
			       {"files in order", test_files},
			       {"an unreadable file", test_unreadable},
			       CU_TEST_INFO_NULL};
	CU_SuiteInfo suites[] = {{"options", suite_init, suite_clean, NULL, NULL, tests},
				 CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
