/* handler.c: the signal handler, and what the API asks of it. */
#ifndef CKPT_HANDLER_H
#define CKPT_HANDLER_H

#include "preload.h"

/* Install the handler for the reserved signal. 0 or -errno. */
int handler_install(void) HIDDEN;
/* Is this memory a process of its own, and not that of a vfork child's parent? A fresh fork child becomes one here. */
bool process_is_own(void) HIDDEN;

/*
 * Sections that must not be checkpointed, entered and left by ckpt_disable() and ckpt_enable(). A
 * request that comes meanwhile is kept and served when the last one ends.
 */
void handler_disable(void) HIDDEN;
void handler_enable(void) HIDDEN;
bool handler_is_disabled(void) HIDDEN; /* by any thread */
bool handler_is_disabled_here(void) HIDDEN; /* by this one */

/*
 * Checkpoint from this thread, now, as call->request and call->target have it; returns in the original and in
 * the restored process.
 */
void handler_checkpoint(struct api_call *call) HIDDEN;

/* ---- api.c ---- */

/* The path of a program of ours; false: it is not there. */
bool program_path(const char *name, char *path, size_t n) HIDDEN;

/* ---- announce.c: programs that are told before ---- */

/* True: the program has been told of the coordinator's request, and has time left to come by itself. */
bool announce_hold(int32_t request) HIDDEN;
/* Tell it of those to come by that signal, sent to the main thread; 0: do not. */
void announce_set(int sig) HIDDEN;
/* For how long a request waits for the program. */
uint32_t announce_limit_ms(void) HIDDEN;
/* The program has come: 1 when it has the request, which waits; 0 there is none; -1 it has been served without. */
int announce_take(void) HIDDEN;
/* The request that it was told of, 0: none. */
int32_t announce_request(void) HIDDEN;

#endif
