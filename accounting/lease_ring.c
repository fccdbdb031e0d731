// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading perf rings: perf_event_open(2), "MMAP layout". Units: bytes. Any thread. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "accounting/lease_ring.h"
#include "util/util.h"

/* After the header of PERF_RECORD_SAMPLE, in the order of LEASE_RING_SAMPLE_TYPE. */
struct sample_body {
	uint64_t id;
	uint32_t pid, tid;
	uint64_t nsec;
	uint64_t count;
};

struct task_body { /* FORK and EXIT */
	uint32_t pid, ppid;
	uint32_t tid, ptid;
	uint64_t nsec;
};

struct comm_body { /* and the name, which nobody wants */
	uint32_t pid, tid;
};

/* The part of a record that is looked at. */
struct record {
	struct perf_event_header header;
	union {
		struct sample_body sample;
		struct task_body task;
		struct comm_body comm;
	};
};

/* ---- decoding: false when the record is too short to be what it says ---- */

static bool has_body(const struct record *r, size_t size)
{
	return r->header.size >= sizeof(r->header) + size;
}

static bool decode_sample(const struct record *r, struct lease_ring_record *ret)
{
	if (!has_body(r, sizeof(r->sample)))
		return false;
	*ret = (struct lease_ring_record){
		.type = LEASE_RING_SAMPLE,
		.pid = (pid_t)r->sample.pid,
		.tid = (pid_t)r->sample.tid,
		.id = r->sample.id,
		.nsec = r->sample.nsec,
		.count = r->sample.count,
	};
	return true;
}

static bool decode_task(const struct record *r, enum lease_ring_type type,
			struct lease_ring_record *ret)
{
	if (!has_body(r, sizeof(r->task)))
		return false;
	*ret = (struct lease_ring_record){
		.type = type,
		.pid = (pid_t)r->task.pid,
		.tid = (pid_t)r->task.tid,
		.ppid = (pid_t)r->task.ppid,
		.ptid = (pid_t)r->task.ptid,
		.nsec = r->task.nsec,
	};
	return true;
}

static bool decode_exec(const struct record *r, struct lease_ring_record *ret)
{
	if (!has_body(r, sizeof(r->comm)))
		return false;
	*ret = (struct lease_ring_record){
		.type = LEASE_RING_EXEC,
		.pid = (pid_t)r->comm.pid,
		.tid = (pid_t)r->comm.tid,
	};
	return true;
}

enum decoded { WANTED, UNWANTED, NONSENSE };

static enum decoded decode(const struct record *r, struct lease_ring_record *ret)
{
	bool good;

	switch (r->header.type) {
	case PERF_RECORD_SAMPLE:
		good = decode_sample(r, ret);
		break;
	case PERF_RECORD_FORK:
		good = decode_task(r, LEASE_RING_FORK, ret);
		break;
	case PERF_RECORD_EXIT:
		good = decode_task(r, LEASE_RING_EXIT, ret);
		break;
	case PERF_RECORD_COMM:
		if (!(r->header.misc & PERF_RECORD_MISC_COMM_EXEC))
			return UNWANTED;
		good = decode_exec(r, ret);
		break;
	case PERF_RECORD_LOST:
		*ret = (struct lease_ring_record){.type = LEASE_RING_LOST};
		return WANTED;
	default:
		return UNWANTED;
	}
	return good ? WANTED : NONSENSE;
}

/* ---- the ring ---- */

/* len bytes from position at, which may wrap around. */
static void copy_out(void *to, const void *data, size_t size, uint64_t at, size_t len)
{
	size_t start = (size_t)at & (size - 1), first = MIN(len, size - start);

	memcpy(to, (const char *)data + start, first);
	memcpy((char *)to + first, data, len - first);
}

static bool record_copy(const void *data, size_t size, uint64_t head, uint64_t tail,
			struct record *ret)
{
	uint64_t avail = head - tail;

	memset(ret, 0, sizeof(*ret));
	if (avail > size || avail < sizeof(ret->header))
		return false;
	copy_out(&ret->header, data, size, tail, sizeof(ret->header));
	if (ret->header.size < sizeof(ret->header) || ret->header.size > avail)
		return false;
	copy_out(ret, data, size, tail, MIN(sizeof(*ret), (size_t)ret->header.size));
	return true;
}

bool lease_ring_parse(const void *data, size_t size, uint64_t head, uint64_t *tail,
		      struct lease_ring_record *ret)
{
	while (*tail != head) {
		struct record r;
		enum decoded decoded = NONSENSE;

		if (record_copy(data, size, head, *tail, &r))
			decoded = decode(&r, ret);
		if (decoded == NONSENSE) {
			*ret = (struct lease_ring_record){.type = LEASE_RING_LOST};
			*tail = head;
			return true;
		}
		*tail += r.header.size;
		if (decoded == WANTED)
			return true;
	}
	return false;
}

/* A record is 40 to 56 bytes, and a process stands still after an overflow: a page holds 70 forks
 * that nobody saw. */
static size_t map_bytes(void)
{
	return 2 * page_size();
}

int lease_ring_map(int fd, struct perf_event_mmap_page **ret)
{
	void *ring = mmap(NULL, map_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (ring == MAP_FAILED)
		return -errno;
	*ret = ring;
	return 0;
}

struct perf_event_mmap_page *lease_ring_unmap(struct perf_event_mmap_page *ring)
{
	if (ring)
		munmap(ring, map_bytes());
	return NULL;
}

bool lease_ring_next(struct perf_event_mmap_page *ring, struct lease_ring_record *ret)
{
	uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE), tail = ring->data_tail;
	bool found;

	if (tail == head)
		return false;
	found = lease_ring_parse((char *)ring + page_size(), page_size(), head, &tail, ret);
	__atomic_store_n(&ring->data_tail, tail, __ATOMIC_RELEASE);
	return found;
}
