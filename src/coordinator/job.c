#include "job.h"
#include "discover.h"
#include "linger.h"
#include "log.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES_MAX = 65536, FOUND_MAX = 65536, ANCESTORS_MAX = 64, HASH_SIZE = 16384 };
/* How often a job is looked for that seems to have ended, while processes end as we look. */
enum { LOOKS_MAX = 100, LOOK_NS = 1000000 };

static struct job *first_job;
static uint32_t nprocesses_all;
static struct process *by_pid[HASH_SIZE]; /* chained by same_hash */

struct job *jobs(void)
{
	return first_job;
}

struct process *process_find(int pid)
{
	struct process *p = by_pid[pid % HASH_SIZE];

	while (p && p->facts.pid != pid)
		p = p->same_hash;
	return p;
}

static void hash_put(struct process *p)
{
	struct process **at = &by_pid[p->facts.pid % HASH_SIZE];

	p->same_hash = *at;
	*at = p;
}

static void hash_remove(struct process *p)
{
	struct process **at = &by_pid[p->facts.pid % HASH_SIZE];

	while (*at != p)
		at = &(*at)->same_hash;
	*at = p->same_hash;
}

/* ---- which job a process belongs to ---- */

static bool is_descendant(const struct proc_facts *f, const struct job *job)
{
	struct proc_stat up;
	int pid = f->ppid;

	for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
		struct process *p = process_find(pid);

		if (p && p->job == job)
			return true;
		if (proc_stat(pid, &up))
			return false;
		pid = up.ppid;
	}
	return false;
}

static bool is_ancestor(int pid, const struct process *p)
{
	struct proc_stat up;
	int at = p->facts.ppid;

	for (int i = 0; i < ANCESTORS_MAX && at > 0; i++) {
		if (at == pid)
			return true;
		if (proc_stat(at, &up))
			return false;
		at = up.ppid;
	}
	return false;
}

/*
 * A job's processes have all come from one, so they share its pid namespace or descend from it.
 * Several restarts of one image carry the same id in namespaces of their own.
 */
bool is_of_job(const struct proc_facts *f, const struct job *job)
{
	if (!job->processes)
		return job->pidns && job->pidns == f->pidns;
	for (struct process *p = job->processes; p; p = p->next)
		if (p->facts.pidns == f->pidns)
			return true;
	return is_descendant(f, job) || (job->processes && is_ancestor(f->pid, job->processes));
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
	linger_stay();
	return job;
}

/* ---- ends ---- */

static void job_free(struct job *job)
{
	struct job **at = &first_job;

	log_line("job %s ends", job->id);
	timer_clear(&job->tick);
	timer_clear(&job->look);
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	job_ended(job);
	free(job->reapers);
	free(job);
	linger_update();
}

/*
 * A job that has no process any more is only looked for some. When it is restarted meanwhile, the new one shall not have
 * to take another name; nor may the old one find children of it.
 */
static void job_replace(struct job *job, const struct proc_facts *f)
{
	if (job->processes || job->run)
		return;
	if (!is_of_job(f, job))
		discover(job);
	if (!job->processes)
		job_free(job);
}

static struct job *job_of(const struct proc_facts *f, const struct job_config *config)
{
	struct job *next;

	for (struct job *j = first_job; j; j = j->next)
		if (str_eq(j->config.job, config->job) && j->processes && is_of_job(f, j))
			return j;
	for (struct job *j = first_job; j; j = next) {
		next = j->next;
		if (str_eq(j->config.job, config->job))
			job_replace(j, f);
	}
	return job_new(config);
}

static void look_again(struct timer *t)
{
	job_end_if_idle(CONTAINER_OF(t, struct job, look));
}

/*
 * Children that it has left behind may never have said that they are there, and may have left some behind
 * themselves by the time we look.
 */
void job_end_if_idle(struct job *job)
{
	timer_clear(&job->look);
	if (job->processes || job->run)
		return;
	if (discover(job) == -EAGAIN && ++job->nlooks < LOOKS_MAX) {
		job->look.fire = look_again;
		timer_set(&job->look, loop_now() + LOOK_NS);
		return;
	}
	job->nlooks = 0;
	if (!job->processes)
		job_free(job);
}

static void process_unlink(struct process *p)
{
	struct job *job = p->job;

	*(p->prev ? &p->prev->next : &job->processes) = p->next;
	*(p->next ? &p->next->prev : &job->last_process) = p->prev;
	hash_remove(p);
	job->nprocesses--;
	nprocesses_all--;
}

