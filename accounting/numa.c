// SPDX-License-Identifier: GPL-2.0-or-later
/* Memory nodes: parsing, and splitting a figure. Plain text and numbers; any thread. In pages. */
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "accounting/numa.h"
#include "util/util.h"

/* Products of two figures, none of which is larger than MAX_PAGES on any machine. */
__extension__ typedef unsigned __int128 wide;

#define MAX_PAGES (1ULL << 52) /* 16 EiB */

/* A decimal number of at most `most` at *at, which then points behind it. */
static bool take_number(const char **at, uint64_t most, uint64_t *ret)
{
	char *end;
	uint64_t n;

	if (!isdigit((unsigned char)**at)) /* strtoull would skip blanks, and take a sign */
		return false;
	n = strtoull(*at, &end, 10);
	if (n > most)
		return false;
	*at = end;
	*ret = n;
	return true;
}

int numa_nodes_parse(const char *text, struct numa_nodes *ret)
{
	struct numa_nodes nodes = {.nr = 0};

	for (;;) {
		uint64_t first, last;

		if (!take_number(&text, NUMA_MAX_NODES - 1, &first))
			return -EINVAL;
		last = first;
		if (*text == '-' && (text++, !take_number(&text, NUMA_MAX_NODES - 1, &last)))
			return -EINVAL;
		if (last < first || (nodes.nr && first <= nodes.id[nodes.nr - 1]))
			return -EINVAL;
		for (uint64_t id = first; id <= last; id++)
			nodes.id[nodes.nr++] = (unsigned)id;
		if (*text != ',')
			break;
		text++;
	}
	if (*text && *text != '\n')
		return -EINVAL;
	*ret = nodes;
	return 0;
}

/* ---- numa_maps ---- */

/* What is known of a mapping before its nodes are looked at. */
struct mapping {
	bool is_shmem, is_huge;
	uint64_t anon, all;
};

/* The word that begins at `at` is `word`, up to its end or as far as that goes with more behind it.
 */
static bool begins(const char *at, const char *word)
{
	return strncmp(at, word, strlen(word)) == 0;
}

static const char *next_word(const char *at)
{
	at += strcspn(at, " \n");
	return at + strspn(at, " \n");
}

/* "N3=17". 1: it is none; -EINVAL: it is none that there can be. */
static int parse_node(const char *word, uint64_t *ret_id, uint64_t *ret_pages)
{
	if (word[0] != 'N' || !isdigit((unsigned char)word[1]))
		return 1;
	word++;
	if (!take_number(&word, NUMA_MAX_NODES - 1, ret_id) || *word++ != '=' ||
	    !take_number(&word, MAX_PAGES, ret_pages) || (*word && !strchr(" \n", *word)))
		return -EINVAL;
	return 0;
}

/*
 * Of a tmpfs that somebody mounted nothing is told; /dev/shm is where the C library has its own.
 * Blanks and "=" in names are escaped.
 */
static bool is_shmem_name(const char *name)
{
	static const char *const names[] = {"/memfd:", "/SYSV", "/dev/zero\\040(deleted)",
					    "/dev/shm/"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (begins(name, names[i]))
			return true;
	return false;
}

static int look(const char *line, struct mapping *m)
{
	uint64_t id, pages;

	for (const char *at = line; *at; at = next_word(at)) {
		const char *value = at + strlen("anon=");
		int r = parse_node(at, &id, &pages);

		if (r < 0)
			return r;
		if (r == 0)
			m->all += pages;
		else if (begins(at, "file="))
			m->is_shmem = is_shmem_name(at + strlen("file="));
		else if (begins(at, "huge") && strchr(" \n", at[strlen("huge")]))
			m->is_huge = true;
		else if (begins(at, "anon=") && !take_number(&value, MAX_PAGES, &m->anon))
			return -EINVAL;
		if (m->all > MAX_PAGES)
			return -EINVAL;
	}
	if (m->is_shmem || m->anon > m->all)
		m->anon = m->all;
	return 0;
}

int numa_maps_parse(const char *line, struct numa_pages *sum)
{
	struct mapping m = {.all = 0};
	int r = look(line, &m);

	if (r || m.is_huge || !m.all)
		return r;
	for (const char *at = line; *at; at = next_word(at)) {
		uint64_t id, pages, anon;

		if (parse_node(at, &id, &pages))
			continue;
		/* A file's private mapping has pages of both kinds, and only their number is told.
		 */
		anon = (uint64_t)((wide)pages * m.anon / m.all);
		sum->anon[id] += anon;
		sum->file[id] += pages - anon;
	}
	return 0;
}

/* ---- */

void numa_split(const struct numa_nodes *nodes, const uint64_t *weight, uint64_t total,
		uint64_t *part)
{
	wide rest[NUMA_MAX_NODES] = {0}, sum = 0;
	uint64_t left = total;

	for (unsigned i = 0; i < nodes->nr; i++)
		sum += weight[nodes->id[i]];
	for (unsigned i = 0; sum && i < nodes->nr; i++) {
		wide product = (wide)total * weight[nodes->id[i]];

		part[nodes->id[i]] += (uint64_t)(product / sum);
		left -= (uint64_t)(product / sum);
		rest[i] = product % sum;
	}
	while (sum && left) {
		unsigned best = 0;

		for (unsigned i = 1; i < nodes->nr; i++)
			if (rest[i] > rest[best])
				best = i;
		part[nodes->id[best]]++;
		rest[best] = 0;
		left--;
	}
	part[nodes->id[0]] += left;
}
