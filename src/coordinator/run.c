#include "run.h"
#include "generation.h"
#include "linger.h"
#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- what the state machine does to the world ---- */

static int send_signal(int pid, int tid, int signo, int request)
{
	siginfo_t si = {0};

	si.si_signo = signo;
	si.si_code = SI_QUEUE;
	si.si_pid = getpid();
	si.si_uid = getuid();
	si.si_value.sival_int = request;
	return syscall(SYS_rt_tgsigqueueinfo, pid, tid, signo, &si) ? -errno : 0;
}

static int op_call(struct member *m, int request, struct text *why)
{
	struct run *run = m->cp->owner;
	int signo = run->job->config.signo, err;
	int tid = proc_thread_for(m->pid, signo);

	if (!tid) {
		text_put(why, "pid %d (%s) has no thread that takes signal %d", m->pid, m->name,
			 signo);
		return -EAGAIN;
	}
	proc_blocked(m->pid, tid, &m->blocked.nr, &m->blocked.sp, &m->blocked.pc);
	err = send_signal(m->pid, tid, signo, request);
	if (err)
		text_put(why, "pid %d (%s) can't be signalled: %s", m->pid, m->name,
			 strerror(-err));
	log_line("request %d: signal %d to pid %d thread %d: %d", request, signo, m->pid, tid, err);
	return err;
}

static void op_send(struct member *m, const struct msg *msg)
{
	peer_send(m->conn, msg);
}

static void op_describe(struct member *m, struct text *t)
{
	proc_describe(m->pid, t);
}

static void op_kill(struct member *m)
{
	struct process *p = m->process;

	syscall(SYS_pidfd_send_signal, p->ended.fd, SIGKILL, NULL, 0);
}

static void op_unlink(const char *path)
{
	if (!unlink(path))
		log_line("removed %s", path);
}

static void op_line(struct checkpoint *cp, const char *text)
{
	struct run *run = cp->owner;

	log_line("job %s: %s", run->job->id, text);
	requests_line(run->job, text);
}

static void op_progress(struct checkpoint *cp, uint64_t done, uint64_t total)
{
	struct run *run = cp->owner;

	requests_progress(run->job, done, total);
}

/* ---- the end ---- */

