/*
 * How many requests of a linux-aio context are in flight can't be asked of the kernel, so those that
 * it takes are counted: beforehand, so that a freeze in between sees too many rather than too few.
 * Both libaio's functions and libc's syscall(2) come here. io_getevents(2) has a relative timeout and
 * fails with EINTR: see timeouts.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/aio_abi.h>
#include "wrap.h"
#include "waiting.h"

long syscall_plain(long nr, ...) HIDDEN; /* arch/x86_64.S: libc's syscall(2) */
long aio_syscall(long nr, long a, long b, long c, long d, long e) HIDDEN;

static long setup(long n, aio_context_t *context)
{
	long r = syscall_plain(__NR_io_setup, n, context);
	struct aio_count *c = r == 0 ? aio_count(*context, true) : NULL;

	if (c)
		__atomic_store_n(&c->submitted, 0, __ATOMIC_RELAXED);
	return r;
}

static long submit(aio_context_t context, long n, void *list)
{
	struct aio_count *c = n > 0 ? aio_count(context, false) : NULL;
	long r;

	if (!c)
		return syscall_plain(__NR_io_submit, context, n, list);
	__atomic_fetch_add(&c->submitted, n, __ATOMIC_RELAXED);
	r = syscall_plain(__NR_io_submit, context, n, list);
	__atomic_fetch_add(&c->submitted, (r > 0 ? r : 0) - n, __ATOMIC_RELAXED);
	return r;
}

static long getevents_once(aio_context_t context, long min, long max, struct io_event *events,
			   struct timespec *left)
{
	if (!left)
		return syscall_plain(__NR_io_getevents, context, min, max, events, NULL);
	return WAITING(__NR_io_getevents, timespec_ns(left),
		       syscall_plain(__NR_io_getevents, context, min, max, events, left));
}

/* A freeze may end the call with fewer events than wanted: the others are waited for as before. */
static long getevents(aio_context_t context, long min, long max, struct io_event *events,
		      const struct timespec *t)
{
	uint64_t deadline = t ? now_ns() + timespec_ns(t) : 0, now;
	struct timespec left = t ? *t : (struct timespec){0, 0};
	long n = 0, r;
	uint32_t before, handlers = thread_handlers;
	bool again;

	do {
		before = thread_freezes;
		r = getevents_once(context, min - n, max - n, events + n, t ? &left : NULL);
		again = r < 0 && errno == EINTR && eintr_is_stray(handlers);
		if (r < 0 && !again)
			return n ? n : r;
		n += again ? 0 : r;
		now = t ? now_ns() : 0;
		now = now < deadline ? deadline - now : 0;
		left = (struct timespec){now / 1000000000, now % 1000000000};
	} while (n < min && (again || before != thread_freezes));
	return n;
}

/* syscall(2) comes here for the calls between io_setup and io_submit. */
long aio_syscall(long nr, long a, long b, long c, long d, long e)
{
	if (nr == __NR_io_setup)
		return setup(a, (aio_context_t *)b);
	if (nr == __NR_io_submit)
		return submit(a, b, (void *)c);
	if (nr == __NR_io_getevents)
		return getevents(a, b, c, (struct io_event *)d, (const struct timespec *)e);
	return syscall_plain(nr, a, b, c, d, e);
}

/* libaio's functions return -errno, and leave errno alone. */
#define LIBAIO(call)                                                                               \
	({                                                                                         \
		int errno_ = errno;                                                                \
		long ret_ = (call);                                                                \
		ret_ = ret_ < 0 ? -errno : ret_;                                                   \
		errno = errno_;                                                                    \
		(int)ret_;                                                                         \
	})

#define EXPORT __attribute__((visibility("default")))

EXPORT int io_setup(int n, aio_context_t *context);
EXPORT int io_submit(aio_context_t context, long n, struct iocb **list);
EXPORT int io_getevents(aio_context_t context, long min, long max, struct io_event *events,
			struct timespec *t);

int io_setup(int n, aio_context_t *context)
{
	return LIBAIO(setup(n, context));
}

int io_submit(aio_context_t context, long n, struct iocb **list)
{
	return LIBAIO(submit(context, n, list));
}

int io_getevents(aio_context_t context, long min, long max, struct io_event *events,
		 struct timespec *t)
{
	return LIBAIO(getevents(context, min, max, events, t));
}
