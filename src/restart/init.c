/*
 * Init of the capsule, above all processes of the job: opens what they had open, plans what they are to
 * be, makes those that nobody of the job has made, and, when all are there, the rest of the files. Then it
 * reaps, until nobody is left.
 *
 * Everything that can fail is done, or checked, before the first process exists; and until the last one
 * is restored none runs. So a restart that fails has done nothing.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "devpts.h"
#include "die.h"
#include "ipc.h"
#include "plan.h"
#include "region.h"
#include "restart.h"
#include "special.h"
#include "tables.h"
#include "tree.h"

enum {
	STACK_SIZE = 256 << 10,
	LOADER_STACK = 64 << 10,
	LOADERS_MAX = 8,
	LOOK_MS = 100, /* so often it is looked whether a process has ended that should not have */
};

struct init {
	struct restart *r;
	int events;
	int proc; /* the capsule's /proc: the program may put something else there */
	struct plugin_ctx *descriptors;
	int place; /* keeps the name of our terminal in the capsule (devpts.h), -1: nothing to keep */
	struct special_own own;
	struct planner *planners; /* one for each process of the image */
	struct pstree tree;
	struct region region;
	struct restore_job *job; /* inside the region */
};

/* ---- descriptors of our own ---- */

int fd_raise(struct restart *r, int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, r->log_fd + 1);

	if (high < 0)
		die("cannot have another descriptor:");
	close(fd);
	return high;
}

/* The first number above all that the programs use. */
static int base_find(const struct restart *r)
{
	int base = 3;

	for (uint32_t i = 0; i < r->nprocesses; i++) {
		int b = descriptors_base(r->processes[i].records, r->processes[i].nrecords);

		if (b < 0)
			die("%s: damaged: records of descriptors", r->path);
		base = b > base ? b : base;
	}
	return base;
}

/* Descriptors of ours begin above all that the programs have; the first is for messages. */
static void log_open(struct init *in)
{
	struct restart *r = in->r;
	int base = base_find(r);
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur < l.rlim_max) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
	r->image_fd = r->image.fd = fcntl(r->image_fd, F_DUPFD_CLOEXEC, base + 1);
	in->events = fcntl(in->events, F_DUPFD_CLOEXEC, base + 1);
	if (r->beside.fd >= 0)
		r->beside.fd = fcntl(r->beside.fd, F_DUPFD_CLOEXEC, base + 1);
	if (r->image_fd < 0 || in->events < 0)
		die("cannot have descriptor %d:", base + 1);
	close(base);
	r->log_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, base);
	if (r->log_fd < 0)
		r->log_fd = fcntl(open("/dev/null", O_WRONLY | O_CLOEXEC), F_DUPFD_CLOEXEC, base);
	if (r->log_fd != base)
		die("cannot have descriptor %d:", base);
	in->proc = fd_raise(r, open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void descriptors_prepare(struct init *in)
{
	struct restart *r = in->r;
	int terminal = r->opt.no_capsule ? -1 : devpts_mount(r);
	struct descriptors_params params = {
		.image = &r->image,
		.beside = &r->beside,
		.processes = r->processes,
		.nprocesses = r->nprocesses,
		.base = r->log_fd,
		.log_fd = r->log_fd,
		.files = r->opt.files,
		.verbose = r->opt.verbose,
		.outputs = r->opt.outputs,
		.moves = r->opt.moves,
		.tcp_refuse = r->opt.tcp_refuse,
	};

	in->descriptors = descriptors_open(&params);
	if (!in->descriptors || descriptors_restore(in->descriptors) < 0)
		exit(STATUS_OWN);
	in->place = devpts_place(r, terminal);
}

/* A test has a step fail. */
static void step(enum fault_point point, const char *what)
{
	int err = fault(point);

	errno = -err;
	if (err)
		die("cannot %s:", what);
}

/* ---- plans ---- */

/* Those of children before those of parents: plan_inherit() looks at what is still whole. */
static void inherit_all(struct init *in)
{
	for (uint32_t i = in->tree.n; i-- > 0;) {
		struct plan_node *n = &in->tree.nodes[i];
		const struct plan_node *creator = n->creator < 0 ? NULL : &in->tree.nodes[n->creator];

		if (n->kind == NODE_PROCESS && creator && creator->kind == NODE_PROCESS)
			n->shares_memory = plan_inherit(&in->planners[n->process],
							&in->planners[creator->process]);
	}
}

/* A program that was started as leader of a session has the terminal outside, and none of the job's. */
static void terminal_session_find(struct init *in)
{
	for (uint32_t i = 0; i < in->r->nprocesses; i++) {
		const struct rec_process *p = &in->r->processes[i].rec;
		int foreground;

		if (p->flags & PROCESS_TTY && p->pid == p->sid && in->r->on_terminal &&
		    descriptors_session_tty(in->descriptors, p->sid, &foreground) < 0)
			in->r->terminal_sid = p->sid;
	}
}

/* Who leads a session takes its terminal; who is in one without its terminal has parted with it. */
static void terminals_plan(struct init *in)
{
	for (uint32_t i = 0; i < in->tree.n; i++) {
		struct plan_node *n = &in->tree.nodes[i];
		bool has = n->kind == NODE_PROCESS && in->r->processes[n->process].rec.flags & PROCESS_TTY;

		if (n->kind == NODE_PROCESS && has == !!n->setsid)
			n->tty_fd = descriptors_session_tty(in->descriptors, n->sid, &n->tty_pgid);
	}
}

static void plan_all(struct init *in)
{
	struct restart *r = in->r;

	special_own_read(&in->own);
	in->planners = plan_alloc(r->nprocesses, sizeof(*in->planners));
	for (uint32_t i = 0; i < r->nprocesses; i++) {
		struct planner *pl = &in->planners[i];

		*pl = (struct planner){.r = r, .p = &r->processes[i], .descriptors = in->descriptors};
		special_read(pl->p, &in->own, &pl->special);
		plan_process(pl);
	}
}

/* ---- the region ---- */

/* Where this process has something now, the region can't be. */
static void own_areas_avoid(struct region *g)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[CKPT_PATH_MAX + 128];
	uint64_t start, end;

	if (!f)
		die("cannot read /proc/self/maps:");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2)
			region_avoid(g, start, end);
	fclose(f);
}

