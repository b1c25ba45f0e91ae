/*
 * Rules: the first failure is the one that is told. Calling off releases every member at once, also
 * those that have not reached their barrier yet: they find the release when they do. A member that
 * was called but never came is left alone; should it come late, it is sent back by the owner.
 */
#include "checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000ull
/* A process calls itself off after timeout_ms; so much more tells that it can't even do that. */
#define MARGIN_NS (2000 * NS_PER_MS)
/* Until a member that was sent back is taken for lost, or one whose image is there for thawed. */
#define LEAVE_NS (3000 * NS_PER_MS)
#define KILL_NS	 (10000 * NS_PER_MS)

static uint64_t phase_limit_ns(const struct checkpoint *cp)
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
	p.flags = cp->kill ? PARAMS_STAY_FROZEN : 0;
	p.timeout_ms = cp->timeout_ms;
	p.process_index = m - cp->members;
	p.nprocesses = cp->nmembers;
	p.blocked_nr = m->blocked.nr;
	p.blocked_sp = m->blocked.sp;
	p.blocked_pc = m->blocked.pc;
	cp->ops->send(m, &p.m);
}

static void send_release(struct member *m, enum phase phase, int go)
{
	struct msg_release r = {.phase = phase, .go = go};

	MSG_INIT(&r, MSG_RELEASE);
	m->cp->ops->send(m, &r.m);
}

/* ---- the end ---- */

static bool is_complete(const struct member *m)
{
	return m->state >= MEMBER_WRITING && m->answered && (m->thawed || m->cp->kill);
}

static bool has_written(const struct member *m)
{
	return m->state >= MEMBER_WRITING && m->answered;
}

static bool has_left(const struct member *m)
{
	return m->state == MEMBER_GONE || !m->conn || m->thawed;
}

static bool has_ended(const struct member *m)
{
	return m->ended;
}

static bool all(const struct checkpoint *cp, bool (*is)(const struct member *m))
{
	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (!is(&cp->members[i]))
			return false;
	return true;
}

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
	if (m->done.image_bytes > r->image_bytes)
		r->image_bytes = m->done.image_bytes;
	if (!m->done.err && m->done.text[0] == '/')
		snprintf(r->image, sizeof(r->image), "%s", m->done.text);
}

static void remove_part(struct checkpoint *cp)
{
	char part[CKPT_PATH_MAX + 8];

	snprintf(part, sizeof(part), "%s.part", cp->params.path);
	cp->ops->unlink(part);
}

static void finish(struct checkpoint *cp)
{
	struct msg_result *r = &cp->result;

	cp->over = true;
	cp->deadline_ns = 0;
	r->nprocesses = cp->nmembers;
	if (!r->err)
		for (uint32_t i = 0; i < cp->nmembers; i++)
			add_figures(r, &cp->members[i]);
	else if (cp->op == OP_CHECKPOINT && cp->phase != PHASE_FREEZE)
		remove_part(cp);
	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (cp->members[i].wants_result && cp->members[i].conn)
			cp->ops->send(&cp->members[i], &r->m);
	cp->ops->finished(cp);
}

static void kill_all(struct checkpoint *cp)
{
	cp->killing = true;
	cp->deadline_ns = cp->ops->now() + KILL_NS;
	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (!cp->members[i].ended)
			cp->ops->kill(&cp->members[i]);
}

/* See whether that was the last event to wait for; nothing may touch cp behind this. */
static void settle(struct checkpoint *cp)
{
	if (cp->over)
		return;
	if (cp->called_off) {
		if (all(cp, has_left))
			finish(cp);
		return;
	}
	if (cp->killing) {
		if (all(cp, has_ended))
			finish(cp);
		return;
	}
	if (!all(cp, has_written))
		return;
	if (!cp->result.total_ns)
		cp->result.total_ns = cp->ops->now() - cp->start_ns;
	if (!all(cp, is_complete)) {
		if (!cp->deadline_ns)
			cp->deadline_ns = cp->ops->now() + LEAVE_NS;
	} else if (cp->kill) {
		kill_all(cp);
		settle(cp);
	} else {
		finish(cp);
	}
}

/* ---- failures ---- */

/* Give a member that has connected its parameters, or send it back. */
static void take_leader(struct member *m)
{
	m->state = m->cp->called_off ? MEMBER_GONE : MEMBER_LED;
	send_params(m, m->cp->called_off ? OP_NONE : m->cp->op);
}

static void call_off(struct checkpoint *cp)
{
	cp->called_off = true;
	cp->deadline_ns = cp->ops->now() + LEAVE_NS;
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		struct member *m = &cp->members[i];

		if (m->conn && m->state == MEMBER_CALLED)
			take_leader(m);
		else if (m->conn && m->state <= MEMBER_FROZEN)
			send_release(m, PHASE_FREEZE, 0);
		else if (m->conn && m->state <= MEMBER_COPIED)
			send_release(m, PHASE_SNAPSHOT, 0);
		else if (m->conn && cp->kill && m->state == MEMBER_WRITING)
			send_release(m, PHASE_THAW, 0);
	}
}

