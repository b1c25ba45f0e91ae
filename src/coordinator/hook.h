/*
 * CKPT_ON_COMMIT: a program that is run when the image is durable with which a job is to end.
 */
#ifndef CKPT_HOOK_H
#define CKPT_HOOK_H

#include <stdbool.h>
#include "core.h"

struct hook;

/*
 * Run what the environment of this process names, in that environment but for what makes a program one of the job.
 * over(arg, why) is called once it has ended, or when its time was up: why tells what failed, NULL: nothing. NULL: there
 * is none to run, why says when that is a failure; over is not called then.
 */
struct hook *hook_run(int pid, void (*over)(void *arg, const char *why), void *arg, struct text *why);
/* over is not to be called any more. */
void hook_forget(struct hook *h);

#endif
