/*
 * EINTR must not leak. A signal handler makes the kernel fail some blocking calls with EINTR though
 * SA_RESTART is set (signal(7)). Where a thread was frozen behind such a call, it is sent back to the
 * syscall instruction with the number in rax: arguments are still in their registers.
 *
 * Absolute timeouts need nothing. For relative ones the wrappers (wrappers/timeouts.c) record a deadline, and the rest
 * is computed here. A call that came by no wrapper goes on with the rest that the kernel has left in memory (nanosleep
 * with rem, select, ppoll), or with the whole.
 *
 * But a signal of the program's own is to interrupt the call. When it comes before the thread has made the call
 * again, its handler would return to a call that then waits for ever. So after a freeze handlers return by way of
 * signal_return_plain or _restarting (arch/x86_64.S), and if what was interrupted is a thread on its way back to its call, the call ends
 * there as the kernel would have ended it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <time.h>
#include "preload.h"
#include "request.h"
#include "frozen.h"

__thread struct wait_record wait_record;
__thread uint32_t thread_freezes, thread_handlers;

/*
 * Calls that the thread was sent back to, and may not have made yet; rip 0: none. There are several when freezes
 * find it in the handler that came before a call. One that is out of date does no harm: the kernel itself leaves no
 * thread there that a handler is to interrupt.
 */
static __thread struct sent_back {
	uint64_t rip, rsp;
	bool always; /* even a handler with SA_RESTART interrupts it */
} sent_back[4] __attribute__((tls_model("initial-exec")));
static __thread uint32_t sent_back_next __attribute__((tls_model("initial-exec")));

extern const char syscall_returned[] HIDDEN; /* in our syscall(2) wrapper, arch/x86_64.S */
extern const char signal_return_plain[] HIDDEN, signal_return_restarting[] HIDDEN;
void signal_return_check(ucontext_t *uc, bool restarts) HIDDEN;

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

/* Where a call has its relative timeout: a struct timespec or milliseconds. */
static const struct timeout {
	uint16_t nr;
	uint8_t reg;
	bool is_ms;
} timeouts[] = {
	{__NR_poll, REG_RDX, true},
	{__NR_epoll_wait, REG_R10, true},
	{__NR_epoll_pwait, REG_R10, true},
	{__NR_epoll_pwait2, REG_R10, false},
	{__NR_ppoll, REG_RDX, false},
	{__NR_pselect6, REG_R8, false},
	{__NR_clock_nanosleep, REG_RDX, false},
	{__NR_rt_sigtimedwait, REG_RDX, false},
	{__NR_semtimedop, REG_R10, false},
	{__NR_io_getevents, REG_R8, false},
};

/* The wrapper sees to it that the memory is not the program's. */
static void wait_shorten(greg_t *reg, int nr)
{
	const struct timeout *t = timeouts;
	uint64_t left = wait_left_ns();
	struct timespec rest = {left / 1000000000, left % 1000000000};

	while (t->nr != nr)
		t++;
	if (t->is_ms)
		reg[t->reg] = (left + 999999) / 1000000;
	else
		*(struct timespec *)reg[t->reg] = rest;
	/* the program sees this one when a signal of its own comes next */
	if (nr == __NR_clock_nanosleep && reg[REG_R10])
		*(struct timespec *)reg[REG_R10] = rest;
}

/* ---- signals that interrupt ---- */

enum { FUTEX_WAITV = 449 }; /* Linux 5.16 */

/* Calls that wait, and are made again behind a handler with SA_RESTART. */
static bool is_restartable(long nr)
{
	static const uint16_t calls[] = {
		__NR_read,	   __NR_write,	   __NR_readv,	   __NR_writev,	      __NR_recvfrom,
		__NR_sendto,	   __NR_recvmsg,   __NR_sendmsg,   __NR_recvmmsg,     __NR_sendmmsg,
		__NR_accept,	   __NR_accept4,   __NR_connect,   __NR_wait4,	      __NR_waitid,
		__NR_futex,	   __NR_flock,	   __NR_fcntl,	   __NR_ioctl,	      __NR_mq_timedsend,
		__NR_open,	   __NR_openat,	   __NR_splice,	   __NR_tee,	      __NR_mq_timedreceive,
		__NR_vmsplice,	   __NR_sendfile,  __NR_getrandom, FUTEX_WAITV,
	};

	for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
		if (calls[i] == nr)
			return true;
	return false;
}

