/*
 * What belongs to the process as a whole: identity, clocks, signal dispositions, timers, limits, prctl
 * state. process_save() asks the kernel in the pause; process_restore() gives it back in the restored
 * process, from the very memory it was saved in.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kcmp.h>
#include <linux/prctl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include "preload.h"
#include "frozen.h"

#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif
#ifndef PR_TIMER_CREATE_RESTORE_IDS
#define PR_TIMER_CREATE_RESTORE_IDS	77 /* Linux 6.15 */
#define PR_TIMER_CREATE_RESTORE_IDS_OFF 0
#define PR_TIMER_CREATE_RESTORE_IDS_ON	1
#endif

enum { NLIMITS = 16, NSIGNALS = 64 };

/* ---- /proc ---- */

uint64_t stat_field(const char *stat, int number)
{
	const char *p = stat;

	for (const char *q = stat; *q; q++)
		if (*q == ')')
			p = q + 2;
	for (int i = 3; i < number && *p; p++)
		if (*p == ' ')
			i++;
	return parse_dec(&p);
}

static void save_mm(struct rec_process *r)
{
	char stat[2048];

	if (io_read_file("/proc/thread-self/stat", stat, sizeof(stat)) < 0)
		return;
	r->mm = (struct rec_mm){
		.start_code = stat_field(stat, 26),
		.end_code = stat_field(stat, 27),
		.start_stack = stat_field(stat, 28),
		.start_data = stat_field(stat, 45),
		.end_data = stat_field(stat, 46),
		.start_brk = stat_field(stat, 47),
		.brk = sys_call1(__NR_brk, 0),
		.arg_start = stat_field(stat, 48),
		.arg_end = stat_field(stat, 49),
		.env_start = stat_field(stat, 50),
		.env_end = stat_field(stat, 51),
	};
	r->exit_signal = stat_field(stat, 38);
	if ((int32_t)stat_field(stat, 7)) {
		r->flags |= PROCESS_TTY;
		r->tty_pgid = (int32_t)stat_field(stat, 8);
	}
}

static void save_status(struct process_state *ps)
{
	char status[4096];
	const char *p;

	if (io_read_file("/proc/thread-self/status", status, sizeof(status)) < 0)
		return;
	p = proc_field(status, "Umask:");
	ps->rec.umask = p ? parse_oct(&p) : 022;
	ps->tracer = proc_dec(status, "TracerPid:");
	ps->vmlck_kb = proc_dec(status, "VmLck:");
	ps->rec.no_new_privs = proc_dec(status, "NoNewPrivs:");
	ps->rec.caps[0] = proc_hex(status, "CapEff:");
	ps->rec.caps[1] = proc_hex(status, "CapPrm:");
	ps->rec.caps[2] = proc_hex(status, "CapInh:");
	ps->rec.caps[3] = proc_hex(status, "CapAmb:");
}

static int64_t read_number(const char *path)
{
	char buf[64];
	const char *p = buf;
	bool minus;
	int64_t n;

	if (io_read_file(path, buf, sizeof(buf)) <= 0)
		return 0;
	minus = parse_skip(&p, "-");
	n = parse_dec(&p);
	return minus ? -n : n;
}

/* The link's text as a string record. */
static void save_link(struct save *s, uint32_t kind, const char *link)
{
	char path[CKPT_PATH_MAX];
	ssize_t n = sys_readlink(link, path, sizeof(path));

	if (n > 0 && n < (ssize_t)sizeof(path))
		rec_put_string(&s->rec, kind, path, n);
}

static void save_file(struct save *s, uint32_t kind, const char *file, size_t max)
{
	char *buf = arena_alloc(&s->arena, max);
	ssize_t n = buf ? io_read_file(file, buf, max) : -ENOMEM;

	if (n == -EFBIG)
		n = max - 1;
	if (n > 0)
		rec_put_string(&s->rec, kind, buf, n);
}

/* ---- timers ---- */

static int64_t ns_of(const struct timespec *t)
{
	return t->tv_sec * 1000000000ll + t->tv_nsec;
}