static void areas_avoid(struct region *g, const struct planner *pl)
{
	for (uint32_t i = 0; i < pl->plan.nvmas; i++) {
		const struct rec_vma *v = &pl->vma[i];

		/* A segment is attached whole, also where the program has unmapped a part of it since. */
		region_avoid(g, v->flags & VMA_SYSV ? v->start - v->offset : v->start, v->end);
	}
	for (uint32_t i = 0; i < pl->special.nold; i++)
		region_avoid(g, pl->special.old[i].start, pl->special.old[i].start + pl->special.old[i].len);
}

/* One hole for this kernel's vdso serves all processes that have another's. */
static void specials_plan(struct init *in)
{
	struct region *g = &in->region;
	uint64_t span = special_span(&in->own);
	uint64_t hole = span ? region_hole(g, span) : 0;

	if (span)
		region_avoid(g, hole, hole + span);
	for (uint32_t i = 0; i < in->r->nprocesses; i++)
		special_plan(in->r, in->planners[i].p, &in->planners[i].special, hole, &in->planners[i].plan);
}

/* Every array of a plan: called once to add up, once to place. */
static void plan_arrays(struct restore_plan *p, void (*each)(void *arg, void **array, size_t bytes), void *arg)
{
	bool whole = p->maps == p->vmas;

	each(arg, (void **)&p->vmas, p->nvmas * sizeof(*p->vmas));
	if (whole)
		p->maps = p->vmas;
	else
		each(arg, (void **)&p->maps, p->nmaps * sizeof(*p->maps));
	each(arg, (void **)&p->drops, p->ndrops * sizeof(*p->drops));
	each(arg, (void **)&p->zeros, p->nzeros * sizeof(*p->zeros));
	each(arg, (void **)&p->guards, p->nguards * sizeof(*p->guards));
	each(arg, (void **)&p->patches, p->npatches * sizeof(*p->patches));
	each(arg, (void **)&p->threads, p->nthreads * sizeof(*p->threads));
	each(arg, (void **)&p->extents, p->nextents * sizeof(*p->extents));
	each(arg, (void **)&p->numbers, p->nnumbers * sizeof(*p->numbers));
	each(arg, (void **)&p->auxv, p->auxv_len);
}

static void array_count(void *arg, void **array, size_t bytes)
{
	(void)array;
	*(size_t *)arg += bytes + 16;
}

static void array_place(void *arg, void **array, size_t bytes)
{
	*array = region_put(arg, *array, bytes);
}

static int count_cpus(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return n < LOADERS_MAX ? n : LOADERS_MAX;
}

