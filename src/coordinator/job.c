#include "job.h"
#include "linger.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES_MAX = 65536, FOUND_MAX = 4096, ANCESTORS_MAX = 64 };

static struct job *first_job;
static uint32_t nprocesses_all;

struct job *jobs(void)
{
	return first_job;
}

struct process *process_find(int pid)
{
	for (struct job *j = first_job; j; j = j->next)
		for (struct process *p = j->processes; p; p = p->next)
			if (p->facts.pid == pid)
				return p;
	return NULL;
}

/* ---- which job a process belongs to ---- */

static bool is_descendant(const struct proc_facts *f, int ancestor)
{
	struct proc_facts up = *f;

	for (int i = 0; i < ANCESTORS_MAX && up.ppid > 0; i++) {
		if (up.ppid == ancestor)
			return true;
		if (proc_facts(up.ppid, &up))
			return false;
	}
	return false;
}

/*
 * A job's processes have all come from one, so they share its pid namespace or descend from it.
 * Several restarts of one image carry the same id in namespaces of their own.
 */
static bool is_of_job(const struct proc_facts *f, const struct job *job)
{
	for (struct process *p = job->processes; p; p = p->next)
		if (p->facts.pidns == f->pidns || is_descendant(f, p->facts.pid) ||
		    is_descendant(&p->facts, f->pid))
			return true;
	return false;
}

static bool id_is_taken(const char *id)
{
	for (struct job *j = first_job; j; j = j->next)
		if (str_eq(j->id, id))
			return true;
	return false;
}

static void choose_id(char id[JOB_ID_MAX], const char *base)
{
	str_copy(id, base, JOB_ID_MAX);
	for (unsigned n = 2; id_is_taken(id); n++)
		snprintf(id, JOB_ID_MAX, "%.20s.%u", base, n);
}

static struct job *job_new(const struct job_config *config)
{
	struct job *job = calloc(1, sizeof(*job)), **at = &first_job;
	struct timespec ts;

	if (!job)
		return NULL;
	clock_gettime(CLOCK_REALTIME, &ts);
	job->started_ns = (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	job->config = *config;
	choose_id(job->id, config->job);
	while (*at)
		at = &(*at)->next;
	*at = job;
	job_set_interval(job, config->interval_s);
	log_line("job %s (%s) begins", job->id, config->name);
	linger_update();
	return job;
}

static struct job *job_of(const struct proc_facts *f, const struct job_config *config)
{
	for (struct job *j = first_job; j; j = j->next)
		if (str_eq(j->config.job, config->job) && is_of_job(f, j))
			return j;
	return job_new(config);
}

/* ---- ends ---- */

void job_end_if_idle(struct job *job)
{
	struct job **at = &first_job;

	if (job->processes || job->run)
		return;
	log_line("job %s ends", job->id);
	timer_clear(&job->tick);
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	job_ended(job);
	free(job);
	linger_update();
}

static void process_remove(struct process *p)
{
	struct job *job = p->job;
	struct process **at = &job->processes;

	log_line("pid %d (%s) of job %s is gone", p->facts.pid, p->facts.name, job->id);
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	job->nprocesses--;
	nprocesses_all--;
	loop_remove(&p->ended);
	close(p->ended.fd);
	job_process_ended(p);
	free(p);
	job_end_if_idle(job);
}

static void process_is_over(struct watch *w, uint32_t events)
{
	(void)events;
	process_remove(CONTAINER_OF(w, struct process, ended));
}

/* ---- beginnings ---- */

static struct process *process_new(const struct proc_facts *f, int pidfd,
				   const struct job_config *config)
{
	struct process *p = calloc(1, sizeof(*p)), **at;
	struct job *job = p ? job_of(f, config) : NULL;

	if (!job) {
		free(p);
		return NULL;
	}
	p->facts = *f;
	p->job = job;
	p->ended = (struct watch){.fd = pidfd, .ready = process_is_over};
	for (at = &job->processes; *at; at = &(*at)->next)
		;
	*at = p;
	job->nprocesses++;
	nprocesses_all++;
	log_line("pid %d (%s) is of job %s", f->pid, f->name, job->id);
	if (loop_add(&p->ended, EPOLLIN)) {
		process_remove(p);
		return NULL;
	}
	return p;
}

/* A process that is known already may have become another by exec. */
static struct process *process_again(struct process *p, const struct proc_facts *f,
				     const struct job_config *config)
{
	if (p->facts.start_time != f->start_time || !str_eq(p->job->config.job, config->job)) {
		process_remove(p);
		return NULL;
	}
	p->facts = *f;
	return p;
}

struct process *process_add(int pid, int pidfd, const struct job_config *config)
{
	struct process *p = process_find(pid);
	struct proc_facts f;