static struct text result_text(struct checkpoint *cp)
{
	return (struct text){.buf = cp->result.text, .cap = sizeof(cp->result.text)};
}

/* Record why the checkpoint fails and call it off; a reason that is there already stays. */
static void fail(struct checkpoint *cp, int err, const char *why)
{
	struct text t = result_text(cp);

	if (!cp->result.err)
		cp->result.err = err;
	if (!cp->result.text[0])
		text_put(&t, "%s", why);
	if (!cp->called_off)
		call_off(cp);
}

static void fail_member(struct member *m, int err, const char *what)
{
	char why[sizeof(m->cp->result.text)];
	struct text t = TEXT(why);

	text_put(&t, "pid %d (%s)%s", m->pid, m->name, what);
	fail(m->cp, err, why);
}

/* ---- the way through ---- */

static bool is_frozen(const struct member *m)
{
	return m->state == MEMBER_FROZEN;
}

static bool is_copied(const struct member *m)
{
	return m->state == MEMBER_COPIED;
}

/* True when a member came to the barrier with an error; the checkpoint is then called off. */
static bool barrier_failed(struct checkpoint *cp)
{
	char what[128];

	for (uint32_t i = 0; i < cp->nmembers; i++) {
		struct member *m = &cp->members[i];
		struct text t = TEXT(what);

		if (!m->err && !cp->nrefused)
			continue;
		text_put(&t, ": can't be checkpointed: %s", errno_name(m->err));
		fail_member(m, m->err ? m->err : -EOPNOTSUPP, what);
		return true;
	}
	return false;
}

static void release_all(struct checkpoint *cp, enum member_state state, enum phase phase)
{
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		cp->members[i].state = state;
		send_release(&cp->members[i], phase, 1);
	}
}

/* Let the members go when the last has reached the barrier. */
static void barrier_pass(struct checkpoint *cp)
{
	if (cp->phase == PHASE_FREEZE && all(cp, is_frozen)) {
		if (barrier_failed(cp))
			return;
		if (cp->op == OP_CHECK) {
			cp->result.total_ns = cp->ops->now() - cp->start_ns;
			call_off(cp);
			return;
		}
		cp->phase = PHASE_SNAPSHOT;
		cp->deadline_ns = cp->ops->now() + phase_limit_ns(cp);
		release_all(cp, MEMBER_COPYING, PHASE_FREEZE);
	} else if (cp->phase == PHASE_SNAPSHOT && all(cp, is_copied)) {
		if (barrier_failed(cp))
			return;
		cp->phase = PHASE_THAW;
		cp->deadline_ns = 0;
		release_all(cp, MEMBER_WRITING, PHASE_SNAPSHOT);
	}
}

void checkpoint_start(struct checkpoint *cp)
{
	char why[sizeof(cp->result.text)];

	cp->phase = PHASE_FREEZE;
	cp->start_ns = cp->ops->now();
	cp->deadline_ns = cp->start_ns + phase_limit_ns(cp);
	MSG_INIT(&cp->result, MSG_RESULT);
	str_copy(cp->result.job, cp->params.job, sizeof(cp->result.job));
	if (cp->op == OP_CHECKPOINT)
		str_copy(cp->result.image, cp->params.path, sizeof(cp->result.image));
	for (uint32_t i = 0; i < cp->nmembers && !cp->called_off; i++) {
		struct member *m = &cp->members[i];
		struct text t = TEXT(why);
		int err;

		if (m->conn) {
			take_leader(m);
			continue;
		}
		err = cp->ops->call(m, cp->request, &t);
		if (err)
			fail(cp, err, why);
	}
	settle(cp);
}

void checkpoint_leader(struct member *m)
{
	take_leader(m);
	settle(m->cp);
}

/* ---- messages of members ---- */

static int take_refuse(struct member *m, const union any_msg *msg)
{
	struct checkpoint *cp = m->cp;
	struct msg_line line = {0};
	struct text t = TEXT(line.text), r = result_text(cp);

	text_put(&t, "pid %d (%s): %s", m->pid, m->name, msg->line.text);
	if (!cp->nrefused++ && !cp->result.text[0])
		text_put(&r, "%s", line.text);
	cp->ops->line(cp, line.text);
	return 0;
}

static int take_barrier(struct member *m, const union any_msg *msg)
{
	enum phase phase = msg->barrier.phase;
	struct checkpoint *cp = m->cp;

	if (cp->called_off)
		return 0; /* its release is on the way */
	if (phase != cp->phase)
		return -EPROTO;
	if (m->state != (phase == PHASE_FREEZE ? MEMBER_LED : MEMBER_COPYING))
		return -EPROTO;
	m->state = phase == PHASE_FREEZE ? MEMBER_FROZEN : MEMBER_COPIED;
	m->err = msg->barrier.err;
	barrier_pass(cp);
	return 0;
}