static struct restore_job job_describe(struct init *in)
{
	struct restart *r = in->r;
	struct restore_job job = {
		.task_size = TASK_END,
		.image_fd = r->image_fd,
		.log_fd = r->log_fd,
		.events_fd = in->events,
		.root_pid = r->processes[0].rec.pid,
		.nworkers = count_cpus(),
		.nnodes = in->tree.n,
		.nplans = r->nprocesses,
		.nodes = in->tree.nodes,
		.chunks = r->image.chunks,
		.nchunks = r->image.nchunks,
		.nspecial = in->own.n,
		.drop_caps = r->in_userns,
		.own_ipc = r->own_ipc,
		.work_size = ALIGN_UP(image_dctx_size() + 2 * IMAGE_STORED_MAX + LOADER_STACK, CKPT_PAGE),
	};

	for (uint32_t i = 0; i < in->own.n; i++) {
		job.special[i].from = in->own.area[i].start;
		job.special[i].len = in->own.area[i].len;
	}
	for (uint32_t i = 0; i < in->tree.n; i++)
		job.nfirst += in->tree.nodes[i].table == TABLE_FIRST;
	job.outside_pid = r->pid;
	str_copy(job.socket, r->socket, sizeof(job.socket));
	memcpy(job.moves, r->opt.moves, sizeof(job.moves));
	str_copy(job.keyfile, r->keyfile, sizeof(job.keyfile));
	job.graft = (uint64_t)graft_make(&r->opt, &job.graft_len);
	return job;
}

static size_t sync_size(const struct init *in)
{
	return ALIGN_UP(sizeof(struct restart_sync) + in->tree.n * sizeof(struct restart_seen), CKPT_PAGE);
}

static struct restart_sync *sync_make(struct init *in)
{
	size_t len = sync_size(in);
	struct restart_sync *s = region_put_pages(&in->region, len);

	if (mmap(s, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != s)
		die("cannot share memory:");
	s->total = in->r->nprocesses;
	s->nodes = in->tree.n;
	s->to_settle = s->total + 1;
	for (uint32_t i = 0; i < in->tree.n; i++)
		s->to_settle += in->tree.nodes[i].kind == NODE_STANDIN;
	s->fault = in->r->fault;
	return s;
}

static size_t region_size(struct init *in, const struct restore_job *job)
{
	size_t n = job->nplans * sizeof(*job->plans) + job->nnodes * sizeof(*job->nodes) +
		   job->nchunks * sizeof(*job->chunks) + special_span(&in->own) +
		   job->graft_len + job->nworkers * job->work_size + STACK_SIZE + sync_size(in) + 64 * CKPT_PAGE;

	for (uint32_t i = 0; i < job->nplans; i++)
		plan_arrays(&in->planners[i].plan, array_count, &n);
	return n;
}

static void region_fill(struct init *in)
{
	struct restore_job job = job_describe(in);
	struct region *g = &in->region;

	region_reserve(g, region_size(in, &job));
	job.region_start = g->start;
	job.region_len = g->len;
	job.nodes = region_put(g, job.nodes, job.nnodes * sizeof(*job.nodes));
	job.chunks = region_put(g, job.chunks, job.nchunks * sizeof(*job.chunks));
	job.plans = region_put(g, NULL, job.nplans * sizeof(*job.plans));
	for (uint32_t i = 0; i < job.nplans; i++) {
		plan_arrays(&in->planners[i].plan, array_place, g);
		job.plans[i] = in->planners[i].plan;
	}
	if (job.graft)
		job.graft = (uint64_t)region_put(g, (const void *)job.graft, job.graft_len);
	job.tls = (uint64_t)region_put(g, NULL, 256);
	job.staging = (uint64_t)region_put_pages(g, special_span(&in->own));
	job.work = region_put_pages(g, job.nworkers * job.work_size);
	job.sync = sync_make(in);
	in->job = region_put(g, &job, sizeof(job));
	in->job->key = in->r->image.key;
	g->stack_top = (uint8_t *)region_put_pages(g, STACK_SIZE) + STACK_SIZE;
}

/* ---- processes ---- */

/* Stop what libc has registered with the kernel for this thread. */
static void leave_libc(void)
{
	unsigned int len = __rseq_size <= 32 ? 32 : __rseq_size;

	if (__rseq_size)
		syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, len, 1, RSEQ_SIG);
	syscall(SYS_set_robust_list, NULL, sizeof(void *) * 3);
	syscall(SYS_set_tid_address, NULL);
}