static void remember(struct run *run)
{
	const struct msg_result *r = &run->cp.result;
	struct last *last = &run->job->last;
	struct timespec ts;

	if (run->cp.op != OP_CHECKPOINT)
		return;
	str_copy(last->error, r->text, sizeof(last->error));
	if (r->err)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	last->realtime_ns = (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	last->generation = run->generation;
	last->bytes = r->image_bytes;
	last->pause_ns = r->pause_ns;
	last->total_ns = r->total_ns;
}

static void job_stem(const struct job *job, char *stem, size_t n)
{
	snprintf(stem, n, "%s-%s", job->config.name, job->id);
}

static void run_free(struct run *run)
{
	for (uint32_t i = 0; i < run->cp.nmembers; i++) {
		struct peer *peer = run->cp.members[i].conn;

		if (!peer)
			continue;
		peer->member = NULL;
		peer_finish(peer);
	}
	timer_clear(&run->timer);
	free(run->cp.members);
	free(run);
}

/* Fires at once when the state machine has finished: nothing of it is on the stack any more. */
static void run_over(struct timer *t)
{
	struct run *run = CONTAINER_OF(t, struct run, timer);
	struct job *job = run->job;
	struct msg_result result = run->cp.result;

	log_line("request %d: job %s: %d %s", run->cp.request, job->id, result.err, result.text);
	remember(run);
	run_free(run);
	job->run = NULL;
	requests_answer(job, &result);
	requests_next(job);
	job_end_if_idle(job);
	linger_update();
}

static void op_finished(struct checkpoint *cp)
{
	struct run *run = cp->owner;

	run->timer.fire = run_over;
	timer_set(&run->timer, loop_now());
}

static const struct checkpoint_ops world = {
	.now = loop_now,
	.call = op_call,
	.send = op_send,
	.describe = op_describe,
	.kill = op_kill,
	.unlink = op_unlink,
	.line = op_line,
	.progress = op_progress,
	.finished = op_finished,
};

/* ---- time ---- */

static void run_expire(struct timer *t);

/* To be called whenever the state machine has been: its deadline may be another. */
static void run_rearm(struct run *run)
{
	if (run->timer.fire == run_over)
		return;
	run->timer.fire = run_expire;
	if (run->cp.deadline_ns)
		timer_set(&run->timer, run->cp.deadline_ns);
	else
		timer_clear(&run->timer);
}

static void run_expire(struct timer *t)
{
	struct run *run = CONTAINER_OF(t, struct run, timer);

	checkpoint_expire(&run->cp);
	run_rearm(run);
}

/* ---- what must hold before anything is signalled ---- */

/* Process trees are a later matter; this check is all that keeps them out. */
static int check_tree(const struct proc_facts *f, struct text *why)
{
	int child = proc_child(f->pid);
	struct proc_facts c;

	if (!child || proc_facts(child, &c))
		return 0;
	text_put(why,
		 "pid %d (%s) has a child process pid %d (%s): process trees are not supported yet",
		 f->pid, f->name, child, c.name);
	return -EOPNOTSUPP;
}

/* It could not even connect to us, and ckpt_restart could not make it what it is. */
static int check_user(const struct proc_facts *f, struct text *why)
{
	unsigned int other = proc_other_user(f->pid, getuid());

	if (other == getuid())
		return 0;
	text_put(why, "pid %d (%s) has become user %u: a change of user can't be restored", f->pid,
		 f->name, other);
	return -EOPNOTSUPP;
}

/* It could not connect to us. Below the hard limit it makes room for that itself. */
static int check_descriptors(const struct proc_facts *f, struct text *why)
{
	unsigned int limit = proc_descriptors_full(f->pid);

	if (!limit)
		return 0;
	text_put(why, "pid %d (%s) has no descriptor free: all %u of its limit are open", f->pid, f->name,
		 limit);
	return -EMFILE;
}

static int check_process(const struct job *job, const struct proc_facts *f, struct text *why)
{
	struct proc_signals s;
	int err;

	if (proc_signals(f->pid, 0, &s)) {
		text_put(why, "pid %d (%s) has ended", f->pid, f->name);
		return -ESRCH;
	}
	if (s.state == 'T' || s.state == 't') {
		text_put(why, "pid %d (%s) is stopped%s", f->pid, f->name,
			 s.state == 'T' ? ": continue it first (kill -CONT)" : " by a tracer");
		return -EAGAIN;
	}
	err = check_user(f, why);
	if (!err)
		err = check_descriptors(f, why);
	if (err)
		return err;
	if (!(s.caught >> (job->config.signo - 1) & 1)) {
		text_put(why,
			 "pid %d (%s) does not catch signal %d: it is not (or no longer) a program "
			 "that can be checkpointed",
			 f->pid, f->name, job->config.signo);
		return -EOPNOTSUPP;
	}
	return check_tree(f, why);
}

static int check_job(const struct job *job, enum op op, struct text *why)
{
	int err = 0;

	if (!job->processes) {
		text_put(why, "the job has ended");
		return -ESRCH;
	}
	if (op == OP_CHECKPOINT)
		err = generation_check_dir(job->config.dir, why);
	for (struct process *p = job->processes; p && !err; p = p->next)
		err = check_process(job, &p->facts, why);
	return err;
}

/* ---- the beginning ---- */

/* Never the number of an earlier request that somebody may still answer; nor of a former
 * coordinator's. */
static int next_request(void)
{
	static uint32_t last;

	if (!last && getrandom(&last, sizeof(last), 0) != sizeof(last))
		last = time(NULL);
	last++;
	return (last & 0x7fffffff) ? (int)(last & 0x7fffffff) : next_request();
}

static int fill_params(struct run *run, struct text *why)
{
	struct msg_params *p = &run->cp.params;
	const struct job *job = run->job;
	char stem[JOB_NAME_MAX + JOB_ID_MAX];
	struct text path = TEXT(p->path);

	job_stem(job, stem, sizeof(stem));
	p->keep = job->config.keep;
	p->level = job->config.level;
	str_copy(p->job, job->id, sizeof(p->job));
	if (run->cp.op != OP_CHECKPOINT)
		return 0;
	run->generation = generation_next(job->config.dir, stem);
	p->generation = run->generation;
	snprintf(p->link, sizeof(p->link), "%s.ckpt", stem);
	/* "/" alone must not become "//". */
	text_put(&path, "%s/%s.%05lu.ckpt", str_eq(job->config.dir, "/") ? "" : job->config.dir,
		 stem, (unsigned long)run->generation);
	if (path.len + sizeof(".part") <= sizeof(p->path) && str_ends(p->path, ".ckpt"))
		return 0;
	text_put(why, "directory for images %s: name is too long", job->config.dir);
	return -ENAMETOOLONG;
}

static void fill_members(struct run *run, struct peer *asker, struct process *asker_process)
{
	struct member *m = run->cp.members;

	for (struct process *p = run->job->processes; p; p = p->next, m++) {
		m->cp = &run->cp;
		m->process = p;
		m->pid = p->facts.pid;
		str_copy(m->name, p->facts.name, sizeof(m->name));
		if (p != asker_process)
			continue;
		m->conn = asker;
		m->wants_result = true;
		asker->role = PEER_MEMBER;
		asker->member = m;
	}
}

static struct run *run_new(struct job *job, enum op op, bool kill, struct text *why)
{
	struct run *run = calloc(1, sizeof(*run));
	struct member *members = calloc(job->nprocesses, sizeof(*members));

	if (!run || !members) {
		text_put(why, "out of memory");
		goto out;
	}
	run->job = job;
	run->cp = (struct checkpoint){
		.ops = &world,
		.owner = run,
		.op = op,
		.kill = kill,
		.request = next_request(),
		.timeout_ms = job->config.timeout_ms,
		.members = members,
		.nmembers = job->nprocesses,
	};
	if (!fill_params(run, why))
		return run;
out:
	free(members);
	free(run);
	return NULL;
}

int run_start(struct job *job, enum op op, bool kill, struct peer *asker,
	      struct process *asker_process, struct text *why)
{
	int err = check_job(job, op, why);
	struct run *run;

	if (err)
		return err;
	run = run_new(job, op, kill, why);
	if (!run)
		return -ENOMEM;
	fill_members(run, asker, asker_process);
	job->run = run;
	log_line("request %d: job %s: %s", run->cp.request, job->id, run->cp.params.path);
	checkpoint_start(&run->cp);
	run_rearm(run);
	return 0;
}

/* ---- what comes from members ---- */

static struct member *member_of(struct process *p)
{
	struct run *run = p->job->run;

	for (uint32_t i = 0; run && i < run->cp.nmembers; i++)
		if (run->cp.members[i].process == p)
			return &run->cp.members[i];
	return NULL;
}

bool run_takes_leader(struct process *p, struct peer *peer, int request)
{
	struct member *m = member_of(p);

	if (!m || m->conn || m->state != MEMBER_CALLED || m->cp->called_off)
		return false;
	if (request ? request != m->cp->request : m->cp->op != OP_CHECKPOINT)
		return false;
	m->conn = peer;
	m->wants_result = !request;
	peer->role = PEER_MEMBER;
	peer->member = m;
	checkpoint_leader(m);
	run_rearm(p->job->run);
	return true;
}

void run_send_back(struct peer *peer)
{
	struct msg_params p = {.op = OP_NONE};

	MSG_INIT(&p, MSG_PARAMS);
	peer->role = PEER_MEMBER;
	peer_send(peer, &p.m);
}

int run_message(struct peer *peer, const union any_msg *m)
{
	struct run *run;
	int err;

	if (!peer->member)
		return 0; /* its checkpoint is over */
	run = peer->member->cp->owner;
	err = checkpoint_message(peer->member, m);
	run_rearm(run);
	return err;
}

void run_closed(struct peer *peer)
{
	struct run *run;

	if (!peer->member)
		return;
	run = peer->member->cp->owner;
	checkpoint_closed(peer->member);
	run_rearm(run);
}

void job_process_ended(struct process *p)
{
	struct run *run = p->job->run;
	struct member *m = member_of(p);

	if (!m)
		return;
	m->process = NULL;
	checkpoint_ended(m);
	run_rearm(run);
}
