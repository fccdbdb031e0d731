// SPDX-License-Identifier: GPL-2.0-or-later
/* stopper PID: stop PID as a debugger does, say "stopped", and let it go after a line on stdin. */
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "helper.h"

int main(int argc, char **argv)
{
	int status;

	if (argc != 2)
		errx(2, "usage: stopper PID");
	pid_t pid = (pid_t)number(argv[1]);
	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) || ptrace(PTRACE_INTERRUPT, pid, NULL, NULL))
		err(3, "ptrace");
	if (waitpid(pid, &status, __WALL) != pid || !WIFSTOPPED(status))
		errx(3, "no stop");
	say("stopped");
	await_line();
	if (ptrace(PTRACE_DETACH, pid, NULL, NULL))
		err(3, "PTRACE_DETACH");
	return 0;
}
