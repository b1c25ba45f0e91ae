/* The tables that ipc_notes.c keeps and ipc.c reads in the pause. */
#ifndef CKPT_IPC_NOTES_H
#define CKPT_IPC_NOTES_H

#include "ipc.h"

enum { IPC_KNOWN = 4096, IPC_UNDOS = 1024, IPC_NOTIFIES = 256 };

#define IPC_NOTED (INT64_MIN + 1) /* ipc_semop.result: the notes have been made */

/* What the end of this process adds to a semaphore. */
struct ipc_undo {
	uint64_t key; /* 1 << 63 | id << 16 | number of the semaphore; 0: free */
	int32_t adj;
	int64_t since; /* CLOCK_REALTIME, seconds: when it became other than 0 */
};

struct ipc_notify {
	bool used;   /* released after the others are written */
	bool paused; /* taken back for the pause, to be asked for again */
	int fd;
	struct sigevent how;
};

struct ipc_notes {
	/* So much of each table has been used; only grows, relaxed. */
	uint32_t nknown, nundo, nnotify;
	uint64_t known[IPC_KNOWN]; /* kind << 32 | id; 0: free */
	bool overflow;		   /* a table was too small: what is used is not known */
	bool own_namespace;	   /* everything in the IPC namespace is of the job */
	int32_t undo_pid;	   /* the process whose adjustments these are; -1: being cleared */
	struct ipc_undo undo[IPC_UNDOS];
	struct ipc_notify notify[IPC_NOTIFIES];
};
extern struct ipc_notes ipc_notes HIDDEN;

/* Is there such an object, ours to use or not? */
bool ipc_exists(uint32_t kind, int32_t id) HIDDEN;

#endif
