/*
 * Rules: the first failure is the one that is told. Calling off releases every member at once, also
 * those that have not reached their barrier yet: they find the release when they do. A member that
 * was called but never came is left alone; should it come late, it is sent back by the owner.
 */
#include "checkpoint_parts.h"

#include <errno.h>
#include <stdio.h>

/* A process calls itself off after timeout_ms; so much more tells that it can't even do that. */
#define MARGIN_NS (2000 * NS_PER_MS)
/* Until a member that was sent back is taken for lost, or one whose image is there for thawed. */
#define LEAVE_NS (3000 * NS_PER_MS)
#define KILL_NS	 (10000 * NS_PER_MS)

uint64_t checkpoint_phase_limit_ns(const struct checkpoint *cp)
{
	return cp->timeout_ms * NS_PER_MS + MARGIN_NS;
}

/* ---- what is sent ---- */

static void send_params(struct member *m, enum op op)
{
	struct checkpoint *cp = m->cp;
	struct msg_params p = cp->params;

	MSG_INIT(&p, MSG_PARAMS);
	p.op = op;
	p.flags = m->stopped ? PARAMS_STOPPED : 0;
	p.timeout_ms = cp->timeout_ms;
	p.fault = fault_for(&cp->fault, m->pid);
	p.blocked_nr = m->blocked.nr;
	p.blocked_sp = m->blocked.sp;
	p.blocked_pc = m->blocked.pc;
	cp->ops->send(m, &p.m, -1);
}

void member_send_release(struct member *m, enum phase phase, int go)
{
	struct msg_release r = {.phase = phase, .go = go, .process_index = m->index,
				.nprocesses = m->cp->nmembers};

	MSG_INIT(&r, MSG_RELEASE);
	m->cp->ops->send(m, &r.m, -1);
}

/* ---- what is counted ---- */

bool member_is_called(const struct member *m)
{
	return m->state == MEMBER_CALLED && !m->conn;
}

static bool is_frozen(const struct member *m)
{
	return m->state == MEMBER_FROZEN;
}

static bool is_drained(const struct member *m)
{
	return m->state == MEMBER_DRAINED;
}

static bool is_copied(const struct member *m)
{
	return m->state >= MEMBER_WRITING;
}

static bool has_written(const struct member *m)
{
	return m->state >= MEMBER_WRITING && m->answered;
}

static bool is_complete(const struct member *m)
{
	return has_written(m) && (m->thawed || m->cp->kill);
}

static bool has_left(const struct member *m)
{
	return m->state == MEMBER_GONE || !m->conn || m->thawed;
}

static bool has_ended(const struct member *m)
{
	return m->ended;
}

static bool (*const marks[MARKS])(const struct member *m) = {
	[MARK_CALLED] = member_is_called,     [MARK_FROZEN] = is_frozen,
	[MARK_DRAINED] = is_drained,   [MARK_COPIED] = is_copied,
	[MARK_WRITTEN] = has_written,  [MARK_COMPLETE] = is_complete,
	[MARK_LEFT] = has_left,	       [MARK_ENDED] = has_ended,
};

/* To be called after whatever changes a member. */
void member_changed(struct member *m)
{
	for (int i = 0; i < MARKS; i++) {
		uint32_t is = marks[i](m), was = m->marks >> i & 1;

		m->cp->count[i] += is - was;
		m->marks ^= (is ^ was) << i;
	}
}

void member_uncount(struct member *m)
{
	for (int i = 0; i < MARKS; i++)
		m->cp->count[i] -= m->marks >> i & 1;
	m->marks = 0;
}

bool checkpoint_all(const struct checkpoint *cp, enum mark mark)
{
	return cp->count[mark] == cp->nmembers;
}

/* ---- the end ---- */

/* Figures of the job: the longest pause, and its parts; sums of the rest. */
static void add_figures(struct msg_result *r, const struct member *m)
{
	const struct msg_thawed *f = &m->figures;

	if (f->pause_ns >= r->pause_ns) {
		r->pause_ns = f->pause_ns;
		r->freeze_ns = f->freeze_ns;
		r->collect_ns = f->collect_ns;
		r->fork_ns = f->fork_ns;
	}
	r->nthreads += m->done.nthreads ? m->done.nthreads : f->nthreads;
	r->in_pause |= f->in_pause;
	r->raw_bytes += m->done.raw_bytes;
	r->files_bytes += m->done.files_bytes;
	r->files_fresh_bytes += m->done.files_fresh_bytes;
	if (m->index > 0)
		return;
	r->image_bytes = m->done.image_bytes;
	if (m->done.text[0] == '/')
		snprintf(r->image, sizeof(r->image), "%s", m->done.text);
}

