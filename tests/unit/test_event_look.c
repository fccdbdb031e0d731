/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks at clients' descriptors: who makes one hang hangs alone. eventfd_take() is this file's own,
 * and hangs for as long as the test likes; what comes back is not run by a loop but counted.
 */
#include <CUnit/Basic.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/event_look.h"
#include "tests/unit/run_suites.h"

#define HANGS 7000 /* an eventfd's number that means: do not come back */
#define ROOT  0

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool hold;
static unsigned nr_hanging, nr_taken_back;
static int give = -1; /* what is taken, but for that */
static struct manager_request *finished;
static int control_file;
static int nothing;
static struct manager *const some_manager = (struct manager *)&nothing; /* never looked into */

/* ---- in place of the eventfd room and the manager ---- */

int eventfd_take(pid_t tid, int number, struct eventfd_taken *ret)
{
	(void)tid;
	pthread_mutex_lock(&lock);
	nr_hanging += number == HANGS;
	pthread_cond_broadcast(&changed);
	while (number == HANGS && hold)
		pthread_cond_wait(&changed, &lock);
	nr_hanging -= number == HANGS;
	ret->fd = give;
	pthread_mutex_unlock(&lock);
	if (ret->fd >= 0)
		return 0;
	if (number == HANGS)
		return -EINVAL;
	ret->fd = eventfd(0, EFD_CLOEXEC);
	return ret->fd < 0 ? -errno : 0;
}

void manager_submit(struct manager *m, struct manager_request *r)
{
	(void)m;
	pthread_mutex_lock(&lock);
	r->next = finished;
	finished = r;
	nr_taken_back++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

/* ---- */

static int begin(struct event_looks *all, uid_t uid, int number)
{
	struct event_look *l = calloc(1, sizeof(*l));
	int r;

	CU_ASSERT_PTR_NOT_NULL_FATAL(l);
	l->tid = getpid();
	l->uid = uid;
	l->eventfd = number;
	l->control_file = control_file;
	r = event_look_begin(all, l);
	if (r)
		free(l);
	return r;
}

/* The look that is back now. */
static struct event_look *wait_one(void)
{
	struct manager_request *r;

	pthread_mutex_lock(&lock);
	while (!finished)
		pthread_cond_wait(&changed, &lock);
	r = finished;
	finished = r->next;
	pthread_mutex_unlock(&lock);
	return (struct event_look *)((char *)r - offsetof(struct event_look, done));
}

static void wait_hanging(unsigned nr)
{
	pthread_mutex_lock(&lock);
	while (nr_hanging != nr)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
}

static void set_hold(bool on)
{
	pthread_mutex_lock(&lock);
	hold = on;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
}

static void test_look(void)
{
	struct event_looks *all;
	struct event_look *l;
	struct stat st;

	CU_ASSERT_EQUAL_FATAL(event_looks_new(&all, some_manager), 0);
	CU_ASSERT_EQUAL(fstat(control_file, &st), 0);
	CU_ASSERT_EQUAL(begin(all, ROOT, 3), 0);
	l = wait_one();
	CU_ASSERT_EQUAL(l->error, 0);
	CU_ASSERT_EQUAL(l->dev, st.st_dev);
	CU_ASSERT_EQUAL(l->ino, st.st_ino);
	CU_ASSERT_EQUAL(l->flags & O_ACCMODE, O_RDONLY);
	CU_ASSERT(l->taken.fd >= 0);
	close(l->taken.fd);
	free(l);
	event_looks_end(all);
}

static void test_no_control_file(void)
{
	int kept = control_file;
	struct event_looks *all;
	struct event_look *l;

	CU_ASSERT_EQUAL_FATAL(event_looks_new(&all, some_manager), 0);
	control_file = 6999;
	CU_ASSERT_EQUAL(begin(all, ROOT, 3), 0);
	control_file = kept;
	l = wait_one();
	CU_ASSERT_EQUAL(l->error, -EBADF);
	close(l->taken.fd);
	free(l);
	event_looks_end(all);
}

/* Users' looks hang, as many as they may have; root's go on, and so do theirs afterwards. */
static void test_hang(void)
{
	struct event_looks *all;
	struct event_look *l;
	unsigned nr = 0;
	uid_t uid;

	CU_ASSERT_EQUAL_FATAL(event_looks_new(&all, some_manager), 0);
	set_hold(true);
	for (uid = 1000; !begin(all, uid, HANGS); uid++)
		for (nr++; !begin(all, uid, HANGS); nr++)
			;
	CU_ASSERT_EQUAL(nr, EVENT_LOOKS_MAX_OTHERS);
	CU_ASSERT_EQUAL(uid, 1000 + EVENT_LOOKS_MAX_OTHERS / EVENT_LOOKS_MAX_USER);
	wait_hanging(nr);
	CU_ASSERT_EQUAL(begin(all, 1000, 3), -EAGAIN);
	CU_ASSERT_EQUAL(begin(all, ROOT, 3), 0);
	l = wait_one();
	CU_ASSERT_EQUAL(l->error, 0);
	CU_ASSERT_EQUAL(l->uid, ROOT);
	close(l->taken.fd);
	free(l);
	set_hold(false);
	for (unsigned i = 0; i < nr; i++) {
		l = wait_one();
		CU_ASSERT_EQUAL(l->error, -EINVAL);
		CU_ASSERT_EQUAL(l->taken.fd, -1);
		free(l);
	}
	CU_ASSERT_EQUAL(begin(all, 1000, 3), 0);
	l = wait_one();
	close(l->taken.fd);
	free(l);
	event_looks_end(all);
}

/* One user's share is not another's. */
static void test_share(void)
{
	struct event_looks *all;
	unsigned nr;

	CU_ASSERT_EQUAL_FATAL(event_looks_new(&all, some_manager), 0);
	set_hold(true);
	for (nr = 0; !begin(all, 1000, HANGS); nr++)
		;
	CU_ASSERT_EQUAL(nr, EVENT_LOOKS_MAX_USER);
	CU_ASSERT_EQUAL(begin(all, 1001, HANGS), 0);
	set_hold(false);
	for (unsigned i = 0; i < nr + 1; i++)
		free(wait_one());
	event_looks_end(all);
}

/* The end waits for nobody, and nobody is told after it: what was taken is closed. */
static void test_end(void)
{
	struct event_looks *all;
	unsigned before;
	int ends[2];
	char c;

	CU_ASSERT_EQUAL_FATAL(pipe2(ends, O_CLOEXEC), 0);
	CU_ASSERT_EQUAL_FATAL(event_looks_new(&all, some_manager), 0);
	give = ends[1];
	set_hold(true);
	CU_ASSERT_EQUAL(begin(all, 1000, HANGS), 0);
	wait_hanging(1);
	before = nr_taken_back;
	CU_ASSERT_PTR_NULL(event_looks_end(all));
	set_hold(false);
	CU_ASSERT_EQUAL(read(ends[0], &c, 1), 0);
	CU_ASSERT_EQUAL(nr_taken_back, before);
	CU_ASSERT_PTR_NULL(event_looks_end(NULL));
	close(ends[0]);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"what the two descriptors are", test_look},
		{"a control file that is not open", test_no_control_file},
		{"who hangs hangs alone", test_hang},
		{"a user's share", test_share},
		{"the end", test_end},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"event_look", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};

	control_file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	return control_file < 0 ? EXIT_FAILURE : run_suites(suites);
}
