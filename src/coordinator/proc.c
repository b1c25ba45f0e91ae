#include "proc.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ENVIRON_MAX = 4 << 20 };

/* Read /proc/PID/rest, terminated; bytes or -errno. */
static ssize_t read_proc(int pid, const char *rest, char *buf, size_t n)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, rest);
	return io_read_file(path, buf, n);
}

static ssize_t read_task(int pid, int tid, const char *rest, char *buf, size_t n)
{
	char path[64];

	snprintf(path, sizeof(path), "task/%d/%s", tid ? tid : pid, rest);
	return read_proc(pid, path, buf, n);
}

static uint64_t namespace_inode(int pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/pid", pid);
	return stat(path, &st) ? 0 : st.st_ino;
}

/* Step over n fields that are separated by one blank each. */
static const char *skip_fields(const char *p, int n)
{
	while (p && n--) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	return p;
}

/* Name of a thread from its stat text "pid (name) …"; names may hold blanks and brackets. */
static const char *parse_name(const char *stat, char *name, size_t n)
{
	const char *open = strchr(stat, '('), *close = strrchr(stat, ')');
	size_t len;

	if (!open || !close || close < open || close[1] != ' ')
		return NULL;
	len = close - open - 1;
	if (len >= n)
		len = n - 1;
	for (size_t i = 0; i < len; i++)
		name[i] = (unsigned char)open[1 + i] < ' ' ? '?' : open[1 + i];
	name[len] = 0;
	return close + 2;
}

int proc_stat(int pid, struct proc_stat *s)
{
	char stat[2048];
	const char *p, *threads, *start, *exit_signal;
	ssize_t n = read_proc(pid, "stat", stat, sizeof(stat));

	if (n < 0)
		return n;
	p = parse_name(stat, s->name, sizeof(s->name));
	threads = skip_fields(p, 17);	  /* field 20; p is field 3 */
	start = skip_fields(threads, 2);  /* field 22 */
	exit_signal = skip_fields(start, 16); /* field 38 */
	if (!exit_signal)
		return -EINVAL;
	s->pid = pid;
	s->state = *p;
	s->ppid = atoi(skip_fields(p, 1));
	s->nthreads = atoi(threads);
	s->start_time = strtoull(start, NULL, 10);
	s->exit_signal = atoi(exit_signal);
	return 0;
}

bool proc_is_over(const struct proc_stat *s)
{
	return s->state == 'X' || (s->state == 'Z' && s->nthreads <= 1);
}

int proc_tasks(struct proc_tasks *t)
{
	char text[128];
	const char *p;
	ssize_t n = io_read_file("/proc/loadavg", text, sizeof(text));

	if (n < 0)
		return n;
	p = strchr(text, '/'); /* "0.20 0.18 0.12 1/80 11206" */
	if (!p || sscanf(p, "/%d %d", &t->n, &t->newest) != 2)
		return -EINVAL;
	return 0;
}

int proc_facts(int pid, struct proc_facts *f)
{
	struct proc_stat s;
	struct proc_status more;
	int err = proc_stat(pid, &s);

	if (err)
		return err;
	f->pid = pid;
	f->ppid = s.ppid;
	f->state = s.state;
	f->start_time = s.start_time;
	str_copy(f->name, s.name, sizeof(f->name));
	f->inner_pid = proc_status(pid, 0, &more) ? pid : more.inner_pid;
	f->pidns = namespace_inode(pid);
	return 0;
}

/* The last number of the NSpid line. */
static int innermost_pid(const char *status)
{
	const char *p = proc_field(status, "NSpid:");
	int inner = 0;

	while (p && *p >= '0' && *p <= '9') {
		inner = parse_dec(&p);
		while (*p == ' ' || *p == '\t')
			p++;
	}
	return inner;
}

