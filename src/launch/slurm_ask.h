/*
 * slurm_ask.c: what SLURM knows of a job, and of itself, by way of scontrol(1).
 *
 * slurmctld may be down, or busy: an answer is waited for ASK_LIMIT_S seconds, and a job goes on without.
 */
#ifndef CKPT_SLURM_ASK_H
#define CKPT_SLURM_ASK_H

#include <stdbool.h>

enum { ASK_LIMIT_S = 4 };

/* What scontrol shows of a job. Submission is that of this run: SLURM sets it anew when it requeues a job. */
struct slurm_answer {
	char submit[32];  /* UTC, "2026-11-29T04:08:53"; texts of times can be compared. "": not known */
	char session[64]; /* host and session that the job was submitted from, which stays: "login:9121" */
	char script[256]; /* the batch script; "": not known, or none */
	bool batch;	  /* there is a batch script, and so a run after this one */
};

/* id: "12", or "12_3" of an array. False, and all empty: SLURM can't be asked. */
bool slurm_ask_job(const char *id, struct slurm_answer *a);
/* Does the site have SLURM requeue a job that exits with this status (RequeueExit)? False, too, when it can't be asked. */
bool slurm_ask_requeues(int status);

#endif
