/*
 * ckpt_restart: from an image to the running program.
 *
 *   choose.c     which image: the file, or the newest complete one of a directory
 *   state.c      what the image says, read and checked as a whole
 *   capsule.c    namespaces in which pids and clocks are what they were; the capsule's init
 *   family.c     stand-ins for the parent, the session's and the group's leader, who are not there
 *   supervise.c  the outside: signals in, stops and the exit status out, the terminal
 *   descriptors.c  open files, in the process that will be the program
 *   plan.c       memory: what the restorer (lib/restorer) is to do, and the jump into it
 */
#ifndef CKPT_RESTART_PROGRAM_H
#define CKPT_RESTART_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>
#include "image.h"
#include "records.h"
#include "protocol.h"

struct options {
	const char *path;
	bool no_capsule;
	bool force_files;
};

/* An image and what was read from it; pointers go into memory that lasts. */
struct restart {
	struct options opt;
	char path[CKPT_PATH_MAX]; /* of the image chosen */
	char socket[108];	  /* of the coordinator */
	struct image image;
	int image_fd;
	struct rec_job job;
	struct rec_cpu cpu;
	struct rec_process process;
	const void *records; /* of the process */
	size_t records_len;
	struct image_extent *extents;
	size_t nextents;
	int log_fd;	   /* our standard error, above all descriptors of the program */
	bool in_userns;	   /* the capsule has a user namespace: capabilities come from it */
	bool on_terminal;  /* in the caller's session, on its terminal, */
	bool foreground;   /* and in the foreground */
};

/* choose.c: open and verify the image that path means; dies when there is none. */
void image_choose(struct restart *r);
/* Check every chunk, several at a time. 0 or -errno with why filled. */
int image_verify_all(struct image *img, struct text *why);

/* state.c: read the sections and check that this machine can run it; dies otherwise. */
void state_read(struct restart *r);
/* Text of a string record of the process, "" when absent; *len may be NULL. */
const char *state_string(const struct restart *r, uint32_t kind, size_t *len);

/* capsule.c: run the program in a capsule. Returns the exit status for ckpt_restart. */
int capsule_run(struct restart *r);

/* family.c: in the capsule's init. Make stand-ins and the program's process; returns in that process only. */
struct family {
	int events; /* socket to the outside: struct event messages */
	pid_t parent; /* pid of the stand-in that is the program's parent, 0: init itself is */
	pid_t others[2]; /* stand-ins to be ended with it */
};
void family_make(struct restart *r, struct family *f);
/* clone3(2) with a pid of our choice; 0 in the child. Dies. */
pid_t fork_as(pid_t pid);
/* As the parent of the program: tell the outside what becomes of it, exit as it did. */
void family_wait(int events, pid_t pid) __attribute__((noreturn));

/* What the inside tells the outside. The first carries a pidfd of the program. */
struct event {
	enum { EVENT_STARTED = 1, EVENT_STOPPED, EVENT_CONTINUED, EVENT_ENDED } what;
	int status; /* of waitpid(2) */
};

/* supervise.c: stay until the program and its writers have ended; the exit status. */
int supervise(struct restart *r, int events, pid_t init);

/* plan.c: become the program. */
void plan_and_jump(struct restart *r) __attribute__((noreturn));

/* Move fd to a number above all of the program's, close-on-exec; the new number. Dies. */
int fd_raise(struct restart *r, int fd);

#endif
