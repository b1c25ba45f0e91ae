/*
 * EINTR must not leak. A signal handler makes the kernel fail some blocking calls with EINTR though
 * SA_RESTART is set (signal(7)). Where a thread was frozen behind such a call, it is sent back to the
 * syscall instruction with the number in rax: arguments are still in their registers.
 *
 * Absolute timeouts need nothing. Where the kernel leaves the rest of a relative one in memory
 * (nanosleep with rem, select, ppoll), that is what is waited for next. For the others the wrappers
 * (wrappers/timeouts.c) record a deadline, and the rest is computed here.
 */
#define _GNU_SOURCE
#include <time.h>
#include "preload.h"
#include "frozen.h"

__thread struct wait_record wait_record;
__thread uint32_t thread_freezes;

extern const char syscall_returned[] HIDDEN; /* in our syscall(2) wrapper, arch/x86_64.S */

/*
 * The number that the code before the syscall instruction loads: "mov $n,%eax" with at most 15 bytes
 * between, "xor %eax,%eax" for read. -1: not found.
 */
static int decode_nr(const uint8_t *insn)
{
	for (int back = 5; back <= 20; back++) {
		const uint8_t *p = insn - back;

		if (p[0] == 0xb8 && p[3] == 0 && p[4] == 0)
			return p[1] | p[2] << 8;
	}
	for (int back = 2; back <= 8; back++)
		if (insn[-back] == 0x31 && insn[-back + 1] == 0xc0)
			return __NR_read;
	return -1;
}

static int interrupted_nr(const greg_t *reg, const struct blocked_call *blocked)
{
	const uint8_t *rip = (const uint8_t *)reg[REG_RIP];

	if (rip == (const uint8_t *)syscall_returned)
		return *(const int64_t *)(reg[REG_RSP] - 8);
	if (blocked && blocked->sp && blocked->pc == (uint64_t)rip &&
	    blocked->sp == (uint64_t)reg[REG_RSP] && blocked->nr != __NR_restart_syscall)
		return blocked->nr;
	return decode_nr(rip - 2);
}

/* Time left of the recorded wait, at least 0. */
static uint64_t wait_left_ns(void)
{
	uint64_t now = sys_clock_ns(CLOCK_MONOTONIC);

	return wait_record.deadline_ns > now ? wait_record.deadline_ns - now : 0;
}

/* True when the record is of this very call: a handler may have left the wrapper by longjmp. */
static bool wait_is_recorded(const greg_t *reg, int nr)
{
	uint64_t sp = reg[REG_RSP];

	return wait_record.nr == nr && wait_record.sp >= sp && wait_record.sp - sp < 1024;
}

static void wait_shorten(greg_t *reg, int nr)
{
	uint64_t left = wait_left_ns();

	if (wait_record.ts) {
		wait_record.ts->tv_sec = left / 1000000000;
		wait_record.ts->tv_nsec = left % 1000000000;
		return;
	}
	left = (left + 999999) / 1000000;
	if (nr == __NR_poll)
		reg[REG_RDX] = left;
	else
		reg[REG_R10] = left; /* epoll_wait, epoll_pwait */
}

void eintr_restart(ucontext_t *uc, const struct blocked_call *blocked)
{
	greg_t *reg = uc->uc_mcontext.gregs;
	const uint8_t *rip = (const uint8_t *)reg[REG_RIP];
	int nr;

	thread_freezes++;
	if (rest_continue(uc))
		return;
	if (reg[REG_RAX] != -4 /* EINTR */ || rip[-2] != 0x0f || rip[-1] != 0x05)
		return;
	nr = interrupted_nr(reg, blocked);
	if (nr < 0)
		return;
	if (wait_is_recorded(reg, nr))
		wait_shorten(reg, nr);
	else if (nr == __NR_nanosleep && reg[REG_RSI])
		reg[REG_RDI] = reg[REG_RSI];
	else if (nr == __NR_clock_nanosleep && reg[REG_R10] && !(reg[REG_RSI] & TIMER_ABSTIME))
		reg[REG_RDX] = reg[REG_R10];
	reg[REG_RIP] -= 2;
	reg[REG_RAX] = nr;
}
