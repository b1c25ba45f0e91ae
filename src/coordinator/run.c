#include "run.h"

#include "contents.h"
#include "call.h"
#include "discover.h"
#include "generation.h"
#include "hook.h"
#include "job_log.h"
#include "linger.h"
#include "log.h"
#include "on_signal.h"
#include "order.h"
#include "run_params.h"
#include "tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
	UNSETTLED_MAX = 100, /* how often to look again because some process, of whatever kind, ended while we looked */
	AGAIN_MAX = 10	     /* and to try again what was refused for the moment only */
};
#define AGAIN_NS 2000000ull /* first, and doubled each time */

static void run_rearm(struct run *run);

struct fault run_fault;

/* ---- what the state machine does to the world ---- */

static uint64_t op_spent(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* As it is now: when all stand still nobody can lose his parent any more, as long as nobody is killed. */
static struct member *parent_of(struct process *p)
{
	struct process *parent;
	struct proc_stat s;

	if (!proc_stat(p->facts.pid, &s))
		p->facts.ppid = s.ppid;
	parent = process_find(p->facts.ppid);
	return parent && parent->job == p->job ? parent->member : NULL;
}

/*
 * libckpt in it belongs to its parent. For a vfork child that passes soon, and its parent can't freeze before; one
 * that shares its parent's memory while that stands still is no such child (CLONE_VM without CLONE_VFORK).
 */
static int check_memory(const struct member *m, struct text *why)
{
	struct member *parent = m->nsignals ? parent_of(m->process) : NULL;

	if (!parent || parent->state < MEMBER_FROZEN || parent->state == MEMBER_GONE ||
	    syscall(SYS_kcmp, m->pid, parent->pid, KCMP_VM, 0, 0) != 0)
		return 0;
	text_put(why, "pid %d (%s) shares its memory with pid %d and is no thread of it (CLONE_VM): that can't be restored",
		 m->pid, m->name, parent->pid);
	return -EOPNOTSUPP;
}

static int op_call(struct member *m, int request, struct text *why)
{
	struct run *run = m->cp->owner;
	int err = check_memory(m, why);

	if (err)
		return err;
	return call_process(m, &run->job->config, request, why);
}

static void op_send(struct member *m, const struct msg *msg, int pass)
{
	peer_send(m->conn, msg, pass);
}

/* ---- who belongs to it ---- */

static struct member *member_add(struct run *run, struct process *p)
{
	struct member *m = checkpoint_add(&run->cp);

	if (!m)
		return NULL;
	m->process = p;
	m->pid = p->facts.pid;
	str_copy(m->name, p->facts.name, sizeof(m->name));
	m->last_leader = p->leader;
	p->member = m;
	p->considered = run->cp.request;
	return m;
}

static int add_unconsidered(struct run *run)
{
	int n = 0;

	for (struct process *p = run->job->processes; p; p = p->next) {
		if (p->considered == run->cp.request)
			continue;
		if (!member_add(run, p))
			return -ENOMEM;
		n++;
	}
	return n;
}

/* Each process needs a descriptor to know of its end, and one to talk with it. */
static int check_room(const struct job *job, struct text *why)
{
	unsigned int limit = peers_limit();

	if (job->nprocesses * 2 <= limit)
		return 0;
	text_put(why, "%u processes are too many for the coordinator's limit of %u descriptors (ulimit -Hn)",
		 job->nprocesses, limit);
	return -EMFILE;
}

static int op_discover(struct checkpoint *cp, struct text *why)
{
	struct run *run = cp->owner;
	int n = discover_rest(run->job, run->since), added, err;

	if (n == -EAGAIN && ++run->nunsettled > UNSETTLED_MAX)
		n = 0;
	added = add_unconsidered(run);
	err = added < 0 ? added : check_room(run->job, why);
	return err ? err : added ? added : n;
}

static int members_sort(struct run *run)
{
	struct checkpoint *cp = &run->cp;
	uint32_t n = 0;

	for (struct process *p = run->job->processes; p; p = p->next) {
		if (!p->member)
			continue;
		p->member->parent = parent_of(p);
		p->member->is_first = p->is_first;
		cp->members[n++] = p->member;
	}
	return members_order(cp);
}

/* Processes that are no threads of one another may still have one descriptor table (CLONE_FILES). */
static void note_files(struct shared_head *h, const struct member *m)
{
	if (syscall(SYS_kcmp, m->pid, m->parent->pid, KCMP_FILES, 0, 0) != 0)
		return;
	h->any_files = 1;
	h->process[m->index].flags |= SHARED_FILES;
	h->process[m->parent->index].flags |= SHARED_FILES;
}

static int op_share(struct checkpoint *cp)
{
	struct run *run = cp->owner;
	int err = members_sort(run);

	if (!err)
		err = shared_memory_make(&run->shared, cp->nmembers);
	if (err)
		return err;
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		const struct member *m = cp->members[i];
		const struct process *p = m->process;

		run->shared.head->process[i].pid = p->facts.inner_pid;
		run->shared.head->process[i].parent = m->parent ? (int32_t)m->parent->index : -1;
		run->shared.head->process[i].flags |= m->stopped ? SHARED_STOPPED : 0;
		if (m->parent)
			note_files(run->shared.head, m);
	}
	return run->shared.fd;
}

