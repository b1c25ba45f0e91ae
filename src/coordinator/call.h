/*
 * Calling a process to a checkpoint: the signal, and when it is better not sent.
 */
#ifndef CKPT_CALL_H
#define CKPT_CALL_H

#include "checkpoint.h"

/* As checkpoint_ops.call. signo: the job's reserved signal. */
int call_process(struct member *m, int signo, int request, struct text *why);

#endif
