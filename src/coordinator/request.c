#include "request.h"
#include "die.h"
#include "job_log.h"
#include "on_signal.h"
#include "run.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- answers ---- */

void answer_end(struct peer *p, int status, const char *fmt, ...)
{
	struct msg_end end = {.status = status};
	va_list ap;

	MSG_INIT(&end, MSG_END);
	va_start(ap, fmt);
	vsnprintf(end.text, sizeof(end.text), fmt, ap);
	va_end(ap);
	p->job = NULL;
	peer_send(p, &end.m, -1);
	peer_finish(p);
}

static uint32_t job_state(const struct job *job)
{
	if (!job->run)
		return JOB_RUNNING;
	return job->run->cp.phase == PHASE_THAW ? JOB_WRITING : JOB_FREEZING;
}

void answer_job(struct peer *p, const struct job *job)
{
	const struct last *last = &job->last;
	struct msg_job m = {
		.state = job_state(job),
		.nprocesses = job->nprocesses,
		.interval_s = job->config.interval_s,
		.keep = job->config.keep,
		.level = job->config.level,
		.started_ns = job->started_ns,
		.last_generation = last->generation,
		.last_realtime_ns = last->realtime_ns,
		.last_bytes = last->bytes,
		.last_pause_ns = last->pause_ns,
		.last_total_ns = last->total_ns,
	};

	MSG_INIT(&m, MSG_JOB);
	str_copy(m.job, job->id, sizeof(m.job));
	str_copy(m.name, job->config.name, sizeof(m.name));
	str_copy(m.dir, job->config.dir, sizeof(m.dir));
	str_copy(m.last_error, last->error, sizeof(m.last_error));
	memcpy(m.on_signal, job->config.on_signal, sizeof(m.on_signal));
	peer_send(p, &m.m, -1);
}

/* Tell somebody whose checkpoint could not even be started. A process has been sent back before. */
static void answer_failure(struct peer *p, const struct job *job, int err, const char *why)
{
	struct msg_result r = {.err = err};

	p->job = NULL;
	MSG_INIT(&r, MSG_RESULT);
	str_copy(r.job, job->id, sizeof(r.job));
	str_copy(r.text, why, sizeof(r.text));
	peer_send(p, &r.m, -1);
	if (p->role == PEER_CLIENT)
		answer_end(p, STATUS_REFUSED, "%s", why);
	else
		peer_finish(p);
}

static bool waits_for(const struct peer *p, const struct job *job, bool attached)
{
	return p->job == job && p->attached == attached;
}

void requests_line(struct job *job, const char *text)
{
	struct msg_line line = {0};

	MSG_INIT(&line, MSG_LINE);
	str_copy(line.text, text, sizeof(line.text));
	for (struct peer *p = peers(); p; p = p->next)
		if (waits_for(p, job, true))
			peer_send(p, &line.m, -1);
}

void requests_progress(struct job *job, uint64_t done, uint64_t total)
{
	struct msg_progress progress = {.done = done, .total = total};

	MSG_INIT(&progress, MSG_PROGRESS);
	for (struct peer *p = peers(); p; p = p->next)
		if (waits_for(p, job, true))
			peer_send_spare(p, &progress.m);
}

void requests_answer(struct job *job, const struct msg_result *r)
{
	for (struct peer *p = peers(); p; p = p->next) {
		if (!waits_for(p, job, true))
			continue;
		peer_send(p, &r->m, -1);
		answer_end(p, r->err ? STATUS_REFUSED : STATUS_DONE, "%s", r->text);
	}
}

void requests_detach(struct job *job)
{
	for (struct peer *p = peers(); p; p = p->next)
		if (waits_for(p, job, true))
			p->attached = false;
}

/* ---- requests ---- */

static enum op wanted_op(const struct peer *p)
{
	return p->command.command == CMD_CHECK ? OP_CHECK : OP_CHECKPOINT;
}

static bool wants_kill(const struct peer *p)
{
	return p->command.flags & COMMAND_KILL;
}

static void attach(struct peer *p, struct job *job)
{
	p->job = job;
	p->attached = true;
	if (p->command.flags & COMMAND_NO_WAIT) {
		answer_job(p, job);
		answer_end(p, STATUS_DONE, "%s", "");
	}
}

static void start_for_client(struct peer *p, struct job *job)
{
	char why[1024] = "";
	struct text t = TEXT(why);
	int err;

	p->job = job;
	p->attached = true; /* before the start, which may have lines for it */
	err = run_start(job, wanted_op(p), wants_kill(p) ? RUN_KILL : RUN_GOES_ON, NULL, NULL, &t);
	if (err)
		answer_failure(p, job, err, why);
	else
		attach(p, job);
}

static bool can_share(const struct peer *p, const struct run *run)
{
	return run->cp.op == wanted_op(p) && (run->cp.kill || !wants_kill(p)) &&
	       !run->cp.called_off;
}

void request_of_client(struct peer *p, struct job *job)
{
	p->job = job;
	p->attached = false;
	if (!job->run)
		start_for_client(p, job);
	else if (can_share(p, job->run))
		attach(p, job);
}

/*
 * One that wants an image of its own shares no other's checkpoint.
 * A process is sent back at once when its checkpoint can't be now; the result tells why, or that it
 * may ask again: that comes when the one before is over.
 */
void request_of_process(struct peer *p, struct process *process)
{
	char why[1024] = "";
	struct text t = TEXT(why);
	struct job *job = process->job;
	int err;

	if (!p->target.m.size && run_takes_leader(process, p, 0))
		return;
	if (job->run) {
		run_send_back(p);
		p->role = PEER_WAITING;
		p->job = job;
		return;
	}
	err = run_start(job, OP_CHECKPOINT, RUN_GOES_ON, p, process, &t);
	if (!err)
		return;
	run_send_back(p);
	answer_failure(p, job, err, why);
}

/* Who has waited longest; the list is newest first. */
static struct peer *next_waiting(const struct job *job)
{
	struct peer *next = NULL;

	for (struct peer *p = peers(); p; p = p->next)
		if (waits_for(p, job, false) && !p->closing)
			next = p;
	return next;
}

void requests_next(struct job *job)
{
	struct peer *p;

	on_signal_next(job);
	while ((p = next_waiting(job))) {
		if (p->role == PEER_WAITING)
			answer_failure(p, job, -EAGAIN,
				       "another checkpoint was under way: ask again");
		else if (!job->run)
			start_for_client(p, job);
		else if (can_share(p, job->run))
			attach(p, job);
		else
			return;
	}
}

void job_ended(struct job *job)
{
	on_signal_forget(job);
	for (struct peer *p = peers(); p; p = p->next)
		if (p->job == job)
			answer_failure(p, job, -ESRCH, "the job has ended");
}

void job_tick(struct job *job)
{
	char why[sizeof(job->last.error)] = "";
	struct text t = TEXT(why);

	if (job->run)
		return;
	if (!run_start(job, OP_CHECKPOINT, RUN_GOES_ON, NULL, NULL, &t))
		return;
	str_copy(job->last.error, why, sizeof(job->last.error));
	job_log(job, "no checkpoint, the job goes on: %s", why);
}
