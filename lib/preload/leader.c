/*
 * The leader: one thread's way through a checkpoint, on a stack of our own.
 *
 *   connect, ask what to do        (not frozen yet)
 *   freeze            PHASE_FREEZE: all processes of the job stand still, and get memory that they share
 *   list              SHARED_LISTED: all know what others have open and mapped
 *   save files        SHARED_SAVED: nobody needs another's descriptors any more
 *   save memory       PHASE_DRAIN: nothing stands against the checkpoint
 *   copy | thaw
 *
 * At every step a failure of ours or of the coordinator means: thaw, and the program runs on. After a
 * restart the leader comes back in collect_and_copy(), in the memory of the snapshot: whatever it
 * needs then lies on its stack, and nothing else of struct save exists any more.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include "preload.h"
#include "fault.h"
#include "handler.h"
#include "image.h"
#include "ipc.h"
#include "marks.h"
#include "frozen.h"

enum { PARAMS_WAIT_MS = 3000, RESTART_FAILED = 125 };

/* All that one checkpoint needs; on the leader's stack. */
struct checkpoint {
	struct msg_params params;
	struct save save;
	struct shared shared;
	struct memory memory;
	struct process_state ps;
	struct parked self; /* the leader's own thread state; its context is in collect_and_copy() */
	struct blocked_call blocked;
	union any_msg in;
	uint64_t t_start, t_frozen, t_collected, t_forked;
	uint32_t nthreads;
	bool main_exited;
	bool restarted;
	bool in_pause;
	bool copied; /* the image is being written, or is there */
};

/* ---- talking ---- */

static bool ask_params(struct checkpoint *c, int request, const struct msg_target *target)
{
	struct msg_leader l;

	__builtin_memset(&l, 0, sizeof(l));
	MSG_INIT(&l, MSG_LEADER);
	l.pid = sys_getpid();
	l.tid = sys_gettid();
	l.request = request;
	l.flags = l.pid == preload.first_pid ? LEADER_FIRST : 0;
	l.config = preload.config;
	if (target && msg_send(c->save.conn, &target->m) < 0)
		return false;
	if (msg_send(c->save.conn, &l.m) < 0)
		return false;
	if (msg_recv(c->save.conn, &c->in, PARAMS_WAIT_MS) <= 0 || c->in.m.type != MSG_PARAMS)
		return false;
	c->params = c->in.params;
	fault_armed = c->params.fault;
	/* It may be another than in the environment: restarts of one image get ids of their own. */
	if (c->params.job[0]) /* who is sent back is told nothing */
		str_copy(preload.config.job, c->params.job, sizeof(preload.config.job));
	c->blocked = (struct blocked_call){c->params.blocked_nr, c->params.blocked_sp,
					   c->params.blocked_pc};
	return c->params.op != OP_NONE;
}

/* A program may have used up its descriptors; we raise its limit for as long as we need some. */
static void limit_raise(struct checkpoint *c)
{
	uint64_t l[2];

	if (c->ps.nofile[1] || sys_call4(__NR_prlimit64, 0, RLIMIT_NOFILE, NULL, l) < 0 || l[0] >= l[1])
		return;
	c->ps.nofile[0] = l[0];
	c->ps.nofile[1] = l[1];
	l[0] = l[1];
	sys_call4(__NR_prlimit64, 0, RLIMIT_NOFILE, l, NULL);
}

static void limit_lower(struct checkpoint *c)
{
	if (c->ps.nofile[1])
		sys_call4(__NR_prlimit64, 0, RLIMIT_NOFILE, c->ps.nofile, NULL);
	c->ps.nofile[1] = 0;
}

static int connect_coordinator(struct checkpoint *c)
{
	int conn = msg_connect(preload.socket);

	if (conn != -EMFILE)
		return conn;
	limit_raise(c);
	return msg_connect(preload.socket);
}

static bool arrive(struct checkpoint *c, enum phase phase, int err)
{
	struct msg_barrier b = {.phase = phase, .err = err};

	MSG_INIT(&b, MSG_BARRIER);
	return msg_send(c->save.conn, &b.m) == 0;
}

