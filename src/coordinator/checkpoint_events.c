/*
 * What comes from members: their messages, the ends of their connections and processes, and time that is up.
 */
#include "checkpoint_parts.h"

#include <errno.h>

/* ---- messages of members ---- */

static int take_refuse(struct member *m, const union any_msg *msg)
{
	struct msg_line line = {0};
	struct text t = TEXT(line.text);

	text_put(&t, "pid %d (%s): %s", m->pid, m->name, msg->line.text);
	checkpoint_refuse(m->cp, line.text, msg->m.flags & REFUSE_FOR_NOW);
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
		member_changed(m);
		/* Who can't go on is not waited for with the others frozen; what is refused is to be told by all. */
		if (!m->err || m->err == -ENOTSUP || !checkpoint_barrier_failed(cp))
			checkpoint_barrier_pass(cp);
		return 0;
	}
	return -EPROTO;
}

static void set_thawed(struct member *m)
{
	m->thawed = true;
	member_changed(m);
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
		member_send_release(m, PHASE_THAW, 1);
	set_thawed(m);
	checkpoint_settle(m->cp);
}

/* Time to write in the pause, content of files too, is not limited, as long as it gets on. */
static int take_progress(struct member *m, const union any_msg *msg)
{
	struct checkpoint *cp = m->cp;

	cp->written += msg->progress.done - m->written;
	cp->to_write += msg->progress.total - m->to_write;
	m->written = msg->progress.done;
	m->to_write = msg->progress.total;
	if ((cp->phase == PHASE_DRAIN || cp->phase == PHASE_SNAPSHOT) && !cp->called_off)
		cp->deadline_ns = cp->ops->now() + checkpoint_phase_limit_ns(cp);
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
	member_changed(m);
	if (!m->done.err)
		return 0;
	if (m->done.err == -ECANCELED) { /* because of another, who tells why */
		m->cp->cancelled = true;
		return 0;
	}
	text_put(&t, ": %s", m->done.text[0] ? m->done.text : errno_name(m->done.err));
	member_fail(m, m->done.err, what);
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
		checkpoint_settle(m->cp);
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
	member_changed(m);
	checkpoint_poll_at(m->cp, m->next_call_ns);
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
	member_changed(m);
	if (!m->answered && !cp->called_off) {
		text_put(&t, ": the connection ended while %s", activity(m));
		member_fail(m, -EPIPE, what);
	}
	if (!m->answered)
		m->state = MEMBER_GONE;
	member_changed(m);
	checkpoint_settle(cp);
}

void checkpoint_ended(struct member *m)
{
	struct checkpoint *cp = m->cp;
	char what[96];
	struct text t = TEXT(what);

	if (checkpoint_is_open(cp)) {
		member_drop(m);
		checkpoint_barrier_pass(cp);
		checkpoint_settle(cp);
		return;
	}
	m->ended = true;
	m->thawed = true;
	member_changed(m);
	/* Later its writer goes on without it; before, that waits for it. */
	if (m->state <= MEMBER_COPYING && !cp->called_off) {
		text_put(&t, " ended while %s", activity(m));
		member_fail(m, -ESRCH, what);
	}
	checkpoint_settle(cp);
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
		checkpoint_fail(cp, -ETIMEDOUT, "the job's processes end before they can be frozen");
		return;
	}
	m = latest(cp);
	text_put(&t, " did not %s within %lu s: ",
		 m->state == MEMBER_CALLED ? "answer the signal"
		 : m->state == MEMBER_LED	 ? "freeze"
		 : m->state <= MEMBER_DRAINED ? "tell what it is"
					      : "make its copy",
		 (unsigned long)(checkpoint_phase_limit_ns(cp) / (1000 * NS_PER_MS)));
	cp->ops->describe(m, &t);
	member_fail(m, -ETIMEDOUT, what);
}

static void give_up_members(struct checkpoint *cp)
{
	for (uint32_t i = 0; i < cp->nmembers; i++) {
		cp->members[i]->thawed = true;
		cp->members[i]->ended = true;
		member_changed(cp->members[i]);
	}
}

void checkpoint_expire(struct checkpoint *cp)
{
	cp->deadline_ns = cp->poll_ns = 0;
	if (!cp->called_off && !cp->killing && cp->phase != PHASE_THAW) {
		fail_late(cp);
	} else {
		if (cp->killing && !checkpoint_all(cp, MARK_ENDED))
			checkpoint_fail(cp, -ETIMEDOUT, "the image is written, but the job did not end");
		give_up_members(cp);
	}
	checkpoint_settle(cp);
}
