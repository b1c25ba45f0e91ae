/*
 * A process that has been stopped by a signal runs again by SIGCONT only, which its parent is told of. But one
 * that is traced runs when its tracer says so. So a child of ours seizes all its threads with ptrace(2).
 * Stopped threads are in the tracer's hands then; each stays where it is until the reserved signal is
 * pending for it, sent for this request, and so runs nothing but the handler. When the tracer ends the kernel finds that the process
 * is still stopped by its signal, and stops every thread before it returns to the program; of this nobody
 * is told.
 *
 * The tracer ends by being killed, so the same happens when the coordinator is killed.
 */
#include "tracer.h"
#include "log.h"
#include "loop.h"
#include "proc.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LOOK_NS = 300000, PEEK_MAX = 16 };

struct tracer {
	struct tracer *next; /* of those that are ending */
	pid_t pid;
	int state;	     /* as tracer_state() tells it */
	struct watch report; /* our end: an int, when all threads are held or can't be */
	struct watch ended;  /* pidfd */
	void (*stands)(void *arg);
	void *arg;
};

static struct tracer *ending;

/* ---- the child ---- */

struct thread {
	int tid;
	bool held; /* in a stop that only we end */
	bool runs; /* has been let go once, and is from then on */
};

struct hold {
	int pid, signo, request, err;
	struct thread *threads;
	unsigned n;
	bool more; /* a thread was found that was not known */
};

static struct thread *thread_find(struct hold *h, int tid)
{
	for (unsigned i = 0; i < h->n; i++)
		if (h->threads[i].tid == tid)
			return &h->threads[i];
	return NULL;
}

static int seize(int tid, void *arg)
{
	struct hold *h = arg;
	struct thread *grown;

	if (thread_find(h, tid))
		return 0;
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
		h->err = errno == ESRCH ? h->err : -errno;
		return h->err;
	}
	grown = realloc(h->threads, (h->n + 1) * sizeof(*grown));
	if (!grown)
		return h->err = -ENOMEM;
	h->threads = grown;
	grown[h->n++] = (struct thread){.tid = tid};
	h->more = true;
	return 0;
}

static void take_stop(struct hold *h, int tid, int status)
{
	struct thread *t = thread_find(h, tid);

	if (!t || !WIFSTOPPED(status))
		return;
	if (status >> 16 == PTRACE_EVENT_STOP && !t->runs)
		t->held = true;
	else /* a signal on its way to the thread, or what is nothing to us */
		ptrace(PTRACE_CONT, tid, NULL, status >> 16 ? 0L : (long)WSTOPSIG(status));
}

/*
 * From us with the number of the request, or from the leader, who parks the thread. One of an earlier request may wait
 * there, too: its handler would be sent back, and the program run.
 */
static bool is_call(const struct hold *h, const siginfo_t *si)
{
	return si->si_signo == h->signo &&
	       (si->si_code == SI_TKILL || (si->si_code == SI_QUEUE && si->si_value.sival_int == h->request));
}

static bool is_called(const struct hold *h, int tid)
{
	struct __ptrace_peeksiginfo_args args = {.nr = PEEK_MAX};
	siginfo_t si[PEEK_MAX];
	long n;

	while ((n = ptrace(PTRACE_PEEKSIGINFO, tid, &args, si)) > 0) {
		for (long i = 0; i < n; i++)
			if (is_call(h, &si[i]))
				return true;
		args.off += n;
	}
	return false;
}

static void let_go_if_called(struct hold *h, struct thread *t)
{
	struct proc_status s;

	if (!t->held || proc_status(h->pid, t->tid, &s) || !(s.pending >> (h->signo - 1) & 1) || !is_called(h, t->tid))
		return;
	t->held = false;
	t->runs = true;
	ptrace(PTRACE_CONT, t->tid, NULL, 0L);
}

