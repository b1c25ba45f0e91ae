/* Blocking calls with a relative timeout: when they are due is noted for eintr.c. See timeouts.c. */
#ifndef CKPT_WAITING_H
#define CKPT_WAITING_H

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

#endif