/* One entry of /proc/self/timers: ID, signal, notify, ClockID, each on a line of its own. */
static const char *parse_timer(const char *p, struct rec_timer *t)
{
	const char *q = proc_field(p, "ID:");

	*t = (struct rec_timer){.id = parse_dec(&q)};
	q = proc_field(q, "signal:");
	if (!q)
		return NULL;
	t->signo = parse_dec(&q);
	if (parse_skip(&q, "/")) {
		parse_skip(&q, "0x");
		t->sigval = parse_hex(&q);
	}
	q = proc_field(q, "notify:");
	if (!q)
		return NULL;
	t->notify = parse_skip(&q, "signal") ? SIGEV_SIGNAL : parse_skip(&q, "none") ? SIGEV_NONE : SIGEV_THREAD;
	if (parse_skip(&q, "/tid.")) {
		t->notify |= SIGEV_THREAD_ID;
		t->tid = parse_dec(&q);
	}
	q = proc_field(q, "ClockID:");
	if (!q)
		return NULL;
	t->clock = parse_skip(&q, "-") ? -(int32_t)parse_dec(&q) : (int32_t)parse_dec(&q);
	return q;
}

static void save_timers(struct process_state *ps, struct save *s)
{
	size_t cap = 64 << 10;
	char *buf = arena_alloc(&s->arena, cap);
	const char *p;

	if (!buf || io_read_file("/proc/self/timers", buf, cap) <= 0)
		return;
	for (p = buf; p && proc_field(p, "ID:");) {
		struct rec_timer *t = &ps->timers[ps->ntimers];
		struct itimerspec its = {{0, 0}, {0, 0}};

		if (ps->ntimers == TIMERS_MAX) {
			save_refuse(s, "more than %d POSIX timers", TIMERS_MAX);
			break;
		}
		p = parse_timer(p, t);
		if (!p)
			break;
		sys_call2(__NR_timer_gettime, t->id, &its);
		t->interval_ns = ns_of(&its.it_interval);
		t->value_ns = ns_of(&its.it_value);
		ps->ntimers++;
		rec_put(&s->rec, REC_TIMER, 0, t, sizeof(*t), NULL, 0);
	}
}

/* Make one timer with the id it had: asked for by id where the kernel can, else by counting up to it. */
static int timer_make(const struct rec_timer *t)
{
	struct sigevent sev = {.sigev_notify = t->notify, .sigev_signo = t->signo};
	struct sigevent none = {.sigev_notify = SIGEV_NONE};
	int id = t->id, r;

	sev.sigev_value.sival_ptr = (void *)t->sigval;
	sev._sigev_un._tid = t->tid;
	if (sys_prctl(PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_ON, 0, 0, 0) == 0) {
		r = sys_call3(__NR_timer_create, t->clock, &sev, &id);
		sys_prctl(PR_TIMER_CREATE_RESTORE_IDS, PR_TIMER_CREATE_RESTORE_IDS_OFF, 0, 0, 0);
		return r;
	}
	for (int next = -1; next < t->id - 1;) {
		r = sys_call3(__NR_timer_create, CLOCK_MONOTONIC, &none, &next);
		if (r < 0)
			return r;
		sys_call1(__NR_timer_delete, next);
		if (next > t->id)
			return -EEXIST;
	}
	r = sys_call3(__NR_timer_create, t->clock, &sev, &id);
	if (r == 0 && id != t->id)
		return -EEXIST;
	return r;
}

static void restore_timers(const struct process_state *ps, struct text *warn)
{
	for (uint32_t i = 0; i < ps->ntimers; i++) {
		const struct rec_timer *t = &ps->timers[i];
		int64_t its[4] = {t->interval_ns / 1000000000, t->interval_ns % 1000000000,
				  t->value_ns / 1000000000, t->value_ns % 1000000000};
		int r = timer_make(t);

		if (r == 0)
			r = sys_call4(__NR_timer_settime, t->id, 0, its, NULL);
		if (r < 0)
			text_put(warn, "timer %d: %s; ", t->id, errno_name(r));
	}
}