static int take_thawed(struct member *m, const union any_msg *msg)
{
	m->figures = msg->thawed;
	m->thawed = true;
	return 0;
}

/* Time to write in the pause is not limited, as long as it gets on. */
static int take_progress(struct member *m, const union any_msg *msg)
{
	struct checkpoint *cp = m->cp;
	uint64_t done = 0, total = 0;

	m->written = msg->progress.done;
	m->to_write = msg->progress.total;
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		done += cp->members[i].written;
		total += cp->members[i].to_write;
	}
	if (cp->phase == PHASE_SNAPSHOT && !cp->called_off)
		cp->deadline_ns = cp->ops->now() + phase_limit_ns(cp);
	cp->ops->progress(cp, done, total);
	return 0;
}

static int take_done(struct member *m, const union any_msg *msg)
{
	char what[sizeof(msg->done.text) + 16];
	struct text t = TEXT(what);

	if (m->cp->called_off)
		return 0;
	if (m->state < MEMBER_COPYING || m->answered)
		return -EPROTO;
	m->done = msg->done;
	m->answered = true;
	if (!m->done.err)
		return 0;
	text_put(&t, ": %s", m->done.text[0] ? m->done.text : errno_name(m->done.err));
	fail_member(m, m->done.err, what);
	return 0;
}

/* What a member that has its parameters may send. */
static const struct {
	uint16_t type;
	int (*take)(struct member *m, const union any_msg *msg);
} takes[] = {
	{MSG_REFUSE, take_refuse},     {MSG_BARRIER, take_barrier}, {MSG_THAWED, take_thawed},
	{MSG_PROGRESS, take_progress}, {MSG_DONE, take_done},
};

int checkpoint_message(struct member *m, const union any_msg *msg)
{
	int err = -EPROTO;

	for (size_t i = 0; i < ARRAY_SIZE(takes); i++)
		if (takes[i].type == msg->m.type)
			err = takes[i].take(m, msg);
	if (!err)
		settle(m->cp);
	return err;
}

/* ---- ends ---- */

static const char *activity(const struct member *m)
{
	static const char *const doing[] = {
		[MEMBER_CALLED] = "answering the signal",
		[MEMBER_LED] = "freezing",
		[MEMBER_FROZEN] = "frozen",
		[MEMBER_COPYING] = "being copied",
		[MEMBER_COPIED] = "being copied",
		[MEMBER_WRITING] = "its image was being written",
		[MEMBER_GONE] = "gone",
	};
	return doing[m->state];
}

void checkpoint_closed(struct member *m)
{
	char what[96];
	struct text t = TEXT(what);

	m->conn = NULL;
	m->thawed = true;
	if (!m->answered && !m->cp->called_off) {
		text_put(&t, ": the connection ended while %s", activity(m));
		fail_member(m, -EPIPE, what);
	}
	if (!m->answered)
		m->state = MEMBER_GONE;
	settle(m->cp);
}

void checkpoint_ended(struct member *m)
{
	char what[96];
	struct text t = TEXT(what);

	m->ended = true;
	m->thawed = true;
	if (m->state < MEMBER_WRITING && !m->cp->called_off) {
		text_put(&t, " ended while %s", activity(m));
		fail_member(m, -ESRCH, what);
	}
	settle(m->cp);
}

/* The first member that the others wait for. */
static struct member *latest(struct checkpoint *cp)
{
	struct member *late = &cp->members[0];

	for (uint32_t i = 1; i < cp->nmembers; i++)
		if (cp->members[i].state < late->state)
			late = &cp->members[i];
	return late;
}

static void fail_late(struct checkpoint *cp)
{
	struct member *m = latest(cp);
	char what[512];
	struct text t = TEXT(what);

	text_put(&t, " did not %s within %lu s: ",
		 m->state == MEMBER_CALLED ? "answer the signal"
		 : m->state == MEMBER_LED  ? "freeze"
					   : "make its copy",
		 (unsigned long)(phase_limit_ns(cp) / (1000 * NS_PER_MS)));
	cp->ops->describe(m, &t);
	fail_member(m, -ETIMEDOUT, what);
}

static void give_up_members(struct checkpoint *cp)
{
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		cp->members[i].thawed = true;
		cp->members[i].ended = true;
	}
}

void checkpoint_expire(struct checkpoint *cp)
{
	cp->deadline_ns = 0;
	if (!cp->called_off && !cp->killing && cp->phase != PHASE_THAW) {
		fail_late(cp);
	} else {
		if (cp->killing && !all(cp, has_ended))
			fail(cp, -ETIMEDOUT, "the image is written, but the job did not end");
		give_up_members(cp);
	}
	settle(cp);
}
