/*
 * The coordinator's state machine, driven without sockets, signals and /proc: a world of its own
 * notes what it does.
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "checkpoint.h"
#include "image.h"
#include "order.h"
#include "shared_memory.h"
#include "unit.h"

enum { NMEMBERS = 8, MS = 1000000, SHARED_FD = 77 };

static struct {
	struct checkpoint cp;
	struct member *members[NMEMBERS]; /* as they were added; NULL: dropped */
	int nmembers;
	uint64_t now;
	int call_err[NMEMBERS];	 /* of the signal */
	int discover_err;	 /* of the next search */
	int hidden;		 /* processes that it finds */
	int ncalled, nkilled, nlines, nfinished, ndiscovered, nshared, nstood;
	int aborted;		 /* with which error, 1: with none */
	union any_msg last[NMEMBERS]; /* sent to each, and how many */
	int passed[NMEMBERS];	 /* the descriptor with it */
	int nsent[NMEMBERS];
	char removed[CKPT_PATH_MAX + 8];
	uint64_t done, total;
} w;

static int index_of(const struct member *m)
{
	return m->pid - 100;
}

static uint64_t fake_now(void)
{
	return w.now;
}

static void add(void)
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
	.kill = fake_kill,
	.unlink = fake_unlink,
	.line = fake_line,
	.progress = fake_progress,
	.finished = fake_finished,
};

static void set_up(enum op op, int n)
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

static void start(enum op op, int n)
{
	set_up(op, n);
	checkpoint_start(&w.cp);
}

static void leader(int i)
{
	w.members[i]->conn = &w;
	checkpoint_leader(w.members[i]);
}

static int barrier(int i, enum phase phase, int err)
{
	union any_msg m = {.barrier = {.phase = phase, .err = err}};

	MSG_INIT(&m.barrier, MSG_BARRIER);
	return checkpoint_message(w.members[i], &m);
}

static int thawed(int i, uint64_t pause_ns)
{
	union any_msg m = {.thawed = {.pause_ns = pause_ns}};

	MSG_INIT(&m.thawed, MSG_THAWED);
	return checkpoint_message(w.members[i], &m);
}

static int done(int i, int err)
{
	union any_msg m = {
		.done = {.err = err, .raw_bytes = 100, .image_bytes = i ? 0 : 50, .nthreads = 2}};

	MSG_INIT(&m.done, MSG_DONE);
	strcpy(m.done.text, err == -ENOSPC ? "/d: No space left on device" : "");
	return checkpoint_message(w.members[i], &m);
}

static int refuse(int i)
{
	union any_msg m = {.line = {.text = "fd 7: io_uring can't be restored"}};

	MSG_INIT(&m.line, MSG_REFUSE);
	return checkpoint_message(w.members[i], &m);
}

/* Time goes on until the state machine wants to look at something. */
static void poll_next(void)
{
	ck_assert_uint_ne(w.cp.poll_ns, 0);
	if (w.cp.poll_ns > w.now)
		w.now = w.cp.poll_ns;
	checkpoint_poll(&w.cp);
}

static void closed(int i)
{
	checkpoint_closed(w.members[i]);
}

static void ended(int i)
{
	checkpoint_ended(w.members[i]);
}

/* What the member was last sent is a release with this answer. */
static void expect_release(int i, enum phase phase, int go)
{
	ck_assert_int_eq(w.last[i].m.type, MSG_RELEASE);
	ck_assert_int_eq(w.last[i].release.phase, phase);
	ck_assert_int_eq(w.last[i].release.go, go);
}

static void expect_failure(int err, const char *text)
{
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, err);
	ck_assert_str_eq(w.cp.result.text, text);
}

/* All members from one barrier to the next. */
static void all_lead(void)
{
	for (int i = 0; i < w.nmembers; i++)
		if (w.members[i] && !w.members[i]->conn)
			leader(i);
}

static void all_reach(enum phase phase)
{
	for (int i = 0; i < w.nmembers; i++)
		if (w.members[i])
			ck_assert_int_eq(barrier(i, phase, 0), 0);
}

