/*
 * Finding those processes of a job that have not said that they are there: forked children never do, and
 * neither do programs without libckpt.
 */
#ifndef CKPT_DISCOVER_H
#define CKPT_DISCOVER_H

#include "job.h"

/*
 * Make all processes of the job known. How many there were more, or -EAGAIN when a process ended just then,
 * whose children may have been overlooked. Complete if none of the job's processes can fork meanwhile.
 */
int discover(struct job *job);

/*
 * The same at the beginning of a checkpoint, while time does not matter yet. Behind it everything is known of
 * which the id is not given out later than *since; since 0: that is not certain.
 */
void discover_first(struct job *job, int *since);
/*
 * The same at its end, when processes stand still. since as it came from the first, 0 if a process of the job
 * has ended meanwhile: saves looking at everything if nothing has been made since then.
 */
int discover_rest(struct job *job, int since);

/* Is it part of a program: not over, and no snapshot writer? */
bool is_of_program(const struct proc_stat *s);

#endif
