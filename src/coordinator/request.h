/*
 * Who waits for a checkpoint: clients, and processes that asked for one themselves. A client that
 * asks for what is under way shares it; everybody else waits for the next.
 */
#ifndef CKPT_REQUEST_H
#define CKPT_REQUEST_H

#include "job.h"
#include "peer.h"

/* p->command says what the client wants of job. It is answered sooner or later, to the end. */
void request_of_client(struct peer *p, struct job *job);
/* A process wants its own job checkpointed, now: what it does is to be in the image. */
void request_of_process(struct peer *p, struct process *process);

/* Answer a client for good. */
void answer_end(struct peer *p, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void answer_job(struct peer *p, const struct job *job);

#endif