static void root_make(struct init *in, uint32_t node)
{
	const struct plan_node *n = &in->tree.nodes[node];
	pid_t pid = n->pid;
	struct clone_args a = {
		.flags = CLONE_FILES,
		.exit_signal = n->exit_signal,
		.set_tid = pid ? (uint64_t)(uintptr_t)&pid : 0,
		.set_tid_size = pid ? 1 : 0,
	};
	long child = syscall(SYS_clone3, &a, sizeof(a));

	if (child < 0 && errno == EEXIST)
		die("process id %d is taken", pid);
	if (child < 0)
		die("cannot make a process with id %d:", pid);
	if (child) {
		in->job->sync->seen[node].pid = child;
		return;
	}
	in->job->sync->seen[node].pid = getpid();
	leave_libc();
	region_enter(&in->region, in->job, node);
}

/* Is a process there, and no zombie? */
static bool pid_runs(int32_t pid)
{
	char path[64], stat[1024];
	const char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (io_read_file(path, stat, sizeof(stat)) <= 0)
		return false;
	p = strrchr(stat, ')');
	return !p || (p[2] != 'Z' && p[2] != 'X');
}

/* True when one that is to be there has ended: a process of the image, or whoever is not in its group yet. */
static bool node_lost(const struct init *in)
{
	for (uint32_t i = 0; i < in->tree.n; i++) {
		const struct plan_node *n = &in->tree.nodes[i];
		const struct restart_seen *seen = &in->job->sync->seen[i];
		int32_t pid = __atomic_load_n(&seen->pid, __ATOMIC_ACQUIRE); /* pairs with node_seen() */
		bool may_end = n->kind != NODE_PROCESS || in->planners[n->process].plan.main_exited;

		if (pid && !pid_runs(pid) && !(may_end && __atomic_load_n(&seen->grouped, __ATOMIC_ACQUIRE)))
			return true;
	}
	return false;
}

static void __attribute__((noreturn)) give_up(struct init *in)
{
	struct restart_sync *s = in->job->sync;

	__atomic_store_n(&s->failed, 1, __ATOMIC_RELEASE);
	for (uint32_t *word = &s->created; word <= &s->taken; word++)
		syscall(SYS_futex, word, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0);
	exit(STATUS_OWN);
}

/*
 * Wait until a number of the meeting has reached n; the restart ends when it can't. One that has ended may have come
 * before, and run since: so the number is looked at again.
 */
static void await(struct init *in, uint32_t *word, uint32_t n)
{
	const struct timespec look = {.tv_nsec = LOOK_MS * 1000000};
	struct restart_sync *s = in->job->sync;
	uint32_t have;

	while ((have = __atomic_load_n(word, __ATOMIC_ACQUIRE)) < n) {
		if (__atomic_load_n(&s->failed, __ATOMIC_ACQUIRE))
			give_up(in);
		if (syscall(SYS_futex, word, FUTEX_WAIT, have, &look, NULL, 0) == 0 || errno != ETIMEDOUT)
			continue;
		if (!node_lost(in) || __atomic_load_n(word, __ATOMIC_ACQUIRE) >= n)
			continue;
		dprintf(in->r->log_fd, "ckpt_restart: a process has ended while it was being restored\n");
		give_up(in);
	}
}

/* Helpers end when all are in their groups; nobody is to see them. */
static void helpers_reap(const struct init *in)
{
	for (uint32_t i = 0; i < in->tree.n; i++) {
		const struct plan_node *n = &in->tree.nodes[i];

		if (n->kind == NODE_HELPER && n->parent == NODE_INIT)
			waitpid(n->pid, NULL, __WALL);
	}
}

/* Group 1 is that of a container's first process. Its session can't be ours on a terminal, nor need be: getsid() tells. */
static void group_take(const struct init *in)
{
	if (in->r->opt.no_capsule || in->r->on_terminal)
		return;
	for (uint32_t i = 0; i < in->r->nprocesses; i++)
		if (in->r->processes[i].rec.pgid == 1)
			setpgid(0, 0);
}