/* ---- the whole ---- */

static void save_identity(struct process_state *ps, bool main_exited)
{
	struct rec_process *r = &ps->rec;

	r->pid = sys_getpid();
	r->ppid = sys_call0(__NR_getppid);
	r->pgid = sys_call1(__NR_getpgid, 0);
	r->sid = sys_call1(__NR_getsid, 0);
	if (r->sid == 0)
		r->sid = preload.sid;
	r->leader_tid = sys_gettid();
	r->uid = sys_call0(__NR_geteuid);
	r->gid = sys_call0(__NR_getegid);
	r->main_exited = main_exited;
	r->control = (uint64_t)&restart_control;
	r->realtime_ns = sys_clock_ns(CLOCK_REALTIME);
	r->last_pid = read_number("/proc/sys/kernel/ns_last_pid");
	r->oom_score_adj = read_number("/proc/self/oom_score_adj");
}

static void save_prctl(struct rec_process *r)
{
	r->personality = sys_call1(__NR_personality, 0xffffffff);
	r->thp_disable = sys_prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
	sys_prctl(PR_GET_PDEATHSIG, (unsigned long)&r->pdeathsig, 0, 0, 0);
	sys_prctl(PR_GET_CHILD_SUBREAPER, (unsigned long)&r->child_subreaper, 0, 0, 0);
}

static void save_signals(struct process_state *ps, struct save *s)
{
	for (int sig = 1; sig <= NSIGNALS; sig++) {
		struct kernel_sigaction *k = &ps->sigaction[sig - 1];
		struct rec_sigaction rec;

		sys_call4(__NR_rt_sigaction, sig, NULL, k, 8);
		if (k->handler == 0 && k->flags == 0)
			continue;
		rec = (struct rec_sigaction){sig, 0, k->handler, k->flags, k->restorer, k->mask};
		rec_put(&s->rec, REC_SIGACTION, 0, &rec, sizeof(rec), NULL, 0);
	}
}

void process_take_signals(struct process_state *ps)
{
	uint64_t pending = 0;
	char status[4096];

	sys_call2(__NR_rt_sigpending, &pending, 8);
	if ((pending & ~preload.owned) == 0)
		return;
	if (io_read_file("/proc/thread-self/status", status, sizeof(status)) < 0)
		return;
	signals_take(&ps->queued, proc_hex(status, "ShdPnd:"));
	signals_queue(&ps->queued, 0);
}

/*
 * A periodic ITIMER_REAL whose signal has not been taken yet does not run: the kernel starts it again when that is
 * taken (dequeue_signal()), and says 0 until then. Set with 0 it would never run again.
 */
static void timer_run(struct process_state *ps)
{
	int64_t *interval = ps->itimer[ITIMER_REAL].interval, *value = ps->itimer[ITIMER_REAL].value;

	if (value[0] || value[1])
		return;
	value[0] = interval[0];
	value[1] = interval[1];
}

static void save_itimers(struct process_state *ps, struct save *s)
{
	for (int i = 0; i < 3; i++) {
		struct rec_itimer rec = {.which = i};

		sys_call2(__NR_getitimer, i, &ps->itimer[i]);
		if (i == ITIMER_REAL)
			timer_run(ps);
		if (ps->itimer[i].value[0] == 0 && ps->itimer[i].value[1] == 0)
			continue;
		rec.interval_us = ps->itimer[i].interval[0] * 1000000 + ps->itimer[i].interval[1];
		rec.value_us = ps->itimer[i].value[0] * 1000000 + ps->itimer[i].value[1];
		rec_put(&s->rec, REC_ITIMER, 0, &rec, sizeof(rec), NULL, 0);
	}
}

static void save_limits(struct process_state *ps, struct save *s)
{
	for (int i = 0; i < NLIMITS; i++) {
		struct rec_rlimit rec = {.resource = i};

		sys_call4(__NR_prlimit64, 0, i, NULL, ps->rlimit[i]);
		if (i == RLIMIT_NOFILE && ps->nofile[1])
			ps->rlimit[i][0] = ps->nofile[0];
		rec.cur = ps->rlimit[i][0];
		rec.max = ps->rlimit[i][1];
		rec_put(&s->rec, REC_RLIMIT, 0, &rec, sizeof(rec), NULL, 0);
	}
}