/* The kernel has sent it back by itself, because our own handler has SA_RESTART. */
static bool is_at_call(const greg_t *reg)
{
	const uint8_t *rip = (const uint8_t *)reg[REG_RIP];

	return is_restartable(reg[REG_RAX]) && rip[0] == 0x0f && rip[1] == 0x05;
}

static struct sent_back *sent_back_find(const greg_t *reg)
{
	for (size_t i = 0; i < ARRAY_SIZE(sent_back); i++)
		if (sent_back[i].rip == (uint64_t)reg[REG_RIP] && sent_back[i].rsp == (uint64_t)reg[REG_RSP])
			return &sent_back[i];
	return NULL;
}

static bool is_behind_call(const greg_t *reg)
{
	const uint8_t *rip = (const uint8_t *)reg[REG_RIP];

	return (uint64_t)rip % CKPT_PAGE >= 2 && rip[-2] == 0x0f && rip[-1] == 0x05;
}

/*
 * A thread that comes back from a handler to the end of the call that this has interrupted: when it is frozen right
 * there, it looks like one that the freeze has interrupted. No program reads rcx there, the instruction overwrites it.
 */
#define FROM_HANDLER ((greg_t)signal_return_plain)

static void sent_back_note(const greg_t *reg, bool always)
{
	struct sent_back *s = sent_back_find(reg);

	if (!s)
		s = &sent_back[sent_back_next++ % ARRAY_SIZE(sent_back)];
	*s = (struct sent_back){reg[REG_RIP], reg[REG_RSP], always};
}

/* The kernel's sigaction: handler, flags, restorer, mask. */
enum { ACTION_HANDLER, ACTION_FLAGS, ACTION_RESTORER, ACTION_WORDS = 4 };
#define ACTION_HAS_RESTORER 0x04000000ull

/* A handler has returned, with SA_RESTART or without; uc is what it goes on with. Runs on the program's stack. */
void signal_return_check(ucontext_t *uc, bool restarts)
{
	greg_t *reg = uc->uc_mcontext.gregs;

	struct sent_back *s = sent_back_find(reg);

	thread_handlers++;
	if (s && (!restarts || s->always)) {
		s->rip = 0;
		reg[REG_RAX] = -EINTR;
		reg[REG_RIP] += 2;
	}
	if (is_behind_call(reg))
		reg[REG_RCX] = FROM_HANDLER;
}

bool eintr_watch_handler(int sig)
{
	uint64_t action[ACTION_WORDS] = {0}, to;

	if (preload.owned >> (sig - 1) & 1 || sys_call4(__NR_rt_sigaction, sig, NULL, action, 8) < 0)
		return false;
	to = (uint64_t)(action[ACTION_FLAGS] & SA_RESTART ? signal_return_restarting : signal_return_plain);
	if (action[ACTION_HANDLER] <= 1 || !(action[ACTION_FLAGS] & ACTION_HAS_RESTORER) ||
	    action[ACTION_RESTORER] == to)
		return false;
	action[ACTION_RESTORER] = to;
	sys_call4(__NR_rt_sigaction, sig, action, NULL, 8);
	return true;
}

bool eintr_watch_handlers(void)
{
	bool any = false;

	for (int sig = 1; sig <= 64; sig++)
		any |= eintr_watch_handler(sig);
	return any;
}

/*
 * A signal that is sent to the process wakes the thread that is to take it; when another, just then on its way out of
 * the kernel, takes it first, the call of the one that was woken has ended for nothing. The kernel makes most calls
 * again by itself, but not all.
 */
bool eintr_is_stray(uint32_t handlers)
{
	return preload.active && request_is_any() && handlers == thread_handlers && !eintr_watch_handlers();
}

/* ---- the whole ---- */

void eintr_restart(ucontext_t *uc, const struct blocked_call *blocked)
{
	greg_t *reg = uc->uc_mcontext.gregs;
	const uint8_t *rip = (const uint8_t *)reg[REG_RIP];
	int nr;

	thread_freezes++;
	if (reg[REG_RCX] == FROM_HANDLER && is_behind_call(reg))
		return;
	if (rest_continue(uc) || rest_is_run(reg)) {
		sent_back_note(reg, true);
		return;
	}
	if (is_at_call(reg)) {
		sent_back_note(reg, false);
		return;
	}
	if (reg[REG_RAX] != -EINTR || rip[-2] != 0x0f || rip[-1] != 0x05)
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
	sent_back_note(reg, true);
}

void eintr_restart_alone(ucontext_t *uc)
{
	eintr_watch_handlers();
	eintr_restart(uc, NULL);
}
