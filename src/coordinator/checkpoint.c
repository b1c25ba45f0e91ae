/*
 * Rules: the first failure is the one that is told. Calling off releases every member at once, also
 * those that have not reached their barrier yet: they find the release when they do. A member that
 * was called but never came is left alone; should it come late, it is sent back by the owner.
 */
#include "checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000ull
/* A process calls itself off after timeout_ms; so much more tells that it can't even do that. */
#define MARGIN_NS (2000 * NS_PER_MS)
/* Until a member that was sent back is taken for lost, or one whose image is there for thawed. */
#define LEAVE_NS (3000 * NS_PER_MS)
#define KILL_NS	 (10000 * NS_PER_MS)
/*
 * A signal is lost on a process that shares its parent's memory until it execs: it is sent again, soon at
 * first, then less and less often, for each one may interrupt something.
 */
#define CALL_AGAIN_NS (5 * NS_PER_MS)
/* One that is about to take signals is looked at again, and given up when it stays like that. */
#define CALL_LATER_NS (1 * NS_PER_MS)
#define CALL_LIMIT_NS (1000 * NS_PER_MS)

enum {
	DOUBLINGS = 5, /* of these times */
	CALLS_MAX = 64 /* at once: whoever has an answer waits meanwhile */
};

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
	p.flags = (cp->kill ? PARAMS_STAY_FROZEN : 0) | (m->stopped ? PARAMS_STOPPED : 0);
	p.timeout_ms = cp->timeout_ms;
	p.blocked_nr = m->blocked.nr;
	p.blocked_sp = m->blocked.sp;
	p.blocked_pc = m->blocked.pc;
	cp->ops->send(m, &p.m, -1);
}

static void send_release(struct member *m, enum phase phase, int go)
{
	struct msg_release r = {.phase = phase, .go = go, .process_index = m->index,
				.nprocesses = m->cp->nmembers};

	MSG_INIT(&r, MSG_RELEASE);
	m->cp->ops->send(m, &r.m, -1);
}

/* ---- what is counted ---- */

static bool is_called(const struct member *m)
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
	[MARK_CALLED] = is_called,     [MARK_FROZEN] = is_frozen,
	[MARK_DRAINED] = is_drained,   [MARK_COPIED] = is_copied,
	[MARK_WRITTEN] = has_written,  [MARK_COMPLETE] = is_complete,
	[MARK_LEFT] = has_left,	       [MARK_ENDED] = has_ended,
};

/* To be called after whatever changes a member. */
static void changed(struct member *m)
{
	for (int i = 0; i < MARKS; i++) {
		uint32_t is = marks[i](m), was = m->marks >> i & 1;

		m->cp->count[i] += is - was;
		m->marks ^= (is ^ was) << i;
	}
}

static void uncount(struct member *m)
{
	for (int i = 0; i < MARKS; i++)
		m->cp->count[i] -= m->marks >> i & 1;
	m->marks = 0;
}

static bool all(const struct checkpoint *cp, enum mark mark)
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

static void finish(struct checkpoint *cp)
{
	struct msg_result *r = &cp->result;

	cp->over = true;
	cp->deadline_ns = cp->poll_ns = 0;
	r->nprocesses = cp->nmembers;
	if (!r->err)
		for (uint32_t i = 0; i < cp->nmembers; i++)
			add_figures(r, cp->members[i]);
	else if (cp->op == OP_CHECKPOINT && cp->phase != PHASE_FREEZE)
		remove_part(cp);
	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (cp->members[i]->wants_result && cp->members[i]->conn)
			cp->ops->send(cp->members[i], &r->m, -1);
	cp->ops->finished(cp);
}

static void kill_all(struct checkpoint *cp)
{
	cp->killing = true;
	cp->deadline_ns = cp->ops->now() + KILL_NS;
	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (!cp->members[i]->ended)
			cp->ops->kill(cp->members[i]);
}

/* ---- failures ---- */

