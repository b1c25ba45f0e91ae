/*
 * registers.c: what the registers of a thread were when the program was interrupted, from the signal frame in the
 * saved memory.
 */
#ifndef CKPT_INSPECT_REGISTERS_H
#define CKPT_INSPECT_REGISTERS_H

#include <sys/user.h>
#include "memory.h"

struct registers {
	struct user_regs_struct general;
	uint8_t *xstate; /* as PTRACE_GETREGSET has it for NT_X86_XSTATE, from malloc(3); NULL: unknown */
	size_t xstate_len; /* at least that of struct user_fpregs_struct, which is its beginning */
};

/* Without a frame only rip and rsp are known. */
void registers_read(struct memory *m, const struct rec_thread *t, struct registers *to);

#endif