static void member_stands(void *arg)
{
	struct member *m = arg;
	struct run *run = m->cp->owner;

	checkpoint_stands(m);
	run_rearm(run);
}

static void op_stand(struct member *m)
{
	struct tracer *t = m->tracer;

	m->tracer = NULL;
	if (t)
		tracer_end(t, member_stands, m);
	else
		checkpoint_stands(m);
}

/* The member is not to be told of any more. */
static void member_release(struct member *m)
{
	if (m->tracer)
		tracer_end(m->tracer, NULL, NULL);
	m->tracer = NULL;
	tracers_forget(m);
}

static void op_abort(struct checkpoint *cp, int err)
{
	struct run *run = cp->owner;

	shared_memory_abort(&run->shared, err);
	/* Who has not been told yet that he is not to run will not be told any more. */
	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (cp->members[i]->state == MEMBER_CALLED)
			member_release(cp->members[i]);
}

static void op_drop(struct member *m)
{
	struct peer *peer = m->conn;
	struct process *p = m->process;

	if (p)
		p->member = NULL;
	member_release(m);
	if (!peer)
		return;
	peer->member = NULL;
	peer_finish(peer);
}

static void op_describe(struct member *m, struct text *t)
{
	proc_describe(m->pid, t);
}

static void hook_over(void *arg, const char *why)
{
	struct run *run = arg;

	run->hook = NULL;
	if (why)
		job_log(run->job, "CKPT_ON_COMMIT: the program %s", why);
	checkpoint_committed(&run->cp);
	run_rearm(run);
}

static void op_commit(struct checkpoint *cp)
{
	struct run *run = cp->owner;
	struct member *first = cp->members[0];
	char why[128] = "";
	struct text t = TEXT(why);

	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (cp->members[i]->index == 0)
			first = cp->members[i];
	on_signal_committed(run, &first->done);
	run->hook = hook_run(first->pid, hook_over, run, &t);
	if (*why)
		job_log(run->job, "CKPT_ON_COMMIT: no program can be run: %s", why);
	if (!run->hook)
		checkpoint_committed(cp);
}

static void op_kill(struct member *m)
{
	struct process *p = m->process;

	syscall(SYS_pidfd_send_signal, p->ended.fd, SIGKILL, NULL, 0);
	member_release(m); /* its tracer would be told of its end before its parent */
}