/* Give a member that has connected its parameters, or send it back. */
static void take_leader(struct member *m)
{
	m->state = m->cp->called_off ? MEMBER_GONE : MEMBER_LED;
	changed(m);
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
			take_leader(m);
		else if (m->conn && (m->state <= MEMBER_DRAINED || (cp->kill && m->state <= MEMBER_WRITING)))
			send_release(m, phase_ahead(m->state), 0);
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

/* ---- what to wait for ---- */

bool checkpoint_is_open(const struct checkpoint *cp)
{
	return cp->phase == PHASE_FREEZE && !cp->called_off && !cp->over;
}

/* See whether that was the last event to wait for; nothing may touch cp behind this. */
static void settle(struct checkpoint *cp)
{
	if (cp->over)
		return;
	if (cp->called_off) {
		if (all(cp, MARK_LEFT))
			finish(cp);
		return;
	}
	if (cp->killing) {
		if (all(cp, MARK_ENDED))
			finish(cp);
		return;
	}
	if (checkpoint_is_open(cp) || !all(cp, MARK_WRITTEN))
		return;
	if (cp->cancelled) {
		fail(cp, -ECANCELED, "a process has called the checkpoint off");
		settle(cp);
		return;
	}
	if (!cp->result.total_ns)
		cp->result.total_ns = cp->ops->now() - cp->start_ns;
	if (!all(cp, MARK_COMPLETE)) {
		if (!cp->deadline_ns)
			cp->deadline_ns = cp->ops->now() + LEAVE_NS;
	} else if (cp->kill) {
		kill_all(cp);
		settle(cp);
	} else {
		finish(cp);
	}
}

/* ---- the way through ---- */

/* True when a member came to the barrier with an error; the checkpoint is then called off. */
static bool barrier_failed(struct checkpoint *cp)
{
	char what[128];

	for (uint32_t i = 0; i < cp->nmembers; i++) {
		struct member *m = cp->members[i];
		struct text t = TEXT(what);

		if (!m->err)
			continue;
		text_put(&t, ": can't be checkpointed: %s", errno_name(m->err));
		fail_member(m, m->err, what);
		return true;
	}
	return false;
}

/* The same when something has been refused; its line was the first reason. */
static bool refusal_failed(struct checkpoint *cp)
{
	if (cp->nrefused)
		fail(cp, -EOPNOTSUPP, "");
	return cp->nrefused > 0;
}

static void release_all(struct checkpoint *cp, enum member_state state, enum phase phase)
{
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		cp->members[i]->state = state;
		changed(cp->members[i]);
		send_release(cp->members[i], phase, 1);
	}
}

/* Let all collect, in memory that they share. */
static void release_frozen(struct checkpoint *cp)
{
	struct msg_release r = {.phase = PHASE_FREEZE, .go = 1, .nprocesses = cp->nmembers};
	int fd = cp->ops->share(cp);

	if (fd < 0) {
		fail(cp, fd, "memory to share with the processes can't be made");
		return;
	}
	MSG_INIT(&r, MSG_RELEASE);
	cp->phase = PHASE_DRAIN;
	cp->deadline_ns = cp->ops->now() + phase_limit_ns(cp);
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		struct member *m = cp->members[i];

		m->state = MEMBER_COLLECTING;
		changed(m);
		r.process_index = m->index;
		cp->ops->send(m, &r.m, fd);
	}
}

/* Have checkpoint_poll() called, and keep the time if it is earlier. */
static void poll_at(struct checkpoint *cp, uint64_t ns)
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

	if (barrier_failed(cp) || (cp->op != OP_CHECK && refusal_failed(cp)))
		return;
	n = cp->ops->discover(cp, &t);
	if (n < 0 && n != -EAGAIN)
		fail(cp, n, why);
	else if (n)
		poll_at(cp, cp->ops->now() + (n > 0 ? 0 : CALL_LATER_NS));
	else if (!cp->nmembers)
		fail(cp, cp->nrefused ? -EOPNOTSUPP : -ESRCH, "the job has ended");
	else
		release_frozen(cp);
}

