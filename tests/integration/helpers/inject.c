// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * inject TID NR: have the thread TID, which waits in a system call, make system call NR (without
 * arguments) in between; prints what it returned. The thread goes on as if nothing had been.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "helper.h"

#ifdef __x86_64__

#define SYSCALL_BYTES 2      /* of the instruction */
#define MAX_STEPS     100000 /* a handler that logs takes some thousand */

static void await_stop(pid_t tid, int *ret_signal)
{
	int status;

	if (waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status))
		errx(3, "%d does not stop", tid);
	*ret_signal = WSTOPSIG(status);
}

/* Step until it is behind the instruction again: a signal's handler may come in between. */
static void step_to(pid_t tid, unsigned long long end)
{
	struct user_regs_struct regs;
	int sig = 0;

	for (int i = 0; i < MAX_STEPS; i++) {
		if (ptrace(PTRACE_SINGLESTEP, tid, NULL, sig == SIGTRAP ? 0 : sig))
			err(3, "PTRACE_SINGLESTEP");
		await_stop(tid, &sig);
		if (ptrace(PTRACE_GETREGS, tid, NULL, &regs))
			err(3, "PTRACE_GETREGS");
		if (regs.rip == end && sig == SIGTRAP)
			return;
	}
	errx(3, "it does not come back");
}

int main(int argc, char **argv)
{
	struct user_regs_struct before, regs;
	pid_t tid;
	int sig;

	if (argc != 3)
		errx(2, "usage: inject TID NR");
	tid = (pid_t)number(argv[1]);
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) || ptrace(PTRACE_INTERRUPT, tid, NULL, NULL))
		err(3, "ptrace");
	await_stop(tid, &sig);
	if (ptrace(PTRACE_GETREGS, tid, NULL, &before))
		err(3, "PTRACE_GETREGS");
	if ((long)before.orig_rax < 0)
		errx(4, "%d is in no system call", tid);
	regs = before;
	regs.orig_rax = (unsigned long long)-1; /* what it was in is not to be restarted now */
	regs.rax = number(argv[2]);
	regs.rip -= SYSCALL_BYTES;
	if (ptrace(PTRACE_SETREGS, tid, NULL, &regs))
		err(3, "PTRACE_SETREGS");
	step_to(tid, before.rip);
	if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) ||
	    ptrace(PTRACE_SETREGS, tid, NULL, &before) || ptrace(PTRACE_DETACH, tid, NULL, NULL))
		err(3, "ptrace");
	printf("%ld\n", (long)regs.rax);
	return 0;
}

#else

int main(void)
{
	puts("none");
	return 0;
}

#endif
