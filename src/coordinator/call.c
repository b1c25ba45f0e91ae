/*
 * The signal kills a process without a handler, so it is sent to those only that catch it: not to one that
 * execs just now and will have a handler soon, and not to a program without libckpt. It has no effect on a
 * vfork child, whose memory is its parent's; so it is sent again as long as nobody has come, but not while
 * the last one is on its way or at work: a second thread would be disturbed for nothing.
 */
#include "call.h"
#include "log.h"
#include "proc.h"
#include "tracer.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* So often a program must look static before it is taken for that: exec maps it piece by piece. */
enum { STATIC_LOOKS = 16 };

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

/* ---- what can't be checkpointed at all ---- */

/* It could not even connect to us, and ckpt_restart could not make it what it is. */
static int check_user(const struct member *m, const struct proc_status *s, struct text *why)
{
	for (int i = 0; i < 4; i++) {
		if (s->uid[i] == getuid())
			continue;
		text_put(why, "pid %d (%s) has become user %u: a change of user can't be restored", m->pid,
			 m->name, s->uid[i]);
		return -EOPNOTSUPP;
	}
	return 0;
}

/*
 * It may be killed for what libckpt does, and would be restored without. What we have ourselves is that of a container
 * around both.
 */
static int check_seccomp(const struct member *m, const struct proc_status *s, struct text *why)
{
	static struct proc_status own;
	static bool is_known;

	is_known = is_known || proc_status(getpid(), 0, &own) == 0;
	if (!is_known || (s->seccomp == own.seccomp && s->filters == own.filters))
		return 0;
	text_put(why, "pid %d (%s) has restricted its system calls (seccomp): that can't be restored", m->pid, m->name);
	return -EOPNOTSUPP;
}

static int check_tracer(const struct member *m, const struct proc_status *s, struct text *why)
{
	struct proc_stat tracer;

	if (!s->tracer || (m->tracer && s->tracer == tracer_pid(m->tracer)))
		return 0;
	if (proc_stat(s->tracer, &tracer))
		str_copy(tracer.name, "?", sizeof(tracer.name));
	text_put(why, "pid %d (%s) is traced by pid %d (%s): a debugger's hold on it can't be restored", m->pid,
		 m->name, s->tracer, tracer.name);
	return -EOPNOTSUPP;
}

/* One that is stopped is to run for us only. It takes the signal then, but no program's instruction. */
static int check_stopped(struct member *m, const struct proc_status *s, int signo, struct text *why)
{
	int err;

	if (!m->stopped && s->state != 'T')
		return 0;
	m->stopped = true;
	if (!m->tracer)
		m->tracer = tracer_start(m->pid, signo, m->cp->request);
	err = m->tracer ? tracer_state(m->tracer) : -ENOMEM;
	if (err)
		text_put(why, "pid %d (%s) is stopped, and can't be traced to be asked (%s): continue it first (kill -CONT)",
			 m->pid, m->name, strerror(-err));
	return err;
}

/* It could not connect to us. Below the hard limit it makes room for that itself. */
static int check_descriptors(const struct member *m, struct text *why)
{
	unsigned int limit = proc_descriptors_full(m->pid);

	if (!limit)
		return 0;
	text_put(why, "pid %d (%s) has no descriptor free: all %u of its limit are open", m->pid, m->name,
		 limit);
	return -EMFILE;
}

/* -EAGAIN as long as it may still get a handler. */
static int check_program(struct member *m, int signo, struct text *why)
{
	enum proc_program program = proc_program(m->pid);

	if (program == PROC_OURS || program == PROC_UNKNOWN) {
		text_put(why, "pid %d (%s) does not catch signal %d: it is not (or no longer) a program that can be "
			 "checkpointed", m->pid, m->name, signo);
		return -EAGAIN;
	}
	text_put(why, "pid %d (%s) has no libckpt in it (a static program? started with another environment?): it "
		 "can't be checkpointed", m->pid, m->name);
	return program == PROC_STATIC && m->nlooks < STATIC_LOOKS ? -EAGAIN : -EOPNOTSUPP;
}

static int check_process(struct member *m, const struct proc_status *s, int signo, struct text *why)
{
	int err = check_user(m, s, why);

	if (!err)
		err = check_seccomp(m, s, why);
	if (!err)
		err = check_tracer(m, s, why);
	if (!err)
		err = s->caught >> (signo - 1) & 1 ? check_stopped(m, s, signo, why) : check_program(m, signo, why);
	return err;
}

/* ---- the signal ---- */

/*
 * Is there still something to come of the last signal? A handler at work blocks all signals. But one that was stopped when
 * it had just begun is held by the tracer there, until another signal is pending.
 */
static bool is_on_its_way(struct member *m, int signo)
{
	struct proc_status s;

	if (!m->tid || proc_status(m->pid, m->tid, &s) || s.state == 'Z' || s.state == 'X') {
		m->tid = 0;
		return false;
	}
	return (s.pending | (m->stopped ? 0 : s.blocked)) >> (signo - 1) & 1;
}

/* Nothing but a handler of ours blocks all of these. */
static bool is_in_handler(const struct member *m, const struct job_config *config)
{
	uint64_t owned = on_signal_set(config->on_signal) | 1ull << (config->signo - 1);
	struct proc_status s;

	return !proc_status(m->pid, m->pid, &s) && (s.blocked & owned) == owned;
}

/*
 * One whose threads all block the signal takes it before anything else when it leaves the handler that it is in: of a
 * signal that asks for a checkpoint; or, stopped since the last checkpoint, of that, which the leader of that time has
 * to end.
 */
static int thread_in_handler(const struct member *m, const struct job_config *config)
{
	if (m->stopped && m->last_leader)
		return m->last_leader;
	return on_signal_set(config->on_signal) && is_in_handler(m, config) ? m->pid : 0;
}

static int signal_process(struct member *m, const struct job_config *config, int request, struct text *why)
{
	int signo = config->signo, tid = m->tid ? m->tid : proc_thread_for(m->pid, signo), err;

	if (!tid)
		tid = thread_in_handler(m, config);
	if (!tid) {
		text_put(why, "pid %d (%s) has no thread that takes signal %d", m->pid, m->name, signo);
		return -EAGAIN;
	}
	proc_blocked(m->pid, tid, &m->blocked.nr, &m->blocked.sp, &m->blocked.pc);
	err = send_signal(m->pid, tid, signo, request);
	log_line("request %d: signal %d to pid %d thread %d: %d", request, signo, m->pid, tid, err);
	if (err && err != -ESRCH)
		text_put(why, "pid %d (%s) can't be signalled: %s", m->pid, m->name, strerror(-err));
	if (err)
		return err == -EAGAIN ? -ENOBUFS : err; /* the limit on queued signals: it will not pass */
	m->tid = tid;
	m->nsignals++;
	return 0;
}

int call_process(struct member *m, const struct job_config *config, int request, struct text *why)
{
	int signo = config->signo, err;
	struct proc_status s;

	if (proc_status(m->pid, 0, &s))
		return -ESRCH;
	err = check_process(m, &s, signo, why);
	if (err)
		return err;
	if (is_on_its_way(m, signo))
		return 0;
	/* The last one was of no use, perhaps because it can't connect. */
	err = m->nsignals ? check_descriptors(m, why) : 0;
	return err ? err : signal_process(m, config, request, why);
}
