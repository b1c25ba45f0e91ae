#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "fake_world.h"
#include "unit.h"

struct world w;

static int index_of(const struct member *m)
{
	return m->pid - 100;
}

static uint64_t fake_now(void)
{
	return w.now;
}

void add(void)
{
	struct member *m = checkpoint_add(&w.cp);

	m->pid = 100 + w.nmembers;
	strcpy(m->name, "sim");
	w.members[w.nmembers++] = m;
}

static int fake_call(struct member *m, int request, struct text *why)
{
	int err = w.call_err[index_of(m)];

	ck_assert_int_eq(request, 42);
	w.ncalled++;
	m->blocked = (struct blocked){.nr = 7, .sp = 0x1000, .pc = 0x2000};
	text_put(why, "pid %d can't be signalled", m->pid);
	m->nsignals += !err;
	return err;
}

static int fake_discover(struct checkpoint *cp, struct text *why)
{
	int n = w.hidden, err = w.discover_err;

	ck_assert_ptr_eq(cp, &w.cp);
	w.ndiscovered++;
	w.hidden = w.discover_err = 0;
	if (err) {
		text_put(why, "nothing can be found");
		return err;
	}
	for (int i = 0; i < n; i++)
		add();
	return n;
}

static int fake_share(struct checkpoint *cp)
{
	for (uint32_t i = 0; i < cp->nmembers; i++)
		cp->members[i]->index = i;
	w.nshared++;
	return SHARED_FD;
}

static void fake_abort(struct checkpoint *cp, int err)
{
	(void)cp;
	w.aborted = err ? err : 1;
}

static void fake_drop(struct member *m)
{
	w.members[index_of(m)] = NULL;
}

static void fake_stand(struct member *m)
{
	(void)m;
	w.nstood++;
}

static void fake_send(struct member *m, const struct msg *msg, int pass)
{
	ck_assert_ptr_nonnull(m->conn);
	ck_assert_int_eq(msg_check((const union any_msg *)msg, msg->size), 0);
	memcpy(&w.last[index_of(m)], msg, msg->size);
	w.passed[index_of(m)] = pass;
	w.nsent[index_of(m)]++;
}

static void fake_describe(struct member *m, struct text *t)
{
	text_put(t, "thread %d is stuck", m->pid);
}

static void fake_kill(struct member *m)
{
	(void)m;
	w.nkilled++;
}

static void fake_unlink(const char *path)
{
	snprintf(w.removed, sizeof(w.removed), "%s", path);
}

static void fake_line(struct checkpoint *cp, const char *text)
{
	(void)cp;
	ck_assert_int_gt(strlen(text), 0);
	w.nlines++;
}

static void fake_progress(struct checkpoint *cp, uint64_t done, uint64_t total)
{
	(void)cp;
	w.done = done;
	w.total = total;
}

static void fake_finished(struct checkpoint *cp)
{
	(void)cp;
	ck_assert_int_eq(w.nfinished++, 0);
}

static const struct checkpoint_ops fake = {
	.now = fake_now,
	.spent = fake_now,
	.call = fake_call,
	.discover = fake_discover,
	.stand = fake_stand,
	.share = fake_share,
	.abort = fake_abort,
	.drop = fake_drop,
	.send = fake_send,
	.describe = fake_describe,
	.commit = checkpoint_committed,
	.kill = fake_kill,
	.unlink = fake_unlink,
	.line = fake_line,
	.progress = fake_progress,
	.finished = fake_finished,
};

void set_up(enum op op, int n)
{
	w.now = 1000 * MS;
	w.cp = (struct checkpoint){
		.ops = &fake,
		.op = op,
		.request = 42,
		.timeout_ms = 1000,
	};
	strcpy(w.cp.params.path, "/d/sim-a.00001.ckpt");
	strcpy(w.cp.params.job, "a");
	for (int i = 0; i < n; i++)
		add();
}

void start(enum op op, int n)
{
	set_up(op, n);
	checkpoint_start(&w.cp);
}

void leader(int i)
{
	w.members[i]->conn = &w;
	checkpoint_leader(w.members[i]);
}

int barrier(int i, enum phase phase, int err)
{
	union any_msg m = {.barrier = {.phase = phase, .err = err}};

	MSG_INIT(&m.barrier, MSG_BARRIER);
	return checkpoint_message(w.members[i], &m);
}

int thawed(int i, uint64_t pause_ns)
{
	union any_msg m = {.thawed = {.pause_ns = pause_ns}};

	MSG_INIT(&m.thawed, MSG_THAWED);
	return checkpoint_message(w.members[i], &m);
}

int done(int i, int err)
{
	union any_msg m = {
		.done = {.err = err, .raw_bytes = 100, .image_bytes = i ? 0 : 50, .nthreads = 2}};

	MSG_INIT(&m.done, MSG_DONE);
	strcpy(m.done.text, err == -ENOSPC ? "/d: No space left on device" : "");
	return checkpoint_message(w.members[i], &m);
}

static int send_line(int i, const char *text, uint32_t flags)
{
	union any_msg m = {0};

	MSG_INIT(&m.line, MSG_REFUSE);
	m.m.flags = flags;
	strcpy(m.line.text, text);
	return checkpoint_message(w.members[i], &m);
}

int send_refusal(int i)
{
	return send_line(i, "fd 7: io_uring can't be restored", 0);
}

int send_refusal_for_now(int i)
{
	return send_line(i, "fd 8: not now", REFUSE_FOR_NOW);
}

void poll_next(void)
{
	ck_assert_uint_ne(w.cp.poll_ns, 0);
	if (w.cp.poll_ns > w.now)
		w.now = w.cp.poll_ns;
	checkpoint_poll(&w.cp);
}

void closed(int i)
{
	checkpoint_closed(w.members[i]);
}

void ended(int i)
{
	checkpoint_ended(w.members[i]);
}

void expect_release(int i, enum phase phase, int go)
{
	ck_assert_int_eq(w.last[i].m.type, MSG_RELEASE);
	ck_assert_int_eq(w.last[i].release.phase, phase);
	ck_assert_int_eq(w.last[i].release.go, go);
}

void expect_failure(int err, const char *text)
{
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, err);
	ck_assert_str_eq(w.cp.result.text, text);
}

void all_lead(void)
{
	for (int i = 0; i < w.nmembers; i++)
		if (w.members[i] && !w.members[i]->conn)
			leader(i);
}

void all_reach(enum phase phase)
{
	for (int i = 0; i < w.nmembers; i++)
		if (w.members[i])
			ck_assert_int_eq(barrier(i, phase, 0), 0);
}

void all_thaw_and_are_done(void)
{
	for (int i = 0; i < w.nmembers; i++) {
		if (!w.members[i])
			continue;
		ck_assert_int_eq(thawed(i, (i + 1) * MS), 0);
		ck_assert_int_eq(w.nfinished, 0);
		ck_assert_int_eq(done(i, 0), 0);
	}
}

void bring_to(enum phase phase, int n)
{
	start(OP_CHECKPOINT, n);
	all_lead();
	all_reach(PHASE_FREEZE);
	if (phase == PHASE_DRAIN)
		return;
	all_reach(PHASE_DRAIN);
	if (phase == PHASE_SNAPSHOT)
		return;
	all_reach(PHASE_SNAPSHOT);
}