static void all_thaw_and_are_done(void)
{
	for (int i = 0; i < w.nmembers; i++) {
		if (!w.members[i])
			continue;
		ck_assert_int_eq(thawed(i, (i + 1) * MS), 0);
		ck_assert_int_eq(w.nfinished, 0);
		ck_assert_int_eq(done(i, 0), 0);
	}
}

static void bring_to(enum phase phase, int n)
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

UNIT_TEST(checkpoint_of_one_process)
{
	start(OP_CHECKPOINT, 1);
	ck_assert_int_eq(w.ncalled, 1);
	leader(0);
	ck_assert_int_eq(w.last[0].m.type, MSG_PARAMS);
	ck_assert_int_eq(w.last[0].params.op, OP_CHECKPOINT);
	ck_assert_uint_eq(w.last[0].params.blocked_nr, 7);
	ck_assert_uint_eq(w.last[0].params.blocked_sp, 0x1000);
	barrier(0, PHASE_FREEZE, 0);
	expect_release(0, PHASE_FREEZE, 1);
	ck_assert_int_eq(w.passed[0], SHARED_FD);
	barrier(0, PHASE_DRAIN, 0);
	expect_release(0, PHASE_DRAIN, 1);
	ck_assert_int_eq(w.passed[0], -1);
	barrier(0, PHASE_SNAPSHOT, 0);
	expect_release(0, PHASE_DRAIN, 1); /* nobody waits for an answer to that */
	ck_assert_uint_eq(w.cp.deadline_ns, 0); /* writing may take its time */
	thawed(0, 5 * MS);
	w.now += 30 * MS;
	ck_assert_int_eq(w.nfinished, 0);
	done(0, 0);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
	ck_assert_str_eq(w.cp.result.image, "/d/sim-a.00001.ckpt");
	ck_assert_uint_eq(w.cp.result.pause_ns, 5 * MS);
	ck_assert_uint_eq(w.cp.result.total_ns, 30 * MS);
	ck_assert_uint_eq(w.cp.result.image_bytes, 50);
	ck_assert_str_eq(w.removed, "");
	ck_assert_int_eq(w.aborted, 0);
}

UNIT_TEST(checkpoint_barriers_wait_for_the_last)
{
	start(OP_CHECKPOINT, 3);
	all_lead();
	barrier(1, PHASE_FREEZE, 0);
	barrier(2, PHASE_FREEZE, 0);
	ck_assert_int_eq(w.last[1].m.type, MSG_PARAMS);
	barrier(0, PHASE_FREEZE, 0);
	for (uint32_t i = 0; i < 3; i++) {
		expect_release(i, PHASE_FREEZE, 1);
		ck_assert_uint_eq(w.last[i].release.process_index, i);
		ck_assert_uint_eq(w.last[i].release.nprocesses, 3);
		ck_assert_int_eq(w.passed[i], SHARED_FD);
	}
	barrier(0, PHASE_DRAIN, 0);
	barrier(2, PHASE_DRAIN, 0);
	expect_release(0, PHASE_FREEZE, 1);
	barrier(1, PHASE_DRAIN, 0);
	for (int i = 0; i < 3; i++)
		expect_release(i, PHASE_DRAIN, 1);
	all_reach(PHASE_SNAPSHOT);
	all_thaw_and_are_done();
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_uint_eq(w.cp.result.nprocesses, 3);
	ck_assert_uint_eq(w.cp.result.pause_ns, 3 * MS); /* the longest */
	ck_assert_uint_eq(w.cp.result.raw_bytes, 300);
	ck_assert_uint_eq(w.cp.result.image_bytes, 50); /* the first process finishes it */
	ck_assert_uint_eq(w.cp.result.nthreads, 6);
}