/* Receive, with as much time as the others need who get on with saving content of files. */
static int await_release(struct checkpoint *c, int *passed)
{
	uint64_t seen;
	int r;

	do {
		seen = c->shared.head ? shared_contents_done(&c->shared) : 0;
		r = msg_recv_fd(c->save.conn, &c->in, c->params.timeout_ms, passed);
	} while (r == -ETIMEDOUT && c->shared.head && shared_contents_done(&c->shared) != seen);
	return r;
}

/* Meet the other processes of the job. True to go on; *passed: what came with that, -1: nothing. */
static bool barrier(struct checkpoint *c, enum phase phase, int err, int *passed)
{
	int fd = -1;
	bool go = arrive(c, phase, err) && await_release(c, &fd) > 0 && c->in.m.type == MSG_RELEASE &&
		  c->in.release.phase == phase && c->in.release.go;

	if (fd >= 0 && (!go || !passed))
		sys_close(fd);
	else if (passed)
		*passed = fd;
	return go;
}

static void tell_thawed(struct checkpoint *c)
{
	struct msg_thawed t = {
		.pause_ns = sys_clock_ns(CLOCK_MONOTONIC) - c->t_start,
		.freeze_ns = c->t_frozen - c->t_start,
		.collect_ns = c->t_collected - c->t_frozen,
		.fork_ns = c->t_forked - c->t_collected,
		.nthreads = c->nthreads,
		.in_pause = c->in_pause,
	};

	MSG_INIT(&t, MSG_THAWED);
	msg_send(c->save.conn, &t.m);
}

/* ---- collecting ---- */

static void save_thread(struct save *s, const struct parked *p, uint32_t flags)
{
	struct rec_thread t = {
		.tid = p->tid,
		.flags = flags,
		.fs_base = p->fs_base,
		.gs_base = p->gs_base,
		.context = p->context,
		.app_rip = p->uc->uc_mcontext.gregs[REG_RIP],
		.app_rsp = p->uc->uc_mcontext.gregs[REG_RSP],
		.frame = (uint64_t)p->uc,
	};

	__builtin_memcpy(t.comm, p->comm, sizeof(t.comm));
	rec_put(&s->rec, REC_THREAD, REC_REQUIRED, &t, sizeof(t), NULL, 0);
	if (p->queued.lost)
		save_refuse(s, "thread %d: more than %d queued signals", p->tid, QUEUED_MAX);
	for (uint32_t i = 0; i < p->queued.n; i++) {
		struct rec_siginfo si = {.tid = p->tid, .sig = p->queued.sig[i].sig};

		__builtin_memcpy(si.info, p->queued.sig[i].info, sizeof(si.info));
		rec_put(&s->rec, REC_SIGINFO, 0, &si, sizeof(si), NULL, 0);
	}
}

static void save_threads(struct checkpoint *c)
{
	save_thread(&c->save, &c->self, THREAD_LEADER);
	for (struct parked *p = freeze_list(); p; p = p->next)
		save_thread(&c->save, p, 0);
}

/* The vdso is the kernel's; a restart under another one must know. */
static void hash_vdso(struct checkpoint *c)
{
	const char *p = c->memory.maps, *end = p + c->memory.maps_len;
	struct map_line m;

	while (maps_next(&p, end, &m) > 0)
		if (m.name_len == 6 && __builtin_memcmp(m.name, "[vdso]", 6) == 0)
			c->ps.rec.vdso_hash = image_checksum((void *)m.start, m.end - m.start);
}

/* The areas, before anything of ours is mapped; then the memory of the job. 0 or -errno. */
static int collect_begin(struct checkpoint *c, int shared_fd, ucontext_t *uc)
{
	int r, mapped;

	process_take_signals(&c->ps);
	r = memory_read(&c->memory);
	if (r < 0)
		save_refuse(&c->save, "/proc/self/maps can't be read: %s", errno_name(r));
	mapped = shared_open(&c->shared, shared_fd, c->in.release.process_index, c->save.conn, c->params.timeout_ms);
	c->save.shared = &c->shared;
	c->save.params = &c->params;
	c->self.uc = uc;
	return r < 0 ? r : mapped < 0 ? mapped : fault(FAULT_COLLECT_SHARED);
}

static int state_err(struct save *s)
{
	if (!s->err)
		s->err = s->rec.err;
	if (s->err)
		save_refuse(s, "state can't be collected: %s", errno_name(s->err));
	return s->nrefused ? -ENOTSUP : 0;
}