static void process_remove(struct process *p)
{
	struct job *job = p->job;

	log_line("pid %d (%s) of job %s is gone", p->facts.pid, p->facts.name, job->id);
	process_unlink(p);
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

void process_forget(int pid)
{
	struct process *p = process_find(pid);

	if (p)
		process_remove(p);
}

/* ---- beginnings ---- */

/* Who gets its orphans: an ancestor outside of the job, whoever of them is a subreaper. */
static void reapers_add(struct job *job, int pid)
{
	struct proc_stat s;

	for (int i = 0; i < ANCESTORS_MAX && pid > 0; i++) {
		struct process *p = process_find(pid);
		struct reaper *grown;

		if (p && p->job == job)
			return;
		for (uint32_t k = 0; k < job->nreapers; k++)
			if (job->reapers[k].pid == pid)
				return;
		grown = realloc(job->reapers, (job->nreapers + 1) * sizeof(*grown));
		if (!grown || proc_stat(pid, &s))
			return;
		job->reapers = grown;
		grown[job->nreapers++] = (struct reaper){pid, s.start_time};
		pid = s.ppid;
	}
}

static void process_link(struct process *p, struct job *job)
{
	p->job = job;
	p->prev = job->last_process;
	*(p->prev ? &p->prev->next : &job->processes) = p;
	job->last_process = p;
	hash_put(p);
	job->nprocesses++;
	nprocesses_all++;
}

static struct process *process_new(const struct proc_facts *f, int pidfd, struct job *job)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->facts = *f;
	job->pidns = f->pidns ? f->pidns : job->pidns;
	p->ended = (struct watch){.fd = pidfd, .ready = process_is_over};
	if (loop_add(&p->ended, EPOLLIN)) {
		free(p);
		return NULL;
	}
	reapers_add(job, f->ppid);
	process_link(p, job);
	log_line("pid %d (%s) is of job %s", f->pid, f->name, job->id);
	job_process_added(p);
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

/* The facts are those of the pidfd's process, and not of one that came after it. */
static bool facts_of(int pid, int pidfd, struct proc_facts *f)
{
	return pidfd >= 0 && !proc_facts(pid, f) &&
	       (!syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) || errno == EPERM);
}

/* job NULL: the one that its configuration names. */
static struct process *process_take(int pid, int pidfd, struct job *job, const struct job_config *config)
{
	struct process *p = process_find(pid);
	struct proc_facts f;

	if (pidfd < 0)
		pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (!facts_of(pid, pidfd, &f))
		goto out;
	if (p)
		p = process_again(p, &f, config);
	if (p || nprocesses_all >= PROCESSES_MAX)
		goto out;
	if (!job)
		job = job_of(&f, config);
	p = job ? process_new(&f, pidfd, job) : NULL;
	if (p)
		return p;
	if (job && config != &job->config)
		job_end_if_idle(job);
out:
	if (pidfd >= 0)
		close(pidfd);
	return p;
}

struct process *process_add(int pid, int pidfd, const struct job_config *config)
{
	return process_take(pid, pidfd, NULL, config);
}

struct process *job_adopt(struct job *job, int pid)
{
	return process_take(pid, -1, job, &job->config);
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

/* A task of libckpt's that works for its parent (helper.c there), which may be to start us and to ask us for something. */
static bool is_helper(const struct proc_stat *s)
{
	return !s->exit_signal && syscall(SYS_kcmp, s->pid, s->ppid, KCMP_VM, 0, 0) == 0;
}

/* It says hello when it is what it will be; before that, its environment may tell of places that it has been moved from. */
static bool is_being_restored(const struct proc_stat *s)
{
	return str_eq(s->name, "ckpt_restart");
}

static int look_at(int pid, void *arg)
{
	struct scan *s = arg;
	struct found *found;
	struct proc_stat f;
	struct job_config c;
	char path[CKPT_PATH_MAX];

	if (process_find(pid) || proc_config(pid, &c, path, sizeof(path)) || proc_stat(pid, &f) ||
	    !is_of_program(&f) || is_helper(&f) || is_being_restored(&f))
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

	if (x->start_time != y->start_time)
		return x->start_time < y->start_time ? -1 : 1;
	return x->pid - y->pid;
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
