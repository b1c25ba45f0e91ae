/*
 * A checkpoint in the world: the state machine of checkpoint.h, tied to processes, connections,
 * time and the file system.
 */
#ifndef CKPT_RUN_H
#define CKPT_RUN_H

#include "checkpoint.h"
#include "job.h"
#include "peer.h"
#include "shared_memory.h"

struct run {
	struct checkpoint cp;
	struct job *job;
	struct timer timer; /* the deadline; at the end: the end */
	uint64_t generation;
	struct shared_memory shared;
	int since; /* of discover_rest() */
	struct hook *hook;   /* runs between the image and the end of the job; NULL: none does */
	bool asked; /* by a process, which tries again itself what is refused for the moment only */
	unsigned ntries; /* of that, before this one */
	unsigned nunsettled; /* searches for processes that were not certain to be complete */
};

/* For tests: what the coordinator was started with (fault.h). */
extern struct fault run_fault;

/*
 * Start a checkpoint (or a check) of a job that has none running. end: RUN_GOES_ON, RUN_KILL, or the exit status with
 * which the job is to end when the image is durable. asker: connection of
 * asker_process, which asks for it itself; else NULL. 0, or -errno with why: nothing was started
 * then.
 */
enum { RUN_GOES_ON = -1, RUN_KILL = 0 };
int run_start(struct job *job, enum op op, int end, struct peer *asker,
	      struct process *asker_process, struct text *why);

/* A process' leader has come with the number of a request; 0: on its own, which joins it too. */
bool run_takes_leader(struct process *p, struct peer *peer, int request);
/* Tell a process to go back. */
void run_send_back(struct peer *peer);

/* What the connection of a member says, and its end. */
int run_message(struct peer *peer, const union any_msg *m);
void run_closed(struct peer *peer);

/* From request.c: */
void requests_line(struct job *job, const char *text);
void requests_progress(struct job *job, uint64_t done, uint64_t total);
void requests_answer(struct job *job, const struct msg_result *r);
/* Who has waited for the checkpoint that runs is to wait for the next. */
void requests_detach(struct job *job);
/* No checkpoint runs: start the one that is waited for. */
void requests_next(struct job *job);

#endif
