// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The filter of system calls. What is not allowed raises SIGSYS, whose handler logs the call, the
 * first time, and has it fail with EPERM: a path that nobody foresaw goes on with an error. So no
 * thread may have SIGSYS blocked (signals_block_others()).
 */
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <ucontext.h>

#include "manager/sandbox.h"
#include "util/log.h"
#include "util/util.h"

/* Numbers of system calls whose names are known and whose refusals are told once. */
#define MAX_CALLS    512
#define CALL_NAME    32
#define NAME_UNKNOWN "?"

#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1 /* si_code; not in the C library's headers */
#endif

static char names[MAX_CALLS][CALL_NAME];
static uint8_t told[MAX_CALLS];

/* Where the call's result goes when the handler returns; NULL: not known for this machine. */
static inline void set_result(ucontext_t *context, long result)
{
#if defined(__x86_64__)
	context->uc_mcontext.gregs[REG_RAX] = result;
#elif defined(__aarch64__)
	context->uc_mcontext.regs[0] = (unsigned long long)result;
#else
#define NO_HANDLER 1
	(void)context;
	(void)result;
#endif
}

/* ---- a refused call: in a signal handler ---- */

static void tell(unsigned nr)
{
	const char *name = nr < MAX_CALLS ? names[nr] : NAME_UNKNOWN;
	char thread[16] = "";

	if (nr < MAX_CALLS && __atomic_exchange_n(&told[nr], 1, __ATOMIC_RELAXED))
		return;
	prctl(PR_GET_NAME, thread);
	log_from_handler((const char *const[]){"refused the system call ", name, " of ", thread,
					       ", which went on with EPERM", NULL});
}

static void on_refused(int sig, siginfo_t *info, void *context)
{
	int saved_errno = errno;

	(void)sig;
	/* One that was sent by somebody is nothing to us. */
	if (info->si_code == SYS_SECCOMP) {
		tell((unsigned)info->si_syscall);
		set_result(context, -EPERM);
	}
	errno = saved_errno;
}

/* ---- the filter ---- */

static void learn_names(void)
{
	for (int nr = 0; nr < MAX_CALLS; nr++) {
		cleanup_free char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, nr);

		if (name)
			snprintf(names[nr], sizeof(names[nr]), "%s", name);
		else
			snprintf(names[nr], sizeof(names[nr]), "%d", nr);
	}
}

/* pthread_cancel(3) loads libgcc_s when it is first called, by what backtrace(3) loads it by: now,
 * while code may still be mapped. */
static void load_unwinder(void)
{
	void *frame;

	backtrace(&frame, 1);
}

static int add_calls(scmp_filter_ctx filter, const struct sandbox_call *calls, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const struct sandbox_call *c = &calls[i];
		int r;

		if (c->nr < 0) /* not on this machine */
			continue;
		r = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, c->nr, c->nr_args, c->arg);
		if (r < 0)
			return r;
	}
	return 0;
}

static int filter_load(enum sandbox_role role)
{
#ifdef NO_HANDLER
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
#else
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
#endif
	const struct sandbox_table *tables;
	size_t nr;
	int r = 0;

	if (!filter)
		return -ENOMEM;
	tables = sandbox_tables(role, &nr);
	for (size_t i = 0; i < nr && r == 0; i++)
		r = add_calls(filter, tables[i].calls, tables[i].nr);
	/* Its flags are out of a filter's sight: the C library then takes clone(2). */
	if (r == 0)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* A tree in place of a list: a call is found in 7 steps, not in 60 in the median. */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	/* A sanitizer may have a thread of its own by now. */
	if (r == 0)
		r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (r == 0)
		r = seccomp_load(filter); /* no new privileges, too */
	seccomp_release(filter);
	return r;
}

int sandbox_enter(enum sandbox_role role)
{
	const struct sigaction sa = {
		.sa_sigaction = on_refused,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART,
	};
	int r = privileges_drop(role);

	if (r < 0) {
		log_error("cannot give up capabilities: %s", strerror(-r));
		return r;
	}
	learn_names();
	load_unwinder();
	sigaction(SIGSYS, &sa, NULL);
	r = filter_load(role);
	if (r < 0)
		log_error("cannot filter system calls: %s (CONFIG_SECCOMP_FILTER is needed)",
			  strerror(-r));
	return r;
}