static void __attribute__((noreturn)) hold(struct hold h, int report, pid_t parent)
{
	const struct timespec look = {.tv_nsec = LOOK_NS};
	int status, tid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	do {
		h.more = false;
		proc_each_thread(h.pid, seize, &h);
	} while (h.more && !h.err);
	if (!h.n && !h.err)
		h.err = -ESRCH;
	if (write(report, &h.err, sizeof(h.err)) != sizeof(h.err))
		_exit(1);
	for (;;) {
		while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
			take_stop(&h, tid, status);
		for (unsigned i = 0; i < h.n; i++)
			let_go_if_called(&h, &h.threads[i]);
		nanosleep(&look, NULL);
	}
}

static void __attribute__((noreturn)) be_tracer(struct hold h, int report, pid_t parent)
{
	if (dup2(report, 3) != 3)
		_exit(1);
	close_range(4, ~0u, 0);
	signal(SIGCHLD, SIG_DFL);
	hold(h, 3, parent);
}

/* ---- the coordinator ---- */

static void free_tracer(struct tracer *t)
{
	if (t->report.fd >= 0) {
		loop_remove(&t->report);
		close(t->report.fd);
	}
	if (t->ended.fd >= 0) {
		loop_remove(&t->ended);
		close(t->ended.fd);
	}
	free(t);
}

static void report_comes(struct watch *w, uint32_t events)
{
	struct tracer *t = CONTAINER_OF(w, struct tracer, report);
	int err;

	(void)events;
	t->state = read(w->fd, &err, sizeof(err)) == sizeof(err) ? err : -EIO;
	loop_change(w, 0);
}

static void tracer_has_ended(struct watch *w, uint32_t events)
{
	struct tracer *t = CONTAINER_OF(w, struct tracer, ended), **at = &ending;

	(void)events;
	waitpid(t->pid, NULL, 0);
	while (*at && *at != t)
		at = &(*at)->next;
	if (!*at) { /* by itself: somebody has killed it */
		t->state = -EIO;
		loop_change(w, 0);
		return;
	}
	*at = t->next;
	if (t->stands)
		t->stands(t->arg);
	free_tracer(t);
}

static int watch_tracer(struct tracer *t, int report)
{
	t->report = (struct watch){.fd = report, .ready = report_comes};
	t->ended = (struct watch){.fd = syscall(SYS_pidfd_open, t->pid, 0), .ready = tracer_has_ended};
	if (t->ended.fd < 0)
		return -errno;
	return loop_add(&t->report, EPOLLIN) || loop_add(&t->ended, EPOLLIN) ? -ENOMEM : 0;
}

struct tracer *tracer_start(int pid, int signo, int request)
{
	struct tracer *t = calloc(1, sizeof(*t));
	pid_t parent = getpid();
	int pair[2];

	if (!t || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)) {
		free(t);
		return NULL;
	}
	t->state = -EAGAIN;
	t->pid = fork();
	if (t->pid == 0)
		be_tracer((struct hold){.pid = pid, .signo = signo, .request = request}, pair[1], parent);
	close(pair[1]);
	if (t->pid > 0 && !watch_tracer(t, pair[0])) {
		log_line("pid %d is stopped: traced by pid %d", pid, t->pid);
		return t;
	}
	if (t->pid > 0) {
		kill(t->pid, SIGKILL);
		waitpid(t->pid, NULL, 0);
	}
	t->report.fd = pair[0];
	free_tracer(t);
	return NULL;
}

int tracer_state(const struct tracer *t)
{
	return t->state;
}

int tracer_pid(const struct tracer *t)
{
	return t->pid;
}

void tracer_end(struct tracer *t, void (*stands)(void *arg), void *arg)
{
	t->stands = stands;
	t->arg = arg;
	t->next = ending;
	ending = t;
	syscall(SYS_pidfd_send_signal, t->ended.fd, SIGKILL, NULL, 0);
	loop_change(&t->ended, EPOLLIN); /* also if it has ended by itself */
}

void tracers_forget(void *arg)
{
	for (struct tracer *t = ending; t; t = t->next)
		if (t->arg == arg)
			t->stands = NULL;
}