/* A .part file, and the directory beside it. */
static void op_unlink(const char *path)
{
	char files[CKPT_PATH_MAX + 16];

	if (!unlink(path))
		log_line("removed %s", path);
	snprintf(files, sizeof(files), "%s" CONTENTS_SUFFIX, path);
	if (!contents_remove(AT_FDCWD, files))
		log_line("removed %s", files);
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
	if (!run->generation) /* one with a name of its own */
		return;
	last->realtime_ns = (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
	last->generation = run->generation;
	last->bytes = r->image_bytes;
	last->pause_ns = r->pause_ns;
	last->total_ns = r->total_ns;
}

static void members_free(struct run *run)
{
	for (uint32_t i = 0; i < run->cp.nmembers; i++) {
		op_drop(run->cp.members[i]);
		free(run->cp.members[i]);
	}
	run->cp.nmembers = 0;
}

static void run_free(struct run *run)
{
	members_free(run);
	if (run->hook)
		hook_forget(run->hook);
	timer_clear(&run->timer);
	shared_memory_free(&run->shared);
	blob_free(&run->cp.for_now);
	free(run->cp.members);
	free(run);
}

static void run_end(struct run *run)
{
	struct job *job = run->job;
	struct msg_result result = run->cp.result;

	remember(run);
	on_signal_run_over(run);
	run_free(run);
	job->run = NULL;
	requests_answer(job, &result);
	requests_next(job);
	job_end_if_idle(job);
	linger_update();
}

/* The same checkpoint once more; job->run is the one before until it has begun. */
static void run_again(struct timer *t)
{
	struct run *run = CONTAINER_OF(t, struct run, timer);
	struct job *job = run->job;
	const struct checkpoint *cp = &run->cp;
	char why[sizeof(cp->result.text)] = "";
	struct text text = TEXT(why);
	int end = !cp->kill ? RUN_GOES_ON : cp->exit_status ? cp->exit_status : RUN_KILL;
	int err = run_start(job, cp->op, end, NULL, NULL, &text);

	if (err) {
		run->cp.result.err = err;
		str_copy(run->cp.result.text, why, sizeof(run->cp.result.text));
		run_end(run);
		return;
	}
	job->run->ntries = run->ntries + 1;
	job->run->cp.served = cp->served;
	run_free(run);
}

/*
 * Fires at once when the state machine has finished: nothing of it is on the stack any more. What is refused for the
 * moment only is tried again, by the process itself if that has asked; clients that wait with it are then served by a
 * checkpoint of their own.
 */
static void run_over(struct timer *t)
{
	struct run *run = CONTAINER_OF(t, struct run, timer);
	struct msg_result *r = &run->cp.result;

	log_line("request %d: job %s: %d %s", run->cp.request, run->job->id, r->err, r->text);
	if (r->err == RESULT_FOR_NOW && !run->asked && run->ntries < AGAIN_MAX) {
		members_free(run);
		run->timer.fire = run_again;
		timer_set(&run->timer, loop_now() + (AGAIN_NS << run->ntries));
		return;
	}
	if (r->err == RESULT_FOR_NOW && run->asked) {
		requests_detach(run->job);
	} else if (r->err == RESULT_FOR_NOW) {
		r->err = -EOPNOTSUPP;
		checkpoint_tell(&run->cp);
	}
	run_end(run);
}

static void op_finished(struct checkpoint *cp)
{
	struct run *run = cp->owner;

	run->timer.fire = run_over;
	timer_set(&run->timer, loop_now());
}

static const struct checkpoint_ops world = {
	.now = loop_now,
	.spent = op_spent,
	.call = op_call,
	.discover = op_discover,
	.stand = op_stand,
	.share = op_share,
	.abort = op_abort,
	.drop = op_drop,
	.send = op_send,
	.describe = op_describe,
	.commit = op_commit,
	.kill = op_kill,
	.unlink = op_unlink,
	.line = op_line,
	.progress = op_progress,
	.finished = op_finished,
};

/* ---- time ---- */

static void run_expire(struct timer *t);

/* To be called whenever the state machine has been: its times may be others. */
static void run_rearm(struct run *run)
{
	uint64_t at = run->cp.deadline_ns;

	if (run->cp.over)
		return;
	if (run->cp.poll_ns && (!at || run->cp.poll_ns < at))
		at = run->cp.poll_ns;
	run->timer.fire = run_expire;
	if (at)
		timer_set(&run->timer, at);
	else
		timer_clear(&run->timer);
}

static void run_expire(struct timer *t)
{
	struct run *run = CONTAINER_OF(t, struct run, timer);
	uint64_t now = loop_now();

	if (run->cp.deadline_ns && run->cp.deadline_ns <= now)
		checkpoint_expire(&run->cp);
	else
		checkpoint_poll(&run->cp);
	run_rearm(run);
}

static int check_job(const struct job *job, enum op op, const struct peer *asker, struct text *why)
{
	char dir[CKPT_PATH_MAX];
	int err = 0;

	if (!job->processes) {
		text_put(why, "the job has ended");
		return -ESRCH;
	}
	run_image_dir(job, asker, dir);
	if (op == OP_CHECKPOINT)
		err = generation_check_dir(dir, why);
	return err ? err : check_room(job, why);
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

static void member_asks(struct process *p, struct peer *asker)
{
	struct member *m = p->member;

	m->conn = asker;
	m->wants_result = true;
	asker->role = PEER_MEMBER;
	asker->member = m;
}

static struct run *run_new(struct job *job, enum op op, int end, const struct peer *asker, struct text *why)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run) {
		text_put(why, "out of memory");
		return NULL;
	}
	run->job = job;
	run->cp = (struct checkpoint){
		.ops = &world,
		.owner = run,
		.op = op,
		.kill = end >= RUN_KILL,
		.exit_status = end > RUN_KILL ? end : 0,
		.request = next_request(),
		.timeout_ms = job->config.timeout_ms,
		.fault = run_fault,
	};
	if (!run_params_fill(run, asker, why))
		return run;
	free(run);
	return NULL;
}

