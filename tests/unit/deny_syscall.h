/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel that lacks something, for tests: a seccomp filter of this process and its children, for
 * good. */
#ifndef MEMCGFS_DENY_SYSCALL_H
#define MEMCGFS_DENY_SYSCALL_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#define DENY_LOAD(field)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define DENY_IF(value, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (no))
#define DENY_RETURN(what)  BPF_STMT(BPF_RET | BPF_K, (what))

/* System call nr fails with error; any_arg1 false: only when the low half of its second argument is
 * arg1. */
static inline int deny_syscall(unsigned nr, int any_arg1, unsigned arg1, unsigned error)
{
	struct sock_filter with_arg[] = {
		DENY_LOAD(nr),
		DENY_IF(nr, 3),
		DENY_LOAD(args[1]),
		DENY_IF(arg1, 1),
		DENY_RETURN(SECCOMP_RET_ERRNO | error),
		DENY_RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_filter any[] = {
		DENY_LOAD(nr),
		DENY_IF(nr, 1),
		DENY_RETURN(SECCOMP_RET_ERRNO | error),
		DENY_RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {
		.len = any_arg1 ? sizeof(any) / sizeof(any[0])
				: sizeof(with_arg) / sizeof(with_arg[0]),
		.filter = any_arg1 ? any : with_arg,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
}

#endif
