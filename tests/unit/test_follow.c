/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following a program to the CPU it runs on. */
#include <CUnit/Basic.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reclaim/follow.h"
#include "tests/unit/run_suites.h"

static cpu_set_t allowed;
static unsigned nr_cpus, first_cpu, last_cpu; /* of those */

static int suite_init(void)
{
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return -1;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			last_cpu = cpu;
	while (!CPU_ISSET(first_cpu, &allowed))
		first_cpu++;
	nr_cpus = (unsigned)CPU_COUNT(&allowed);
	return 0;
}

static void go_to(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CU_ASSERT_EQUAL(sched_setaffinity(0, sizeof(set), &set), 0);
}

static void go_anywhere(void)
{
	CU_ASSERT_EQUAL(sched_setaffinity(0, sizeof(allowed), &allowed), 0);
}

/* A child on that CPU, and there for good. */
static pid_t child_start(unsigned cpu, bool spins)
{
	int ready[2];
	pid_t pid;
	char c;

	CU_ASSERT_EQUAL_FATAL(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		go_to(cpu);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		while (!spins)
			pause();
		for (;;)
			;
	}
	close(ready[1]);
	CU_ASSERT_EQUAL(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void child_end(pid_t pid)
{
	kill(pid, SIGKILL);
	CU_ASSERT_EQUAL(waitpid(pid, NULL, 0), pid);
}

static void test_measure(void)
{
	uint64_t nsec = follow_measure();
	cpu_set_t now;

	CU_ASSERT(nr_cpus == 1 ? !nsec : nsec < 100000000);
	CU_ASSERT_EQUAL(sched_getaffinity(0, sizeof(now), &now), 0);
	CU_ASSERT_TRUE(CPU_EQUAL(&now, &allowed));
	go_to(last_cpu);
	CU_ASSERT_EQUAL(follow_measure(), 0);
	CU_ASSERT_FALSE(follow_pays());
	go_anywhere();
}

static void test_pays(void)
{
	follow_assume(1000);
	CU_ASSERT_FALSE(follow_pays());
	follow_assume(20000);
	CU_ASSERT_TRUE(follow_pays());
}

/* What a follower finds. */
struct seen {
	pid_t pid, pid_after;
	unsigned on; /* where we were put first */
	bool runs, runs_after;
	int cpu, cpu_after;
	cpu_set_t may;
};

static void look(struct follower *f, void *userdata)
{
	struct seen *seen = userdata;

	go_to(seen->on);
	seen->runs = follow(f, seen->pid);
	seen->cpu = sched_getcpu();
	CU_ASSERT_EQUAL(sched_getaffinity(0, sizeof(seen->may), &seen->may), 0);
	if (!seen->pid_after)
		return;
	seen->runs_after = follow(f, seen->pid_after);
	seen->cpu_after = sched_getcpu();
}

static void expect_as_before(void)
{
	struct sched_param param;
	cpu_set_t now;

	CU_ASSERT_EQUAL(sched_getaffinity(0, sizeof(now), &now), 0);
	CU_ASSERT_TRUE(CPU_EQUAL(&now, &allowed));
	CU_ASSERT_EQUAL(sched_getscheduler(0), SCHED_OTHER);
	CU_ASSERT_EQUAL(sched_getparam(0, &param), 0);
}

/* To one program, and on to another. */
static void test_follow(void)
{
	struct seen seen = {.on = first_cpu};

	seen.pid = child_start(last_cpu, true);
	seen.pid_after = child_start(first_cpu, true);
	follow_run(look, &seen);
	CU_ASSERT_TRUE(seen.runs);
	CU_ASSERT_EQUAL(seen.cpu, (int)last_cpu);
	CU_ASSERT_EQUAL(CPU_COUNT(&seen.may), 1);
	CU_ASSERT_TRUE(seen.runs_after);
	CU_ASSERT_EQUAL(seen.cpu_after, (int)first_cpu);
	expect_as_before();
	child_end(seen.pid);
	child_end(seen.pid_after);
}

/* By chance there already: it is to stay. */
static void test_there(void)
{
	struct seen seen = {.on = last_cpu};

	seen.pid = child_start(last_cpu, true);
	follow_run(look, &seen);
	CU_ASSERT_TRUE(seen.runs);
	CU_ASSERT_EQUAL(seen.cpu, (int)last_cpu);
	CU_ASSERT_EQUAL(CPU_COUNT(&seen.may), 1);
	child_end(seen.pid);
}

/* Nobody is interrupted: we stay where we are. */
static void test_stay(void)
{
	struct seen seen = {.on = first_cpu};

	seen.pid = child_start(last_cpu, false);
	/* It may be on its way to sleep. */
	do {
		follow_run(look, &seen);
	} while (seen.runs);
	CU_ASSERT_EQUAL(seen.cpu, (int)first_cpu);
	child_end(seen.pid);
	follow_run(look, &seen);
	CU_ASSERT_FALSE(seen.runs);
	CU_ASSERT_EQUAL(seen.cpu, (int)first_cpu);
}

/* It would keep its CPU to itself. */
static void test_real_time(void)
{
	struct sched_param param = {.sched_priority = 1};
	struct seen seen = {.on = first_cpu};

	if (nr_cpus < 2)
		return;
	seen.pid = child_start(last_cpu, true);
	if (!sched_setscheduler(seen.pid, SCHED_FIFO, &param)) {
		follow_run(look, &seen);
		CU_ASSERT_FALSE(seen.runs);
		CU_ASSERT_EQUAL(seen.cpu, (int)first_cpu);
	}
	child_end(seen.pid);
}

/* A CPU that is not for us. */
static void test_elsewhere(void)
{
	struct seen seen = {.on = first_cpu};

	if (nr_cpus < 2)
		return;
	seen.pid = child_start(last_cpu, true);
	go_to(first_cpu);
	follow_run(look, &seen);
	CU_ASSERT_TRUE(seen.runs);
	CU_ASSERT_EQUAL(seen.cpu, (int)first_cpu);
	go_anywhere();
	child_end(seen.pid);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"what an interrupt costs", test_measure},
		{"where it pays", test_pays},
		{"to its CPU, and to the next", test_follow},
		{"on its CPU already", test_there},
		{"nobody runs", test_stay},
		{"a real-time program", test_real_time},
		{"not beyond our own CPUs", test_elsewhere},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"follow", suite_init, NULL, NULL, NULL, tests},
				 CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
