/*
 * devpts.c: the file system of pseudo terminals in the capsule. A job that has some of its own gets one where
 * all numbers are free; any other keeps the one outside.
 *
 * Our own terminal, which is the job's too, is in the one outside: so that programs find its name, it is
 * shown inside by the name it has outside, or, when the job has that number itself, by another.
 */
#ifndef CKPT_DEVPTS_H
#define CKPT_DEVPTS_H

#include "restart.h"

/*
 * Mount it if the job needs it; in a mount namespace of our own. Dies. A descriptor that leads to our own
 * terminal, for devpts_place(), or -1.
 */
int devpts_mount(struct restart *r);
/*
 * When the job's pseudo terminals have been made: show our terminal. The descriptor that must stay open as
 * long as it is to be seen, or -1. Takes over terminal.
 */
int devpts_place(struct restart *r, int terminal);

#endif
