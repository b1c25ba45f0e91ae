/*
 * A node's way. From the first unmap on there is no way back: an error is told on log_fd and ends the
 * process, and with it the restart, before any program has run an instruction.
 *
 *   children, session, memory (nodes.c) | all are there | process group | all are in theirs |
 *   init has made the files | descriptors, protections, brk, … | threads | resume in libckpt, which waits for
 *   all processes once more
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/sched.h>
#include <asm/prctl.h>
#include "restorer.h"

void restorer_main(struct restore_job *job, uint32_t node) HIDDEN __attribute__((noreturn, used));

static void control_fill(struct restore_job *job, const struct plan_node *n, const struct restore_plan *p)
{
	struct restart_control *c = (struct restart_control *)p->control;

	bool moves = c->magic == RESTART_CONTROL_MAGIC || c->magic == RESTART_CONTROL_MAGIC_MOVES;

	if (!moves && (c->magic != RESTART_CONTROL_MAGIC_OLD || job->moves[0]))
		fail(job, "find libckpt at", p->control, -ENOENT);
	c->restarted = job->outside_pid;
	c->blob_start = job->region_start;
	c->blob_len = job->region_len;
	c->drop_caps = job->drop_caps;
	c->own_ipc = job->own_ipc;
	c->vdso_start = p->vdso_start;
	c->vdso_len = p->vdso_len;
	c->log_fd = n->table == TABLE_SHARED ? -1 : job->log_fd; /* it is closed there */
	c->main_exited = c->main_word = p->main_exited;
	c->sync = (uint64_t)job->sync;
	str_copy(c->socket, job->socket, sizeof(c->socket));
	if (moves)
		__builtin_memcpy(c->moves, job->moves, sizeof(c->moves));
	if (job->keyfile[0]) /* an older libckpt has no place for it */
		str_copy(c->keyfile, job->keyfile, sizeof(c->keyfile));
	if (c->magic == RESTART_CONTROL_MAGIC) /* for another one the program has what it had */
		c->graft = job->graft;
}

static void thread_make(struct restore_job *job, const struct plan_thread *t)
{
	pid_t tid = t->tid;
	struct clone_args a = {
		.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
			 CLONE_SYSVSEM | CLONE_SETTLS,
		.tls = t->fs_base,
		.set_tid = (uint64_t)&tid,
		.set_tid_size = 1,
	};
	long r = thread_start(&a, sizeof(a), &t->context);

	if (r < 0)
		fail(job, "make the thread with the id (hex)", tid, r);
}

static void __attribute__((noreturn)) process_resume(struct restore_job *job,
							 const struct restore_plan *p)
{
	const struct plan_thread *self = NULL;

	for (uint32_t i = 0; i < p->nthreads; i++) {
		if (p->threads[i].tid == p->pid)
			self = &p->threads[i];
		else
			thread_make(job, &p->threads[i]);
	}
	if (!self) { /* the main thread had ended: so does this one */
		sys_prctl(PR_SET_NAME, (unsigned long)p->comm, 0, 0, 0);
		sys_call1(__NR_set_tid_address, &((struct restart_control *)p->control)->main_word);
		for (;;)
			sys_call1(__NR_exit, 0);
	}
	sys_call2(__NR_arch_prctl, ARCH_SET_FS, self->fs_base);
	context_resume(&self->context);
}

static void __attribute__((noreturn)) process_run(struct restore_job *job, uint32_t me)
{
	const struct restore_plan *p = &job->plans[job->nodes[me].process];

	int r = fault(FAULT_RESTORER_FINISH);

	if (r < 0)
		fail(job, "finish the process (hex)", p->pid, r);
	memory_finish(job, p);
	control_fill(job, &job->nodes[me], p);
	if (p->cwd_fd >= 0)
		sys_call1(__NR_fchdir, p->cwd_fd);
	table_take(job, &job->nodes[me], p);
	nodes_await_ends(job, me);
	fault(FAULT_RESTORER_RESUME);
	process_resume(job, p);
}

/* Into the process group pgid; when that is our own number, it is made. */
static void group_enter(struct restore_job *job, int32_t pgid)
{
	int r = sys_call2(__NR_setpgid, 0, pgid);

	if (r < 0)
		fail(job, "join the process group (hex)", pgid, r);
}

static void grouped(struct restore_job *job, uint32_t me)
{
	__atomic_store_n(&job->sync->seen[me].grouped, 1, __ATOMIC_RELEASE);
	sync_arrive(&job->sync->grouped);
}

/* Until everybody is in its group. Who leads one that it leaves waits for those who come. */
static void nodes_meet(struct restore_job *job, uint32_t me)
{
	const struct plan_node *n = &job->nodes[me];
	struct restart_sync *s = job->sync;

	if (n->leads)
		group_enter(job, n->pid);
	sync_arrive(&s->created);
	if (n->ends_at_once) {
		grouped(job, me);
		return;
	}
	sync_await(job, &s->created, job->nnodes);
	sync_await(job, &s->grouped, n->group_after);
	if (n->pgid && n->pgid != n->pid)
		group_enter(job, n->pgid);
	grouped(job, me);
	sync_await(job, &s->grouped, job->nnodes);
}

static void begin(struct restore_job *job, uint32_t me)
{
	fault_armed = fault_for(&job->sync->fault, job->nodes[me].pid);
	fault(FAULT_RESTORER_BEGIN);
	table_begin(job, &job->nodes[me]);
}

void restorer_main(struct restore_job *job, uint32_t node)
{
	uint32_t made;

	sys_call2(__NR_arch_prctl, ARCH_SET_FS, job->tls);
	begin(job, node);
	memory_clear(job);
	while ((made = node_build(job, node)) != node) {
		node = made;
		begin(job, node);
		if (!job->nodes[node].shares_memory)
			memory_clear(job);
	}
	nodes_await_makers(job, node);
	fault(FAULT_RESTORER_MEET);
	nodes_meet(job, node);
	node_terminal(&job->nodes[node]);
	if (job->nodes[node].kind != NODE_PROCESS)
		node_end(job, node);
	process_run(job, node);
}
