/*
 * descriptors.c: the open files of all processes of a job, rebuilt from their records by one process,
 * the capsule's init, whose descriptor table all of them share until each takes what it had.
 *
 *	d = descriptors_open(&params)	parses; changes nothing
 *	descriptors_restore(d)		makes everything but what needs the processes
 *	object_fd(d, id)		content to be mapped MAP_SHARED
 *	descriptors_numbers(d, i, …)	what process i is to place where
 *	  (the processes are made, and have mapped their memory)
 *	descriptors_late(d)		the rest: pidfds, /proc, epoll, owners, seals
 *	descriptors_close(d)
 *
 * fcntl(2) locks are a process's own; so libckpt takes them again, in the restored process
 * (descriptors_resume()). Here it is only made sure that they can be had.
 *
 * Everything of ours is at numbers from params.base on; those below are the programs' alone. A
 * function that fails has told why, in one line on log_fd, and the restart must end: nothing can
 * be called again.
 */
#ifndef CKPT_DESCRIPTORS_H
#define CKPT_DESCRIPTORS_H

#include "handover.h"
#include "restart.h"

struct descriptors_params {
	struct image *image;
	const struct beside *beside;
	const struct saved *processes;
	uint32_t nprocesses;
	int base;   /* at least descriptors_base() of each process */
	int log_fd; /* where lines are told, >= base */
	bool tcp_refuse; /* --tcp=refuse: fail when a connection led outside the job */
	const char *files; /* --files: what is to become of files, over what the image says (files.h) */
	bool verbose;
	const char *outputs; /* --own-output, NULL: not given */
	const char *moves; /* paths that lead elsewhere now (moves.h) */
};

struct plugin_ctx;

/* The first number above all that the process uses, also in the past (epoll items); -EBADMSG. */
int descriptors_base(const void *records, size_t n);

/* NULL: out of memory or damaged records, told. The records must stay. */
struct plugin_ctx *descriptors_open(const struct descriptors_params *p);
/*
 * Make every open file and object. Descriptors 0, 1 and 2 are still the caller's: they are the
 * standard streams for a program that got its own from outside.
 */
int descriptors_restore(struct plugin_ctx *d);
/*
 * Our descriptor, read and write where it can be, of an object with its content in place; -errno.
 */
int object_fd(struct plugin_ctx *d, uint32_t id);
/*
 * The numbers of a process, ascending, n of them, and the descriptors of ours that they are to become.
 * Those of files that are made late are known now already. NULL: out of memory. The caller frees it.
 */
struct plan_number *descriptors_numbers(struct plugin_ctx *d, uint32_t process, uint32_t *n);
/*
 * Our descriptor of the terminal that a session of the job had as controlling one, and which process group
 * was in the foreground; -1: it had none, or one from outside.
 */
int descriptors_session_tty(struct plugin_ctx *d, int session, int *foreground);
/* When all processes are there and have mapped their memory. */
int descriptors_late(struct plugin_ctx *d);
/* Those of ours that descriptors_late() has made: n numbers, from malloc(3). 0 or -ENOMEM. */
int descriptors_late_numbers(struct plugin_ctx *d, int32_t **numbers, uint32_t *n);
/* Close our own descriptors, objects included, and free memory. */
void descriptors_close(struct plugin_ctx *d);

#endif
