/*
 * A signal that is sent to all processes of a job at once comes here once for each of them, and again from those that
 * pass signals on; some come when what they ask for is done already. They make one checkpoint. So one that asks for no
 * more than
 *
 *   - the checkpoint that runs, if signals have asked for it, or it has not taken the processes' state yet,
 *   - or that was the last one and ended, well or not, less than LATE_NS ago,
 *
 * has what it asks for. One that asks for more, the end of the job, has it from the checkpoint that runs as long as that
 * can be had, else from the next.
 *
 * What is refused at this moment may be possible in the next: a program that is just being started, a connection that
 * somebody looks up a name by. Who asks for the end of the job is about to end it anyway, so that is tried several times.
 */
#include "on_signal.h"
#include "job_log.h"

#include <errno.h>
#include <stdio.h>

#define LATE_NS 1000000000ull
#define RETRY_NS 250000000ull /* doubled each time */

enum { RETRIES = 5 };

static bool ends(uint8_t action)
{
	return action && action != ON_SIGNAL_CHECKPOINT;
}

/* Does one serve who wants the other? */
static bool serves(uint8_t action, uint8_t wanted)
{
	return action && (ends(action) || !ends(wanted));
}

/* Signals of the job that ask for no more than this. */
static uint64_t served_set(const struct job *job, uint8_t action)
{
	uint64_t set = 0;

	for (int i = 0; i < ON_SIGNAL_MAX; i++)
		if (job->config.on_signal[i] && serves(action, job->config.on_signal[i]))
			set |= 1ull << i;
	return set;
}

static void serve(struct job *job, uint8_t action)
{
	job->asked.serving = action;
	job->run->cp.served = served_set(job, action);
}

static void start(struct job *job, uint8_t action)
{
	char why[sizeof(job->last.error)] = "";
	struct text t = TEXT(why);

	job->asked.nmore = 0;
	if (!run_start(job, OP_CHECKPOINT, ends(action) ? action : RUN_GOES_ON, NULL, NULL, &t)) {
		serve(job, action);
		return;
	}
	str_copy(job->last.error, why, sizeof(job->last.error));
	job->asked.last = action;
	job->asked.last_ns = loop_now();
	job_log(job, "no checkpoint, the job goes on: %s", why);
}

/* Can the checkpoint that runs, whoever has asked for it, do what is wanted? Then it will. */
static bool join(struct job *job, uint8_t action)
{
	struct checkpoint *cp = &job->run->cp;

	if (cp->op != OP_CHECKPOINT || !job->run->generation)
		return false;
	return ends(action) ? checkpoint_end_with(cp, action) : checkpoint_is_early(cp);
}

static bool is_late(const struct job *job, uint8_t action)
{
	return serves(job->asked.last, action) && loop_now() - job->asked.last_ns < LATE_NS;
}

static void log_request(const struct process *p, int signo, uint8_t action, const char *what)
{
	char text[64];
	struct text t = TEXT(text);

	signal_put(&t, signo);
	text_put(&t, " (");
	on_signal_put_action(&t, action);
	text_put(&t, ")");
	job_log(p->job, "%s of pid %d (%s)%s", text, p->facts.pid, p->facts.name, what);
}

void on_signal_request(const struct process *p, int signo, uint8_t action)
{
	struct job *job = p->job;
	struct asked *a = &job->asked;

	if ((job->run && (serves(a->serving, action) || serves(a->wanted, action))) || serves(a->again, action)) {
		a->nmore++;
	} else if (job->run && join(job, action)) {
		log_request(p, signo, action, ": joins the checkpoint that runs");
		serve(job, action);
	} else if (job->run) {
		log_request(p, signo, action, ": waits for the checkpoint that runs");
		a->wanted = action;
	} else if (is_late(job, action)) {
		if (!a->nlate++)
			log_request(p, signo, action, ": late, was served by the last checkpoint");
	} else {
		log_request(p, signo, action, "");
		start(job, action);
	}
}

/* How many signals have come for it beside the one that it was begun for; "" for none. */
static const char *more_text(const struct job *job, char *buf, size_t n)
{
	buf[0] = 0;
	if (job->asked.nmore)
		snprintf(buf, n, ", %u more such signals came", job->asked.nmore);
	return buf;
}

void on_signal_committed(const struct run *run, const struct msg_done *done)
{
	char more[64];

	job_log(run->job, "made %s, %lu bytes%s; the job ends with status %d", run->cp.params.path,
		(unsigned long)done->image_bytes, more_text(run->job, more, sizeof(more)), run->cp.exit_status);
}

static bool is_retried(const struct run *run)
{
	const struct asked *a = &run->job->asked;
	int err = run->cp.result.err;

	return ends(a->serving) && (err == -EOPNOTSUPP || err == RESULT_FOR_NOW || err == -ETIMEDOUT) &&
	       a->ntries < RETRIES && !run->cp.committed;
}

static void retry(struct timer *t)
{
	struct job *job = CONTAINER_OF(t, struct job, asked.retry);
	uint8_t action = job->asked.again;

	job->asked.again = 0;
	if (job->run && join(job, action))
		serve(job, action);
	else if (job->run)
		job->asked.wanted = action;
	else if (job->processes)
		start(job, action);
}

static void retry_later(struct asked *a)
{
	a->again = a->serving;
	a->retry.fire = retry;
	timer_set(&a->retry, loop_now() + (RETRY_NS << a->ntries++));
}

static void log_result(const struct run *run)
{
	const struct msg_result *r = &run->cp.result;
	char more[64];

	more_text(run->job, more, sizeof(more));
	if (run->cp.op != OP_CHECKPOINT)
		return;
	if (r->err == RESULT_FOR_NOW && !is_retried(run)) /* the process that has asked asks again */
		return;
	if (r->err && run->cp.committed)
		job_log(run->job, "failed: %s", r->text);
	else if (r->err)
		job_log(run->job, "checkpoint failed, the job goes on: %s%s%s", r->text, more,
			is_retried(run) ? "; it will be tried again" : "");
	else if (!run->cp.committed || !run->cp.exit_status)
		job_log(run->job, "made %s, %lu bytes%s%s", r->image, (unsigned long)r->image_bytes, more,
			run->cp.kill ? "; the job is killed" : "");
}

void on_signal_run_over(struct run *run)
{
	struct asked *a = &run->job->asked;

	log_result(run);
	if (is_retried(run))
		retry_later(a);
	else if (a->serving)
		a->ntries = 0;
	if (a->serving) {
		a->last = a->serving;
		a->last_ns = loop_now();
		a->nlate = 0;
	}
	a->serving = 0;
	a->nmore = 0;
}

void on_signal_next(struct job *job)
{
	uint8_t action = job->asked.wanted;

	job->asked.wanted = 0;
	if (action && job->processes)
		start(job, action);
}

void on_signal_forget(struct job *job)
{
	timer_clear(&job->asked.retry);
}

bool on_signal_any(void)
{
	for (struct job *j = jobs(); j; j = j->next)
		if (on_signal_set(j->config.on_signal))
			return true;
	return false;
}
