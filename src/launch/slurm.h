/*
 * ckpt_launch inside a SLURM job: where images go, and whether there is something to go on with.
 *
 *   slurm.c        the story: what a step is to do, first or again
 *   slurm_dir.c    the directory for images, and which places are refused for it
 *   slurm_job.c    a job's directory in it: this very job's, or another's that had the same number
 *   slurm_slot.c   a step's directory in that: which one of an earlier run is meant
 *   slurm_state.c  the small files in which that is kept
 *   slurm_ask.c    what only SLURM knows
 *
 *	BASE/CLUSTER-JOB[_TASK]/job		whose it is, and which run was the last
 *	BASE/CLUSTER-JOB[_TASK]/stepK[/taskP]/	images of a step, or of one of several tasks of it
 *	BASE/CLUSTER-JOB[_TASK]/batchN/		of what the batch script launches itself
 *		state		which run has it, which command, and how often it was restored
 *		log		what happened
 *		finished	the program has ended with status 0 (CKPT_FINISHED)
 *		exited		it was checkpointed, and has ended for that (CKPT_EXITED)
 */
#ifndef CKPT_SLURM_H
#define CKPT_SLURM_H

#include <limits.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include "slurm_ask.h"

enum {
	STATUS_REQUEUE = 85, /* SLURM runs the job again (RequeueExit) */
	STATUS_HOLD = 86,    /* and holds it (RequeueExitHold) */
	STATUS_SAVED = 75,   /* nobody runs it again: it was no batch job */
	SLURM_NAME_MAX = 128,
};

/* This launch, as the environment and SLURM describe it. */
struct slurm {
	char cluster[64], job[32], task[32]; /* task: of an array, "": none */
	char name[SLURM_NAME_MAX];   /* CLUSTER-JOB[_TASK] */
	char place[64];		     /* for messages: "job 12_3 step 0 task 1" */
	char step[32];		     /* "step0"; "batch": straight in the batch script */
	char proc[32];		     /* "task1": one of several tasks of the step; "": the only one */
	char token[256];	     /* the same for all launches of one step of one run, and no others */
	uint64_t run;		     /* restart count: 0 is the first run */
	struct slurm_answer answer;
	bool requeues;		     /* the site runs a job again that exits with STATUS_REQUEUE */
	char command[256];	     /* for people; */
	uint64_t command_id;	     /* what tells commands apart */
	char base[PATH_MAX];
	char dir[PATH_MAX];	     /* base/name */
	char slot[PATH_MAX];	     /* where images go */
};

/* Is this a SLURM job, we are to know of it, and not in a job of ours already? */
bool slurm_here(void);
/* Are we to know of it, and in a job of ours, which everything that it starts is a part of? */
bool slurm_nested(void);
/*
 * Unless CKPT_ON_SIGNAL is given: the signal by which SLURM asks the job to checkpoint and end is put there, and blocked:
 * it may come at any time, and would end what is not launched yet. The set of it. Dies when there is no such signal.
 */
uint64_t slurm_signals_block(void);
/*
 * Decide for the step that runs argv: choose its directory and say so in CKPT_DIR and the like. Does not return where
 * it is restored, has finished, must not be, or has to wait. Dies.
 */
void slurm_begin(char *const argv[]);

/* slurm_dir.c: fill s->base; dies with a reason when that is no place for images of a job. */
void slurm_base_find(struct slurm *s);
/* A directory that is private and ours: made, or found to be so. Dies. */
void slurm_dir_make(const char *path);
/* The n-th name beside path that is free: path is renamed to "path.old-N". Dies. */
void slurm_dir_aside(const char *path);

/* slurm_job.c: make s->dir this job's, under the lock. Dies. */
void slurm_job_take(struct slurm *s);

/* What is kept of a step, or of a task. */
struct slot_state {
	uint64_t format;
	uint64_t run;		/* that has it */
	char token[256];	/* of the step that has it in that run */
	uint64_t command_id;
	char command[256];
	uint64_t generation;	/* that was the newest when it was restored last; 0: it never was, */
	uint64_t created_ns;	/* and when that was made */
	char outputs[128];	/* inodes of files that were its standard output and error, with ',' between: for --own-output */
	uint64_t restores;	/* from there, one after the other */
};

/* slurm_slot.c: choose s->slot and claim it for this run, under the lock; what is kept of it, to *state. Dies. */
void slurm_slot_take(struct slurm *s, struct slot_state *state);
void slot_state_write(const struct slurm *s, const struct slot_state *state);
/* A step of this run that was checkpointed and has ended: its directory's name, to name. False: there is none. */
bool slurm_slot_exited(const struct slurm *s, char *name, size_t n);

#endif
