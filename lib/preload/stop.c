/*
 * A process that was stopped by a signal stops again when it has been restarted, before any of its threads
 * runs the program. Not in the handler, where it could not take the signal of a checkpoint: each thread goes
 * on in stop_run (arch/x86_64.S), outside of it. There the leader sends itself SIGSTOP, and the others wait
 * until the process has been continued; then they all return to where the program was.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/uio.h>
#include "preload.h"
#include "frozen.h"

enum { STOP_SPACE = 200 }; /* of the stack that stop_run takes, with the red zone */

extern const char stop_run[] HIDDEN, stop_again[] HIDDEN, stop_over[] HIDDEN;

/* For stop_run: who stops the process, and 1 until it has been continued, a futex. */
uint32_t stop_tid HIDDEN, stop_word HIDDEN;
/* Where the thread goes on behind it. */
__thread uint64_t stop_rip HIDDEN __attribute__((tls_model("initial-exec")));

void stop_prepare(void)
{
	stop_tid = sys_gettid();
	__atomic_store_n(&stop_word, 1, __ATOMIC_RELEASE);
}

/* The thread was in stop_run before: its registers are saved already, and it begins again. */
static bool stops_already(greg_t *reg)
{
	if (reg[REG_RIP] < (greg_t)stop_run || reg[REG_RIP] >= (greg_t)stop_over)
		return false;
	if (reg[REG_RIP] > (greg_t)stop_again)
		reg[REG_RIP] = (greg_t)stop_again;
	return true;
}

/* Can the thread's stack be written below rsp? Nothing is changed there: it may be the frame that it returns by. */
static bool has_room(uint64_t rsp)
{
	uint64_t word;
	struct iovec local = {&word, sizeof(word)}, remote = {(void *)(rsp - STOP_SPACE), sizeof(word)};

	return sys_call6(__NR_process_vm_readv, sys_getpid(), (long)&local, 1, (long)&remote, 1, 0) == sizeof(word) &&
	       sys_call6(__NR_process_vm_writev, sys_getpid(), (long)&local, 1, (long)&remote, 1, 0) == sizeof(word);
}

void stop_thread(ucontext_t *uc)
{
	greg_t *reg = uc->uc_mcontext.gregs;

	if (!__atomic_load_n(&stop_word, __ATOMIC_ACQUIRE) || stops_already(reg))
		return;
	if (has_room(reg[REG_RSP])) {
		stop_rip = reg[REG_RIP];
		reg[REG_RIP] = (greg_t)stop_run;
	} else if (stop_tid == (uint32_t)sys_gettid()) { /* no room on its stack */
		stop_word = 0;
		sys_tgkill(sys_getpid(), stop_tid, SIGSTOP);
	}
}
