/*
 * A thread is not frozen inside of the vdso: under another kernel that code could not go on, for the
 * data beside it is gone (src/restart/vdso.c). It is let out first: the handler returns, and a timer
 * brings the signal again some microseconds later. No function of the vdso takes longer. A thread that
 * does nothing but call them is met inside again, 96 times of 100; after the last try it is frozen where
 * it is: the same kernel can restart that, and ckpt_restart says so under another one. The leader to be
 * may try for longer: nobody waits for it.
 *
 * What the signal was for travels in the timer's value, and the timer ends with its only signal. Until
 * then it shows in /proc/self/timers, of a program that runs.
 */
#define _GNU_SOURCE
#include <time.h>
#include "preload.h"
#include "frozen.h"

enum { TRIES_TO_PARK = 64, TRIES_TO_LEAD = 255, DELAY_NS = 10000, TOKEN = 0x7d50 };

/* Bits of the timer's value: TOKEN 48-63, tries 40-47, SI_TKILL 32, the request 0-31. */
static uint64_t value_pack(const siginfo_t *info, uint64_t tries)
{
	uint64_t value = (uint64_t)TOKEN << 48 | tries << 40;

	if (info->si_code == SI_TKILL)
		return value | 1ull << 32;
	return value | (uint32_t)info->si_value.sival_int;
}

/* Make of our timer's signal what it was put off from; how many times it was, 0: another signal. */
static uint32_t signal_unpack(siginfo_t *info)
{
	uint64_t value = (uint64_t)info->si_value.sival_ptr;

	if (info->si_code != SI_TIMER || value >> 48 != TOKEN)
		return 0;
	sys_call1(__NR_timer_delete, info->si_timerid);
	info->si_code = value >> 32 & 1 ? SI_TKILL : SI_QUEUE;
	info->si_value.sival_int = (int)value;
	return value >> 40 & 0xff;
}

static bool timer_start(uint64_t value)
{
	const struct itimerspec once = {.it_value = {.tv_nsec = DELAY_NS}};
	struct sigevent sev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = preload.config.signo};
	int id;

	sev.sigev_value.sival_ptr = (void *)value;
	sev._sigev_un._tid = sys_gettid();
	if (sys_call3(__NR_timer_create, CLOCK_MONOTONIC, &sev, &id) < 0)
		return false;
	if (sys_call4(__NR_timer_settime, id, 0, &once, NULL) == 0)
		return true;
	sys_call1(__NR_timer_delete, id);
	return false;
}

bool vdso_let_out(siginfo_t *info, const ucontext_t *uc)
{
	uint32_t tries = signal_unpack(info);
	uint32_t most = info->si_code == SI_TKILL ? TRIES_TO_PARK : TRIES_TO_LEAD;

	if ((uint64_t)uc->uc_mcontext.gregs[REG_RIP] - preload.vdso_start >= preload.vdso_len)
		return false;
	return tries < most && timer_start(value_pack(info, tries + 1));
}
