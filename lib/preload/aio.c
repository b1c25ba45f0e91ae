/*
 * linux-aio. A context is known by the address of its ring, where the kernel puts an event for each
 * request that is done: [head, tail) are those not fetched. A restart maps the ring's bytes as ordinary
 * memory first; then libckpt makes a new context with a ring of that size, lets the kernel's own idea of
 * the tail come to where it was by requests that do nothing, gives it the old events and moves it home.
 *
 * A request in flight can't be restored: the pause waits for it, and refuses one that takes too long.
 * How many are in flight the kernel tells nobody, so submissions are counted (wrappers/aio.c); the
 * tail counts what is done, modulo the ring's size.
 */
#define _GNU_SOURCE
#include <linux/aio_abi.h>
#include <sys/mman.h>
#include <time.h>
#include "preload.h"
#include "image.h"
#include "frozen.h"

/* What the kernel maps; its fs/aio.c has it, no header does. */
struct ring {
	uint32_t id;
	uint32_t nr; /* of io_events */
	uint32_t head, tail;
	uint32_t magic;
	uint32_t compat_features, incompat_features;
	uint32_t header_length;
	struct io_event event[];
};

enum { RING_MAGIC = 0xa10a10a1, WAIT_NS = 200000, WAIT_MAX_NS = 1000000000, BATCH = 32 };

/* ---- counting ---- */

enum { COUNTS = 1024 };

static struct aio_count counts[COUNTS];

struct aio_count *aio_count(uint64_t context, bool make)
{
	uint32_t at = (uint32_t)(context / CKPT_PAGE) * 2654435761u;

	for (uint32_t i = 0; i < COUNTS; i++) {
		struct aio_count *c = &counts[(at + i) % COUNTS];
		uint64_t known = __atomic_load_n(&c->context, __ATOMIC_RELAXED);

		if (known == 0 && make)
			__atomic_compare_exchange_n(&c->context, &known, context, false,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED);
		if (c->context == context)
			return c;
		if (known == 0 && !make)
			return NULL;
	}
	return NULL;
}

/* ---- saving ---- */

static uint32_t in_flight(const struct ring *ring, const struct aio_count *c)
{
	uint64_t submitted = __atomic_load_n(&c->submitted, __ATOMIC_RELAXED) % ring->nr;

	return (submitted + ring->nr - __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE)) % ring->nr;
}

/* Requests that are still in flight when no more time is left for them. */
static uint32_t flights_await(const struct ring *ring, const struct aio_count *c)
{
	const struct timespec pause = {.tv_nsec = WAIT_NS};
	uint64_t deadline = sys_clock_ns(CLOCK_MONOTONIC) + WAIT_MAX_NS;
	uint32_t n;

	while ((n = in_flight(ring, c)) != 0 && sys_clock_ns(CLOCK_MONOTONIC) < deadline)
		sys_call2(__NR_nanosleep, &pause, NULL);
	return n;
}

static bool ring_plausible(const struct ring *ring, uint64_t len)
{
	return ring->magic == RING_MAGIC && ring->header_length == sizeof(*ring) &&
	       ring->nr == (len - sizeof(*ring)) / sizeof(ring->event[0]) && ring->head < ring->nr &&
	       ring->tail < ring->nr;
}

static void ring_save(struct save *s, struct process_state *ps, const struct map_line *m)
{
	const struct ring *ring = (const struct ring *)m->start;
	const struct aio_count *c = aio_count(m->start, false);
	uint64_t len = m->end - m->start;
	uint32_t n;
	void *copy;

	if (ps->naio == AIO_MAX) {
		save_refuse(s, "more than %d aio contexts", AIO_MAX);
	} else if (!c) {
		save_refuse(s, "aio context %lx: made past libc and libaio, requests may be in flight",
			    (unsigned long)m->start);
	} else if (!ring_plausible(ring, len)) {
		save_refuse(s, "aio context %lx: its ring is of an unknown form", (unsigned long)m->start);
	} else if ((n = flights_await(ring, c)) != 0) {
		save_refuse(s, "aio context %lx: %u requests are in flight and do not end",
			    (unsigned long)m->start, n);
	} else if ((copy = save_piece(s, STREAM_MEMORY, m->start, len)) != NULL) {
		__builtin_memcpy(copy, ring, len);
		ps->aio[ps->naio].start = m->start;
		ps->aio[ps->naio++].len = len;
	}
}

void aio_save(struct memory *m, struct save *s, struct process_state *ps)
{
	const char *p = m->maps, *end = m->maps + m->maps_len, *what;
	struct map_line line;

	while (maps_next(&p, end, &line) > 0)
		if (line.shared && area_kind(&line, &what) == AREA_AIO)
			ring_save(s, ps, &line);
}

/* ---- restoring ---- */

/* The least number of requests that gives a ring of so many pages, see aio_setup_ring() in the kernel. */
static uint32_t requests_for(uint64_t len)
{
	uint64_t pages = len / CKPT_PAGE;

	return pages > 1 ? 64 * (pages - 1) - 1 : 1;
}

/* Let n requests come and go; their events are left in the ring unless fetched. 0 or -errno. */
static int requests_run(struct ring *ring, int fd, uint32_t n, bool fetch)
{
	char byte;
	struct iocb cb = {.aio_lio_opcode = IOCB_CMD_PREAD, .aio_fildes = fd, .aio_buf = (uint64_t)&byte,
			  .aio_nbytes = 1};
	struct iocb *list[BATCH];

	for (int i = 0; i < BATCH; i++)
		list[i] = &cb;
	while (n) {
		long r = sys_call3(__NR_io_submit, ring, n < BATCH ? n : BATCH, list);

		if (r <= 0)
			return r < 0 ? (int)r : -EAGAIN;
		n -= r;
		if (fetch)
			ring->head = ring->tail;
	}
	return 0;
}

/* Make the new ring what the old one was. Reading an empty file is a request that does nothing. */
static int ring_fill(struct ring *ring, const struct ring *old)
{
	uint32_t waiting = (old->tail + old->nr - old->head) % old->nr;
	int fd, r;

	if (ring->nr != old->nr)
		return -E2BIG;
	fd = sys_call2(__NR_memfd_create, "aio", 1 /* MFD_CLOEXEC */);
	if (fd < 0)
		return fd;
	r = requests_run(ring, fd, old->head, true);
	if (r == 0)
		r = requests_run(ring, fd, waiting, false);
	sys_close(fd);
	if (r == 0)
		__builtin_memcpy(ring->event, old->event, ring->nr * sizeof(ring->event[0]));
	return r;
}

static int ring_restore(uint64_t start, uint64_t len)
{
	struct ring *ring = NULL;
	void *p;
	int r = sys_call2(__NR_io_setup, requests_for(len), &ring);

	if (r == 0)
		r = ring_fill(ring, (const struct ring *)start);
	if (r < 0)
		return r;
	p = sys_mremap(ring, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start);
	return sys_is_err(p) ? (int)(long)p : 0;
}

void aio_restore(const struct process_state *ps, int log_fd)
{
	for (uint32_t i = 0; i < ps->naio; i++) {
		int r = ring_restore(ps->aio[i].start, ps->aio[i].len);
		char buf[160];
		struct text t = TEXT(buf);

		if (r == 0)
			continue;
		text_put(&t, "ckpt_restart: cannot make aio context %lx again: %s%s\n",
			 (unsigned long)ps->aio[i].start, errno_name(r),
			 r == -EAGAIN ? " (fs.aio-max-nr?)" : "");
		if (log_fd >= 0)
			io_write(log_fd, buf, t.len);
		restart_fail();
	}
}
