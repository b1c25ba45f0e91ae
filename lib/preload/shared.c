/*
 * The memory that the processes of a job share during a checkpoint (shared.h): mapped when all stand
 * still, and never part of the image. Here is how they meet and wait in it; what they tell each other is
 * same.c's and objects.c's.
 *
 * Every wait ends when the checkpoint is called off (shared_call_off()), when the coordinator has gone or when
 * the time is over. A process that is killed while others wait for it is seen by the coordinator.
 *
 * Behind what the coordinator lays out, tables lie at fixed offsets, far apart in the sparse file:
 *
 *	SHARED_TABLE		heads and locks
 *	+ n * SHARED_ARRAY	arrays that grow: open files, objects, ranges, pages taken
 *	SHARED_TEXT		long texts of links (same.c)
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>
#include <time.h>
#include "preload.h"
#include "frozen.h"

#define SHARED_ARRAY (1ull << 30)

enum { PART_BYTES = 1 << 20, LOOK_NS = 100000000 };

static void *map_at(int fd, uint64_t offset, uint64_t len, int flags)
{
	void *p = sys_mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, offset);

	return sys_is_err(p) ? NULL : p;
}

static int head_map(struct shared *sh)
{
	struct shared_head first;
	int r = io_pread(sh->fd, &first, sizeof(first), 0);

	if (r < 0)
		return r;
	if (first.magic != SHARED_MAGIC || sh->index >= first.nprocesses)
		return -EPROTO;
	sh->head = map_at(sh->fd, 0, first.head_len, 0);
	sh->table = map_at(sh->fd, SHARED_TABLE, ALIGN_UP(sizeof(*sh->table), CKPT_PAGE), MAP_POPULATE);
	return sh->head && sh->table ? 0 : -ENOMEM;
}

int shared_open(struct shared *sh, int fd, uint32_t index, int conn, uint32_t timeout_ms)
{
	int32_t r;

	*sh = (struct shared){
		.fd = fd,
		.index = index,
		.conn = conn,
		.timeout_ms = timeout_ms,
		.deadline_ns = sys_clock_ns(CLOCK_MONOTONIC) + timeout_ms * 1000000ull,
		.same = {SHARED_TABLE + 1 * SHARED_ARRAY, sizeof(struct shared_file)},
		.objects = {SHARED_TABLE + 2 * SHARED_ARRAY, sizeof(struct shared_object)},
		.ranges = {SHARED_TABLE + 3 * SHARED_ARRAY, sizeof(struct shared_range)},
		.blocks = {SHARED_TABLE + 4 * SHARED_ARRAY, 16},
	};
	r = head_map(sh);
	if (r < 0)
		sys_pwrite(fd, &r, sizeof(r), SHARED_ABORT_OFFSET);
	else
		sh->own = &sh->head->process[index];
	return r;
}

static void array_close(struct shared_array *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(a->part); i++)
		if (a->part[i])
			sys_munmap(a->part[i], PART_BYTES);
}

void shared_close(struct shared *sh)
{
	for (const struct shared_stretch *s = sh->given; s; s = s->next)
		sys_munmap(s->at, s->len);
	array_close(&sh->same);
	array_close(&sh->objects);
	array_close(&sh->ranges);
	array_close(&sh->blocks);
	if (sh->table)
		sys_munmap(sh->table, ALIGN_UP(sizeof(*sh->table), CKPT_PAGE));
	if (sh->head)
		sys_munmap(sh->head, sh->head->head_len);
	sys_close(sh->fd);
	*sh = (struct shared){.fd = -1};
}

void *shared_map(struct shared *sh, uint64_t offset, uint64_t len)
{
	return map_at(sh->fd, offset, ALIGN_UP(len, CKPT_PAGE), 0);
}

void *shared_alloc(struct shared *sh, uint64_t len, uint64_t *offset)
{
	len = ALIGN_UP(len, CKPT_PAGE);
	*offset = __atomic_fetch_add(&sh->head->top, len, __ATOMIC_RELAXED);
	return shared_map(sh, *offset, len);
}

void *shared_item(struct shared *sh, struct shared_array *a, uint32_t n)
{
	uint32_t per_part = PART_BYTES / a->item, part = n / per_part;

	if (part >= ARRAY_SIZE(a->part))
		return NULL;
	if (!a->part[part])
		a->part[part] = map_at(sh->fd, a->offset + (uint64_t)part * PART_BYTES, PART_BYTES, 0);
	return a->part[part] ? a->part[part] + n % per_part * a->item : NULL;
}

/* ---- waiting ---- */

static bool coordinator_left(const struct shared *sh)
{
	struct pollfd p = {.fd = sh->conn, .events = POLLRDHUP};

	return sys_call3(__NR_poll, &p, 1, 0) > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

uint64_t shared_contents_done(const struct shared *sh)
{
	return __atomic_load_n(&sh->head->contents_done, __ATOMIC_RELAXED);
}

/* Content of files takes as long as it takes, while somebody gets on with it. */
static bool time_is_over(struct shared *sh)
{
	uint64_t now = sys_clock_ns(CLOCK_MONOTONIC), done = shared_contents_done(sh);

	if (done != sh->seen)
		sh->deadline_ns = now + sh->timeout_ms * 1000000ull;
	sh->seen = done;
	return now > sh->deadline_ns;
}

/* Why nobody need wait any longer, -errno; 0: go on. looked: time has passed, so look further. */
static int called_off(struct shared *sh, bool looked)
{
	int err = shared_is_off(sh->head);

	if (err)
		return err < 0 ? err : -ECANCELED;
	if (!looked)
		return 0;
	if (coordinator_left(sh))
		return -EPIPE;
	return time_is_over(sh) ? -ETIMEDOUT : 0;
}

/* Sleep while *word is value, but not for long. */
static int futex_wait(struct shared *sh, uint32_t *word, uint32_t value)
{
	const struct timespec limit = {.tv_nsec = LOOK_NS};

	return called_off(sh, sys_futex(word, FUTEX_WAIT, value, &limit) == -ETIMEDOUT);
}

int shared_barrier(struct shared *sh, enum shared_point point)
{
	uint32_t *come = &sh->head->barrier[point];
	uint32_t n = __atomic_add_fetch(come, 1, __ATOMIC_ACQ_REL); /* pairs with the load below */
	int r = 0;

	if (n == sh->head->nprocesses)
		shared_wake(come);
	while (r == 0 && (n = __atomic_load_n(come, __ATOMIC_ACQUIRE)) < sh->head->nprocesses)
		r = futex_wait(sh, come, n);
	return r ? r : called_off(sh, false);
}

/* 0: free, 1: taken, 2: taken, and somebody sleeps. */
int shared_lock(struct shared *sh, uint32_t *lock)
{
	uint32_t was = 0;
	int r = 0;

	if (__atomic_compare_exchange_n(lock, &was, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return 0;
	while (r == 0 && __atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE) != 0)
		r = futex_wait(sh, lock, 2);
	return r;
}

void shared_unlock(uint32_t *lock)
{
	if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) == 2)
		sys_futex(lock, FUTEX_WAKE, 1, NULL);
}
