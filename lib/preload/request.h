/* request.c: signals that ask for a checkpoint. */
#ifndef CKPT_REQUEST_H
#define CKPT_REQUEST_H

#include "preload.h"

/* What the program would have a signal do. */
struct request_action {
	uint64_t handler, flags, mask;
};

/* Install the handlers for preload.config.on_signal. 0 or -errno. */
int request_install(void) HIDDEN;
/* Is it one of them? Are there any? */
bool request_is_owned(int sig) HIDDEN;
bool request_is_any(void) HIDDEN;
struct request_action request_action(int sig) HIDDEN;
/* A vfork child's is not its parent's, and is nobody's soon. */
void request_set_action(int sig, struct request_action a) HIDDEN;

#endif
