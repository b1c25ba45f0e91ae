/*
 * Programs that want to be told before a checkpoint that somebody else has asked for (ckpt_announce()).
 *
 * The handler sends the main thread the signal that the program has chosen, and returns; the program comes by
 * itself when it is ready: ckpt_announced(), then ckpt_proceed(). No timer runs meanwhile. The coordinator sends
 * its request again and again, and one that comes when half of the time limit has passed is served without the
 * program, unless that has said that it is coming.
 *
 * So one of two takes each request, by compare and swap: the program or the handler.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <time.h>
#include "preload.h"
#include "handler.h"
#include "frozen.h"

enum owner { OWNER_NOBODY, OWNER_PROGRAM, OWNER_HANDLER };

static int32_t signo;	  /* to tell it with; 0: it does not want to be told */
static uint64_t told;	  /* what it was told of last (told_of()); relaxed like all here: a signal orders them */
static uint32_t owner;	  /* of that one: enum owner */
static uint64_t since_ns; /* when it was told, CLOCK_MONOTONIC */

static bool own(enum owner who)
{
	uint32_t nobody = OWNER_NOBODY;

	return __atomic_compare_exchange_n(&owner, &nobody, who, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* A child that is forked meanwhile has not been told. */
static uint64_t told_of(int32_t request)
{
	return (uint64_t)sys_getpid() << 32 | (uint32_t)request;
}

static void tell(int32_t request, int sig)
{
	__atomic_store_n(&since_ns, sys_clock_ns(CLOCK_MONOTONIC), __ATOMIC_RELAXED);
	__atomic_store_n(&owner, OWNER_NOBODY, __ATOMIC_RELAXED);
	if (__atomic_exchange_n(&told, told_of(request), __ATOMIC_SEQ_CST) != told_of(request))
		sys_tgkill(sys_getpid(), sys_getpid(), sig);
}

uint32_t announce_limit_ms(void)
{
	return preload.config.timeout_ms / 2;
}

static bool is_late(void)
{
	uint64_t waited = sys_clock_ns(CLOCK_MONOTONIC) - __atomic_load_n(&since_ns, __ATOMIC_RELAXED);

	return waited > announce_limit_ms() * 1000000ull;
}

bool announce_hold(int32_t request)
{
	int sig = __atomic_load_n(&signo, __ATOMIC_RELAXED);

	if (!sig)
		return false;
	if (__atomic_load_n(&told, __ATOMIC_RELAXED) != told_of(request)) {
		tell(request, sig);
		return true;
	}
	if (is_late())
		own(OWNER_HANDLER);
	return __atomic_load_n(&owner, __ATOMIC_SEQ_CST) != OWNER_HANDLER;
}

void announce_set(int sig)
{
	__atomic_store_n(&signo, sig, __ATOMIC_RELAXED);
	__atomic_store_n(&told, 0, __ATOMIC_SEQ_CST);
}

int announce_take(void)
{
	if (announce_request() == 0)
		return 0;
	if (own(OWNER_PROGRAM))
		return 1;
	return __atomic_load_n(&owner, __ATOMIC_RELAXED) == OWNER_PROGRAM ? 1 : -1;
}

int32_t announce_request(void)
{
	uint64_t of = __atomic_load_n(&told, __ATOMIC_SEQ_CST);

	return of == told_of((int32_t)of) ? (int32_t)of : 0;
}
