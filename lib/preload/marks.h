/*
 * marks.c: empty files that tell, when the job's first process has ended, how: CKPT_FINISHED, that it had come to its
 * end, by exit or _exit with status 0; CKPT_EXITED, that it was checkpointed and has ended for that. Whoever runs the job
 * again (a batch system) finds out by them what there is to do. Frozen-safe.
 */
#ifndef CKPT_MARKS_H
#define CKPT_MARKS_H

#include "preload.h"

/* In the job's first process: where they are to be, NULL or "": nowhere. Is anybody to be told of its end? */
bool marks_take(const char *finished, const char *exited) HIDDEN;
/* The process ends with that status now. */
void mark_finished(int status) HIDDEN;
/* It ends because its image is there. */
void mark_exited(void) HIDDEN;
/* Where the files are to be is elsewhere now (moved.c). */
void marks_move(void) HIDDEN;

#endif
