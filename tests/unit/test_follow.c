/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Following a program to the CPU it runs on. */
#include <CUnit/Basic.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reclaim/follow.h"
#include "tests/unit/run_suites.h"

#define SLOW 20000 /* ns */
#define FAST 1000

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

static bool on_one_cpu(void)
{
	cpu_set_t now;

	CU_ASSERT_EQUAL(sched_getaffinity(0, sizeof(now), &now), 0);
	return CPU_COUNT(&now) == 1;
}

static void test_measure(void)
{
	uint64_t nsec = follow_measure();
	cpu_set_t now;

	CU_ASSERT(nr_cpus == 1 ? !nsec : nsec > 100 && nsec < 100000000);
	CU_ASSERT_EQUAL(sched_getaffinity(0, sizeof(now), &now), 0);
	CU_ASSERT_TRUE(CPU_EQUAL(&now, &allowed));
	go_to(last_cpu);
	CU_ASSERT_EQUAL(follow_measure(), 0);
	go_anywhere();
}

static void test_follow(void)
{
	int nice = getpriority(PRIO_PROCESS, 0);
	struct follower f;
	cpu_set_t now;
	pid_t pid;

	pid = child_start(last_cpu, true);
	go_to(first_cpu);
	go_anywhere();
	follow_assume(SLOW);
	follow_begin(&f);
	CU_ASSERT_TRUE(f.on);
	if (nr_cpus > 1) {
		follow(&f, pid);
		CU_ASSERT_EQUAL(sched_getcpu(), (int)last_cpu);
		CU_ASSERT_TRUE(on_one_cpu());
	}
	follow_end(&f);
	CU_ASSERT_EQUAL(sched_getaffinity(0, sizeof(now), &now), 0);
	CU_ASSERT_TRUE(CPU_EQUAL(&now, &allowed));
	CU_ASSERT_EQUAL(getpriority(PRIO_PROCESS, 0), nice);
	child_end(pid);
	follow(&f, pid); /* not begun */
	CU_ASSERT_FALSE(nr_cpus > 1 && on_one_cpu());
}

/* Nobody is interrupted: we stay where we are. */
static void test_stay(void)
{
	pid_t sleeps = child_start(last_cpu, false), gone = child_start(last_cpu, false);
	struct follower f;

	child_end(gone);
	follow_assume(SLOW);
	follow_begin(&f);
	/* It may be on its way to sleep. */
	for (int i = 0; i < 100; i++)
		sched_yield();
	follow(&f, gone);
	CU_ASSERT_FALSE(nr_cpus > 1 && on_one_cpu());
	follow_end(&f);
	child_end(sleeps);
}

static void test_fast(void)
{
	pid_t pid = child_start(last_cpu, true);
	struct follower f;

	follow_assume(FAST);
	follow_begin(&f);
	CU_ASSERT_FALSE(f.on);
	follow(&f, pid);
	CU_ASSERT_FALSE(nr_cpus > 1 && on_one_cpu());
	follow_end(&f);
	child_end(pid);
}

/* A CPU that is not for us. */
static void test_elsewhere(void)
{
	struct follower f;
	pid_t pid;

	if (nr_cpus < 2)
		return;
	pid = child_start(last_cpu, true);
	go_to(first_cpu);
	follow_assume(SLOW);
	follow_begin(&f);
	follow(&f, pid);
	CU_ASSERT_EQUAL(sched_getcpu(), (int)first_cpu);
	follow_end(&f);
	go_anywhere();
	child_end(pid);
}

int main(void)
{
	CU_TestInfo tests[] = {
		{"what an interrupt costs", test_measure},
		{"to its CPU and back", test_follow},
		{"nobody runs", test_stay},
		{"interrupts are fast", test_fast},
		{"not beyond our own CPUs", test_elsewhere},
		CU_TEST_INFO_NULL,
	};
	CU_SuiteInfo suites[] = {{"follow", suite_init, NULL, NULL, NULL, tests},
				 CU_SUITE_INFO_NULL};

	return run_suites(suites);
}
