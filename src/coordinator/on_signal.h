/*
 * Checkpoints that signals ask for (CKPT_ON_SIGNAL).
 */
#ifndef CKPT_ON_SIGNAL_H
#define CKPT_ON_SIGNAL_H

#include "job.h"
#include "run.h"

/* A process of the job has got the signal, which asks for this (enum on_signal). */
void on_signal_request(const struct process *p, int signo, uint8_t action);
/* The image is durable with which the job ends with an exit status; of the job's first process. */
void on_signal_committed(const struct run *run, const struct msg_done *done);
/* The job's checkpoint is over, and its processes may have ended. */
void on_signal_run_over(struct run *run);
/* No checkpoint of the job runs: start what signals have asked for meanwhile. */
void on_signal_next(struct job *job);
/* The job is about to be freed. */
void on_signal_forget(struct job *job);
/* Is there a job of which signals ask for checkpoints? */
bool on_signal_any(void);

#endif