/* Something of its own, or shared with a process that is no thread of it (clone(2)). */
static uint32_t list_shared(struct save *s, uint32_t kind)
{
	const struct shared_file f = {
		.ino = kind, .kind = kind, .process = s->shared->index,
		.holder = same_holder(sys_gettid(), 0),
	};
	uint32_t id;

	return same_add(s->shared, &f, "", &id) < 0 ? 0 : id;
}

void process_list(struct process_state *ps, struct save *s)
{
	uint32_t subreaper = 0;

	ps->index = s->shared->index;
	ps->table = list_shared(s, KCMP_FILES);
	ps->fs = list_shared(s, KCMP_FS);
	sys_prctl(PR_GET_CHILD_SUBREAPER, (unsigned long)&subreaper, 0, 0, 0);
	if (subreaper)
		__atomic_add_fetch(&s->shared->head->barrier[SHARED_SUBREAPERS], 1, __ATOMIC_RELAXED);
}

/* With which process before it has it that in common? */
static void save_shared(struct rec_process *r, struct save *s, uint32_t id, uint32_t flag, uint32_t *of)
{
	const struct shared_file *f = same_get(s->shared, id);

	if (!f || f->process == s->shared->index)
		return;
	r->flags |= flag;
	*of = f->process;
	if (sys_call5(__NR_kcmp, r->pid, r->ppid, flag == PROCESS_SHARES_FILES ? KCMP_FILES : KCMP_FS, 0, 0) != 0)
		save_refuse(s, "shares its %s with process %d, but not with its parent",
			    flag == PROCESS_SHARES_FILES ? "descriptor table (CLONE_FILES)"
							  : "directory and umask (CLONE_FS)",
			    s->shared->head->process[f->process].pid);
}

/* Programs that fill the terminal want to know when it has another size after a restart. */
static void save_tty_size(struct rec_process *r)
{
	struct winsize size = {0};
	int fd = sys_open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	sys_ioctl(fd, TIOCGWINSZ, &size);
	sys_close(fd);
	r->tty_rows = size.ws_row;
	r->tty_cols = size.ws_col;
}

/* Its place among the processes of the job. */
static void save_place(struct process_state *ps, struct save *s)
{
	const struct shared_process *own = s->shared->own;

	ps->rec.parent = own->parent;
	if (ps->rec.pid == preload.first_pid)
		ps->rec.flags |= PROCESS_FIRST;
	if (ps->rec.flags & PROCESS_TTY && s->shared->index == 0)
		save_tty_size(&ps->rec);
	if (own->flags & SHARED_STOPPED)
		ps->rec.flags |= PROCESS_STOPPED;
	save_shared(&ps->rec, s, ps->table, PROCESS_SHARES_FILES, &ps->rec.files_of);
	save_shared(&ps->rec, s, ps->fs, PROCESS_SHARES_FS, &ps->rec.fs_of);
}

void process_save(struct process_state *ps, struct save *s, bool main_exited, bool stopped)
{
	save_identity(ps, main_exited);
	save_mm(&ps->rec);
	save_status(ps);
	save_prctl(&ps->rec);
	save_place(ps, s);
	if (ps->tracer && !stopped)
		save_refuse(s, "traced by process %d", ps->tracer);
	rec_put_string(&s->rec, STRING_COMM, preload.exe_name, str_len(preload.exe_name));
	save_link(s, STRING_EXE, "/proc/self/exe");
	save_link(s, STRING_CWD, "/proc/self/cwd");
	save_file(s, STRING_CMDLINE, "/proc/self/cmdline", 8 << 10);
	save_file(s, STRING_AUXV, "/proc/self/auxv", 4 << 10);
	save_signals(ps, s);
	save_limits(ps, s);
	children_save(ps, s);
}

