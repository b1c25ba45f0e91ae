/*
 * Calling a process to a checkpoint: the signal, and when it is better not sent.
 */
#ifndef CKPT_CALL_H
#define CKPT_CALL_H

#include "checkpoint.h"

/* As checkpoint_ops.call. config: the job's. */
int call_process(struct member *m, const struct job_config *config, int request, struct text *why);

#endif