UNIT_TEST(checkpoint_writers_need_not_wait_for_other_copies)
{
	bring_to(PHASE_SNAPSHOT, 2);
	barrier(1, PHASE_SNAPSHOT, 0);
	thawed(1, MS);
	ck_assert_int_eq(done(1, 0), 0);
	barrier(0, PHASE_SNAPSHOT, 0);
	thawed(0, MS);
	ck_assert_int_eq(w.nfinished, 0);
	done(0, 0);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_done_may_come_before_thawed)
{
	bring_to(PHASE_THAW, 1);
	done(0, 0);
	ck_assert_int_eq(w.nfinished, 0);
	thawed(0, MS);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_does_not_wait_for_ever_for_thawed)
{
	bring_to(PHASE_THAW, 1);
	done(0, 0);
	ck_assert_uint_gt(w.cp.deadline_ns, w.now);
	checkpoint_expire(&w.cp);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_written_in_the_pause_is_done_before_the_report)
{
	bring_to(PHASE_SNAPSHOT, 1);
	ck_assert_int_eq(done(0, 0), 0);
	barrier(0, PHASE_SNAPSHOT, 0);
	thawed(0, MS);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

/* ---- members that come late ---- */

UNIT_TEST(checkpoint_looks_for_others_until_there_are_none)
{
	start(OP_CHECKPOINT, 1);
	leader(0);
	w.hidden = 2;
	barrier(0, PHASE_FREEZE, 0);
	ck_assert_int_eq(w.nshared, 0);
	ck_assert_int_eq(w.nmembers, 3);
	poll_next();
	ck_assert_int_eq(w.ncalled, 3);
	leader(1);
	leader(2);
	barrier(2, PHASE_FREEZE, 0);
	w.hidden = 1;
	barrier(1, PHASE_FREEZE, 0); /* which has made another one just before */
	ck_assert_int_eq(w.ndiscovered, 2);
	poll_next();
	leader(3);
	barrier(3, PHASE_FREEZE, 0);
	ck_assert_int_eq(w.ndiscovered, 3);
	ck_assert_int_eq(w.nshared, 1);
	for (int i = 0; i < 4; i++) {
		expect_release(i, PHASE_FREEZE, 1);
		ck_assert_uint_eq(w.last[i].release.nprocesses, 4);
	}
}

UNIT_TEST(checkpoint_looks_again_when_it_can_not_be_certain)
{
	start(OP_CHECKPOINT, 1);
	leader(0);
	w.discover_err = -EAGAIN;
	barrier(0, PHASE_FREEZE, 0);
	ck_assert_int_eq(w.nshared, 0);
	poll_next();
	ck_assert_int_eq(w.ndiscovered, 2);
	ck_assert_int_eq(w.nshared, 1);
}

UNIT_TEST(checkpoint_search_that_fails_ends_it)
{
	start(OP_CHECKPOINT, 1);
	leader(0);
	w.discover_err = -EMFILE;
	barrier(0, PHASE_FREEZE, 0);
	expect_release(0, PHASE_FREEZE, 0);
	thawed(0, MS);
	expect_failure(-EMFILE, "nothing can be found");
}

UNIT_TEST(checkpoint_member_that_says_hello_while_others_freeze_is_called)
{
	start(OP_CHECKPOINT, 2);
	leader(0);
	add();
	poll_next();
	ck_assert_int_eq(w.ncalled, 3);
	ck_assert(checkpoint_is_open(&w.cp));
	all_lead();
	all_reach(PHASE_FREEZE);
	ck_assert_int_eq(w.nshared, 1);
	ck_assert(!checkpoint_is_open(&w.cp));
}

/* ---- members that end ---- */

UNIT_TEST(checkpoint_members_that_end_before_they_are_frozen_are_left_out)
{
	start(OP_CHECKPOINT, 4);
	leader(0);
	leader(1);
	leader(3);
	barrier(3, PHASE_FREEZE, 0);
	barrier(0, PHASE_FREEZE, 0);
	ended(1); /* freezing */
	closed(3); /* frozen, and killed */
	ended(3);
	ck_assert_int_eq(w.nshared, 0);
	ended(2); /* has never come; the last that was waited for */
	ck_assert_int_eq(w.nshared, 1);
	ck_assert_uint_eq(w.last[0].release.nprocesses, 1);
	barrier(0, PHASE_DRAIN, 0);
	barrier(0, PHASE_SNAPSHOT, 0);
	thawed(0, MS);
	done(0, 0);
	ck_assert_int_eq(w.cp.result.err, 0);
	ck_assert_uint_eq(w.cp.result.nprocesses, 1);
}

UNIT_TEST(checkpoint_of_a_job_that_ends)
{
	start(OP_CHECKPOINT, 2);
	leader(0);
	closed(0);
	ended(0);
	ck_assert_int_eq(w.nfinished, 0);
	ended(1);
	expect_failure(-ESRCH, "the job has ended");
}

UNIT_TEST(checkpoint_goes_on_with_the_child_that_the_last_process_leaves)
{
	start(OP_CHECKPOINT, 1);
	w.hidden = 1;
	ended(0);
	ck_assert_int_eq(w.nfinished, 0);
	poll_next();
	leader(1);
	barrier(1, PHASE_FREEZE, 0);
	expect_release(1, PHASE_FREEZE, 1);
	ck_assert_uint_eq(w.last[1].release.process_index, 0);
}

UNIT_TEST(checkpoint_member_whose_leader_goes_is_called_again)
{
	start(OP_CHECKPOINT, 1);
	leader(0);
	closed(0); /* another thread of it execs */
	ck_assert_int_eq(w.nfinished, 0);
	poll_next();
	ck_assert_int_eq(w.ncalled, 2);
	leader(0);
	barrier(0, PHASE_FREEZE, 0);
	expect_release(0, PHASE_FREEZE, 1);
}

UNIT_TEST(checkpoint_process_may_end_before_its_report_is_read)
{
	bring_to(PHASE_SNAPSHOT, 2);
	ended(1);
	all_reach(PHASE_SNAPSHOT);
	all_thaw_and_are_done();
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_process_killed_while_it_collects_ends_it)
{
	bring_to(PHASE_DRAIN, 2);
	closed(1);
	expect_release(0, PHASE_DRAIN, 0);
	ck_assert_int_eq(w.aborted, -EPIPE);
	thawed(0, MS);
	expect_failure(-EPIPE, "pid 101 (sim): the connection ended while telling what it is");
}

/* ---- signals ---- */

UNIT_TEST(checkpoint_signals_again_who_does_not_come)
{
	start(OP_CHECKPOINT, 2);
	leader(0);
	poll_next();
	ck_assert_int_eq(w.ncalled, 3); /* only the second */
	ck_assert_uint_ge(w.now, 1005ull * MS);
	for (int i = 0; i < 20; i++)
		poll_next();
	ck_assert_int_eq(w.ncalled, 23);
	ck_assert_uint_gt(w.now, 2000ull * MS); /* less and less often */
	leader(1);
	ck_assert_int_eq(w.nfinished, 0);
}

UNIT_TEST(checkpoint_waits_for_a_handler)
{
	set_up(OP_CHECKPOINT, 1);
	w.call_err[0] = -EAGAIN;
	checkpoint_start(&w.cp);
	for (int i = 0; i < 10; i++)
		poll_next();
	ck_assert_uint_lt(w.now, 1100ull * MS);
	ck_assert_int_eq(w.nfinished, 0);
	w.call_err[0] = 0;
	poll_next();
	leader(0);
	barrier(0, PHASE_FREEZE, 0);
	expect_release(0, PHASE_FREEZE, 1);
}

UNIT_TEST(checkpoint_process_that_gets_no_handler_is_refused)
{
	set_up(OP_CHECKPOINT, 2);
	w.call_err[1] = -EAGAIN;
	checkpoint_start(&w.cp);
	leader(0);
	barrier(0, PHASE_FREEZE, 0);
	while (w.members[1])
		poll_next();
	ck_assert_uint_ge(w.now, 2000ull * MS);
	ck_assert_uint_lt(w.now, 2100ull * MS);
	ck_assert_int_eq(w.nlines, 1);
	expect_release(0, PHASE_FREEZE, 0);
	thawed(0, MS);
	expect_failure(-EOPNOTSUPP, "pid 101 can't be signalled");
}

UNIT_TEST(checkpoint_calls_many_in_portions)
{
	set_up(OP_CHECKPOINT, 0);
	for (int i = 0; i < 200; i++) {
		struct member *m = checkpoint_add(&w.cp);

		m->pid = 100;
		strcpy(m->name, "sim");
	}
	checkpoint_start(&w.cp);
	ck_assert_int_lt(w.ncalled, 100);
	ck_assert_uint_eq(w.cp.poll_ns, w.now);
	for (int i = 0; i < 3; i++)
		poll_next();
	ck_assert_int_eq(w.ncalled, 200);
	ck_assert_uint_eq(w.cp.poll_ns, w.now + 5 * MS);
}

UNIT_TEST(checkpoint_all_that_can_not_be_called_are_told)
{
	set_up(OP_CHECKPOINT, 3);
	w.call_err[1] = -EPERM;
	w.call_err[2] = -EMFILE;
	checkpoint_start(&w.cp);
	ck_assert_int_eq(w.nlines, 2);
	ck_assert_int_eq(w.nfinished, 0);
	leader(0);
	barrier(0, PHASE_FREEZE, 0);
	expect_release(0, PHASE_FREEZE, 0);
	thawed(0, MS);
	expect_failure(-EOPNOTSUPP, "pid 101 can't be signalled");
}

UNIT_TEST(checkpoint_none_of_which_can_be_called)
{
	set_up(OP_CHECKPOINT, 1);
	w.call_err[0] = -EPERM;
	checkpoint_start(&w.cp);
	expect_failure(-EOPNOTSUPP, "pid 100 can't be signalled");
}

/* ---- refusals and checks ---- */

UNIT_TEST(checkpoint_refusals_are_told_by_all)
{
	bring_to(PHASE_DRAIN, 2);
	refuse(0);
	refuse(0);
	barrier(0, PHASE_DRAIN, -EOPNOTSUPP);
	expect_release(1, PHASE_FREEZE, 1); /* it may have more to tell */
	refuse(1);
	barrier(1, PHASE_DRAIN, -EOPNOTSUPP);
	expect_release(0, PHASE_DRAIN, 0);
	expect_release(1, PHASE_DRAIN, 0);
	thawed(0, MS);
	thawed(1, MS);
	ck_assert_int_eq(w.nlines, 3);
	expect_failure(-EOPNOTSUPP, "pid 100 (sim): fd 7: io_uring can't be restored");
}

UNIT_TEST(checkpoint_process_that_can_not_freeze_ends_it)
{
	start(OP_CHECKPOINT, 2);
	all_lead();
	refuse(1);
	barrier(1, PHASE_FREEZE, -EBUSY);
	barrier(0, PHASE_FREEZE, 0);
	expect_release(0, PHASE_FREEZE, 0);
	expect_release(1, PHASE_FREEZE, 0);
	thawed(0, MS);
	thawed(1, MS);
	expect_failure(-EBUSY, "pid 101 (sim): fd 7: io_uring can't be restored");
	ck_assert_str_eq(w.removed, ""); /* nothing was begun */
}

UNIT_TEST(checkpoint_check_goes_no_further_than_drain)
{
	start(OP_CHECK, 1);
	leader(0);
	ck_assert_int_eq(w.last[0].params.op, OP_CHECK);
	barrier(0, PHASE_FREEZE, 0);
	expect_release(0, PHASE_FREEZE, 1);
	barrier(0, PHASE_DRAIN, 0);
	expect_release(0, PHASE_DRAIN, 0);
	closed(0);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
	ck_assert_str_eq(w.removed, "");
}

UNIT_TEST(checkpoint_check_goes_on_without_those_that_can_not_be_called)
{
	set_up(OP_CHECK, 2);
	w.call_err[0] = -EPERM;
	checkpoint_start(&w.cp);
	leader(1);
	barrier(1, PHASE_FREEZE, 0);
	expect_release(1, PHASE_FREEZE, 1);
	refuse(1);
	barrier(1, PHASE_DRAIN, -EOPNOTSUPP);
	thawed(1, MS);
	ck_assert_int_eq(w.nlines, 2);
	expect_failure(-EOPNOTSUPP, "pid 100 can't be signalled");
}

/* ---- calling off ---- */

UNIT_TEST(checkpoint_called_off_while_freezing)
{
	start(OP_CHECKPOINT, 3);
	leader(0);
	leader(1);
	barrier(0, PHASE_FREEZE, 0);
	ck_assert_uint_eq(w.cp.deadline_ns, w.now + 3000ull * MS);
	checkpoint_expire(&w.cp);
	expect_release(0, PHASE_FREEZE, 0);
	expect_release(1, PHASE_FREEZE, 0);
	ck_assert_uint_eq(w.cp.poll_ns, 0);
	thawed(0, MS);
	ck_assert_int_eq(w.nfinished, 0); /* until the other has thawed */
	closed(1);
	expect_failure(-ETIMEDOUT,
		       "pid 102 (sim) did not answer the signal within 3 s: thread 102 is stuck");
	leader(2); /* late: is sent back */
	ck_assert_int_eq(w.last[2].params.op, OP_NONE);
}

UNIT_TEST(checkpoint_called_off_while_collecting)
{
	bring_to(PHASE_DRAIN, 2);
	barrier(0, PHASE_DRAIN, 0);
	checkpoint_expire(&w.cp);
	ck_assert_int_eq(w.aborted, -ETIMEDOUT);
	expect_release(0, PHASE_DRAIN, 0);
	expect_release(1, PHASE_DRAIN, 0);
	thawed(0, MS);
	thawed(1, MS);
	expect_failure(-ETIMEDOUT, "pid 101 (sim) did not tell what it is within 3 s: thread 101 is stuck");
}

UNIT_TEST(checkpoint_called_off_while_copying)
{
	bring_to(PHASE_SNAPSHOT, 2);
	barrier(0, PHASE_SNAPSHOT, 0);
	barrier(1, PHASE_SNAPSHOT, -ENOMEM);
	ck_assert_int_eq(w.aborted, -ENOMEM);
	expect_release(0, PHASE_DRAIN, 1); /* they wait for nothing */
	thawed(0, MS);
	thawed(1, MS);
	expect_failure(-ENOMEM, "pid 101 (sim): can't be checkpointed: ENOMEM");
	ck_assert_str_eq(w.removed, "/d/sim-a.00001.ckpt.part");
}

UNIT_TEST(checkpoint_write_error_is_told_and_part_removed)
{
	bring_to(PHASE_THAW, 2);
	thawed(0, MS);
	thawed(1, MS);
	done(1, -ENOSPC);
	ck_assert_int_eq(w.aborted, -ENOSPC);
	expect_failure(-ENOSPC, "pid 101 (sim): /d: No space left on device");
	ck_assert_str_eq(w.removed, "/d/sim-a.00001.ckpt.part");
}

UNIT_TEST(checkpoint_writer_that_gave_up_because_of_another_is_not_the_reason)
{
	bring_to(PHASE_THAW, 2);
	thawed(0, MS);
	thawed(1, MS);
	done(0, -ECANCELED);
	ck_assert_int_eq(w.nfinished, 0);
	done(1, -ENOSPC);
	expect_failure(-ENOSPC, "pid 101 (sim): /d: No space left on device");
}

UNIT_TEST(checkpoint_that_all_writers_have_given_up)
{
	bring_to(PHASE_THAW, 1);
	thawed(0, MS);
	done(0, -ECANCELED);
	expect_failure(-ECANCELED, "a process has called the checkpoint off");
}

UNIT_TEST(checkpoint_writer_that_vanishes_is_a_failure)
{
	bring_to(PHASE_THAW, 1);
	thawed(0, MS);
	closed(0);
	expect_failure(-EPIPE,
		       "pid 100 (sim): the connection ended while its image was being written");
	ck_assert_str_eq(w.removed, "/d/sim-a.00001.ckpt.part");
}

UNIT_TEST(checkpoint_outlives_the_program_while_writing)
{
	bring_to(PHASE_THAW, 1);
	ended(0);
	ck_assert_int_eq(w.nfinished, 0);
	done(0, 0);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_hung_freeze_is_called_off_and_not_waited_for)
{
	start(OP_CHECKPOINT, 1);
	leader(0);
	checkpoint_expire(&w.cp);
	expect_release(0, PHASE_FREEZE, 0);
	ck_assert_int_eq(w.nfinished, 0);
	ck_assert_uint_gt(w.cp.deadline_ns, w.now);
	checkpoint_expire(&w.cp);
	expect_failure(-ETIMEDOUT, "pid 100 (sim) did not freeze within 3 s: thread 100 is stuck");
}

UNIT_TEST(checkpoint_messages_out_of_place_are_errors)
{
	start(OP_CHECKPOINT, 1);
	leader(0);
	ck_assert_int_eq(barrier(0, PHASE_DRAIN, 0), -EPROTO);
	ck_assert_int_eq(barrier(0, PHASE_RUN, 0), -EPROTO);
	ck_assert_int_eq(done(0, 0), -EPROTO);
	barrier(0, PHASE_FREEZE, 0);
	ck_assert_int_eq(barrier(0, PHASE_FREEZE, 0), -EPROTO);
	ck_assert_int_eq(done(0, 0), -EPROTO);
	barrier(0, PHASE_DRAIN, 0);
	ck_assert_int_eq(done(0, 0), 0);
	ck_assert_int_eq(done(0, 0), -EPROTO);
	ck_assert_int_eq(w.nfinished, 0);
}

UNIT_TEST(checkpoint_progress_is_summed)
{
	union any_msg m = {.progress = {.done = 10, .total = 100}};

	start(OP_CHECKPOINT, 2);
	all_lead();
	MSG_INIT(&m.progress, MSG_PROGRESS);
	checkpoint_message(w.members[0], &m);
	checkpoint_message(w.members[1], &m);
	m.progress.done = 15;
	checkpoint_message(w.members[1], &m);
	ck_assert_uint_eq(w.done, 25);
	ck_assert_uint_eq(w.total, 200);
}

/* ---- --kill, stopped processes, the API ---- */

static void start_kill(int n)
{
	set_up(OP_CHECKPOINT, n);
	w.cp.kill = true;
	checkpoint_start(&w.cp);
	all_lead();
	for (int i = 0; i < n; i++)
		ck_assert_uint_eq(w.last[i].params.flags, PARAMS_STAY_FROZEN);
	all_reach(PHASE_FREEZE);
	all_reach(PHASE_DRAIN);
	all_reach(PHASE_SNAPSHOT);
}

UNIT_TEST(checkpoint_kill_ends_all_when_durable)
{
	start_kill(2);
	done(1, 0);
	ck_assert_int_eq(w.nkilled, 0);
	done(0, 0);
	ck_assert_int_eq(w.nkilled, 2);
	ended(0);
	ck_assert_int_eq(w.nfinished, 0);
	ended(1);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_kill_that_fails_thaws)
{
	start_kill(2);
	done(1, -ENOSPC);
	expect_release(0, PHASE_THAW, 0);
	expect_release(1, PHASE_THAW, 0);
	ck_assert_int_eq(w.nkilled, 0);
	thawed(0, MS);
	thawed(1, MS);
	expect_failure(-ENOSPC, "pid 101 (sim): /d: No space left on device");
}

UNIT_TEST(checkpoint_stopped_process_is_let_go_when_it_stands_again)
{
	set_up(OP_CHECKPOINT, 1);
	w.members[0]->stopped = true;
	checkpoint_start(&w.cp);
	leader(0);
	ck_assert_uint_eq(w.last[0].params.flags, PARAMS_STOPPED);
	barrier(0, PHASE_FREEZE, 0);
	barrier(0, PHASE_DRAIN, 0);
	barrier(0, PHASE_SNAPSHOT, 0);
	thawed(0, MS);
	ck_assert_int_eq(w.nstood, 1);
	done(0, 0);
	ck_assert_int_eq(w.nfinished, 0);
	checkpoint_stands(w.members[0]);
	expect_release(0, PHASE_THAW, 1);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_asked_for_by_the_program)
{
	set_up(OP_CHECKPOINT, 2);
	w.members[0]->conn = &w;
	w.members[0]->wants_result = true;
	checkpoint_start(&w.cp);
	ck_assert_int_eq(w.ncalled, 1); /* only the other */
	ck_assert_int_eq(w.last[0].m.type, MSG_PARAMS);
	leader(1);
	all_reach(PHASE_FREEZE);
	all_reach(PHASE_DRAIN);
	all_reach(PHASE_SNAPSHOT);
	all_thaw_and_are_done();
	ck_assert_int_eq(w.last[0].m.type, MSG_RESULT);
	ck_assert_int_eq(w.last[0].result.err, 0);
	ck_assert_str_eq(w.last[0].result.image, "/d/sim-a.00001.ckpt");
}

/* ---- the order of processes, and the memory they share ---- */

UNIT_TEST(order_puts_parents_first)
{
	static const int parents[] = {3, -1, 1, 1, -1, 0}; /* in the order in which they became known */
	static const int expected[] = {1, 4, 2, 3, 0, 5};

	set_up(OP_CHECKPOINT, 6);
	for (int i = 0; i < 6; i++)
		w.members[i]->parent = parents[i] < 0 ? NULL : w.members[parents[i]];
	ck_assert_int_eq(members_order(&w.cp), 0);
	for (uint32_t i = 0; i < 6; i++) {
		ck_assert_ptr_eq(w.cp.members[i], w.members[expected[i]]);
		ck_assert_uint_eq(w.cp.members[i]->index, i);
		ck_assert_uint_eq(w.cp.members[i]->place, i);
	}
}

UNIT_TEST(order_of_a_ring_is_none)
{
	set_up(OP_CHECKPOINT, 2);
	w.members[0]->parent = w.members[1];
	w.members[1]->parent = w.members[0];
	ck_assert_int_eq(members_order(&w.cp), -ESTALE);
}

UNIT_TEST(shared_memory_has_room_for_all)
{
	struct shared_memory s = {NULL, -1};
	struct shared_head *h;

	ck_assert_int_eq(shared_memory_make(&s, 100), 0);
	h = s.head;
	ck_assert_uint_eq(h->magic, SHARED_MAGIC);
	ck_assert_uint_eq(h->nprocesses, 100);
	ck_assert_uint_ge(h->sections_offset, sizeof(*h) + 100 * sizeof(h->process[0]));
	ck_assert_uint_ge(h->head_len, h->sections_offset + h->sections_max * sizeof(struct image_section));
	ck_assert_uint_eq(h->head_len % CKPT_PAGE, 0);
	ck_assert_uint_eq(h->sections_offset % CKPT_PAGE, 0);
	ck_assert_uint_eq(h->top, h->head_len);
	h->process[99].pid = 1; /* it is there */
	shared_memory_free(&s);
}

static void *wait_in_shared_memory(void *arg)
{
	struct shared_head *h = arg;

	while (!shared_is_off(h))
		syscall(SYS_futex, &h->process[1].pages_ready, FUTEX_WAIT, 0, NULL);
	return NULL;
}

UNIT_TEST(shared_memory_abort_wakes_who_waits)
{
	struct shared_memory s = {NULL, -1};
	pthread_t waiter;

	ck_assert_int_eq(shared_memory_make(&s, 2), 0);
	ck_assert_int_eq(pthread_create(&waiter, NULL, wait_in_shared_memory, s.head), 0);
	usleep(20000);
	shared_memory_abort(&s, -EIO);
	ck_assert_int_eq(pthread_join(waiter, NULL), 0);
	ck_assert_int_eq(s.head->abort, -EIO);
	shared_memory_abort(&s, -EPIPE); /* the first reason stays */
	ck_assert_int_eq(s.head->abort, -EIO);
	shared_memory_free(&s);
}
