// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A program with a real cache: random reads of a SQLite database over several connections, each
 * with a page cache of its own. In a group smaller than its caches it gives them back when it is
 * asked, through libmemcgfs, instead of being paged out.
 *
 *   sqlite-cache --make MIB DATABASE
 *   sqlite-cache [--cache MIB] [--seconds N] [--no-shrinker] DATABASE
 *
 * sqlite3_release_memory() does nothing where SQLite was built without memory management, as
 * Debian's is: each connection's cache is given back with sqlite3_db_release_memory(). SQLite takes
 * pages from malloc(), which keeps what is freed: malloc_trim() gives it to the system.
 */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sqlite3.h>

#include <memcgfs.h>

#define MIB            (1024UL * 1024UL)
#define CHUNK_BYTES    (1 * MIB)
#define ROW_BYTES      4000 /* a page each, about */
#define NR_CONNECTIONS 16
#define OFFER_QUERIES  1024 /* between two looks at what the caches have */

struct connection {
	sqlite3 *db;
	sqlite3_stmt *select;
};

struct program {
	unsigned long cache_mib, seconds, make_mib;
	bool no_shrinker;
	const char *path;
	struct connection connections[NR_CONNECTIONS];
	unsigned next_victim;
	struct memcg_client *client;
	struct memcg_shrinker *shrinker;
	uint64_t offered;               /* chunks, as the daemon knows it */
	uint64_t asked, freed, queries; /* chunks, chunks */
};

static void die(const char *what, sqlite3 *db)
{
	fprintf(stderr, "sqlite-cache: %s: %s\n", what, db ? sqlite3_errmsg(db) : strerror(errno));
	exit(1);
}

static void run_sql(sqlite3 *db, const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		die(sql, db);
}

static sqlite3 *open_database(const char *path, int flags)
{
	sqlite3 *db;

	if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		die(path, db);
	return db;
}

/* ---- the cache ---- */

static uint64_t cache_bytes(sqlite3 *db)
{
	int now = 0, most;

	sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_USED, &now, &most, 0);
	return (uint64_t)now;
}

static uint64_t all_caches_chunks(const struct program *p)
{
	uint64_t bytes = 0;

	for (int i = 0; i < NR_CONNECTIONS; i++)
		bytes += cache_bytes(p->connections[i].db);
	return bytes / CHUNK_BYTES;
}

/* One connection's cache after the other, until that is enough: to free a part of one there is no
 * way. */
static uint64_t free_chunks(uint64_t want, void *userdata)
{
	struct program *p = userdata;
	uint64_t bytes = 0, freed;

	for (int i = 0; i < NR_CONNECTIONS && bytes < want * CHUNK_BYTES; i++) {
		sqlite3 *db = p->connections[p->next_victim].db;
		uint64_t before = cache_bytes(db);

		sqlite3_db_release_memory(db);
		bytes += before - cache_bytes(db);
		p->next_victim = (p->next_victim + 1) % NR_CONNECTIONS;
	}
	malloc_trim(0);
	p->asked += want;
	freed = bytes / CHUNK_BYTES;
	p->freed += freed;
	/* What the caches have got since the last offer the daemon was not told yet. */
	p->offered -= freed < p->offered ? freed : p->offered;
	return freed;
}

/* Answer what has come, and say what could be freed now. */
static void give_back(struct program *p)
{
	struct pollfd fd = {.fd = memcg_client_get_fd(p->client), .events = POLLIN};
	uint64_t now;
	int r = 0;

	if (poll(&fd, 1, 0) > 0)
		r = memcg_client_dispatch(p->client);
	if (p->queries % OFFER_QUERIES)
		return;
	now = all_caches_chunks(p);
	if (!r && now != p->offered)
		r = memcg_shrinker_adjust(p->shrinker, (int64_t)(now - p->offered));
	p->offered = now;
	if (r < 0 && r != -EOPNOTSUPP) {
		fprintf(stderr, "sqlite-cache: %s\n", strerror(-r));
		exit(1);
	}
}

