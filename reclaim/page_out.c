/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page-out of a set of processes: who gives how much, and a clock hand per process. On a worker's
 * thread. Sizes in pages, addresses in bytes.
 */
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>

#include "reclaim/follow.h"
#include "reclaim/page_batch.h"
#include "reclaim/present_runs.h"
#include "reclaim/reclaim.h"
#include "util/util.h"

/* Between two looks at what went. 4096 pages are 7 to 15 ms of work, looking is 40 us. */
#define BATCH_PAGES 4096
/* A run is 24 bytes of stack; of pages that are not neighbours a batch has 1024. */
#define BATCH_RUNS 1024
/* Whose pages are is asked for so many at once. */
#define CHOOSE_PAGES 256
/*
 * A shortfall is not split finer than this: opening a process's files costs 20 us, as much as 6
 * pages.
 */
#define SHARE_MIN_PAGES 32

uint64_t swap_free_pages(void)
{
	struct sysinfo info;

	if (sysinfo(&info) < 0)
		return 0;
	return (uint64_t)info.freeswap * info.mem_unit / page_size();
}

/* ---- one process ---- */

struct target {
	const struct reclaim_process *process;
	int pidfd;
	struct present_scan scan;
	struct follower *follower; /* NULL: it is not followed */
};

static void target_close(struct target *t)
{
	present_scan_close(&t->scan);
	close(t->pidfd);
}

/*
 * pidfd_send_signal(0): is the process that the files were opened of by pid still not reaped,
 * and so the same?
 */
static int target_check(const struct target *t)
{
	return syscall(SYS_pidfd_send_signal, t->pidfd, 0, NULL, 0) < 0 && errno == ESRCH ? -ESRCH
											  : 0;
}

static int target_open(struct target *ret, const struct reclaim_process *p, unsigned kinds)
{
	struct target t = {.process = p};
	int error;

	t.pidfd = process_open(p->pid, p->proc_fd);
	if (t.pidfd < 0)
		return t.pidfd;
	error = present_scan_open(&t.scan, p->pid, kinds);
	if (error) {
		close(t.pidfd);
		return error;
	}
	error = target_check(&t);
	if (error) {
		target_close(&t);
		return error;
	}
	*ret = t;
	return 0;
}

static uint64_t count_pages(struct page_run *runs, size_t nr)
{
	uint64_t nr_pages = 0;

	for (size_t i = 0; i < nr; i++)
		nr_pages += (runs[i].end - runs[i].start) / page_size();
	return nr_pages;
}

/* The scan stops at a number of pages, perhaps inside a huge page: take it whole. */
static void round_last_run(struct page_run *last, uint64_t *pos)
{
	if (!(last->categories & PAGE_RUN_HUGE))
		return;
	last->end = (last->end + PAGE_BATCH_HUGE_BYTES - 1) & ~(PAGE_BATCH_HUGE_BYTES - 1);
	*pos = MAX(*pos, last->end);
}

/* Pages of [start, end) that are there. 0 or -errno. */
static int count_present(struct target *t, uint64_t start, uint64_t end, uint64_t *ret)
{
	struct page_run runs[BATCH_RUNS];

	*ret = 0;
	while (start < end) {
		ssize_t nr = present_scan_next(&t->scan, &start, end, UINT64_MAX, runs,
					       ARRAY_SIZE(runs));

		if (nr < 0)
			return (int)nr;
		*ret += count_pages(runs, (size_t)nr);
	}
	return 0;
}

/* Runs that are made of others: as many pages of those as are to be had. */
struct chosen {
	struct page_run *runs;
	size_t nr;
	uint64_t nr_pages, max_pages;
};

/* Whether there is room for another. */
static bool chosen_add(struct chosen *c, uint64_t start, uint64_t end, uint64_t categories)
{
	struct page_run *last = c->nr ? &c->runs[c->nr - 1] : NULL;

	if (last && last->end == start && last->categories == categories)
		last->end = end;
	else
		c->runs[c->nr++] =
			(struct page_run){.start = start, .end = end, .categories = categories};
	c->nr_pages += (end - start) / page_size();
	return c->nr < BATCH_RUNS && c->nr_pages < c->max_pages;
}