/* Is a process there whose name begins so, and no zombie? A writer is not our child, and named a little late. */
static bool process_runs(int32_t pid, const char *name)
{
	char path[64], stat[512];
	struct text t = TEXT(path);
	const char *p = stat, *state = stat;

	text_put(&t, "/proc/%d/stat", pid);
	if (io_read_file(path, stat, sizeof(stat)) <= 0)
		return false;
	parse_dec(&p);
	if (!parse_skip(&p, " (") || !str_starts(p, name))
		return false;
	for (; *p; p++)
		if (*p == ')')
			state = p;
	return !str_starts(state, ") Z") && !str_starts(state, ") X");
}

/*
 * Is the image of this generation being written already? When a coordinator is killed its writers go on, and the next
 * one can't see a file that they have not made yet.
 */
static bool generation_is_taken(const struct checkpoint *c)
{
	return c->params.generation && c->params.generation == preload.generation && preload.writer > 0 &&
	       process_runs(preload.writer, "ckpt_writer");
}

/*
 * Everything about the process, into c->save. A refusal ends nothing here: the user is to see all that
 * stands against a checkpoint of the job. 0, or -errno when it can't be checkpointed.
 */
static int collect(struct checkpoint *c)
{
	struct save *s = &c->save;
	int r;

	if (generation_is_taken(c)) { /* nobody is to touch what lies beside it */
		save_refuse_for_now(s, "generation %lu is still being written, without a coordinator; try again",
				    (unsigned long)preload.generation);
		shared_call_off(c->shared.head, -ENOTSUP);
		return -ENOTSUP;
	}
	hash_vdso(c);
	c->ps.rec.nthreads = c->nthreads;
	aio_save(&c->memory, s, &c->ps);
	memory_list(&c->memory, s);
	ipc_list(&c->memory, s);
	process_list(&c->ps, s);
	descriptors_list(s, c->ps.table);
	r = fault(FAULT_COLLECT_LISTS);
	if (r == 0)
		r = shared_barrier(&c->shared, SHARED_LISTED);
	if (r < 0)
		return r;
	process_save(&c->ps, s, c->main_exited, c->params.flags & PARAMS_STOPPED);
	/* Where code and heap begin is as it was at the exec, and random. */
	c->shared.own->lineage = image_checksum(&c->ps.rec.mm, offsetof(struct rec_mm, brk));
	save_threads(c);
	r = fault(FAULT_COLLECT_PROCESS);
	ipc_save(s);
	descriptors_save(s);
	ipc_save_limits(s);
	if (r == 0)
		r = fault(FAULT_COLLECT_STATE);
	if (r == 0)
		r = shared_barrier(&c->shared, SHARED_SAVED);
	if (r < 0)
		return r;
	process_save_clocks(&c->ps, s);
	memory_save(&c->memory, s, &c->ps);
	if (!s->err)
		s->err = fault(FAULT_COLLECT_MEMORY);
	return state_err(s);
}

/* Does any process's writer run? The first one's is the last to end: when the image is durable. */
static bool image_is_made(const struct checkpoint *c)
{
	const struct shared_head *h = c->shared.head;

	for (uint32_t i = 0; i < h->nprocesses && !shared_is_off(h); i++) {
		int32_t pid = __atomic_load_n(&h->process[i].writer, __ATOMIC_ACQUIRE);

		if (pid > 0 && process_runs(pid, ""))
			return true;
	}
	return false;
}

/*
 * What the coordinator says next, to one that stands still: 1, or as msg_recv() when that is nothing. While the image
 * is being made it has nothing to say; then it may be slow, but not for ever.
 */
static int await_word(struct checkpoint *c, int32_t writer)
{
	enum { LOOK_MS = 100 };
	bool runs;
	int r;

	do {
		runs = (!c->in_pause && process_runs(writer, "")) || image_is_made(c);
		r = msg_recv(c->save.conn, &c->in, LOOK_MS);
		if (r != -ETIMEDOUT)
			return r;
	} while (runs);
	return msg_recv(c->save.conn, &c->in,
			c->params.timeout_ms > PARAMS_WAIT_MS ? c->params.timeout_ms : PARAMS_WAIT_MS);
}

/*
 * The job is to end: stand still until the coordinator ends us, or tells us to, when the image is durable, or releases
 * us, when it could not be made. A writer that dies, or a coordinator, releases us too. Once the image is known to
 * be durable there may be more to wait for.
 */
