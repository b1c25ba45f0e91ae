#define _GNU_SOURCE
#include <asm/sigcontext.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include "die.h"
#include "registers.h"

/* Of <ucontext.h>, whose struct sigcontext is not that of <asm/sigcontext.h>. */
enum {
	SW_OFFSET = 464,     /* struct _fpx_sw_bytes; in a register set there are the features instead */
	SW_END = 512,
	XSTATE_MAX = 1 << 16,
	XSTATE_AVX = 0x7, /* x87, SSE and AVX */
	XSTATE_AVX_END = 832,
	XSTATE_AVX512_END = 2688,
	XSTATE_PKRU = 0x200,
	XSTATE_PKRU_END = 2696,
};

static void general_take(const greg_t *g, struct user_regs_struct *r)
{
	*r = (struct user_regs_struct){
		.r8 = g[REG_R8],
		.r9 = g[REG_R9],
		.r10 = g[REG_R10],
		.r11 = g[REG_R11],
		.r12 = g[REG_R12],
		.r13 = g[REG_R13],
		.r14 = g[REG_R14],
		.r15 = g[REG_R15],
		.rdi = g[REG_RDI],
		.rsi = g[REG_RSI],
		.rbp = g[REG_RBP],
		.rbx = g[REG_RBX],
		.rdx = g[REG_RDX],
		.rax = g[REG_RAX],
		.rcx = g[REG_RCX],
		.rsp = g[REG_RSP],
		.rip = g[REG_RIP],
		.eflags = g[REG_EFL],
		.cs = g[REG_CSGSFS] & 0xffff,
		.gs = g[REG_CSGSFS] >> 16 & 0xffff,
		.fs = g[REG_CSGSFS] >> 32 & 0xffff,
		.ss = g[REG_CSGSFS] >> 48 & 0xffff,
		.orig_rax = ~0ull,
	};
}

/*
 * Debuggers know one layout of the state behind AVX, that of Intel's processors; others have it elsewhere. There
 * the state ends with AVX.
 */
static size_t xstate_cut(uint64_t *features, size_t n)
{
	size_t want = *features & XSTATE_PKRU	       ? XSTATE_PKRU_END
		      : *features & ~(uint64_t)XSTATE_AVX ? XSTATE_AVX512_END
							  : XSTATE_AVX_END;

	if (n >= want || n < XSTATE_AVX_END)
		return n;
	*features &= XSTATE_AVX;
	return XSTATE_AVX_END;
}

static void xstate_take(struct memory *m, uint64_t at, struct registers *to)
{
	struct _fpx_sw_bytes sw;
	size_t n = SW_END;

	if (memory_read(m, at + SW_OFFSET, &sw, sizeof(sw)) != sizeof(sw))
		return;
	if (sw.magic1 == FP_XSTATE_MAGIC1 && sw.xstate_size >= SW_END && sw.xstate_size <= XSTATE_MAX)
		n = xstate_cut((uint64_t *)&sw.xfeatures, sw.xstate_size);
	to->xstate = malloc(n);
	if (!to->xstate)
		die("out of memory");
	if (memory_read(m, at, to->xstate, n) != n) {
		free(to->xstate);
		to->xstate = NULL;
		return;
	}
	to->xstate_len = n;
	memset(to->xstate + SW_OFFSET, 0, SW_END - SW_OFFSET);
	if (n > SW_END)
		memcpy(to->xstate + SW_OFFSET, &sw.xfeatures, sizeof(sw.xfeatures));
}

void registers_read(struct memory *m, const struct rec_thread *t, struct registers *to)
{
	ucontext_t uc;

	*to = (struct registers){0};
	if (t->frame && memory_read(m, t->frame, &uc, offsetof(ucontext_t, uc_sigmask)) ==
				offsetof(ucontext_t, uc_sigmask)) {
		general_take(uc.uc_mcontext.gregs, &to->general);
		if (uc.uc_mcontext.fpregs)
			xstate_take(m, (uint64_t)uc.uc_mcontext.fpregs, to);
	} else {
		to->general.rip = t->app_rip;
		to->general.rsp = t->app_rsp;
	}
	to->general.fs_base = t->fs_base;
	to->general.gs_base = t->gs_base;
}