/* From at to the end of its huge page. */
#define HUGE_LEFT(at) (PAGE_BATCH_HUGE_BYTES - (at) % PAGE_BATCH_HUGE_BYTES)

/* Up to where run was gone through. A huge page is taken whole, and is whose its first page is. */
static uint64_t choose(const struct reclaim_process *p, const struct page_run *run,
		       struct chosen *c)
{
	bool wanted[CHOOSE_PAGES], huge = run->categories & PAGE_RUN_HUGE;

	for (uint64_t at = run->start; at < run->end;) {
		uint64_t step = huge ? MIN(run->end - at, HUGE_LEFT(at)) : page_size();
		size_t nr = huge ? 1 : MIN((run->end - at) / step, (uint64_t)CHOOSE_PAGES);

		p->choose(p->of, p->pid, at, nr, wanted);
		for (size_t i = 0; i < nr; i++, at += step)
			if (wanted[i] && !chosen_add(c, at, at + step, run->categories))
				return at + step;
	}
	return run->end;
}

static ssize_t choose_all(const struct reclaim_process *p, uint64_t *pos, struct page_run *runs,
			  size_t nr, uint64_t nr_pages)
{
	struct page_run all[BATCH_RUNS];
	struct chosen c = {.runs = runs, .max_pages = nr_pages};

	memcpy(all, runs, nr * sizeof(*all));
	for (size_t i = 0; i < nr; i++) {
		uint64_t end = choose(p, &all[i], &c);

		if (c.nr == BATCH_RUNS || c.nr_pages >= nr_pages) {
			*pos = end;
			return (ssize_t)c.nr;
		}
	}
	round_last_run(&all[nr - 1], pos);
	return (ssize_t)c.nr;
}

/*
 * Page out from *pos on, up to end, one batch. Pages got back, looked for one by one: the process
 * may run, and what it takes elsewhere meanwhile is another matter. *pos moves on. 0 or -errno.
 */
static int advance(struct target *t, uint64_t *pos, uint64_t end, uint64_t nr_pages, uint64_t *got)
{
	struct page_run runs[BATCH_RUNS];
	struct page_batch b = {.pidfd = t->pidfd, .vmas = &t->scan.vmas, .runs = runs};
	uint64_t asked, before, after, start;
	int error;
	ssize_t nr = present_scan_next(
		&t->scan, pos, end, t->process->choose ? BATCH_PAGES : MIN(nr_pages, BATCH_PAGES),
		runs, ARRAY_SIZE(runs));

	if (nr > 0 && t->process->choose)
		nr = choose_all(t->process, pos, runs, (size_t)nr, nr_pages);
	if (nr <= 0)
		return (int)nr;
	round_last_run(&runs[nr - 1], pos);
	b.nr = (size_t)nr;
	before = asked = count_pages(runs, b.nr);
	start = runs[0].start;
	/* Those that were not chosen stay. */
	if (t->process->choose && count_present(t, start, *pos, &before))
		return 0;
	error = page_batch_run(&b, asked);
	/* Of a process that has ended none is there, but it is not page-out that got them. */
	if (!count_present(t, start, *pos, &after))
		*got += before - MIN(before, after);
	/*
	 * Nothing in a mapping that is locked as a whole can be had: the hand need not crawl
	 * through it.
	 */
	*pos = MAX(*pos, b.locked_end);
	return error;
}

/* One leg of the hand's way. Pages got back, added to got; -errno when the process is done with. */
static int sweep(struct target *t, struct reclaim_process *p, uint64_t end, uint64_t nr_pages,
		 uint64_t *got)
{
	while (*got < nr_pages && p->hand < end) {
		uint64_t wanted = nr_pages - *got;
		int error;

		if (t->follower && follow(t->follower, p->pid))
			wanted = MIN(wanted, FOLLOW_PAGES);
		error = advance(t, &p->hand, end, wanted, got);
		if (error)
			return error;
	}
	return 0;
}

/* The hand's whole way around, at most. */
struct round {
	struct target t;
	struct reclaim_process *p;
	uint64_t nr_pages, got;
	int error;
};

