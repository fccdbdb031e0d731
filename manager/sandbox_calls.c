// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The system calls that are allowed, by what they are for. Whoever adds a call to the daemon adds
 * it here: tests/integration fails every test whose daemon was refused one.
 */
#include <fcntl.h>
#include <linux/bpf.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "manager/pid_namespace.h"
#include "manager/sandbox.h"
#include "util/util.h"

#define NR_CACHESTAT 451 /* on every machine; newer than Debian 12's headers */

/* New namespaces would come with capabilities. */
/* A call a line. */
/* clang-format off */
#define CLONE_NAMESPACES \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)

#define CALL(name)         {.nr = SCMP_SYS(name)}
#define CALL_IF(name, ...) {.nr = SCMP_SYS(name), .nr_args = 1, .arg = {__VA_ARGS__}}

/* What is said of argument n. */
#define NONE_OF(n, bits) {(n), SCMP_CMP_MASKED_EQ, (bits), 0}
#define IS(n, value)     {(n), SCMP_CMP_EQ, (value), 0}
#define IOCTL_TYPE(type) {1, SCMP_CMP_MASKED_EQ, 0xff00, (scmp_datum_t)(type) << 8}

/* What the C library does for itself, and what log.c does in a signal handler. */
static const struct sandbox_call library[] = {
	CALL(brk),
	CALL(madvise),
	CALL(mremap),
	CALL(munmap),
	/* Nothing becomes code any more. */
	CALL_IF(mmap, NONE_OF(2, PROT_EXEC)),
	CALL_IF(mprotect, NONE_OF(2, PROT_EXEC)),
	CALL(clock_gettime),
	CALL(clock_nanosleep),
	CALL(exit),
	CALL(exit_group),
	CALL(futex),
	CALL(getegid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getpid),
	CALL(getrandom),
	CALL(gettid),
	CALL(gettimeofday),
	CALL(getuid),
	CALL(prctl),
	CALL(restart_syscall),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(time),
};

/* Files are opened, and never created. */
static const struct sandbox_call files[] = {
	CALL(access),
	CALL(close),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(fcntl),
	CALL(fstat),
	CALL(getdents64),
	CALL(lseek),
	CALL(newfstatat),
	CALL_IF(openat, NONE_OF(2, O_CREAT)),
	CALL(pread64),
	CALL(read),
	CALL(statx),
	CALL(write),
};

/* The system's log, and sd_notify(3). */
static const struct sandbox_call syslog_calls[] = {
	CALL(connect),
	CALL(getsockopt),
	CALL(sendmsg),
	CALL(sendto),
	CALL(setsockopt),
	CALL_IF(socket, IS(0, AF_UNIX)),
};

static const struct sandbox_call threads[] = {
	CALL_IF(clone, NONE_OF(0, CLONE_NAMESPACES)),
	CALL(rseq),
	CALL(sched_yield),
	CALL(set_robust_list),
	CALL(tgkill), /* pthread_cancel(3) */
};

/* keeper.c, keeper_link.c, keeper_fds.c: who starts, watches and ends whom; what is kept. */
static const struct sandbox_call keeping[] = {
	CALL(close_range),
	CALL(dup2),
	CALL(dup3),
	CALL(pidfd_open),
	CALL(pidfd_send_signal),
	CALL(poll),
	CALL(ppoll),
	CALL(recvmsg),
	CALL_IF(socketpair, IS(0, AF_UNIX)),
	CALL(wait4),
	CALL(waitid),
};

/* sd-event, the manager's loop, its priority. */
static const struct sandbox_call loop[] = {
	CALL(epoll_create1),
	CALL(epoll_ctl),
	CALL(epoll_pwait),
	CALL(epoll_wait),
	CALL(eventfd2),
	CALL(prlimit64),
	CALL(sched_setscheduler),
	CALL(setpriority),
	CALL(signalfd4),
	CALL(timerfd_create),
	CALL(timerfd_settime),
};

/* /dev/fuse, and the hierarchy under the tree. */
static const struct sandbox_call tree[] = {
	CALL(fgetxattr),
	CALL(getxattr),
	CALL(listxattr),
	CALL(mkdirat),
	CALL(readv),
	CALL(removexattr),
	CALL(renameat),
	CALL(renameat2),
	CALL(setxattr),
	CALL(unlinkat),
	CALL(writev),
};