static void shrinker_open(struct program *p)
{
	int r = memcg_client_open(&p->client, NULL);

	if (!r)
		r = memcg_shrinker_new(p->client, &p->shrinker, "sqlite", CHUNK_BYTES, free_chunks,
				       p);
	if (!r)
		return;
	fprintf(stderr, "sqlite-cache: no shrinker: %s, ignoring\n", strerror(-r));
	p->client = memcg_client_unref(p->client);
}

/* ---- the work ---- */

static void make_database(const struct program *p)
{
	sqlite3 *db = open_database(p->path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	char sql[256];

	run_sql(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)");
	snprintf(sql, sizeof(sql),
		 "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %lu) "
		 "INSERT INTO t SELECT i, randomblob(%d) FROM n",
		 p->make_mib * MIB / ROW_BYTES, ROW_BYTES);
	run_sql(db, sql);
	sqlite3_close(db);
}

static void connect_all(struct program *p)
{
	for (int i = 0; i < NR_CONNECTIONS; i++) {
		struct connection *c = &p->connections[i];
		char sql[64];

		c->db = open_database(p->path, SQLITE_OPEN_READONLY);
		snprintf(sql, sizeof(sql), "PRAGMA cache_size = -%lu",
			 p->cache_mib * 1024 / NR_CONNECTIONS);
		run_sql(c->db, sql);
		if (sqlite3_prepare_v2(c->db, "SELECT length(body) FROM t WHERE id = ?", -1,
				       &c->select, NULL) != SQLITE_OK)
			die(p->path, c->db);
	}
}

static sqlite3_int64 count_rows(const struct program *p)
{
	sqlite3_stmt *s;
	sqlite3_int64 nr;

	if (sqlite3_prepare_v2(p->connections[0].db, "SELECT max(id) FROM t", -1, &s, NULL) !=
		    SQLITE_OK ||
	    sqlite3_step(s) != SQLITE_ROW)
		die(p->path, p->connections[0].db);
	nr = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return nr;
}

/* Each connection has its own part of the rows. */
static void query(struct program *p, sqlite3_int64 nr_rows)
{
	sqlite3_int64 id = 1 + (sqlite3_int64)(lrand48() % nr_rows);
	struct connection *c = &p->connections[id % NR_CONNECTIONS];

	sqlite3_bind_int64(c->select, 1, id);
	if (sqlite3_step(c->select) != SQLITE_ROW)
		die("select", c->db);
	sqlite3_reset(c->select);
	p->queries++;
}

static double seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void work(struct program *p)
{
	sqlite3_int64 nr_rows;
	double begin, end;

	connect_all(p);
	nr_rows = count_rows(p);
	if (!p->no_shrinker)
		shrinker_open(p);
	begin = seconds_now();
	do {
		query(p, nr_rows);
		if (p->client)
			give_back(p);
		end = seconds_now();
	} while (end - begin < (double)p->seconds);
	printf("%.0f queries per second, chunks asked %" PRIu64 " freed %" PRIu64
	       ", in the caches %" PRIu64 " MiB\n",
	       (double)p->queries / (end - begin), p->asked, p->freed, all_caches_chunks(p));
}

static unsigned long number(const char *text)
{
	char *end;
	unsigned long n = text ? strtoul(text, &end, 10) : 0;

	if (!text || !*text || *end) {
		fprintf(stderr, "sqlite-cache: a number is missing\n");
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	struct program p = {.cache_mib = 128, .seconds = 5};

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--make"))
			p.make_mib = number(argv[++i]);
		else if (!strcmp(argv[i], "--cache"))
			p.cache_mib = number(argv[++i]);
		else if (!strcmp(argv[i], "--seconds"))
			p.seconds = number(argv[++i]);
		else if (!strcmp(argv[i], "--no-shrinker"))
			p.no_shrinker = true;
		else
			p.path = argv[i];
	}
	if (!p.path) {
		fprintf(stderr, "usage: sqlite-cache [--make MIB] [--cache MIB] [--seconds N] "
				"[--no-shrinker] DATABASE\n");
		return 2;
	}
	if (p.make_mib)
		make_database(&p);
	else
		work(&p);
	return 0;
}
