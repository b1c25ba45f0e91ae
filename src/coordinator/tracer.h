/*
 * Having a stopped process run for us only: it stays stopped for its parent and for everybody else.
 */
#ifndef CKPT_TRACER_H
#define CKPT_TRACER_H

#include <stdbool.h>

struct tracer;

/*
 * Take hold of a process. From then on each of its threads runs as soon as signo is sent to it, with the number of the
 * request or by another of them. NULL without memory or process.
 */
struct tracer *tracer_start(int pid, int signo, int request);
/* 0 when the process is held, -EAGAIN while it is not yet, or -errno when it can't be. */
int tracer_state(const struct tracer *t);
/* Who holds it, for TracerPid of the process. */
int tracer_pid(const struct tracer *t);
/*
 * Let go: where its threads are then they stop again. stands(arg), if not NULL, is called when that is so;
 * not from in here. t is gone.
 */
void tracer_end(struct tracer *t, void (*stands)(void *arg), void *arg);
/* What was to be told when it is done is of no interest any more. */
void tracers_forget(void *arg);

#endif
