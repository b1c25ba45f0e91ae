/*
 * The jobs of this user and their processes: who belongs to what, and who has ended. A job begins
 * with its first process and ends with its last, or with the checkpoint that still runs then.
 */
#ifndef CKPT_JOB_H
#define CKPT_JOB_H

#include "loop.h"
#include "proc.h"

struct run;
struct member;

struct process {
	struct process *next, *prev; /* of its job, in the order in which they became known */
	struct process *same_hash;
	struct job *job;
	struct proc_facts facts;
	struct watch ended;    /* its pidfd, ours */
	struct member *member; /* its part in job->run, NULL: none */
	int leader;	       /* thread that led its last checkpoint, 0: unknown */
	int considered;	       /* the last request that it was to be a part of */
	bool is_first;	       /* it says that the job was started as it */
};

/* A process that orphans of a job may become children of: an ancestor outside of the job. */
struct reaper {
	int pid;
	uint64_t start_time;
};

/* What the last checkpoints came to. */
struct last {
	uint64_t generation; /* of the newest image, 0: none made yet */
	uint64_t realtime_ns;
	uint64_t bytes, pause_ns, total_ns;
	char error[512]; /* of the last one, "" when it went well */
};

/* Checkpoints that signals ask for (on_signal.c). Actions: enum on_signal, or an exit status; 0: none. */
struct asked {
	uint8_t serving; /* what the checkpoint that runs is for */
	uint8_t wanted;	 /* what the next one is to be for */
	uint8_t last;	 /* what the last one was for, which ended */
	uint64_t last_ns; /* then, on loop_now()'s clock */
	uint8_t again;	 /* what is to be tried again when the timer fires */
	struct timer retry;
	unsigned ntries; /* that have failed one after the other */
	uint32_t nmore, nlate; /* signals that came for the one that runs, and for the last one when it was over */
};

struct job {
	struct job *next;
	struct job_config config; /* as its processes have it */
	char id[JOB_ID_MAX];	  /* config.job, or config.job.N for a further restart of it */
	struct process *processes, *last_process;
	uint32_t nprocesses;
	uint64_t pidns; /* inode number of their pid namespace, of the last one made known */
	struct reaper *reapers;
	uint32_t nreapers;
	uint64_t started_ns; /* CLOCK_REALTIME */
	struct timer tick;   /* next checkpoint by interval */
	struct run *run;     /* its checkpoint, NULL: none */
	struct timer look;   /* for processes, when there seems to be none any more */
	unsigned nlooks;
	struct last last;
	struct asked asked;
};

/* All jobs, oldest first. */
struct job *jobs(void);

/*
 * Make a process known, or known anew, as one of the job that its configuration names. pidfd: of
 * the process, taken over; -1: opened here. NULL when it has ended or there are too many.
 */
struct process *process_add(int pid, int pidfd, const struct job_config *config);
struct process *process_find(int pid);
/* It has become another program, which is none of a job. */
void process_forget(int pid);

/*
 * Look through /proc for processes of jobs that have not said hello to us. socket_path is ours:
 * those of another coordinator are left to it; the first such is told in *foreign_pid and
 * foreign_path.
 */
void jobs_scan(const char *socket_path, int *foreign_pid, char *foreign_path, size_t n);

/* The process at pid, of the job; made known if it was not. NULL: it has ended, or there are too many. */
struct process *job_adopt(struct job *job, int pid);
/* Is it the same program run, or one that has come from it? */
bool is_of_job(const struct proc_facts *f, const struct job *job);

/* Take up the interval in config.interval_s from now on. */
void job_set_interval(struct job *job, uint32_t seconds);
/* Forget a job that has neither a process, known or not, nor a checkpoint any more. */
void job_end_if_idle(struct job *job);

/* From the other parts of the coordinator: */
void job_tick(struct job *job);		   /* an interval is over */
void job_process_added(struct process *p);
bool process_is_frozen(const struct process *p); /* in the checkpoint that runs */
void job_process_ended(struct process *p); /* before it is freed */
void job_ended(struct job *job);	   /* before it is freed */

#endif
