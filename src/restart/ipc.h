/*
 * ipc.c: SysV shared memory, semaphores and message queues of the job, and the namespace in which they,
 * and POSIX message queues, have the ids, keys and names that they had.
 */
#ifndef CKPT_RESTART_IPC_H
#define CKPT_RESTART_IPC_H

#include "restart.h"

/* Does the job have any such objects? Dies when what the image says of them can't be. */
bool ipc_check(const struct restart *r);
/* In the capsule, which has its /proc: make the namespace, with the limits that the objects need. */
void ipc_namespace_make(const struct restart *r);
/*
 * Make the SysV objects, before the processes that use them. Without a capsule they must not be there, and
 * are removed again when this process ends before ipc_release(). Dies.
 */
void ipc_make(const struct restart *r);
/* Every process has attached its segments: those that are to end with their last attachment may. */
void ipc_release(void);

#endif