static void await_end(struct checkpoint *c, int32_t writer)
{
	int r = await_word(c, writer);

	while (r > 0 && c->in.m.type == MSG_RELEASE && c->in.release.phase == PHASE_SNAPSHOT)
		r = msg_recv(c->save.conn, &c->in, -1);
	if (r <= 0 || c->in.m.type != MSG_RELEASE || !c->in.release.exit_status)
		return;
	mark_exited();
	sys_exit_group(c->in.release.exit_status);
}

/* Signals that have come meanwhile, and ask for what is being done. */
static void drop_served(uint64_t served)
{
	const struct timespec now = {0, 0};
	siginfo_t info;

	served &= preload.owned & ~preload.sigbit;
	while (served && sys_call4(__NR_rt_sigtimedwait, &served, &info, &now, 8) > 0)
		;
}

/*
 * While copies are made no process of the job is a subreaper, which would be given the other processes'
 * intermediates' children: the writers. Nobody runs before all have been made.
 */
static void await_copies(struct checkpoint *c)
{
	if (__atomic_load_n(&c->shared.head->barrier[SHARED_SUBREAPERS], __ATOMIC_RELAXED))
		shared_barrier(&c->shared, SHARED_COPIED);
	if (c->ps.rec.child_subreaper)
		sys_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

/* The coordinator has let us go for it. */
static void snapshot(struct checkpoint *c)
{
	const struct msg_release go = c->in.release;
	struct snapshot sn = {
		.save = &c->save,
		.memory = &c->memory,
		.ps = &c->ps,
		.params = &c->params,
		.shared = c->shared.head,
		.shared_fd = c->shared.fd,
		.index = c->shared.index,
		.nthreads = c->nthreads,
		.pause_ns = sys_clock_ns(CLOCK_MONOTONIC) - c->t_start,
	};

	if (c->params.generation)
		preload.generation = c->params.generation;
	c->copied = true;
	fault(FAULT_LEADER_DRAINED);
	snapshot_start(&sn, &c->in_pause);
	preload.writer = sn.writer;
	fault(FAULT_SNAPSHOT_DONE);
	await_copies(c);
	c->t_forked = sys_clock_ns(CLOCK_MONOTONIC);
	arrive(c, PHASE_SNAPSHOT, 0);
	if (go.flags & RELEASE_STAY)
		await_end(c, sn.writer);
	else
		drop_served(go.served);
}

/* All processes of the job stand still. */
static void collect_together(struct checkpoint *c, int shared_fd, ucontext_t *uc)
{
	bool go;
	int r = collect_begin(c, shared_fd, uc);

	if (r == 0) {
		r = collect(c);
		if (r < 0 && r != -ENOTSUP)
			shared_call_off(c->shared.head, r);
	}
	descriptors_release(&c->save);
	c->t_collected = c->t_forked = sys_clock_ns(CLOCK_MONOTONIC);
	if (r == 0 && c->ps.rec.child_subreaper)
		sys_prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
	go = barrier(c, PHASE_DRAIN, r, NULL);
	if (r == 0 && go)
		snapshot(c);
	else if (r == 0 && c->ps.rec.child_subreaper)
		sys_prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (r < 0 || !go)
		contents_drop(&c->save);
}

/*
 * A process that was stopped runs under a tracer now, and is to do nothing but this: it goes on when the
 * tracer says that it will stop it again.
 */
static void await_stop(struct checkpoint *c)
{
	do
		if (msg_recv(c->save.conn, &c->in, -1) <= 0)
			return;
	while (c->in.m.type != MSG_RELEASE || c->in.release.phase != PHASE_THAW);
}

/* Frozen: from here the snapshot is made, and here a restored process begins. */
static void collect_and_copy(struct checkpoint *c, ucontext_t *uc)
{
	int shared_fd;

	thread_save(&c->self, uc);
	if (context_save(&c->self.context) != 0) {
		c->restarted = true;
		return;
	}
	limit_raise(c);
	if (barrier(c, PHASE_FREEZE, 0, &shared_fd) && shared_fd >= 0)
		collect_together(c, shared_fd, uc);
}

/* ---- in the restored process ---- */

void restart_fail(void)
{
	struct restart_sync *sync = (struct restart_sync *)restart_control.sync;

	__atomic_store_n(&sync->failed, 1, __ATOMIC_RELEASE);
	shared_wake(&sync->restored);
	for (;;)
		sys_exit_group(RESTART_FAILED);
}

/* Wait until every process of the job has come as far, and would begin to run. */
static void restart_meet(struct restart_sync *sync)
{
	const struct timespec limit = {.tv_nsec = 100000000};
	uint32_t n = __atomic_add_fetch(&sync->restored, 1, __ATOMIC_ACQ_REL); /* pairs with the load below */

	if (n == sync->total)
		shared_wake(&sync->restored);
	while ((n = __atomic_load_n(&sync->restored, __ATOMIC_ACQUIRE)) < sync->total) {
		if (__atomic_load_n(&sync->failed, __ATOMIC_ACQUIRE))
			sys_exit_group(RESTART_FAILED);
		sys_futex(&sync->restored, FUTEX_WAIT, n, &limit);
	}
}

/*
 * Nothing of ours is to be seen in any process when the first of them runs, and nobody else has what is theirs.
 * One that has been killed since they met is not waited for for long: the others run without it. Nor does one wait
 * that is to be stopped, and does not run: its parent may be waiting for that stop.
 */
static void restart_settle(struct restart_sync *sync, bool stops)
{
	const struct timespec limit = {.tv_nsec = 100000000};
	uint32_t n = __atomic_add_fetch(&sync->settled, 1, __ATOMIC_ACQ_REL); /* pairs with the load below */

	if (n == sync->to_settle)
		shared_wake(&sync->settled);
	for (int late = 0; !stops && late < 10 && n < sync->to_settle;
	     n = __atomic_load_n(&sync->settled, __ATOMIC_ACQUIRE))
		late += sys_futex(&sync->settled, FUTEX_WAIT, n, &limit) == -ETIMEDOUT;
}

static void restart_control_take(void)
{
	preload.outside_pid = restart_control.restarted;
	restart_control.restarted = 0;
	preload.restarts++;
	preload.vdso_start = restart_control.vdso_start;
	preload.vdso_len = restart_control.vdso_len;
	if (restart_control.socket[0])
		str_copy(preload.socket, restart_control.socket, sizeof(preload.socket));
	if (restart_control.keyfile[0])
		str_copy(preload.config.keyfile, restart_control.keyfile, sizeof(preload.config.keyfile));
	__atomic_store_n(&preload.fork_page->pid, sys_getpid(), __ATOMIC_RELEASE);
}

/*
 * Up to restart_meet() nothing of any process's program has run, and the restart may still fail. What
 * others must be there for, and what takes its course when it is given back, comes behind.
 */
static void restore(struct checkpoint *c)
{
	int log_fd = restart_control.log_fd;

	fault_armed = fault_for(&((struct restart_sync *)restart_control.sync)->fault, c->ps.rec.pid);
	fault(FAULT_RETURN_BEGIN);
	freeze_await_arrivals(c->nthreads - 1);
	while (restart_control.main_exited && __atomic_load_n(&restart_control.main_word, __ATOMIC_ACQUIRE))
		sys_futex(&restart_control.main_word, FUTEX_WAIT, 1, NULL);
	restart_control_take();
	moved_restore();
	environment_restore(&c->ps.rec.mm);
	thread_restore(&c->self);
	process_restore(&c->ps, log_fd);
	descriptors_restore_locks(log_fd);
	descriptors_restore_items(log_fd);
	ipc_restore(log_fd);
	fault(FAULT_RETURN_STATE);
	if (c->ps.index == 0) /* the job is known before anything of it runs */
		hello_send(HELLO_RESTARTED);
	fault(FAULT_RETURN_MEET);
	restart_meet((struct restart_sync *)restart_control.sync);
	descriptors_restore_owners(log_fd);
	process_resume(&c->ps, log_fd);
	if (log_fd >= 0)
		sys_close(log_fd);
	if (c->ps.index != 0)
		hello_send(HELLO_RESTARTED);
	restart_settle((struct restart_sync *)restart_control.sync, c->ps.rec.flags & PROCESS_STOPPED);
	sys_munmap((void *)restart_control.blob_start, restart_control.blob_len);
}

/* ---- the whole ---- */

static void release_memory(struct checkpoint *c)
{
	if (!c->restarted) { /* these were never in the image */
		if (c->shared.head)
			shared_close(&c->shared); /* before the arena: what it has to unmap is listed there */
		contents_free(&c->save);
		blob_free(&c->save.rec);
		blob_free(&c->save.ipc);
		arena_free(&c->save.arena);
	}
	if (c->in_pause && !c->restarted)
		memory_drop_new(&c->memory);
	signals_free(&c->ps.queued);
	signals_free(&c->self.queued);
	if (c->memory.maps == preload.maps_buf)
		sys_madvise(preload.maps_buf, preload.maps_cap, 4 /* MADV_DONTNEED */);
	else if (c->memory.maps)
		sys_munmap(c->memory.maps, ALIGN_UP(c->memory.maps_len, CKPT_PAGE));
}

/*
 * Freeze, but not while any thread is between ckpt_disable() and ckpt_enable(): one may have entered
 * since the handler looked. Then all go on for a moment, and are frozen again.
 */
static int freeze_outside_sections(struct checkpoint *c, struct text *why)
{
	const struct timespec half_ms = {.tv_nsec = 500000};
	uint64_t deadline = c->t_start + c->params.timeout_ms * 1000000ull;

	for (;;) {
		int r = freeze_threads(c->params.timeout_ms, &c->nthreads, &c->main_exited, why);

		if (r < 0 || !handler_is_disabled())
			return r;
		if (sys_clock_ns(CLOCK_MONOTONIC) > deadline) {
			text_put(why, "ckpt_disable() is in force");
			return -EBUSY;
		}
		freeze_thaw();
		sys_call2(__NR_nanosleep, &half_ms, NULL);
		c->t_start = sys_clock_ns(CLOCK_MONOTONIC);
	}
}

static void freeze_and_run(struct checkpoint *c, ucontext_t *uc)
{
	char buf[256];
	struct text why = TEXT(buf);
	int r, dumpable;

	fault(FAULT_LEADER_BEGIN);
	r = freeze_outside_sections(c, &why);
	fault(FAULT_LEADER_FROZEN);
	c->t_frozen = sys_clock_ns(CLOCK_MONOTONIC);
	/* Else /proc/self is root's, and much of it closed to us; the snapshot inherits this. */
	dumpable = sys_prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	if (dumpable != 1)
		sys_prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	c->ps.rec.dumpable = dumpable;
	if (r == 0) {
		collect_and_copy(c, uc);
	} else {
		save_refuse(&c->save, "%s", buf);
		barrier(c, PHASE_FREEZE, r, NULL);
	}
	if (c->restarted)
		restore(c);
	else
		ipc_resume();
	if (!c->restarted && dumpable == 0)
		sys_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	release_memory(c);
	if (!c->restarted)
		limit_lower(c);
	if (!c->restarted && c->params.flags & PARAMS_STOPPED) {
		tell_thawed(c);
		await_stop(c);
	}
	eintr_watch_handlers();
	fault(c->restarted ? FAULT_RETURN_THAW : FAULT_LEADER_THAW);
	fault_armed = 0;
	freeze_thaw();
}

void leader_run(int request, ucontext_t *uc, struct api_call *api)
{
	struct checkpoint c;

	__builtin_memset(&c, 0, sizeof(c));
	c.t_start = sys_clock_ns(CLOCK_MONOTONIC);
	c.save.conn = connect_coordinator(&c);
	if (c.save.conn < 0) {
		limit_lower(&c);
		if (api)
			api->err = c.save.conn;
		eintr_restart_alone(uc);
		return;
	}
	if (ask_params(&c, request, api ? api->target : NULL))
		freeze_and_run(&c, uc);
	else
		eintr_watch_handlers();
	eintr_restart(uc, &c.blocked);
	if (c.restarted)
		stop_thread(uc);
	if (api) {
		api->err = 0;
		api->restarted = c.restarted;
		api->copied = c.copied;
		api->pause_ns = c.restarted ? 0 : sys_clock_ns(CLOCK_MONOTONIC) - c.t_start;
		str_copy(api->path, c.params.path, sizeof(api->path));
		api->conn = c.restarted ? -1 : c.save.conn;
	}
	if (c.restarted)
		return; /* the connection was the other process's */
	if (!(c.params.flags & PARAMS_STOPPED))
		tell_thawed(&c);
	if (!api)
		sys_close(c.save.conn);
}