static void remove_part(struct checkpoint *cp)
{
	char part[CKPT_PATH_MAX + 8];

	snprintf(part, sizeof(part), "%s.part", cp->params.path);
	cp->ops->unlink(part);
}

/*
 * RESULT_FOR_NOW is for those who will try again. Whatever else has been refused, all of it is told at once. A name that
 * is taken is that of an image which a writer of a coordinator that has gone is making: another is free.
 */
static void refusals_settle(struct checkpoint *cp)
{
	bool for_now = cp->result.err == -EOPNOTSUPP && cp->nfor_now && cp->nfor_now == cp->nrefused;

	if (for_now || cp->result.err == -EEXIST)
		cp->result.err = RESULT_FOR_NOW;
	else
		checkpoint_tell(cp);
}

static void finish(struct checkpoint *cp)
{
	struct msg_result *r = &cp->result;

	fault(FAULT_COORDINATOR_FINISH);
	cp->over = true;
	refusals_settle(cp);
	/* For now the name may be another writer's; what processes have saved beside it they remove themselves. */
	if (r->err && r->err != RESULT_FOR_NOW && cp->op == OP_CHECKPOINT && cp->phase != PHASE_FREEZE)
		remove_part(cp);
	cp->deadline_ns = cp->poll_ns = 0;
	r->nprocesses = cp->nmembers;
	if (!r->err)
		for (uint32_t i = 0; i < cp->nmembers; i++)
			add_figures(r, cp->members[i]);
	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (cp->members[i]->wants_result && cp->members[i]->conn)
			cp->ops->send(cp->members[i], &r->m, -1);
	cp->ops->finished(cp);
}

/* The first process of the job is to end with a status of its own, which it can do as long as it is connected. */
static bool is_to_exit(const struct member *m)
{
	return m->cp->exit_status && m->index == 0 && m->conn && !m->ended;
}

static void kill_all(struct checkpoint *cp)
{
	cp->killing = true;
	cp->deadline_ns = cp->ops->now() + KILL_NS;
	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (!cp->members[i]->ended && !is_to_exit(cp->members[i]))
			cp->ops->kill(cp->members[i]);
}

/* When the others have ended, it is its turn; one that does not listen any more is killed, too. */
static void exit_first(struct checkpoint *cp)
{
	struct msg_release r = {.phase = PHASE_THAW, .exit_status = cp->exit_status};

	if (cp->exit_told || cp->count[MARK_ENDED] + 1 < cp->nmembers)
		return;
	MSG_INIT(&r, MSG_RELEASE);
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		struct member *m = cp->members[i];

		if (m->ended)
			continue;
		cp->exit_told = true;
		if (is_to_exit(m))
			cp->ops->send(m, &r.m, -1);
		else
			cp->ops->kill(m);
	}
}

/* The image is there: end the job, at once or when the owner has been told. */
static void end_job(struct checkpoint *cp)
{
	if (cp->committed)
		return;
	cp->committed = true;
	cp->deadline_ns = 0;
	if (!cp->exit_status) {
		checkpoint_committed(cp);
		return;
	}
	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (cp->members[i]->conn)
			member_send_release(cp->members[i], PHASE_SNAPSHOT, 1);
	cp->ops->commit(cp);
}

void checkpoint_committed(struct checkpoint *cp)
{
	if (cp->over)
		return;
	kill_all(cp);
	checkpoint_settle(cp);
}

/* ---- failures ---- */

/* Give a member that has connected its parameters, or send it back. */
void member_take_leader(struct member *m)
{
	m->state = m->cp->called_off ? MEMBER_GONE : MEMBER_LED;
	member_changed(m);
	fault(FAULT_COORDINATOR_TAKE);
	send_params(m, m->cp->called_off ? OP_NONE : m->cp->op);
}

/* The phase that a member in this state waits for the end of, or comes to next. */
static enum phase phase_ahead(enum member_state state)
{
	return state <= MEMBER_FROZEN ? PHASE_FREEZE : state <= MEMBER_DRAINED ? PHASE_DRAIN : PHASE_THAW;
}

