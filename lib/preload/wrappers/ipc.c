/*
 * SysV objects and POSIX message queues. Nobody tells afterwards
 *
 * - which semaphores and message queues a process uses: they are no descriptors, and the kernel keeps
 *   for each only the last process that changed it. So the ids that it asks for are noted.
 * - what SEM_UNDO will add when a process ends: /proc does not show it, and it can only be had by having it
 *   done. So it is counted, for calls with SEM_UNDO only.
 * - which value a queue's signal will carry (mq_notify(3)): the queue shows the signal and the process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <mqueue.h>
#include <stdarg.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include "ipc.h"
#include "handler.h"
#include "waiting.h"
#include "wrap.h"

/* ---- ids ---- */

WRAP(int, shmget, (key_t key, size_t size, int flags))
{
	int id = REAL(shmget)(key, size, flags);

	if (id >= 0)
		ipc_know(IPC_SHM, id);
	return id;
}

WRAP(int, semget, (key_t key, int n, int flags))
{
	int id = REAL(semget)(key, n, flags);

	if (id >= 0)
		ipc_know(IPC_SEM, id);
	return id;
}

WRAP(int, msgget, (key_t key, int flags))
{
	int id = REAL(msgget)(key, flags);

	if (id >= 0)
		ipc_know(IPC_MSG, id);
	return id;
}

WRAP(int, msgctl, (int id, int cmd, struct msqid_ds *ds))
{
	int r = REAL(msgctl)(id, cmd, ds);

	if (r == 0 && cmd == IPC_RMID)
		ipc_forget(IPC_MSG, id);
	return r;
}

/* The fourth argument is a union as large as a pointer, and need not be there. */
WRAP(int, semctl, (int id, int num, int cmd, ...))
{
	va_list ap;
	void *arg;
	int r;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	r = REAL(semctl)(id, num, cmd, arg);
	if (r < 0)
		return r;
	if (cmd == SETVAL || cmd == SETALL || cmd == IPC_RMID)
		ipc_undo_clear(id, cmd == SETVAL ? num : -1);
	if (cmd == IPC_RMID)
		ipc_forget(IPC_SEM, id);
	return r;
}

/* ---- SEM_UNDO ---- */

enum { OPS_MAX = 500 }; /* the kernel takes no more, unless its limit was raised */

static bool undoes(const struct sembuf *ops, size_t n)
{
	if (!ops || n > OPS_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (ops[i].sem_flg & SEM_UNDO && ops[i].sem_op)
			return true;
	return false;
}

static int op(int id, struct sembuf *ops, size_t n, const struct timespec *t);

WRAP(int, semtimedop, (int id, struct sembuf *ops, size_t n, const struct timespec *t))
{
	struct timespec left;

	if (!t)
		return UNDISTURBED(op(id, ops, n, t), );
	left = *t;
	return WAITING(__NR_semtimedop, timespec_ns(t), UNDISTURBED(op(id, ops, n, &left), left = wait_rest()));
}

WRAP(int, semop, (int id, struct sembuf *ops, size_t n))
{
	return UNDISTURBED(op(id, ops, n, NULL), );
}

/* A signal handler that interrupts the call may make one of its own. */
static int op_with_undo(int id, struct sembuf *ops, size_t n, const struct timespec *t)
{
	struct ipc_semop op = {&op, id, n, ops, IPC_IN_CALL}, *outer = ipc_semop;
	long r;

	ipc_semop = &op;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	r = semop_undo(id, ops, n, t, &op.result);
	handler_disable();
	ipc_semop_end();
	handler_enable();
	ipc_semop = outer;
	if (r < 0)
		errno = -r;
	return r < 0 ? -1 : 0;
}

static int op(int id, struct sembuf *ops, size_t n, const struct timespec *t)
{
	if (preload.active && undoes(ops, n))
		return op_with_undo(id, ops, n, t);
	return REAL(semtimedop)(id, ops, n, t);
}

/* ---- mq_notify ---- */

/* Noted before, so that a freeze in between finds it; of a call that fails the note is taken back. */
WRAP(int, mq_notify, (mqd_t fd, const struct sigevent *how))
{
	struct sigevent old;
	bool had;
	int r;

	if (!preload.active)
		return REAL(mq_notify)(fd, how);
	had = ipc_notify_note(fd, how, &old);
	r = REAL(mq_notify)(fd, how);
	if (r < 0)
		ipc_notify_note(fd, had ? &old : NULL, &old);
	return r;
}
