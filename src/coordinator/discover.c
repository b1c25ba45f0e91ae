/*
 * A process of a job is a descendant of its first one. All are found as children of those that are known;
 * but one whose parent has ended is given to the nearest ancestor that is a subreaper, or to the init of its
 * pid namespace. Every ancestor of a process of the job that is not of the job itself may be such a reaper,
 * and of their children those belong to the job that have its id in their environment.
 *
 * A reaper may have hundreds of children that have nothing to do with us. Who has been looked at once is
 * remembered: an environment changes by exec only, and one that joins a job by that says hello.
 */
#include "discover.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
	STRANGERS = 65536,
	FIRST_LOOKS = 3, /* at a job, until nothing changes meanwhile */
	IDS_MAX = 64,	 /* more ids to look at than that cost more than to look at everything */
};

/* Processes that are not of the job, at pid % STRANGERS; a later one takes the place. */
static struct {
	int pid;
	uint64_t start_time;
	struct job *job; /* only compared */
} strangers[STRANGERS];

struct walk {
	struct job *job;
	int parent;
	int found;
	bool unsettled;
	bool frozen; /* nothing of ours runs in the parent: children without exit signal are the program's */
};

static bool is_stranger(const struct job *job, const struct proc_stat *s)
{
	int i = s->pid % STRANGERS;

	return strangers[i].pid == s->pid && strangers[i].start_time == s->start_time &&
	       strangers[i].job == job;
}

static void remember_stranger(struct job *job, const struct proc_stat *s)
{
	int i = s->pid % STRANGERS;

	strangers[i].pid = s->pid;
	strangers[i].start_time = s->start_time;
	strangers[i].job = job;
}

/*
 * A snapshot writer has its program's environment and handlers; but it was made in the handler, and blocks
 * all signals. One that is over does not tell, and has left nobody; hundreds may end while we look.
 */
static bool is_writer(const struct proc_stat *s)
{
	struct proc_status status;

	if (strcmp(s->name, "ckpt_writer"))
		return false;
	return proc_is_over(s) || (!proc_status(s->pid, 0, &status) && status.blocked >> 63);
}

bool is_of_program(const struct proc_stat *s)
{
	return !proc_is_over(s) && !is_writer(s);
}

static void adopt(struct walk *w, int pid)
{
	if (job_adopt(w->job, pid))
		w->found++;
	else
		w->unsettled = true;
}

static void see_child(int pid, void *arg)
{
	struct walk *w = arg;
	struct proc_stat s;

	if (pid == getpid() || process_find(pid))
		return;
	if (proc_stat(pid, &s)) {
		w->unsettled = true;
	} else if (proc_is_over(&s)) {
		/* It may have left a child to one whose list was read before. */
		w->unsettled |= !is_stranger(w->job, &s);
		remember_stranger(w->job, &s);
	} else if (is_of_program(&s) && (s.exit_signal || w->frozen)) {
		adopt(w, pid);
	}
}

/* Does its environment name the job, and is it this run of it? */
static bool carries_id(const struct job *job, int pid)
{
	char path[CKPT_PATH_MAX];
	struct job_config c;
	struct proc_facts f;

	return !proc_config(pid, &c, path, sizeof(path)) && str_eq(c.job, job->config.job) &&
	       !proc_facts(pid, &f) && is_of_job(&f, job);
}

static void see_orphan(int pid, void *arg)
{
	struct walk *w = arg;
	struct proc_stat s;

	if (pid == getpid() || process_find(pid))
		return;
	if (proc_stat(pid, &s)) {
		w->unsettled = true;
		return;
	}
	if (is_stranger(w->job, &s) || is_writer(&s) || !s.exit_signal)
		return;
	if (!proc_is_over(&s) && carries_id(w->job, pid)) {
		adopt(w, pid);
		return;
	}
	/* One that is over may have left a child to the reaper after the list was read. */
	w->unsettled |= proc_is_over(&s);
	remember_stranger(w->job, &s);
}

static void see_reapers(struct walk *w)
{
	struct job *job = w->job;
	struct proc_stat s;

	for (uint32_t i = 0; i < job->nreapers;) {
		struct reaper *r = &job->reapers[i];

		if (proc_stat(r->pid, &s) || s.start_time != r->start_time) {
			*r = job->reapers[--job->nreapers];
			continue;
		}
		i++;
		proc_each_child(s.pid, see_orphan, w);
	}
}

/* What is found is appended to the list, so that its children are found, too. */
static struct process *see_children_from(struct walk *w, struct process *p)
{
	struct process *last = NULL;

	for (; p; p = p->next) {
		w->frozen = process_is_frozen(p);
		proc_each_child(p->facts.pid, see_child, w);
		last = p;
	}
	return last;
}

static int walk(struct job *job, bool reapers, bool *unsettled)
{
	struct walk w = {.job = job};
	struct process *last = see_children_from(&w, job->processes);

	if (reapers) {
		see_reapers(&w);
		see_children_from(&w, last ? last->next : job->processes);
	}
	*unsettled = w.unsettled;
	return w.found ? w.found : w.unsettled ? -EAGAIN : 0;
}

int discover(struct job *job)
{
	bool unsettled;

	return walk(job, true, &unsettled);
}

/* A list is complete if no task has come or gone while it was read. */
void discover_first(struct job *job, int *since)
{
	struct proc_tasks before, behind;
	bool unsettled = true;

	for (int i = 0; i < FIRST_LOOKS; i++) {
		if (proc_tasks(&before))
			break;
		walk(job, true, &unsettled);
		if (unsettled || proc_tasks(&behind) || before.n != behind.n || before.newest != behind.newest)
			continue;
		*since = before.newest;
		return;
	}
	discover(job);
	*since = 0;
}

/* Can a process with this id be of the job without our knowing? */
static bool may_be_of_job(struct job *job, int pid)
{
	struct process *parent;
	struct proc_stat s;
	int err;

	if (process_find(pid))
		return false;
	err = proc_stat(pid, &s);
	if (err)
		return err != -ENOENT && err != -ESRCH;
	if (proc_is_over(&s) || is_stranger(job, &s))
		return false;
	parent = process_find(s.ppid);
	if ((parent && parent->job == job) || carries_id(job, pid))
		return true;
	remember_stranger(job, &s);
	return false;
}

/* Has the job made no process since then whose parent has ended already? Only by what makes ids, so no for sure. */
static bool has_no_orphans(struct job *job, int since)
{
	struct proc_tasks t;
	int last = since + IDS_MAX;

	while (!proc_tasks(&t) && t.newest >= since && t.newest <= last) {
		if (since == t.newest)
			return true;
		while (since < t.newest)
			if (may_be_of_job(job, ++since))
				return false;
	}
	return false;
}

/*
 * Children are looked for in any case: a process that was being made at the beginning has its id already, but
 * is nobody's child before it is there.
 */
int discover_rest(struct job *job, int since)
{
	bool unsettled;

	return walk(job, !since || !has_no_orphans(job, since), &unsettled);
}