static void drain_pass(struct checkpoint *cp)
{
	if (barrier_failed(cp) || refusal_failed(cp))
		return;
	if (cp->op == OP_CHECK) {
		cp->result.total_ns = cp->ops->now() - cp->start_ns;
		call_off(cp);
		return;
	}
	cp->phase = PHASE_SNAPSHOT;
	cp->deadline_ns = cp->ops->now() + phase_limit_ns(cp);
	release_all(cp, MEMBER_COPYING, PHASE_DRAIN);
	cp->result.coordinator_ns = cp->ops->spent() - cp->spent_ns;
}

/* Let the members go when the last has reached the barrier. */
static void barrier_pass(struct checkpoint *cp)
{
	if (cp->phase == PHASE_FREEZE && all(cp, MARK_FROZEN)) {
		freeze_pass(cp);
	} else if (cp->phase == PHASE_DRAIN && all(cp, MARK_DRAINED)) {
		drain_pass(cp);
	} else if (cp->phase == PHASE_SNAPSHOT && all(cp, MARK_COPIED)) {
		if (barrier_failed(cp))
			return;
		cp->phase = PHASE_THAW;
		cp->deadline_ns = 0;
	}
}

/* ---- calling ---- */

static bool members_grow(struct checkpoint *cp)
{
	uint32_t cap = cp->cap ? cp->cap * 2 : 8;
	struct member **grown;

	if (cp->nmembers < cp->cap)
		return true;
	grown = realloc(cp->members, cap * sizeof(*grown));
	if (!grown)
		return false;
	cp->members = grown;
	cp->cap = cap;
	return true;
}

struct member *checkpoint_add(struct checkpoint *cp)
{
	struct member *m = members_grow(cp) ? calloc(1, sizeof(*m)) : NULL;

	if (!m)
		return NULL;
	m->cp = cp;
	m->next_call_ns = cp->ops->now();
	m->place = cp->nmembers;
	cp->members[cp->nmembers++] = m;
	changed(m);
	poll_at(cp, cp->ops->now());
	return m;
}

/* It is no part of the checkpoint any more. */
static void drop(struct member *m)
{
	struct checkpoint *cp = m->cp;

	uncount(m);
	cp->members[m->place] = cp->members[--cp->nmembers];
	cp->members[m->place]->place = m->place;
	cp->ops->drop(m);
	free(m);
}

/* Tell of something that can't be checkpointed. */
static void refuse(struct checkpoint *cp, const char *text)
{
	struct text r = result_text(cp);

	if (!cp->nrefused++ && !cp->result.text[0])
		text_put(&r, "%s", text);
	cp->ops->line(cp, text);
}

static uint64_t doubled(uint64_t ns, unsigned times)
{
	return ns << (times < DOUBLINGS ? times : DOUBLINGS);
}

/* Signal a member, or note when to look at it again. False: it has been dropped. */
static bool call(struct member *m)
{
	struct checkpoint *cp = m->cp;
	uint64_t now = cp->ops->now();
	char why[sizeof(cp->result.text)] = "";
	struct text t = TEXT(why);
	int err = cp->ops->call(m, cp->request, &t);

	if (!m->called_ns)
		m->called_ns = now;
	if (!err) {
		m->next_call_ns = now + doubled(CALL_AGAIN_NS, m->ncalls++);
		m->nlooks = 0;
	} else if (err == -ESRCH || (err == -EAGAIN && now - m->called_ns < CALL_LIMIT_NS)) {
		m->ncalls = m->nsignals = 0;
		m->next_call_ns = now + doubled(CALL_LATER_NS, m->nlooks++ / 8);
	} else {
		refuse(cp, why);
		drop(m);
		return false;
	}
	return true;
}

/* Look at members from the cursor on, and call those that are due; true when there was time for all. */
static bool call_due(struct checkpoint *cp)
{
	uint64_t now = cp->ops->now();
	unsigned ncalls = 0;

	for (uint32_t n = cp->nmembers; n > 0 && cp->count[MARK_CALLED]; n--) {
		struct member *m;

		if (cp->cursor >= cp->nmembers)
			cp->cursor = 0;
		m = cp->members[cp->cursor++];
		if (!is_called(m) || m->next_call_ns > now)
			continue;
		if (++ncalls > CALLS_MAX) {
			cp->cursor--;
			return false;
		}
		if (!call(m)) /* another one is in its place */
			cp->cursor--;
	}
	return true;
}