int run_start(struct job *job, enum op op, int end, struct peer *asker,
	      struct process *asker_process, struct text *why)
{
	struct run *run;
	int err, since;

	discover_first(job, &since);
	err = check_job(job, op, asker, why);
	if (err)
		return err;
	run = run_new(job, op, end, asker, why);
	if (!run)
		return -ENOMEM;
	if (add_unconsidered(run) < 0) {
		text_put(why, "out of memory");
		run_free(run);
		return -ENOMEM;
	}
	job->run = run;
	run->since = since;
	run->asked = asker;
	if (asker_process)
		member_asks(asker_process, asker);
	log_line("request %d: job %s: %s", run->cp.request, job->id, run->cp.params.path);
	checkpoint_start(&run->cp);
	run_rearm(run);
	return 0;
}

/* ---- what comes from members ---- */

bool run_takes_leader(struct process *p, struct peer *peer, int request)
{
	struct member *m = p->member;

	if (!m || m->conn || m->state != MEMBER_CALLED || m->cp->called_off)
		return false;
	if (request ? request != m->cp->request : m->cp->op != OP_CHECKPOINT)
		return false;
	m->conn = peer;
	m->wants_result = !request;
	p->leader = request ? m->tid : 0;
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
	peer_send(peer, &p.m, -1);
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

void job_process_added(struct process *p)
{
	struct run *run = p->job->run;

	if (!run || !checkpoint_is_open(&run->cp))
		return;
	member_add(run, p); /* without memory the search at the end of the freeze tries again */
	run_rearm(run);
}

void job_process_ended(struct process *p)
{
	struct run *run = p->job->run;
	struct member *m = p->member;

	if (!m)
		return;
	if (m->conn)
		peer_catch_up(m->conn);
	m->process = NULL;
	p->member = NULL;
	run->since = 0;
	checkpoint_ended(m);
	run_rearm(run);
}

bool process_is_frozen(const struct process *p)
{
	return p->member && p->member->state == MEMBER_FROZEN;
}
