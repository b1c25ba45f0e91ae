/*
 * ckpt_restart: from an image to the running programs.
 *
 *   choose.c     which image: the file, or the newest complete one of a directory
 *   state.c      what the image says of each process, read and checked as a whole
 *   check.c      where its memory is, and its threads are in it
 *   capsule.c    namespaces in which pids and clocks are what they were
 *   init.c       the capsule's init: makes files and plans, then the first of the processes; reaps
 *   tree.c, pstree*.c  which process is made by whom, and when, to be what it was
 *   descriptors*.c, plugin_restore.c, objects.c  open files of all processes
 *   stdio.c      standard output that is ours now
 *   put_back.c   content that lies beside the image
 *   ipc.c        SysV objects, and the namespace for them
 *   tables.c     who shares a descriptor table, or a directory, with whom
 *   plan.c       the memory of each process: what the restorer is to do
 *   inherit.c    what of it a process has from its parent, by fork
 *   special.c    the kernel's own areas, vdso and vvar
 *   region.c     the memory in which the restorer runs
 *   graft.c      variables that are other ones now
 *   devpts.c     pseudo terminals of the capsule's own
 *   terminal.c   the terminal's foreground group, from inside
 *   become.c     a job that asks to be replaced by another image
 *   supervise.c  the outside: signals in, stops and the exit status out, the terminal
 *
 * The restorer (lib/restorer) does the rest, in each process.
 */
#ifndef CKPT_RESTART_PROGRAM_H
#define CKPT_RESTART_PROGRAM_H

#include <stdbool.h>
#include <sys/types.h>
#include "beside.h"
#include "fault.h"
#include "graft.h"
#include "image.h"
#include "moves.h"
#include "records.h"
#include "protocol.h"

struct options {
	const char *path;
	const char *key; /* --key, NULL: not given */
	bool no_capsule;
	char files[CKPT_FILES_MAX]; /* --files */
	bool verbose;
	char moves[MOVES_MAX]; /* --map-path */
	bool tcp_refuse;
	char graft[GRAFT_GLOBS_MAX]; /* --env, with ',' between them */
	const char *outputs; /* --own-output, NULL: not given */
	const char *tell;  /* --tell, NULL: not given */
	int failure;	   /* --failure-status: what we exit with when there is no program to go on; 0: as ever */
	bool end_with_first; /* --end-with-first */
};

/* One process of the image; pointers go into memory that lasts. */
struct saved {
	uint32_t index;
	struct rec_process rec;
	const void *records;
	size_t nrecords; /* bytes */
	struct image_extent *extents;
	size_t nextents;
};

/* An image and what was read from it. */
struct restart {
	struct options opt;
	struct fault fault; /* for tests */
	pid_t pid;	  /* ours */
	int argc;	  /* as we were called; the last argument is the image */
	char **argv;
	char path[CKPT_PATH_MAX]; /* of the image chosen */
	char socket[108];	  /* of the coordinator */
	char keyfile[CKPT_KEYFILE_MAX]; /* that the image's key is in, absolute; "": it is not encrypted */
	struct image image;
	int image_fd;
	struct beside beside; /* what lies beside it */
	struct rec_job job;
	struct rec_cpu cpu;
	uint8_t on_signal[ON_SIGNAL_MAX]; /* signals that ask for a checkpoint */
	struct saved *processes; /* [0] is the first of the job */
	uint32_t nprocesses;
	int log_fd;	   /* our standard error, above all descriptors of the programs */
	bool in_userns;	   /* the capsule has a user namespace: capabilities come from it */
	bool own_ipc;	   /* and an IPC namespace: the job has objects in one */
	int32_t terminal_sid; /* a session of the job's that the terminal outside was the controlling one of; 0: none */
	bool on_terminal;  /* in the caller's session, on its terminal, */
	bool foreground;   /* and in the foreground */
};

/* choose.c: open and verify the image that path means; dies when there is none. */
void image_choose(struct restart *r);
/* Check every chunk, several at a time. 0 or -errno with why filled. */
int image_verify_all(struct image *img, struct text *why);

/* state.c: read the sections and check that this machine can run it; dies otherwise. */
void state_read(struct restart *r);
/* check.c: what the image says of a process's memory can be; dies otherwise. */
void memory_check(const struct restart *r, const struct saved *p);
/* Text of a string record of the process, "" when absent; *len may be NULL. */
const char *state_string(const struct saved *p, uint32_t kind, size_t *len);

/* moved.c: take --map-path OLD=NEW; dies when it is none. */
void moves_option(struct options *o, const char *arg);
/* Where a path of the image leads now: path itself, or text that lasts. */
const char *path_now(const char *moves, const char *path);

/* stdio.c: check what --own-output says; dies. */
void output_option(const char *arg);
enum { OUTPUTS_MAX = 512 };

/* graft.c: take --env GLOB; dies when it is none. */
void graft_option(struct options *o, const char *arg);
/* What is to be handed over (graft.h), *len bytes that last; NULL when there is none. Dies when it is too much. */
char *graft_make(const struct options *o, size_t *len);

/* newer.c: tell what has come or changed since the checkpoint beside the job's files, and stays. */
void newer_tell(const struct restart *r);

/* capsule.c: run the job in a capsule. Returns the exit status for ckpt_restart. */
int capsule_run(struct restart *r);

/* The next process in the capsule that may have any pid gets the first free one above. Not vital. */
void last_pid_set(uint32_t last);

/* init.c: in the process that stands above all of the job; events: socket to supervise.c. */
void init_run(struct restart *r, int events) __attribute__((noreturn));
/* Move fd to a number above all of the programs', close-on-exec; the new number. Dies. */
int fd_raise(struct restart *r, int fd);

/* terminal.c: the process group that was in the foreground, as seen from inside the job. */
int32_t terminal_group(const struct restart *r);
/* If we are in the foreground it is now; nobody runs yet. */
void terminal_give(const struct restart *r);
/* All run: have it told to paint the terminal anew, when that has another size or is used as a screen. */
void terminal_repaint(const struct restart *r);

/*
 * supervise.c: signals that may be to ask for a checkpoint of the job are not to end us before it runs: hold them from
 * the beginning, and when the image has told which they are, those only.
 */
void signals_hold(void);
void signals_hold_some(const struct restart *r);
/* Stay until the programs and their writers have ended; the exit status. */
int supervise(struct restart *r, int events, pid_t init);


/* become.c: has the job asked to become another image? path: room for CKPT_PATH_MAX. Forgets that it was asked. */
bool become_asked(const struct restart *r, char *path);
/* Be ckpt_restart of that image from now on. Dies. */
void become(const struct restart *r, char *path) __attribute__((noreturn));

#endif
