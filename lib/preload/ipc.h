/*
 * SysV objects and POSIX message queues, as far as the kernel does not tell afterwards which of them a
 * process uses and how: wrappers/ipc.c notes that here, ipc.c reads it in the pause.
 *
 * The notes are inherited by fork and lost by exec; then only what is attached, or what has a process of
 * the job as its creator or last user, is found.
 */
#ifndef CKPT_IPC_H
#define CKPT_IPC_H

#include <signal.h>
#include "preload.h"

/* ---- which objects ---- */

/* Note that this process uses the object. Safe at any moment. */
void ipc_know(uint32_t kind, int32_t id) HIDDEN;
/* It has been removed. */
void ipc_forget(uint32_t kind, int32_t id) HIDDEN;

/* ---- SEM_UNDO ---- */

struct sembuf;

/*
 * A semop(2) with SEM_UNDO under way; on the stack of the thread. A freeze may come between the system call
 * and the note: what it did is in *result, or still in a register (ipc_settle()).
 */
struct ipc_semop {
	const struct ipc_semop *self; /* else this is what a longjmp(3) has left behind */
	int32_t id;
	uint32_t n;
	const struct sembuf *ops;
	int64_t result; /* of the system call; IPC_IN_CALL: not known yet */
};
#define IPC_IN_CALL INT64_MIN

extern __thread struct ipc_semop *ipc_semop HIDDEN __attribute__((tls_model("initial-exec")));

/* Note the adjustments of a call that has succeeded, unless that is done; the thread has none under way then. */
void ipc_semop_end(void) HIDDEN;
/* In a thread that is being frozen, there. */
void ipc_settle(ucontext_t *uc) HIDDEN;
/* The kernel has forgotten all adjustments of semaphore num of the set, -1: of all of them. */
void ipc_undo_clear(int32_t id, int num) HIDDEN;

/* arch/x86_64.S: semtimedop(2); what the kernel returns is in *result at the very next instruction. */
long semop_undo(int id, const struct sembuf *ops, size_t n, const struct timespec *t,
		int64_t *result) HIDDEN;
extern const uint8_t semop_undo_returned[] HIDDEN, semop_undo_stored[] HIDDEN;

/* ---- mq_notify(3) ---- */

/* fd is asked to tell by *how; NULL: no longer. Returns what was noted before through *old, if any. */
bool ipc_notify_note(int fd, const struct sigevent *how, struct sigevent *old) HIDDEN;

/* ---- a checkpoint ---- */

/*
 * Frozen: tell the other processes of the job which SysV objects this one knows. POSIX message queues are
 * asked to tell nothing until ipc_resume().
 */
void ipc_list(const struct memory *m, struct save *s) HIDDEN;
/* Behind SHARED_LISTED: records of those that are this process's to save, with their content. */
void ipc_save(struct save *s) HIDDEN;
/* When descriptors have been saved: the limits that the objects were made under. */
void ipc_save_limits(struct save *s) HIDDEN;
/* Nothing of the job has run since, and all queues have their messages: let them tell again. */
void ipc_resume(void) HIDDEN;
/* In the writer, when areas have been listed: its copies of attachments are none that a program should see. */
void ipc_detach(const struct memory *m) HIDDEN;
/* In the restored process, all threads there; ends it when something can't be had. */
void ipc_restore(int log_fd) HIDDEN;

#endif
