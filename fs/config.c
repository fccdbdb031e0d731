/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The daemon's settings: one table of keys, set from INI files through libinih, or one by one from
 * the command line. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <string.h>

#include "fs/config.h"
#include "util/log.h"
#include "util/util.h"

/*
 * A family of 1 GiB is looked at in 20 to 50 ms, and then not before half a second has passed: what
 * changed in it is known for sure after a second of rest.
 */
#define SWEEP_PERCENT_DEFAULT 10

/* MAX_CGROUP_ROOT_NAMELEN of the kernel, without the NUL. */
#define NAME_MAX_LEN 63

/* ---- values ---- */

static int string_set(char **to, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

/* The index of value in words[], or -EINVAL. */
static int word_index(const char *value, const char *const *words, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (strcmp(value, words[i]) == 0)
			return (int)i;
	return -EINVAL;
}

static const char *const hierarchies[] = {
	[HIERARCHY_AUTO] = "auto",       [HIERARCHY_OVER] = "over", [HIERARCHY_NAMED] = "named",
	[HIERARCHY_CGROUP2] = "cgroup2", [HIERARCHY_NONE] = "none",
};

const char *config_hierarchy_name(enum config_hierarchy hierarchy)
{
	return hierarchies[hierarchy];
}

static int set_hierarchy(struct config *c, const char *value)
{
	int i = word_index(value, hierarchies, ARRAY_SIZE(hierarchies));

	if (i < 0)
		return i;
	c->hierarchy = (enum config_hierarchy)i;
	return 0;
}

/* What the kernel takes for a hierarchy's name, but for those that are no directory's. */
static int set_name(struct config *c, const char *value)
{
	size_t len = strlen(value);

	if (len == 0 || len > NAME_MAX_LEN || strcmp(value, ".") == 0 || strcmp(value, "..") == 0)
		return -EINVAL;
	for (const char *p = value; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-", *p))
			return -EINVAL;
	return string_set(&c->name, value);
}

static int set_state_dir(struct config *c, const char *value)
{
	return *value ? string_set(&c->state_dir, value) : -EINVAL;
}

static int set_options(struct config *c, const char *value)
{
	return *value ? string_set(&c->mount_options, value) : -EINVAL;
}

static int set_debug(struct config *c, const char *value)
{
	static const char *const words[] = {"no", "yes"};
	int i = word_index(value, words, ARRAY_SIZE(words));

	if (i < 0)
		return i;
	c->debug = i == 1;
	return 0;
}

static int set_stop(struct config *c, const char *value)
{
	static const char *const words[] = {
		[LEASE_STOP_AUTO] = "auto",
		[LEASE_STOP_BPF] = "bpf",
		[LEASE_STOP_SIGNAL] = "signal",
		[LEASE_STOP_FREEZER] = "freezer",
	};
	int i = word_index(value, words, ARRAY_SIZE(words));

	if (i < 0)
		return i;
	c->stop = (enum lease_stop)i;
	return 0;
}

static int set_sweep_percent(struct config *c, const char *value)
{
	char *end;
	unsigned long percent = strtoul(value, &end, 10);

	if (!isdigit((unsigned char)*value) || *end || percent < 1 || percent > 100)
		return -EINVAL;
	c->sweep_percent = (unsigned)percent;
	return 0;
}

/* ---- keys ---- */

static const struct config_key {
	const char *section, *key;
	int (*set)(struct config *c, const char *value);
	const char *expected;
} keys[] = {
	{"daemon", "hierarchy", set_hierarchy, "auto, over, named, cgroup2 or none"},
	{"daemon", "name", set_name, "1 to 63 letters, digits, '.', '_' and '-'"},
	{"daemon", "state-dir", set_state_dir, "a directory"},
	{"daemon", "options", set_options, "mount options separated by commas"},
	{"log", "debug", set_debug, "yes or no"},
	{"lease", "stop", set_stop, "auto, bpf, signal or freezer"},
	{"accounting", "sweep-percent", set_sweep_percent, "a number from 1 to 100"},
};

static bool section_is_known(const char *section)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].section, section) == 0)
			return true;
	return false;
}

static const struct config_key *key_find(const char *section, const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(keys[i].section, section) == 0 && strcmp(keys[i].key, key) == 0)
			return &keys[i];
	return NULL;
}

int config_set(struct config *c, const char *section, const char *key, const char *value,
	       char message[CONFIG_MESSAGE_MAX])
{
	const struct config_key *k = key_find(section, key);
	int err;

	if (!k) {
		if (!*section)
			snprintf(message, CONFIG_MESSAGE_MAX, "%s stands before any [section]",
				 key);
		else if (!section_is_known(section))
			snprintf(message, CONFIG_MESSAGE_MAX, "there is no section [%s]", section);
		else
			snprintf(message, CONFIG_MESSAGE_MAX, "%s is no key of [%s]", key, section);
		return -EINVAL;
	}
	err = k->set(c, value);
	if (err == -ENOMEM)
		snprintf(message, CONFIG_MESSAGE_MAX, "%s: out of memory", key);
	else if (err < 0)
		snprintf(message, CONFIG_MESSAGE_MAX, "%s must be %s, not '%s'", key, k->expected,
			 value);
	return err;
}

