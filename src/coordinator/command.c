#include "command.h"
#include "die.h"
#include "discover.h"
#include "linger.h"
#include "log.h"
#include "request.h"

#include <string.h>

static const char *own_socket;

/* What the last scan saw that belongs to another coordinator. */
static int foreign_pid;
static char foreign_path[CKPT_PATH_MAX];

void command_init(const char *socket_path)
{
	own_socket = socket_path;
	jobs_scan(own_socket, &foreign_pid, foreign_path, sizeof(foreign_path));
}

/* ---- which job is meant ---- */

static bool has_pid(const struct job *job, int pid)
{
	for (struct process *p = job->processes; p; p = p->next)
		if (p->facts.pid == pid || p->facts.inner_pid == pid)
			return true;
	return false;
}

/* All have ended, and it is only looked whether they have left somebody behind: nobody means that one. */
static bool is_over(const struct job *job)
{
	return !job->processes && !job->run;
}

static bool has_name(const struct job *job, const char *name)
{
	if (str_eq(job->config.name, name) && !is_over(job))
		return true;
	for (struct process *p = job->processes; p; p = p->next)
		if (str_eq(p->facts.name, name))
			return true;
	return false;
}

static bool is_all(const struct job *job, const char *which)
{
	return !*which && !is_over(job);
}

static bool is_id(const struct job *job, const char *which)
{
	return str_eq(job->id, which) && !is_over(job);
}

static bool is_pid(const struct job *job, const char *which)
{
	const char *p = which;
	uint64_t pid = parse_dec(&p);

	return p != which && !*p && p - which < 10 && has_pid(job, pid);
}

/* Ways to mean a job, surest first: the first that fits any job decides. */
static bool (*const meanings[])(const struct job *job, const char *which) = {
	is_all,
	is_id,
	is_pid,
	has_name,
};

static bool (*meaning_of(const char *which))(const struct job *, const char *)
{
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
		for (struct job *j = jobs(); j; j = j->next)
			if (meanings[i](j, which))
				return meanings[i];
	return NULL;
}

static void answer_no_job(struct peer *p, const char *which)
{
	if (*which)
		answer_end(p, STATUS_NO_JOB, "no job %s", which);
	else if (foreign_pid)
		answer_end(p, STATUS_NO_JOB,
			   "no job here; pid %d is one of the coordinator at %.200s (set "
			   "CKPT_SOCKET to it)",
			   foreign_pid, foreign_path);
	else
		answer_end(p, STATUS_NO_JOB, "no job");
}

static void answer_several(struct peer *p, bool (*is_meant)(const struct job *, const char *))
{
	char list[900];
	struct text t = TEXT(list);

	for (struct job *j = jobs(); j; j = j->next)
		if (is_meant(j, p->command.job))
			text_put(&t, "%s%s (%s, pid %d)", t.len ? ", " : "", j->id, j->config.name,
				 j->processes ? j->processes->facts.pid : 0);
	answer_end(p, STATUS_REFUSED, "there are several jobs, choose one with --job: %s", list);
}

/* The one job that a command means, for a process of a job its own; else NULL, and the client has been told. */
static struct job *choose_job(struct peer *p)
{
	bool (*is_meant)(const struct job *, const char *) = meaning_of(p->command.job);
	struct process *own = *p->command.job ? NULL : process_find(p->pid);
	struct job *chosen = NULL;

	if (own)
		return own->job;
	if (!is_meant) {
		answer_no_job(p, p->command.job);
		return NULL;
	}
	for (struct job *j = jobs(); j; j = j->next) {
		if (!is_meant(j, p->command.job))
			continue;
		if (chosen) {
			answer_several(p, is_meant);
			return NULL;
		}
		chosen = j;
	}
	return chosen;
}

/* ---- commands ---- */

static void serve_checkpoint(struct peer *p)
{
	struct job *job = choose_job(p);

	if (job)
		request_of_client(p, job);
}

static void answer_processes(struct peer *p, const struct job *job)
{
	for (struct process *process = job->processes; process; process = process->next) {
		struct proc_stat s;
		struct msg_process m = {
			.pid = process->facts.pid,
			.inner_pid = process->facts.inner_pid,
		};

		if (proc_stat(m.pid, &s))
			continue;
		m.ppid = s.ppid;
		MSG_INIT(&m, MSG_PROCESS);
		str_copy(m.name, s.name, sizeof(m.name));
		peer_send(p, &m.m, -1);
	}
}

static void serve_list(struct peer *p)
{
	bool (*is_meant)(const struct job *, const char *) = meaning_of(p->command.job);

	if (!is_meant) {
		answer_no_job(p, p->command.job);
		return;
	}
	for (struct job *j = jobs(); j; j = j->next) {
		if (!is_meant(j, p->command.job))
			continue;
		discover(j);
		answer_job(p, j);
		answer_processes(p, j);
	}
	answer_end(p, STATUS_DONE, "%s", "");
}

static void serve_interval(struct peer *p)
{
	struct job *job = choose_job(p);

	if (!job)
		return;
	job_set_interval(job, p->command.interval_s);
	answer_job(p, job);
	answer_end(p, STATUS_DONE, "%s", "");
}

static void serve_quit(struct peer *p)
{
	answer_end(p, STATUS_DONE, "%s", "");
	linger_quit();
}

static void (*const serves[])(struct peer *p) = {
	[CMD_CHECKPOINT] = serve_checkpoint, [CMD_CHECK] = serve_checkpoint,
	[CMD_STATUS] = serve_list,	     [CMD_LIST] = serve_list,
	[CMD_INTERVAL] = serve_interval,     [CMD_QUIT] = serve_quit,
};

void command_serve(struct peer *p)
{
	uint32_t n = p->command.command;

	log_line("pid %d commands %u, job \"%s\"", p->pid, n, p->command.job);
	if (n >= ARRAY_SIZE(serves) || !serves[n]) {
		answer_end(p, STATUS_USAGE, "the coordinator does not know command %u", n);
		return;
	}
	jobs_scan(own_socket, &foreign_pid, foreign_path, sizeof(foreign_path));
	serves[n](p);
}