static void call_off(struct checkpoint *cp)
{
	cp->called_off = true;
	cp->poll_ns = 0;
	cp->deadline_ns = cp->ops->now() + LEAVE_NS;
	cp->ops->abort(cp, cp->result.err);
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		struct member *m = cp->members[i];

		if (m->conn && m->state == MEMBER_CALLED)
			member_take_leader(m);
		else if (m->conn && (m->state <= MEMBER_DRAINED || (cp->kill && m->state <= MEMBER_WRITING)))
			member_send_release(m, phase_ahead(m->state), 0);
	}
}

struct text checkpoint_result_text(struct checkpoint *cp)
{
	return (struct text){.buf = cp->result.text, .cap = sizeof(cp->result.text)};
}

/* Record why the checkpoint fails and call it off; a reason that is there already stays. */
void checkpoint_fail(struct checkpoint *cp, int err, const char *why)
{
	struct text t = checkpoint_result_text(cp);

	if (!cp->result.err)
		cp->result.err = err;
	if (!cp->result.text[0])
		text_put(&t, "%s", why);
	if (!cp->called_off)
		call_off(cp);
}

void member_fail(struct member *m, int err, const char *what)
{
	char why[sizeof(m->cp->result.text)];
	struct text t = TEXT(why);

	text_put(&t, "pid %d (%s)%s", m->pid, m->name, what);
	checkpoint_fail(m->cp, err, why);
}

/* ---- what to wait for ---- */

bool checkpoint_is_open(const struct checkpoint *cp)
{
	return cp->phase == PHASE_FREEZE && !cp->called_off && !cp->over;
}

/* See whether that was the last event to wait for; nothing may touch cp behind this. */
void checkpoint_settle(struct checkpoint *cp)
{
	if (cp->over)
		return;
	if (cp->called_off) {
		if (checkpoint_all(cp, MARK_LEFT))
			finish(cp);
		return;
	}
	if (cp->killing) {
		if (checkpoint_all(cp, MARK_ENDED))
			finish(cp);
		else if (cp->exit_status)
			exit_first(cp);
		return;
	}
	if (checkpoint_is_open(cp) || !checkpoint_all(cp, MARK_WRITTEN))
		return;
	if (cp->cancelled) {
		checkpoint_fail(cp, -ECANCELED, "a process has called the checkpoint off");
		checkpoint_settle(cp);
		return;
	}
	fault(FAULT_COORDINATOR_WRITTEN);
	if (!cp->result.total_ns)
		cp->result.total_ns = cp->ops->now() - cp->start_ns;
	if (!checkpoint_all(cp, MARK_COMPLETE)) {
		if (!cp->deadline_ns)
			cp->deadline_ns = cp->ops->now() + LEAVE_NS;
	} else if (cp->kill) {
		end_job(cp);
	} else {
		finish(cp);
	}
}

/* ---- the way through ---- */

/* True when a member came to the barrier with an error; the checkpoint is then called off. */
bool checkpoint_barrier_failed(struct checkpoint *cp)
{
	char what[128];

	for (uint32_t i = 0; i < cp->nmembers; i++) {
		struct member *m = cp->members[i];
		struct text t = TEXT(what);

		if (!m->err)
			continue;
		text_put(&t, ": can't be checkpointed: %s", errno_name(m->err));
		member_fail(m, m->err, what);
		return true;
	}
	return false;
}

/* The same when something has been refused; its line was the first reason. */
static bool refusal_failed(struct checkpoint *cp)
{
	if (cp->nrefused)
		checkpoint_fail(cp, -EOPNOTSUPP, "");
	return cp->nrefused > 0;
}

/* Let all copy themselves. */
static void release_drained(struct checkpoint *cp)
{
	struct msg_release r = {.phase = PHASE_DRAIN, .go = 1, .nprocesses = cp->nmembers, .served = cp->served};

	MSG_INIT(&r, MSG_RELEASE);
	r.flags = cp->kill ? RELEASE_STAY : 0;
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		struct member *m = cp->members[i];

		m->state = MEMBER_COPYING;
		member_changed(m);
		r.process_index = m->index;
		cp->ops->send(m, &r.m, -1);
	}
}

/* Let all collect, in memory that they share. */
static void release_frozen(struct checkpoint *cp)
{
	struct msg_release r = {.phase = PHASE_FREEZE, .go = 1, .nprocesses = cp->nmembers};
	int err = fault(FAULT_COORDINATOR_SHARE), fd = err ? err : cp->ops->share(cp);
	char why[128];
	struct text t = TEXT(why);

	if (fd < 0) {
		text_put(&t, "memory to share with the processes can't be made: %s", errno_name(fd));
		checkpoint_fail(cp, fd, why);
		return;
	}
	MSG_INIT(&r, MSG_RELEASE);
	cp->phase = PHASE_DRAIN;
	cp->deadline_ns = cp->ops->now() + checkpoint_phase_limit_ns(cp);
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		struct member *m = cp->members[i];

		m->state = MEMBER_COLLECTING;
		member_changed(m);
		r.process_index = m->index;
		cp->ops->send(m, &r.m, fd);
	}
}

