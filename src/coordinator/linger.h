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

#endif
