/*
 * A job's directory. Numbers of jobs come again on a cluster that is set up anew, so a directory of that name may be
 * another job's: it is set aside then, and nothing in it is looked at. In the first run whatever was there before that
 * run is another's. In a later one these must fit: the runs count up, and were submitted one after the other, from
 * the same session, with the same script. SLURM has no name for a job that lasts longer than its number.
 */
#include "slurm.h"
#include "core.h"
#include "die.h"
#include "slurm_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JOB_FORMAT = 1 };

/* BASE/NAME/job */
struct job_state {
	uint64_t format;
	char name[SLURM_NAME_MAX];
	uint64_t uid;
	uint64_t run;	   /* the last that was here, */
	char submit[32];   /* when that was submitted, */
	char token[256];   /* and the first step of it that was here */
	char session[64], script[256];
	uint64_t requeues; /* 1: the site requeues by exit status */
};

#define TEXT_OF(field)	 STATE_TEXT(struct job_state, field)
#define NUMBER_OF(field) STATE_NUMBER(struct job_state, field)

static const struct state_field fields[] = {
	NUMBER_OF(format), TEXT_OF(name),  NUMBER_OF(uid),   NUMBER_OF(run),
	TEXT_OF(submit),   TEXT_OF(token), TEXT_OF(session), TEXT_OF(script),
	NUMBER_OF(requeues),
};

/* Both are known, and differ. */
static bool differs(const char *a, const char *b)
{
	return a[0] && b[0] && strcmp(a, b);
}

/* The run that was here last is this one. */
static bool same_run(const struct slurm *s, const struct job_state *j)
{
	if (j->run != s->run)
		return false;
	if (j->submit[0] && s->answer.submit[0])
		return !strcmp(j->submit, s->answer.submit);
	return s->run || !strcmp(j->token, s->token); /* of a first run without a time nothing else is sure */
}

static bool same_job(const struct slurm *s, const struct job_state *j)
{
	if (j->format != JOB_FORMAT || strcmp(j->name, s->name) || j->uid != geteuid())
		return false;
	if (differs(j->session, s->answer.session) || differs(j->script, s->answer.script))
		return false;
	if (j->run == s->run)
		return same_run(s, j);
	return j->run < s->run && (!s->answer.submit[0] || strcmp(j->submit, s->answer.submit) <= 0);
}

/* The first of a run asks what holds for all of it. */
static void record(struct slurm *s, const char *path, const struct job_state *old)
{
	struct job_state j = {.format = JOB_FORMAT, .uid = geteuid(), .run = s->run};
	int err;

	s->requeues = s->answer.batch && slurm_ask_requeues(STATUS_REQUEUE);
	j.requeues = s->requeues;
	str_copy(j.name, s->name, sizeof(j.name));
	str_copy(j.token, s->token, sizeof(j.token));
	str_copy(j.submit, s->answer.submit, sizeof(j.submit));
	str_copy(j.session, s->answer.session[0] ? s->answer.session : old->session, sizeof(j.session));
	str_copy(j.script, s->answer.script[0] ? s->answer.script : old->script, sizeof(j.script));
	err = state_write(path, fields, ARRAY_SIZE(fields), &j);
	if (err)
		die("cannot write %s: %s", path, strerror(-err));
}

void slurm_job_take(struct slurm *s)
{
	struct job_state j = {0};
	char path[PATH_MAX];
	struct stat st;
	int err;

	if (snprintf(s->dir, sizeof(s->dir), "%s/%s", s->base, s->name) >= (int)sizeof(s->dir) - SLURM_NAME_MAX)
		die("%.200s…: path is too long", s->base);
	snprintf(path, sizeof(path), "%.*s/job", PATH_MAX - 8, s->dir);
	if (lstat(s->dir, &st) == 0) {
		err = state_read(path, fields, ARRAY_SIZE(fields), &j, sizeof(j));
		if (err && err != -ENOENT && s->run)
			die_status(STATUS_HOLD, "%s can't be read, so it is not known whose images these are: %s", path,
				   err == -EBADMSG ? "it is damaged" : strerror(-err));
		if (err || !same_job(s, &j)) {
			slurm_dir_aside(s->dir);
			j = (struct job_state){0};
		} else if (same_run(s, &j)) {
			s->requeues = j.requeues;
			return;
		}
	}
	slurm_dir_make(s->dir);
	record(s, path, &j);
}