/*
 * A restored program's clocks begin with these, so nobody's timer descriptor (plugins/timerfd.c) may be asked
 * later: it would have counted ticks that the program has yet to wait for.
 */
void process_save_clocks(struct process_state *ps, struct save *s)
{
	ps->rec.monotonic_ns = sys_clock_ns(CLOCK_MONOTONIC);
	ps->rec.boottime_ns = sys_clock_ns(CLOCK_BOOTTIME);
	save_itimers(ps, s);
	save_timers(ps, s);
	rec_put(&s->rec, REC_PROCESS, REC_REQUIRED, &ps->rec, sizeof(ps->rec), NULL, 0);
}

static void restore_limits(const struct process_state *ps, struct text *warn)
{
	for (int i = 0; i < NLIMITS; i++) {
		uint64_t now[2];

		sys_call4(__NR_prlimit64, 0, i, NULL, now);
		if (now[0] == ps->rlimit[i][0] && now[1] == ps->rlimit[i][1])
			continue;
		if (sys_call4(__NR_prlimit64, 0, i, ps->rlimit[i], NULL) == 0)
			continue;
		/* The hard limit can't be raised again: the soft one goes as high as it may. */
		now[0] = ps->rlimit[i][0] < now[1] ? ps->rlimit[i][0] : now[1];
		if (ps->rlimit[i][1] < now[1])
			now[1] = ps->rlimit[i][1];
		sys_call4(__NR_prlimit64, 0, i, now, NULL);
		if (now[0] != ps->rlimit[i][0])
			text_put(warn, "resource limit %d is lower than it was; ", i);
	}
}

static void write_number(const char *path, int64_t n)
{
	char buf[32];
	struct text t = TEXT(buf);
	int fd = sys_open(path, O_WRONLY | O_CLOEXEC, 0);

	if (fd < 0)
		return;
	text_put(&t, "%ld", (long)n);
	io_write(fd, buf, t.len);
	sys_close(fd);
}

static void restore_prctl(const struct rec_process *r)
{
	sys_call1(__NR_umask, r->umask);
	sys_prctl(PR_SET_THP_DISABLE, r->thp_disable, 0, 0, 0);
	sys_prctl(PR_SET_PDEATHSIG, r->pdeathsig, 0, 0, 0);
	sys_prctl(PR_SET_CHILD_SUBREAPER, r->child_subreaper, 0, 0, 0);
	sys_call1(__NR_personality, r->personality);
	if (read_number("/proc/self/oom_score_adj") != r->oom_score_adj)
		write_number("/proc/self/oom_score_adj", r->oom_score_adj);
}

static void tell_warning(const struct process_state *ps, struct text *warn, int log_fd)
{
	char line[640];
	struct text t = TEXT(line);

	if (warn->len <= 2 || log_fd < 0)
		return;
	warn->buf[warn->len - 2] = 0; /* "; " */
	text_put(&t, "ckpt_restart: warning: pid %d: %s\n", ps->rec.pid, warn->buf);
	io_write(log_fd, line, t.len);
}

void process_restore(struct process_state *ps, int log_fd)
{
	char buf[512] = "";
	struct text warn = TEXT(buf);

	for (int sig = 1; sig <= NSIGNALS; sig++)
		sys_call4(__NR_rt_sigaction, sig, &ps->sigaction[sig - 1], NULL, 8);
	aio_restore(ps, log_fd);
	restore_prctl(&ps->rec);
	restore_limits(ps, &warn);
	tell_warning(ps, &warn, log_fd);
}

void process_resume(struct process_state *ps, int log_fd)
{
	char buf[512] = "";
	struct text warn = TEXT(buf);

	children_resume(ps);
	if (ps->rec.flags & PROCESS_STOPPED)
		stop_prepare();
	for (int i = 0; i < 3; i++)
		sys_call3(__NR_setitimer, i, &ps->itimer[i], NULL);
	restore_timers(ps, &warn);
	signals_queue(&ps->queued, 0);
	sys_prctl(PR_SET_DUMPABLE, ps->rec.dumpable == 1, 0, 0, 0);
	tell_warning(ps, &warn, log_fd);
}
