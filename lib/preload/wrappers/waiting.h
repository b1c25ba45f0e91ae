/* Blocking calls with a relative timeout: when they are due is noted for eintr.c. See timeouts.c. */
#ifndef CKPT_WAITING_H
#define CKPT_WAITING_H

#include <errno.h>
#include <sys/time.h>
#include <time.h>
#include "preload.h"

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline uint64_t timespec_ns(const struct timespec *t)
{
	uint64_t sec = t->tv_sec < 0 ? 0 : t->tv_sec > 4000000000 ? 4000000000u : (uint64_t)t->tv_sec;

	return sec * 1000000000ull + (uint64_t)t->tv_nsec;
}

static inline uint64_t timeval_ns(const struct timeval *t)
{
	struct timespec ts = {t->tv_sec, t->tv_usec * 1000};

	return timespec_ns(&ts);
}

/*
 * Record a wait of ns nanoseconds in system call nr_ while the call is evaluated. After a freeze the rest is written
 * where the kernel read the timeout: that has to be memory of ours or of libc's, for the program's may be constant. A
 * signal handler that waits in turn puts the outer record back when it returns.
 */
#define WAITING(nr_, ns, call)                                                                     \
	({                                                                                         \
		struct wait_record outer_ = wait_record;                                           \
		wait_record = (struct wait_record){(uint64_t)__builtin_frame_address(0),           \
						   now_ns() + (ns), (nr_)};                        \
		__typeof__(call) ret_ = (call);                                                    \
		wait_record = outer_;                                                              \
		ret_;                                                                              \
	})

/* What is left of the wait that is recorded. */
static inline struct timespec wait_rest(void)
{
	uint64_t now = now_ns(), ns = wait_record.deadline_ns > now ? wait_record.deadline_ns - now : 0;

	return (struct timespec){ns / 1000000000, ns % 1000000000};
}

static inline int wait_rest_ms(void)
{
	struct timespec t = wait_rest();

	return t.tv_sec * 1000 + (t.tv_nsec + 999999) / 1000000;
}

/*
 * Evaluate a call that fails with EINTR whatever woke it (signal(7): those that are never restarted), again when it
 * was a signal of ours; before that `rest`, in which a timeout is set anew.
 */
#define UNDISTURBED(call, rest)                                                                    \
	({                                                                                         \
		uint32_t handlers_ = thread_handlers;                                              \
		__typeof__(call) got_;                                                             \
		while ((got_ = (call)) == -1 && errno == EINTR && eintr_is_stray(handlers_)) {     \
			rest;                                                                      \
		}                                                                                  \
		got_;                                                                              \
	})

#endif