/* Members: leases, what they use, stopping and killing them. */
static const struct sandbox_call accounting[] = {
	CALL_IF(bpf, IS(0, BPF_MAP_LOOKUP_ELEM)),
	CALL_IF(bpf, IS(0, BPF_MAP_UPDATE_ELEM)),
	CALL_IF(bpf, IS(0, BPF_MAP_DELETE_ELEM)),
	CALL_IF(bpf, IS(0, BPF_MAP_GET_NEXT_KEY)),
	CALL_IF(bpf, IS(0, BPF_OBJ_GET_INFO_BY_FD)),
	CALL_IF(bpf, IS(0, BPF_ITER_CREATE)),
	CALL_IF(ioctl, IOCTL_TYPE('$')), /* perf events' */
	CALL_IF(ioctl, IS(1, NSFS_GET_PID_FROM_PIDNS)),
	CALL_IF(ioctl, IS(1, NSFS_GET_PID_IN_PIDNS)),
	CALL(capget), /* CAP_SYS_ADMIN comes into effect, and goes */
	CALL(capset),
	CALL(kcmp), /* do two processes share their memory? */
	CALL(kill),
	CALL(memfd_create), /* whose device tells shmem files */
	CALL(perf_event_open),
	CALL(readlink),
	CALL(readlinkat),
};

static const struct sandbox_call reclaim[] = {
	{.nr = NR_CACHESTAT},
	CALL(fadvise64),
	CALL(getcpu),
	CALL_IF(ioctl, IOCTL_TYPE('f')), /* PAGEMAP_SCAN */
	CALL(mincore),
	CALL(membarrier), /* measures how slow interrupts are; waits for BPF programs */
	CALL(open_by_handle_at),
	CALL(process_madvise),
	CALL(process_mrelease),
	CALL(sched_getaffinity),
	CALL(sched_setaffinity),
	CALL(sync_file_range),
	CALL(sysinfo), /* free swap */
};

/* cgroup.event_control and shrinkers: the caller's descriptors, by number; a write that may not
 * wait. */
static const struct sandbox_call events[] = {
	CALL(pidfd_getfd),
	CALL(timer_create),
	CALL(timer_delete),
	CALL(timer_settime),
};

/* The heir's: the tree and what is under it are unmounted, the state is removed; and a process that
 * sees to it that the kernel lets go of the hierarchy. */
static const struct sandbox_call unmounting[] = {
	CALL_IF(clone, NONE_OF(0, CLONE_NAMESPACES)),
	CALL(close_range),
	CALL(fsconfig),
	CALL(fsopen),
	CALL(set_robust_list),
	CALL(setsid),
	CALL(umount2),
	CALL(unlinkat),
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/* A sanitizer's run time: stacks, a look at the process's own memory, and at its end a search for
 * leaks by a tracer. */
static const struct sandbox_call sanitizer[] = {
	CALL(getdents),
	CALL(getppid),
	CALL(getrlimit),
	CALL(getrusage),
	CALL(nanosleep),
	CALL(open),
	CALL(personality),
	CALL(pipe),
	CALL(pipe2),
	CALL(process_vm_readv),
	CALL(ptrace),
	CALL(readlink),
	CALL(rseq), /* its thread may begin as late as here */
	CALL(sched_getaffinity),
	CALL(sched_yield),
	CALL(set_robust_list),
	CALL(setrlimit),
	CALL(sigaltstack),
	CALL(stat),
	CALL(uname),
	CALL(wait4),
};
#define SANITIZER {sanitizer, ARRAY_SIZE(sanitizer)},
#else
#define SANITIZER
#endif

#define TABLE(name) {name, ARRAY_SIZE(name)}

static const struct sandbox_table daemon_tables[] = {
	TABLE(library),
	TABLE(files),
	TABLE(syslog_calls),
	TABLE(threads),
	TABLE(keeping),
	TABLE(loop),
	TABLE(tree),
	TABLE(accounting),
	TABLE(reclaim),
	TABLE(events),
	SANITIZER
};

static const struct sandbox_table heir_tables[] = {
	TABLE(library),
	TABLE(files),
	TABLE(syslog_calls),
	TABLE(unmounting),
	SANITIZER
};
/* clang-format on */

const struct sandbox_table *sandbox_tables(enum sandbox_role role, size_t *ret_nr)
{
	if (role == SANDBOX_HEIR) {
		*ret_nr = ARRAY_SIZE(heir_tables);
		return heir_tables;
	}
	*ret_nr = ARRAY_SIZE(daemon_tables);
	return daemon_tables;
}
