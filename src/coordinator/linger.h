/*
 * When the coordinator ends by itself: some seconds after nothing is left to do.
 */
#ifndef CKPT_LINGER_H
#define CKPT_LINGER_H

/* Take CKPT_LINGER from the environment; dies when it is no time. */
void linger_init(void);
/* Look again: a job or a connection has come or gone. */
void linger_update(void);
/* End as soon as no checkpoint runs (--quit). */
void linger_quit(void);
/*
 * End as soon as no checkpoint runs and there is no job that signals ask for checkpoints of (SIGTERM): it may have come
 * to every process there is in a job of a batch system, before the signal for which those need us.
 */
void linger_leave(void);
/* A job has begun, or is about to: it needs a coordinator, though the one that was here before is told to end. */
void linger_stay(void);

#endif
