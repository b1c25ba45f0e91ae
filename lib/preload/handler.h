/* handler.c: the signal handler, and what the API asks of it. */
#ifndef CKPT_HANDLER_H
#define CKPT_HANDLER_H

#include "preload.h"

/* Install the handler for the reserved signal. 0 or -errno. */
int handler_install(void) HIDDEN;

/*
 * Sections that must not be checkpointed, entered and left by ckpt_disable() and ckpt_enable(). A
 * request that comes meanwhile is kept and served when the last one ends.
 */
void handler_disable(void) HIDDEN;
void handler_enable(void) HIDDEN;
bool handler_is_disabled(void) HIDDEN; /* by any thread */
bool handler_is_disabled_here(void) HIDDEN; /* by this one */

/* Checkpoint from this thread, now; returns in the original and in the restored process. */
void handler_checkpoint(struct api_call *call) HIDDEN;

#endif