int proc_status(int pid, int tid, struct proc_status *s)
{
	char status[4096];
	const char *state, *tracer, *uid;
	ssize_t n = read_task(pid, tid, "status", status, sizeof(status));

	if (n < 0)
		return n;
	state = proc_field(status, "State:");
	tracer = proc_field(status, "TracerPid:");
	uid = proc_field(status, "Uid:");
	if (!state || !tracer || !uid)
		return -EINVAL;
	s->state = *state;
	s->tracer = parse_dec(&tracer);
	for (int i = 0; i < 4; i++) {
		s->uid[i] = parse_dec(&uid);
		parse_skip(&uid, "\t");
	}
	s->inner_pid = innermost_pid(status);
	s->pending = proc_hex(status, "SigPnd:");
	s->blocked = proc_hex(status, "SigBlk:");
	s->caught = proc_hex(status, "SigCgt:");
	s->seccomp = proc_dec(status, "Seccomp:");
	s->filters = proc_dec(status, "Seccomp_filters:");
	return 0;
}

void proc_blocked(int pid, int tid, uint32_t *nr, uint64_t *sp, uint64_t *pc)
{
	char text[512], *p;
	long number;

	*nr = 0;
	*sp = *pc = 0;
	if (read_task(pid, tid, "syscall", text, sizeof(text)) < 0)
		return;
	number = strtol(text, &p, 10);
	/* "running", or "-1 sp pc" when blocked outside a system call. */
	if (p == text || number < 0)
		return;
	for (int i = 0; i < 6; i++)
		strtoull(p, &p, 16);
	*nr = number;
	*sp = strtoull(p, &p, 16);
	*pc = strtoull(p, &p, 16);
}

/* Call see(number, arg) for every name in a directory that is a number. */
static void each_number(const char *path, int (*see)(int n, void *arg), void *arg)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir))) {
		const char *p = e->d_name;
		int n = parse_dec(&p);

		if (n > 0 && !*p && see(n, arg))
			break;
	}
	closedir(dir);
}

void proc_each_thread(int pid, int (*see)(int tid, void *arg), void *arg)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	each_number(path, see, arg);
}

/* The value of a variable in an environment, "" when it is not there. */
static const char *env_value(const char *env, size_t n, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = env; p < env + n; p += strlen(p) + 1)
		if (!strncmp(p, name, len) && p[len] == '=')
			return p + len + 1;
	return "";
}

struct environment {
	int pid;
	char *text; /* ENVIRON_MAX bytes */
	ssize_t len;
};

/* A main thread that has exited shows no environment; any other thread does. */
static int read_environment(int tid, void *arg)
{
	struct environment *e = arg;

	e->len = read_task(e->pid, tid, "environ", e->text, ENVIRON_MAX);
	return e->len > 0;
}

int proc_config(int pid, struct job_config *c, char *socket_path, size_t n)
{
	struct environment e = {.pid = pid, .text = malloc(ENVIRON_MAX)};
	int err;

	if (!e.text)
		return -ENOMEM;
	if (!read_environment(pid, &e))
		proc_each_thread(pid, read_environment, &e);
	/* One more byte than read: io_read_file terminates what the last string may lack. */
	err = e.len < 0 ? (int)e.len : config_from_env(c, e.text, e.len + 1);
	if (!err)
		str_copy(socket_path, env_value(e.text, e.len, CKPT_ENV_SOCKET), n);
	free(e.text);
	return err;
}

struct choice {
	int pid, signo, tid;
};

static int takes_signal(int tid, void *arg)
{
	struct choice *c = arg;
	struct proc_status s;
	uint64_t bit = 1ull << (c->signo - 1);

	if (proc_status(c->pid, tid, &s) || s.state == 'Z' || s.state == 'X' || (s.blocked & bit))
		return 0;
	c->tid = tid;
	return 1;
}

int proc_thread_for(int pid, int signo)
{
	struct choice c = {.pid = pid, .signo = signo};

	if (!takes_signal(pid, &c))
		proc_each_thread(pid, takes_signal, &c);
	return c.tid;
}

static const char *state_name(char state)
{
	switch (state) {
	case 'R':
		return "running";
	case 'S':
		return "sleeping";
	case 'D':
		return "in uninterruptible sleep";
	case 'T':
		return "stopped";
	case 't':
		return "stopped by a tracer";
	case 'Z':
		return "a zombie";
	default:
		return "gone";
	}
}

