/* helper.c: work that the running program sees nothing of; coordinator.c: a coordinator when there is none. */
#ifndef CKPT_HELPER_H
#define CKPT_HELPER_H

#include "preload.h"

enum { HELPER_STACK = 32 << 10, COORDINATOR_STACK = 8 << 10 };

/*
 * Call fn(arg) in such a task, and wait for it; what fn returns, or -EBUSY in a vfork child, whose parent's memory this
 * is. Every signal must be blocked. fn has few descriptors open, and calls no libc.
 */
int helper_run(int (*fn)(void *arg), void *arg) HIDDEN;
/* In a forked child: it has no task. */
void helper_reset(void) HIDDEN;

/* Find what it takes to start one later, by system calls only. Before that, none is started. */
void coordinator_find(void) HIDDEN;
/* Start one, and wait until it answers. Only in a task of helper_run()'s, whose stack has COORDINATOR_STACK for it. */
void coordinator_start(void) HIDDEN;

#endif