/* 0: never. */
static uint64_t next_call(const struct checkpoint *cp)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < cp->nmembers && cp->count[MARK_CALLED]; i++) {
		const struct member *m = cp->members[i];

		if (is_called(m) && (!next || m->next_call_ns < next))
			next = m->next_call_ns;
	}
	return next;
}

void checkpoint_poll(struct checkpoint *cp)
{
	cp->poll_ns = 0;
	if (checkpoint_is_open(cp)) {
		cp->poll_ns = call_due(cp) ? next_call(cp) : cp->ops->now();
		barrier_pass(cp);
	}
	settle(cp);
}

void checkpoint_start(struct checkpoint *cp)
{
	cp->phase = PHASE_FREEZE;
	cp->start_ns = cp->ops->now();
	cp->spent_ns = cp->ops->spent();
	cp->deadline_ns = cp->start_ns + phase_limit_ns(cp);
	MSG_INIT(&cp->result, MSG_RESULT);
	str_copy(cp->result.job, cp->params.job, sizeof(cp->result.job));
	if (cp->op == OP_CHECKPOINT)
		str_copy(cp->result.image, cp->params.path, sizeof(cp->result.image));
	for (uint32_t i = 0; i < cp->nmembers; i++)
		if (cp->members[i]->conn)
			take_leader(cp->members[i]);
	checkpoint_poll(cp);
}

void checkpoint_leader(struct member *m)
{
	take_leader(m);
	settle(m->cp);
}

/* ---- messages of members ---- */

static int take_refuse(struct member *m, const union any_msg *msg)
{
	struct msg_line line = {0};
	struct text t = TEXT(line.text);

	text_put(&t, "pid %d (%s): %s", m->pid, m->name, msg->line.text);
	refuse(m->cp, line.text);
	return 0;
}

/* Where a member must be to reach the end of a phase, and where it is then. */
static const struct {
	enum phase phase;
	enum member_state from, to;
} barriers[] = {
	{PHASE_FREEZE, MEMBER_LED, MEMBER_FROZEN},
	{PHASE_DRAIN, MEMBER_COLLECTING, MEMBER_DRAINED},
	{PHASE_SNAPSHOT, MEMBER_COPYING, MEMBER_WRITING},
};

static int take_barrier(struct member *m, const union any_msg *msg)
{
	struct checkpoint *cp = m->cp;

	if (cp->called_off)
		return 0; /* its release is on the way */
	for (size_t i = 0; i < ARRAY_SIZE(barriers); i++) {
		if (barriers[i].phase != msg->barrier.phase || barriers[i].from != m->state)
			continue;
		m->state = barriers[i].to;
		m->err = msg->barrier.err;
		changed(m);
		/* Who can't stand still is not waited for with the others frozen. */
		if (!m->err || cp->phase != PHASE_FREEZE || !barrier_failed(cp))
			barrier_pass(cp);
		return 0;
	}
	return -EPROTO;
}

static void set_thawed(struct member *m)
{
	m->thawed = true;
	changed(m);
}

static int take_thawed(struct member *m, const union any_msg *msg)
{
	m->figures = msg->thawed;
	if (m->stopped)
		m->cp->ops->stand(m);
	else
		set_thawed(m);
	return 0;
}

void checkpoint_stands(struct member *m)
{
	if (m->conn)
		send_release(m, PHASE_THAW, 1);
	set_thawed(m);
	settle(m->cp);
}