/* Have checkpoint_poll() called, and keep the time if it is earlier. */
void checkpoint_poll_at(struct checkpoint *cp, uint64_t ns)
{
	if (!cp->poll_ns || ns < cp->poll_ns)
		cp->poll_ns = ns;
}

/*
 * None of the members can make another process any more. Those that were found late are called, and all
 * comes here again when they stand still, too.
 */
static void freeze_pass(struct checkpoint *cp)
{
	char why[sizeof(cp->result.text)] = "";
	struct text t = TEXT(why);
	int n;

	fault(FAULT_COORDINATOR_FROZEN);
	if (checkpoint_barrier_failed(cp) || (cp->op != OP_CHECK && refusal_failed(cp)))
		return;
	n = cp->ops->discover(cp, &t);
	if (n < 0 && n != -EAGAIN)
		checkpoint_fail(cp, n, why);
	else if (n)
		checkpoint_poll_at(cp, cp->ops->now() + (n > 0 ? 0 : CALL_LATER_NS));
	else if (!cp->nmembers)
		checkpoint_fail(cp, cp->nrefused ? -EOPNOTSUPP : -ESRCH, "the job has ended");
	else
		release_frozen(cp);
}

static void drain_pass(struct checkpoint *cp)
{
	fault(FAULT_COORDINATOR_DRAINED);
	if (checkpoint_barrier_failed(cp) || refusal_failed(cp))
		return;
	if (cp->op == OP_CHECK) {
		cp->result.total_ns = cp->ops->now() - cp->start_ns;
		call_off(cp);
		return;
	}
	cp->phase = PHASE_SNAPSHOT;
	cp->deadline_ns = cp->ops->now() + checkpoint_phase_limit_ns(cp);
	release_drained(cp);
	cp->result.coordinator_ns = cp->ops->spent() - cp->spent_ns;
}

/* Let the members go when the last has reached the barrier. */
void checkpoint_barrier_pass(struct checkpoint *cp)
{
	if (cp->phase == PHASE_FREEZE && checkpoint_all(cp, MARK_FROZEN)) {
		freeze_pass(cp);
	} else if (cp->phase == PHASE_DRAIN && checkpoint_all(cp, MARK_DRAINED)) {
		drain_pass(cp);
	} else if (cp->phase == PHASE_SNAPSHOT && checkpoint_all(cp, MARK_COPIED)) {
		if (checkpoint_barrier_failed(cp))
			return;
		fault(FAULT_COORDINATOR_COPIED);
		cp->phase = PHASE_THAW;
		cp->deadline_ns = 0;
	}
}

void checkpoint_start(struct checkpoint *cp)
{
	fault(FAULT_COORDINATOR_BEGIN);
	cp->phase = PHASE_FREEZE;
	cp->start_ns = cp->ops->now();
	cp->spent_ns = cp->ops->spent();
	cp->deadline_ns = cp->start_ns + checkpoint_phase_limit_ns(cp);
	MSG_INIT(&cp->result, MSG_RESULT);
	str_copy(cp->result.job, cp->params.job, sizeof(cp->result.job));
	if (cp->op == OP_CHECKPOINT)
		str_copy(cp->result.image, cp->params.path, sizeof(cp->result.image));
	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (cp->members[i]->conn)
			member_take_leader(cp->members[i]);
	checkpoint_poll(cp);
}

bool checkpoint_is_early(const struct checkpoint *cp)
{
	return cp->phase < PHASE_SNAPSHOT && !cp->called_off && !cp->over;
}

bool checkpoint_end_with(struct checkpoint *cp, int exit_status)
{
	if (cp->op != OP_CHECKPOINT || cp->called_off || cp->over || cp->committed)
		return false;
	if (!cp->kill && !checkpoint_is_early(cp))
		return false;
	if (!cp->exit_status)
		cp->exit_status = exit_status;
	cp->kill = true;
	for (uint32_t i = 0; i < cp->nmembers; i++)
		member_changed(cp->members[i]);
	return true;
}

void checkpoint_leader(struct member *m)
{
	member_take_leader(m);
	checkpoint_settle(m->cp);
}
