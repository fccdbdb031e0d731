// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Leases by BPF: what TCP sockets of members hold. Units: bytes. Any thread.
 *
 * One link over all threads, made before the daemon is confined: one for each member would take
 * bpf(BPF_LINK_CREATE), with which whoever takes over the server could attach programs. A sum takes
 * (Linux 6.18, fastest of 300) 50 us with 110 threads on the machine, 0.5 us for each more, 0.1 us
 * for each file that a member has open, and 0.8 us for each of its TCP sockets; 2.5 us where they
 * are so many that they are forgotten after each sum.
 */
#include <errno.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "accounting/lease_bpf.h"
#include "accounting/lease_skeleton.h"
#include "util/log.h"
#include "util/util.h"

bool bpf_lease_knows_tcp(void)
{
	/* bpf_loop(), Linux 5.17. */
	return libbpf_find_vmlinux_btf_id("bpf_loop", BPF_TRACE_FENTRY) > 0;
}

void bpf_lease_attach_tcp(struct bpf_lease *l)
{
	if (bpf_program__autoload(l->skel->progs.lease_sum_tcp))
		l->tcp_link = bpf_program__attach_iter(l->skel->progs.lease_sum_tcp, NULL);
	if (!l->tcp_link)
		log_debug("this kernel does not tell what TCP sockets of members hold");
}

/* The programs write nothing: one read(2) goes over all threads, or over a million of them. */
static int run(const struct bpf_link *link)
{
	cleanup_close int fd = bpf_iter_create(bpf_link__fd(link));
	char nothing[64];
	ssize_t n;

	if (fd < 0)
		return -errno;
	do
		n = read(fd, nothing, sizeof(nothing));
	while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	return n < 0 ? -errno : 0;
}

int bpf_lease_tcp_bytes(struct lease *lease, uint32_t slot, uint64_t *ret)
{
	struct bpf_lease *l = bpf_lease_of(lease);
	int r;

	if (!l->tcp_link)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&l->tcp_lock);
	l->skel->bss->tcp_run++;
	l->skel->bss->tcp_top = slot;
	l->skel->bss->tcp_bytes = 0;
	r = run(l->tcp_link);
	if (!r)
		*ret = l->skel->bss->tcp_bytes;
	pthread_mutex_unlock(&l->tcp_lock);
	return r;
}
