// SPDX-License-Identifier: GPL-2.0-or-later
/* deny bpf|perf COMMAND...: run COMMAND where that system call fails with EPERM, as in a container
 * that forbids it. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "helper.h"

int main(int argc, char **argv)
{
	if (argc < 3)
		errx(2, "usage: deny bpf|perf COMMAND...");
	unsigned nr = !strcmp(argv[1], "bpf") ? SYS_bpf : SYS_perf_event_open;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = ARRAY_SIZE(code), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		err(3, "seccomp");
	execvp(argv[2], argv + 2);
	err(127, "%s", argv[2]);
}