	if (pidfd < 0)
		pidfd = syscall(SYS_pidfd_open, pid, 0);
	/* The facts are those of the pidfd's process: it is there, so its pid is its own. */
	if (pidfd < 0 || proc_facts(pid, &f) || syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0))
		goto out;
	if (p)
		p = process_again(p, &f, config);
	if (p || nprocesses_all >= PROCESSES_MAX)
		goto out;
	p = process_new(&f, pidfd, config);
	if (p)
		return p;
out:
	if (pidfd >= 0)
		close(pidfd);
	return p;
}

/* ---- finding those that have not said hello ---- */

struct found {
	int pid;
	uint64_t start_time;
	struct job_config config;
};

struct scan {
	const char *socket_path;
	int *foreign_pid;
	char *foreign_path;
	size_t foreign_size;
	struct found *found;
	uint32_t n;
};

/* Left to the coordinator at path: when that is not us and its place is there still. */
static bool is_foreign(const struct scan *s, const char *path)
{
	char dir[CKPT_PATH_MAX], *slash;
	struct stat st;

	if (!*path || str_eq(path, s->socket_path))
		return false;
	str_copy(dir, path, sizeof(dir));
	slash = strrchr(dir, '/');
	if (!slash)
		return false;
	*slash = 0;
	return !stat(dir, &st);
}

/*
 * A snapshot writer has its program's environment and handlers, and an exit signal since the kernel gave
 * it a new parent; but it was made in the handler, and blocks the signal in all its threads.
 */
static bool awaits_signal(int pid, int signo)
{
	struct proc_signals s;

	return !proc_signals(pid, 0, &s) && (s.caught >> (signo - 1) & 1) &&
	       proc_thread_for(pid, signo);
}

static int look_at(int pid, void *arg)
{
	struct scan *s = arg;
	struct found *found;
	struct proc_facts f;
	struct job_config c;
	char path[CKPT_PATH_MAX];

	if (process_find(pid) || proc_config(pid, &c, path, sizeof(path)) ||
	    !awaits_signal(pid, c.signo) || proc_facts(pid, &f))
		return 0;
	if (is_foreign(s, path)) {
		if (!*s->foreign_pid) {
			*s->foreign_pid = pid;
			str_copy(s->foreign_path, path, s->foreign_size);
		}
		return 0;
	}
	found = realloc(s->found, (s->n + 1) * sizeof(*found));
	if (!found)
		return 1;
	s->found = found;
	found[s->n++] = (struct found){pid, f.start_time, c};
	return s->n == FOUND_MAX;
}

static int by_start(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return x->start_time < y->start_time ? -1 : x->start_time > y->start_time;
}

void jobs_scan(const char *socket_path, int *foreign_pid, char *foreign_path, size_t n)
{
	struct scan s = {
		.socket_path = socket_path,
		.foreign_pid = foreign_pid,
		.foreign_path = foreign_path,
		.foreign_size = n,
	};

	*foreign_pid = 0;
	proc_each(look_at, &s);
	qsort(s.found, s.n, sizeof(*s.found), by_start);
	for (uint32_t i = 0; i < s.n; i++)
		process_add(s.found[i].pid, -1, &s.found[i].config);
	free(s.found);
}

/* ---- interval ---- */

static void tick(struct timer *t)
{
	struct job *job = CONTAINER_OF(t, struct job, tick);

	timer_set(t, loop_now() + job->config.interval_s * 1000000000ull);
	job_tick(job);
}

void job_set_interval(struct job *job, uint32_t seconds)
{
	job->config.interval_s = seconds;
	job->tick.fire = tick;
	timer_clear(&job->tick);
	if (seconds)
		timer_set(&job->tick, loop_now() + seconds * 1000000000ull);
}