static void describe_thread(int pid, int tid, struct text *t)
{
	char stat[2048], name[64] = "?", wchan[128] = "";
	const char *p = NULL;

	if (read_task(pid, tid, "stat", stat, sizeof(stat)) > 0)
		p = parse_name(stat, name, sizeof(name));
	text_put(t, "thread %d (%s) is %s", tid, name, state_name(p ? *p : 'X'));
	if (read_task(pid, tid, "wchan", wchan, sizeof(wchan)) > 0 && strcmp(wchan, "0"))
		text_put(t, " in %s", wchan);
}

static int find_stuck(int tid, void *arg)
{
	struct choice *c = arg;
	struct proc_status s;

	if (proc_status(c->pid, tid, &s) || s.state != 'D')
		return 0;
	c->tid = tid;
	return 1;
}

void proc_describe(int pid, struct text *t)
{
	struct choice c = {.pid = pid, .tid = pid};

	proc_each_thread(pid, find_stuck, &c);
	describe_thread(pid, c.tid, t);
}

/* ---- children ---- */

struct children {
	int pid;
	void (*see)(int child, void *arg);
	void *arg;
};

/* All of a file of any length; NULL when it is empty or can't be read. The caller frees it. */
static char *read_whole(int pid, int tid, const char *rest)
{
	size_t cap = 4096;
	char *text = NULL, *larger;
	ssize_t n;

	do {
		larger = realloc(text, cap);
		n = larger ? read_task(pid, tid, rest, larger, cap) : -ENOMEM;
		text = larger ? larger : text;
		cap *= 4;
	} while (n == -EFBIG);
	if (n > 0)
		return text;
	free(text);
	return NULL;
}

static int see_children(int tid, void *arg)
{
	struct children *c = arg;
	char *list = read_whole(c->pid, tid, "children"), *end;

	for (char *p = list; p && *p; p = end) {
		int child = strtol(p, &end, 10);

		if (end == p)
			break;
		if (*end == ' ')
			end++;
		c->see(child, c->arg);
	}
	free(list);
	return 0;
}

void proc_each_child(int pid, void (*see)(int child, void *arg), void *arg)
{
	struct children c = {pid, see, arg};

	proc_each_thread(pid, see_children, &c);
}

/* ---- what it is ---- */

enum proc_program proc_program(int pid)
{
	char *maps = read_whole(pid, 0, "maps");
	enum proc_program program = PROC_UNKNOWN;

	if (!maps)
		return PROC_UNKNOWN;
	if (strstr(maps, "/libckpt.so"))
		program = PROC_OURS;
	else if (strstr(maps, "/libc.so"))
		program = PROC_FOREIGN;
	else if (strchr(maps, '/') && !strstr(maps, "/ld-") && !strstr(maps, "/ld.so"))
		program = PROC_STATIC;
	free(maps);
	return program;
}

static int count_one(int number, void *arg)
{
	(void)number;
	++*(unsigned int *)arg;
	return 0;
}

unsigned int proc_descriptors_full(int pid)
{
	char limits[4096], path[64];
	unsigned int open_now = 0, hard;
	const char *p;

	if (read_proc(pid, "limits", limits, sizeof(limits)) < 0 ||
	    !(p = proc_field(limits, "Max open files")))
		return 0;
	parse_dec(&p);
	while (*p == ' ')
		p++;
	hard = parse_dec(&p);
	snprintf(path, sizeof(path), "/proc/%d/fd/0", pid);
	open_now = readlink(path, limits, sizeof(limits)) >= 0; /* no number to each_number() */
	path[strlen(path) - 2] = 0;
	each_number(path, count_one, &open_now);
	return hard && open_now >= hard ? hard : 0;
}

struct each {
	int (*see)(int pid, void *arg);
	void *arg;
};

static int see_if_ours(int pid, void *arg)
{
	struct each *e = arg;
	char status[4096];
	const char *uid;

	/* The owner of /proc/PID will not do: that of a process which is not dumpable is root. */
	if (pid == getpid() || read_proc(pid, "status", status, sizeof(status)) < 0)
		return 0;
	uid = proc_field(status, "Uid:");
	if (!uid || parse_dec(&uid) != getuid())
		return 0;
	return e->see(pid, e->arg);
}

void proc_each(int (*see)(int pid, void *arg), void *arg)
{
	struct each e = {see, arg};

	each_number("/proc", see_if_ours, &e);
}
