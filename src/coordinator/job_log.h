/*
 * The file "log" in the directory of a job's images: what its user has to know of checkpoints that nobody asks the
 * coordinator about, those that signals ask for. Only jobs with CKPT_ON_SIGNAL have one.
 */
#ifndef CKPT_JOB_LOG_H
#define CKPT_JOB_LOG_H

#include "job.h"

/* Append a line, which begins with the time. That it can't be written harms nothing. */
void job_log(const struct job *job, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