int config_init(struct config *c)
{
	*c = (struct config){
		.hierarchy = HIERARCHY_AUTO,
		.stop = LEASE_STOP_AUTO,
		.sweep_percent = SWEEP_PERCENT_DEFAULT,
	};
	return string_set(&c->name, "memcgfs");
}

void config_done(struct config *c)
{
	free(c->name);
	free(c->state_dir);
	free(c->mount_options);
	*c = (struct config){0};
}

/* ---- INI text ---- */

struct parser {
	struct config *config;
	FILE *f;
	int line;  /* being parsed */
	int error; /* of the first thing wrong, -errno */
	int error_line;
	char text[CONFIG_MESSAGE_MAX]; /* what is wrong there */
};

static void parser_fail(struct parser *p, int err)
{
	p->error = err;
	p->error_line = p->line;
}

/* A section without keys never reaches parse_key(), misspelt or not. */
static void check_section(struct parser *p, const char *line)
{
	const char *end = strchr(line, ']');
	char section[64];

	if (line[0] != '[' || !end)
		return;
	snprintf(section, sizeof(section), "%.*s", (int)(end - line - 1), line + 1);
	if (section_is_known(section))
		return;
	snprintf(p->text, sizeof(p->text), "there is no section [%s]", section);
	parser_fail(p, -EINVAL);
}

/*
 * One line for libinih, counted. It would take an indented line for the rest of the value before
 * it, and a long line for several lines: blanks at the beginning go, and long lines are refused.
 */
static char *read_line(char *line, int size, void *stream)
{
	struct parser *p = stream;
	size_t blanks, len;

	if (p->error < 0 || !fgets(line, size, p->f))
		return NULL;
	p->line++;
	len = strlen(line);
	if (len > 0 && line[len - 1] != '\n' && !feof(p->f)) {
		snprintf(p->text, sizeof(p->text), "the line is longer than %d bytes, or has a NUL",
			 size - 2);
		parser_fail(p, -EINVAL);
		return NULL;
	}
	blanks = strspn(line, " \t");
	memmove(line, line + blanks, len + 1 - blanks);
	check_section(p, line);
	return p->error < 0 ? NULL : line;
}

static int parse_key(void *user, const char *section, const char *key, const char *value)
{
	struct parser *p = user;
	int err;

	if (p->error < 0)
		return 0;
	err = config_set(p->config, section, key, value, p->text);
	if (err < 0)
		parser_fail(p, err);
	return err == 0;
}

int config_parse(struct config *c, FILE *f, const char *file, char message[CONFIG_MESSAGE_MAX])
{
	struct parser p = {.config = c, .f = f};
	/* The first line that libinih or parse_key() could make nothing of; below 0: out of memory.
	 */
	int line = ini_parse_stream(read_line, &p, parse_key, &p);

	if (ferror(f)) {
		p.error = -EIO;
		snprintf(p.text, sizeof(p.text), "cannot be read");
	} else if (line < 0) {
		p.error = -ENOMEM;
		snprintf(p.text, sizeof(p.text), "out of memory");
	} else if (line > 0 && (p.error == 0 || line < p.error_line)) {
		p.error = -EINVAL;
		p.error_line = line;
		snprintf(p.text, sizeof(p.text), "neither [section] nor key = value");
	}
	if (p.error < 0)
		snprintf(message, CONFIG_MESSAGE_MAX, "%.200s:%d: %.290s", file,
			 MAX(p.error_line, 1), p.text);
	return p.error;
}

/* ---- files ---- */

static int load_file(struct config *c, const char *file)
{
	char message[CONFIG_MESSAGE_MAX];
	FILE *f = fopen(file, "re");
	int err;

	if (!f)
		return -errno;
	err = config_parse(c, f, file, message);
	fclose(f);
	if (err < 0) {
		log_error("%s", message);
		return -EINVAL;
	}
	return 0;
}

static int load_named(struct config *c, const char *file, bool optional)
{
	int err = load_file(c, file);

	if (err == -ENOENT && optional)
		return 0;
	if (err < 0 && err != -EINVAL)
		log_error("cannot read %s: %s", file, strerror(-err));
	return err;
}

static int is_conf(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return e->d_name[0] != '.' && len > 5 && strcmp(e->d_name + len - 5, ".conf") == 0;
}

static int load_dir_entry(struct config *c, const char *dir, const char *name)
{
	cleanup_free char *file = NULL;

	if (asprintf(&file, "%s/%s", dir, name) < 0) {
		file = NULL;
		log_error("out of memory");
		return -ENOMEM;
	}
	return load_named(c, file, false);
}

/* No such directory: nothing to load. */
static int load_dir(struct config *c, const char *dir)
{
	struct dirent **entries;
	int nr = scandir(dir, &entries, is_conf, alphasort), err = 0;

	if (nr < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return 0;
		err = -errno;
		log_error("cannot read %s: %s", dir, strerror(-err));
		return err;
	}
	for (int i = 0; i < nr; i++) {
		if (err == 0)
			err = load_dir_entry(c, dir, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return err;
}

int config_load(struct config *c, const char *file)
{
	cleanup_free char *dir = NULL;
	int err;

	if (asprintf(&dir, "%s.d", file ? file : CONFIG_FILE) < 0) {
		dir = NULL;
		log_error("out of memory");
		return -ENOMEM;
	}
	err = load_named(c, file ? file : CONFIG_FILE, !file);
	return err < 0 ? err : load_dir(c, dir);
}