static void go_around(struct follower *f, void *userdata)
{
	struct round *r = userdata;
	struct reclaim_process *p = r->p;
	uint64_t start;

	r->t.follower = f;
	if (p->hand >= present_scan_end())
		p->hand = 0;
	start = p->hand & ~(uint64_t)(page_size() - 1);
	p->hand = start;
	r->error = sweep(&r->t, p, present_scan_end(), r->nr_pages, &r->got);
	if (!r->error && r->got < r->nr_pages) {
		p->hand = 0;
		r->error = sweep(&r->t, p, start, r->nr_pages, &r->got);
	}
}

/*
 * Page out up to nr_pages of one process, its hand going around once at most. *ret_done: the whole
 * way was gone, there is no more. 0, or -errno when nothing was tried.
 */
static int page_out_one(struct reclaim_process *p, uint64_t nr_pages, unsigned kinds,
			bool *ret_done)
{
	struct round r = {.p = p, .nr_pages = nr_pages};
	int error = target_open(&r.t, p, kinds);

	if (error)
		return error;
	if (p->runs_alone && follow_pays())
		follow_run(go_around, &r);
	else
		go_around(NULL, &r);
	target_close(&r.t);
	p->nr_paged_out += r.got;
	*ret_done = r.error || r.got < nr_pages;
	return r.got ? 0 : r.error;
}

/* ---- many ---- */

struct pass {
	struct reclaim_process *processes;
	size_t nr;
	bool *done; /* per process: nothing more to be had */
	unsigned kinds;
	bool tried; /* at least one process could be paged out of */
	int error;  /* first error of a process that could not, but for its end */
};

static uint64_t weight(const struct reclaim_process *p)
{
	return MAX(p->rss, 1);
}

/* Page out of processes[i]; returns the pages got back. */
static uint64_t pass_one(struct pass *pass, size_t i, uint64_t nr_pages)
{
	struct reclaim_process *p = &pass->processes[i];
	uint64_t before = p->nr_paged_out;
	int error = page_out_one(p, nr_pages, pass->kinds, &pass->done[i]);

	if (error)
		pass->done[i] = true;
	if (error && error != -ESRCH && !pass->error)
		pass->error = error;
	if (!error)
		pass->tried = true;
	return p->nr_paged_out - before;
}

/*
 * Ask every process that has more for its share of nr_pages. A share too small to be worth opening
 * a process, and what a process fell short of, are passed on to the next one. Returns the pages got
 * back.
 */
static uint64_t pass_all(struct pass *pass, uint64_t nr_pages)
{
	uint64_t total = 0, got = 0, so_far = 0;

	for (size_t i = 0; i < pass->nr; i++)
		total += pass->done[i] ? 0 : weight(&pass->processes[i]);
	for (size_t i = 0; i < pass->nr && got < nr_pages; i++) {
		uint64_t due;

		if (pass->done[i])
			continue;
		so_far += weight(&pass->processes[i]);
		due = (uint64_t)((double)nr_pages * (double)so_far / (double)total);
		if (so_far == total)
			due = nr_pages;
		if (due > got && (due - got >= SHARE_MIN_PAGES || so_far == total))
			got += pass_one(pass, i, due - got);
	}
	return got;
}

int64_t page_out(struct reclaim_process *processes, size_t nr, uint64_t nr_pages, unsigned kinds)
{
	struct pass pass = {.processes = processes, .nr = nr, .kinds = kinds};
	cleanup_free bool *done = calloc(nr ? nr : 1, sizeof(*done));
	uint64_t got = 0, more;

	if (!done)
		return -ENOMEM;
	pass.done = done;
	for (size_t i = 0; i < nr; i++)
		processes[i].nr_paged_out = 0;
	if (!(kinds & PAGE_OUT_FILES) && swap_free_pages() == 0)
		return 0;
	/* Each round but the last ends at least one process's way around, or has got all. */
	do {
		more = pass_all(&pass, nr_pages - got);
		got += more;
	} while (more > 0 && got < nr_pages);
	if (got == 0 && !pass.tried && pass.error)
		return pass.error;
	return (int64_t)got;
}