/* Time to write in the pause is not limited, as long as it gets on. */
static int take_progress(struct member *m, const union any_msg *msg)
{
	struct checkpoint *cp = m->cp;

	cp->written += msg->progress.done - m->written;
	cp->to_write += msg->progress.total - m->to_write;
	m->written = msg->progress.done;
	m->to_write = msg->progress.total;
	if (cp->phase == PHASE_SNAPSHOT && !cp->called_off)
		cp->deadline_ns = cp->ops->now() + phase_limit_ns(cp);
	cp->ops->progress(cp, cp->written, cp->to_write);
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
	changed(m);
	if (!m->done.err)
		return 0;
	if (m->done.err == -ECANCELED) { /* because of another, who tells why */
		m->cp->cancelled = true;
		return 0;
	}
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
		[MEMBER_COLLECTING] = "telling what it is",
		[MEMBER_DRAINED] = "frozen",
		[MEMBER_COPYING] = "being copied",
		[MEMBER_WRITING] = "its image was being written",
		[MEMBER_GONE] = "gone",
	};
	return doing[m->state];
}

/*
 * It ends or execs, or its leader has given up: its pidfd tells of the first, and in the other cases it is
 * called anew.
 */
static void call_anew(struct member *m)
{
	m->state = MEMBER_CALLED;
	m->thawed = false;
	m->err = 0;
	m->tid = 0;
	m->ncalls = m->nsignals = 0;
	m->next_call_ns = m->cp->ops->now() + CALL_LATER_NS;
	changed(m);
	poll_at(m->cp, m->next_call_ns);
}

void checkpoint_closed(struct member *m)
{
	struct checkpoint *cp = m->cp;
	char what[96];
	struct text t = TEXT(what);

	m->conn = NULL;
	if (checkpoint_is_open(cp)) {
		call_anew(m);
		return;
	}
	m->thawed = true;
	changed(m);
	if (!m->answered && !cp->called_off) {
		text_put(&t, ": the connection ended while %s", activity(m));
		fail_member(m, -EPIPE, what);
	}
	if (!m->answered)
		m->state = MEMBER_GONE;
	changed(m);
	settle(cp);
}

void checkpoint_ended(struct member *m)
{
	struct checkpoint *cp = m->cp;
	char what[96];
	struct text t = TEXT(what);

	if (checkpoint_is_open(cp)) {
		drop(m);
		barrier_pass(cp);
		settle(cp);
		return;
	}
	m->ended = true;
	m->thawed = true;
	changed(m);
	/* Later it may have gone on and ended before we read what it has sent; its connection tells. */
	if (m->state < MEMBER_COPYING && !cp->called_off) {
		text_put(&t, " ended while %s", activity(m));
		fail_member(m, -ESRCH, what);
	}
	settle(cp);
}

/* The first member that the others wait for. */
static struct member *latest(struct checkpoint *cp)
{
	struct member *late = cp->members[0];

	for (uint32_t i = 1; i < cp->nmembers; i++)
		if (cp->members[i]->state < late->state)
			late = cp->members[i];
	return late;
}

static void fail_late(struct checkpoint *cp)
{
	struct member *m;
	char what[512];
	struct text t = TEXT(what);

	if (!cp->nmembers) {
		fail(cp, -ETIMEDOUT, "the job's processes end before they can be frozen");
		return;
	}
	m = latest(cp);
	text_put(&t, " did not %s within %lu s: ",
		 m->state == MEMBER_CALLED ? "answer the signal"
		 : m->state == MEMBER_LED	 ? "freeze"
		 : m->state <= MEMBER_DRAINED ? "tell what it is"
					      : "make its copy",
		 (unsigned long)(phase_limit_ns(cp) / (1000 * NS_PER_MS)));
	cp->ops->describe(m, &t);
	fail_member(m, -ETIMEDOUT, what);
}

static void give_up_members(struct checkpoint *cp)
{
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		cp->members[i]->thawed = true;
		cp->members[i]->ended = true;
		changed(cp->members[i]);
	}
}

void checkpoint_expire(struct checkpoint *cp)
{
	cp->deadline_ns = cp->poll_ns = 0;
	if (!cp->called_off && !cp->killing && cp->phase != PHASE_THAW) {
		fail_late(cp);
	} else {
		if (cp->killing && !all(cp, MARK_ENDED))
			fail(cp, -ETIMEDOUT, "the image is written, but the job did not end");
		give_up_members(cp);
	}
	settle(cp);
}