static void processes_make(struct init *in)
{
	struct restart_sync *s = in->job->sync;
	sigset_t all;

	sigfillset(&all);
	sys_sigprocmask(SIG_SETMASK, &(uint64_t){~0ull}, NULL);
	signal(SIGCHLD, SIG_DFL);
	group_take(in);
	for (uint32_t i = 0; i < in->tree.n; i++)
		if (in->tree.nodes[i].creator < 0)
			root_make(in, i);
	await(in, &s->grouped, s->nodes);
	fault(FAULT_INIT_GROUPED);
	helpers_reap(in);
	if (!in->r->opt.no_capsule)
		last_pid_set(in->r->processes[0].rec.last_pid); /* new ones go on from where they were */
	ipc_release();
	terminal_give(in->r);
	if (descriptors_late(in->descriptors) < 0 || tables_give(in->job, in->descriptors) < 0)
		give_up(in);
	await(in, &s->tables, in->job->nfirst);
	fault(FAULT_INIT_GIVEN);
	__atomic_store_n(&s->files, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &s->files, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0);
	await(in, &s->restored, s->total);
}

/* ---- afterwards ---- */

static void event_send(int events, int what, int status, int fd)
{
	struct event e = {.what = what, .status = status};
	struct iovec iov = {&e, sizeof(e)};
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} c = {.h = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

	if (fd >= 0) {
		memcpy(CMSG_DATA(&c.h), &fd, sizeof(fd));
		m.msg_control = &c;
		m.msg_controllen = sizeof(c);
	}
	sendmsg(events, &m, MSG_NOSIGNAL);
}

static bool is_standin(const struct init *in, int pid)
{
	for (uint32_t i = 0; i < in->tree.n; i++)
		if (in->tree.nodes[i].kind == NODE_STANDIN && in->tree.nodes[i].pid == pid)
			return true;
	return false;
}

/* True when nobody is left in the capsule but us and stand-ins, who end with us. */
static bool all_ended(const struct init *in, DIR *proc)
{
	bool ended = true;
	struct dirent *e;

	rewinddir(proc);
	while (ended && (e = readdir(proc))) {
		int pid = atoi(e->d_name);

		ended = pid <= 1 || is_standin(in, pid);
	}
	return ended;
}

static void __attribute__((noreturn)) reap(struct init *in)
{
	int root = in->r->processes[0].rec.pid, status;
	DIR *proc = in->r->opt.no_capsule ? NULL : fdopendir(in->proc);
	pid_t pid;

	while ((pid = waitpid(-1, &status, WUNTRACED | WCONTINUED | __WALL)) > 0 || errno == EINTR) {
		if (pid == root)
			event_send(in->events,
				   WIFSTOPPED(status)	   ? EVENT_STOPPED
				   : WIFCONTINUED(status) ? EVENT_CONTINUED
							  : EVENT_ENDED,
				   status, -1);
		if (proc && all_ended(in, proc))
			break;
	}
	_exit(0);
}

static int ascending(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Keep these, of which some may be -1. */
static void close_others(int *keep, size_t n)
{
	int from = 0;

	qsort(keep, n, sizeof(*keep), ascending);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] > from)
			syscall(SYS_close_range, from, keep[i] - 1, 0);
		from = keep[i] + 1;
	}
	syscall(SYS_close_range, from, ~0u, 0);
}

static void started(struct init *in)
{
	int keep[] = {in->events, in->place, in->proc};
	uint32_t *settled = &in->job->sync->settled;
	int pidfd = syscall(SYS_pidfd_open, in->r->processes[0].rec.pid, 0);

	image_key_wipe(&in->r->image.key, sizeof(in->r->image.key));
	image_key_wipe(&in->job->key, sizeof(in->job->key));
	event_send(in->events, EVENT_STARTED, 0, pidfd);
	close_others(keep, ARRAY_SIZE(keep));
	__atomic_add_fetch(settled, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, settled, FUTEX_WAKE, 0x7fffffff, NULL, NULL, 0);
}

void init_run(struct restart *r, int events)
{
	struct init in = {.r = r, .events = events};

	log_open(&in);
	ipc_make(r);
	step(FAULT_INIT_FILES, "open the files of the job");
	descriptors_prepare(&in);
	terminal_session_find(&in);
	tree_plan(r, &in.tree);
	tables_plan(r, &in.tree);
	step(FAULT_INIT_PLAN, "plan the memory of the job");
	terminals_plan(&in);
	plan_all(&in);
	inherit_all(&in);
	own_areas_avoid(&in.region);
	for (uint32_t i = 0; i < r->nprocesses; i++)
		areas_avoid(&in.region, &in.planners[i]);
	specials_plan(&in);
	region_fill(&in);
	step(FAULT_INIT_PROCESSES, "make the processes of the job");
	processes_make(&in);
	fault(FAULT_INIT_STARTED);
	started(&in);
	terminal_repaint(r);
	reap(&in);
}
