// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reclaim that somebody asks for by writing a file: memory.reclaim, memory.force_empty. One at a
 * time in a group, in batches, so that a member that meets the limit meanwhile waits for one at
 * most. There are never more of them than writes under way. Sizes in pages. Thread: the manager's
 * loop.
 */
#include "manager/manager_private.h"
#include "util/util.h"

struct reclaim_request {
	struct reclaim_request *prev, *next; /* group.requests */
	uint64_t wanted, got;
	uint64_t asked_usage; /* when shrinkers were asked for it; 0: they were not, or had their
				 time */
	int error;            /* what it is to get as much: more may have been asked for */
	int short_error;      /* what it is to get less */
	group_done_fn done;
	void *userdata;
};

static void request_end(struct group *g, struct reclaim_request *r, int error)
{
	DL_DELETE(g->requests, r);
	r->done(error, r->userdata);
	free(r);
}

void requests_fail(struct group *g, int error)
{
	while (g->requests)
		request_end(g, g->requests, error);
}

void requests_forget(struct group *g)
{
	struct reclaim_request *r, *next;

	DL_FOREACH_SAFE (g->requests, r, next)
		free(r);
	g->requests = NULL;
}

static void request_begin(struct manager *m, struct group *g)
{
	while (g->requests && !g->job && !g->ask_deadline) {
		struct reclaim_request *r = g->requests;
		int error = job_reclaim(m, g, MIN(r->wanted - r->got, RECLAIM_BATCH), JOB_REQUEST);

		if (error)
			request_end(g, r, error);
	}
}

void requests_go_on(struct manager *m, struct group *g, const struct job *j)
{
	struct reclaim_request *r = g->requests;

	if (j->purpose == JOB_REQUEST && r) {
		uint64_t got = j->nr_dropped + j->nr_paged_out;

		r->got += got;
		if (r->got >= r->wanted)
			request_end(g, r, r->error);
		else if (!got)
			request_end(g, r, r->short_error);
	}
	request_begin(m, g);
}

void requests_asked(struct manager *m, struct group *g)
{
	struct reclaim_request *r, *next;

	if (!g->requests)
		return;
	group_true_up(m, g);
	DL_FOREACH_SAFE (g->requests, r, next) {
		r->got += r->asked_usage - MIN(r->asked_usage, g->usage);
		r->asked_usage = 0;
		if (r->got >= r->wanted)
			request_end(g, r, r->error);
	}
	request_begin(m, g);
}

/* As much as is in use can be got back, and no more: what members bring back from swap meanwhile
 * would be taken for ever. */
static void group_request(struct manager *m, struct group *g, uint64_t wanted, int short_error,
			  group_done_fn done, void *userdata)
{
	struct reclaim_request *r;
	uint64_t most;

	group_true_up(m, g);
	most = MIN(wanted, g->usage);
	if (!most) {
		done(wanted ? short_error : 0, userdata);
		return;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		done(-ENOMEM, userdata);
		return;
	}
	*r = (struct reclaim_request){
		.wanted = most,
		.error = wanted > most ? short_error : 0,
		.short_error = short_error,
		.done = done,
		.userdata = userdata,
	};
	/* Who can free some is asked, and what they free need not be got back. */
	if (!g->requests && !g->ask_deadline && group_ask_first(m, g, most))
		r->asked_usage = g->usage;
	DL_APPEND(g->requests, r);
	request_begin(m, g);
}

void group_reclaim_bytes(struct manager *m, struct group *g, uint64_t bytes, group_done_fn done,
			 void *userdata)
{
	group_request(m, g, bytes_to_pages(bytes), -EAGAIN, done, userdata);
}

void group_force_empty(struct manager *m, struct group *g, group_done_fn done, void *userdata)
{
	if (!g->parent) {
		done(-EINVAL, userdata);
		return;
	}
	group_request(m, g, UINT64_MAX, 0, done, userdata);
}
