/*
 * The coordinator's state machine, driven without sockets, signals and /proc: a world of its own
 * notes what it does.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "checkpoint.h"
#include "unit.h"

enum { NMEMBERS = 3, MS = 1000000 };

static struct {
	struct checkpoint cp;
	struct member members[NMEMBERS];
	uint64_t now;
	int call_err[NMEMBERS]; /* of the signal */
	int ncalled, nkilled, nlines, nfinished;
	union any_msg last[NMEMBERS]; /* sent to each, and how many */
	int nsent[NMEMBERS];
	char removed[CKPT_PATH_MAX + 8];
	uint64_t done, total;
} w;

static int index_of(const struct member *m)
{
	return m - w.members;
}

static uint64_t fake_now(void)
{
	return w.now;
}

static int fake_call(struct member *m, int request, struct text *why)
{
	ck_assert_int_eq(request, 42);
	w.ncalled++;
	m->blocked = (struct blocked){.nr = 7, .sp = 0x1000, .pc = 0x2000};
	text_put(why, "pid %d can't be signalled", m->pid);
	return w.call_err[index_of(m)];
}

static void fake_send(struct member *m, const struct msg *msg)
{
	ck_assert_ptr_nonnull(m->conn);
	ck_assert_int_eq(msg_check((const union any_msg *)msg, msg->size), 0);
	memcpy(&w.last[index_of(m)], msg, msg->size);
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
	.call = fake_call,
	.send = fake_send,
	.describe = fake_describe,
	.kill = fake_kill,
	.unlink = fake_unlink,
	.line = fake_line,
	.progress = fake_progress,
	.finished = fake_finished,
};

static void set_up(enum op op, uint32_t n)
{
	w.now = 1000 * MS;
	w.cp = (struct checkpoint){
		.ops = &fake,
		.op = op,
		.request = 42,
		.timeout_ms = 1000,
		.members = w.members,
		.nmembers = n,
	};
	strcpy(w.cp.params.path, "/d/sim-a.00001.ckpt");
	strcpy(w.cp.params.job, "a");
	for (uint32_t i = 0; i < n; i++) {
		w.members[i].cp = &w.cp;
		w.members[i].pid = 100 + i;
		strcpy(w.members[i].name, "sim");
	}
}

static void start(enum op op, uint32_t n)
{
	set_up(op, n);
	checkpoint_start(&w.cp);
}

static void leader(int i)
{
	w.members[i].conn = &w;
	checkpoint_leader(&w.members[i]);
}

static int barrier(int i, enum phase phase, int err)
{
	union any_msg m = {.barrier = {.phase = phase, .err = err}};

	MSG_INIT(&m.barrier, MSG_BARRIER);
	return checkpoint_message(&w.members[i], &m);
}

static int thawed(int i, uint64_t pause_ns)
{
	union any_msg m = {.thawed = {.pause_ns = pause_ns}};

	MSG_INIT(&m.thawed, MSG_THAWED);
	return checkpoint_message(&w.members[i], &m);
}

static int done(int i, int err)
{
	union any_msg m = {
		.done = {.err = err, .raw_bytes = 100, .image_bytes = 50, .nthreads = 2}};

	MSG_INIT(&m.done, MSG_DONE);
	strcpy(m.done.text, err ? "/d: No space left on device" : "");
	return checkpoint_message(&w.members[i], &m);
}

static int refuse(int i)
{
	union any_msg m = {.line = {.text = "fd 7: io_uring can't be restored"}};

	MSG_INIT(&m.line, MSG_REFUSE);
	return checkpoint_message(&w.members[i], &m);
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

/* One member, up to its writer. */
static void bring_to_writing(void)
{
	start(OP_CHECKPOINT, 1);
	leader(0);
	barrier(0, PHASE_FREEZE, 0);
	barrier(0, PHASE_SNAPSHOT, 0);
	expect_release(0, PHASE_SNAPSHOT, 1);
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
	barrier(0, PHASE_SNAPSHOT, 0);
	expect_release(0, PHASE_SNAPSHOT, 1);
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
}

UNIT_TEST(checkpoint_barriers_wait_for_the_last)
{
	start(OP_CHECKPOINT, 3);
	for (int i = 0; i < 3; i++)
		leader(i);
	barrier(1, PHASE_FREEZE, 0);
	barrier(2, PHASE_FREEZE, 0);
	ck_assert_int_eq(w.last[1].m.type, MSG_PARAMS);
	barrier(0, PHASE_FREEZE, 0);
	for (int i = 0; i < 3; i++)
		expect_release(i, PHASE_FREEZE, 1);
	barrier(0, PHASE_SNAPSHOT, 0);
	barrier(2, PHASE_SNAPSHOT, 0);
	expect_release(0, PHASE_FREEZE, 1);
	barrier(1, PHASE_SNAPSHOT, 0);
	for (int i = 0; i < 3; i++) {
		expect_release(i, PHASE_SNAPSHOT, 1);
		thawed(i, (i + 1) * MS);
		ck_assert_int_eq(w.nfinished, 0);
		done(i, 0);
	}
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_uint_eq(w.cp.result.pause_ns, 3 * MS); /* the longest */
	ck_assert_uint_eq(w.cp.result.raw_bytes, 300);
	ck_assert_uint_eq(w.cp.result.nthreads, 6);
}

UNIT_TEST(checkpoint_done_may_come_before_thawed)
{
	bring_to_writing();
	done(0, 0);
	ck_assert_int_eq(w.nfinished, 0);
	thawed(0, MS);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_does_not_wait_for_ever_for_thawed)
{
	bring_to_writing();
	done(0, 0);
	ck_assert_uint_gt(w.cp.deadline_ns, w.now);
	checkpoint_expire(&w.cp);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_written_in_the_pause_is_done_before_the_barrier)
{
	start(OP_CHECKPOINT, 1);
	leader(0);
	barrier(0, PHASE_FREEZE, 0);
	ck_assert_int_eq(done(0, 0), 0);
	barrier(0, PHASE_SNAPSHOT, 0);
	thawed(0, MS);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_refusal_is_told_once_and_releases_all)
{
	start(OP_CHECKPOINT, 2);
	leader(0);
	leader(1);
	refuse(0);
	refuse(0);
	barrier(0, PHASE_FREEZE, -EOPNOTSUPP);
	ck_assert_int_eq(w.last[1].m.type, MSG_PARAMS); /* it may have more to tell */
	barrier(1, PHASE_FREEZE, 0);
	expect_release(0, PHASE_FREEZE, 0);
	expect_release(1, PHASE_FREEZE, 0);
	thawed(0, MS);
	thawed(1, MS);
	ck_assert_int_eq(w.nlines, 2);
	expect_failure(-EOPNOTSUPP, "pid 100 (sim): fd 7: io_uring can't be restored");
	ck_assert_str_eq(w.removed, ""); /* nothing was begun */
}

UNIT_TEST(checkpoint_check_goes_no_further_than_freeze)
{
	start(OP_CHECK, 1);
	leader(0);
	ck_assert_int_eq(w.last[0].params.op, OP_CHECK);
	barrier(0, PHASE_FREEZE, 0);
	expect_release(0, PHASE_FREEZE, 0);
	checkpoint_closed(&w.members[0]);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_copy_that_fails_is_called_off)
{
	start(OP_CHECKPOINT, 2);
	leader(0);
	leader(1);
	barrier(0, PHASE_FREEZE, 0);
	barrier(1, PHASE_FREEZE, 0);
	barrier(0, PHASE_SNAPSHOT, 0);
	barrier(1, PHASE_SNAPSHOT, -ENOMEM);
	expect_release(0, PHASE_SNAPSHOT, 0);
	expect_release(1, PHASE_SNAPSHOT, 0);
	thawed(0, MS);
	thawed(1, MS);
	expect_failure(-ENOMEM, "pid 101 (sim): can't be checkpointed: ENOMEM");
	ck_assert_str_eq(w.removed, "/d/sim-a.00001.ckpt.part");
}

UNIT_TEST(checkpoint_write_error_is_told_and_part_removed)
{
	bring_to_writing();
	thawed(0, MS);
	done(0, -ENOSPC);
	expect_failure(-ENOSPC, "pid 100 (sim): /d: No space left on device");
	ck_assert_str_eq(w.removed, "/d/sim-a.00001.ckpt.part");
}

UNIT_TEST(checkpoint_writer_that_vanishes_is_a_failure)
{
	bring_to_writing();
	thawed(0, MS);
	checkpoint_closed(&w.members[0]);
	expect_failure(-EPIPE,
		       "pid 100 (sim): the connection ended while its image was being written");
	ck_assert_str_eq(w.removed, "/d/sim-a.00001.ckpt.part");
}

UNIT_TEST(checkpoint_outlives_the_program_while_writing)
{
	bring_to_writing();
	checkpoint_ended(&w.members[0]);
	ck_assert_int_eq(w.nfinished, 0);
	done(0, 0);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_process_killed_while_frozen_frees_the_others)
{
	start(OP_CHECKPOINT, 2);
	leader(0);
	leader(1);
	barrier(0, PHASE_FREEZE, 0);
	checkpoint_closed(&w.members[1]);
	expect_release(0, PHASE_FREEZE, 0);
	ck_assert_int_eq(w.nfinished, 0); /* until it has thawed */
	thawed(0, MS);
	expect_failure(-EPIPE, "pid 101 (sim): the connection ended while freezing");
}

UNIT_TEST(checkpoint_process_that_ends_before_it_answers)
{
	start(OP_CHECKPOINT, 1);
	checkpoint_ended(&w.members[0]);
	expect_failure(-ESRCH, "pid 100 (sim) ended while answering the signal");
}

UNIT_TEST(checkpoint_silent_process_is_named)
{
	start(OP_CHECKPOINT, 2);
	leader(0);
	barrier(0, PHASE_FREEZE, 0);
	ck_assert_uint_eq(w.cp.deadline_ns, w.now + 3000ull * MS);
	checkpoint_expire(&w.cp);
	expect_release(0, PHASE_FREEZE, 0);
	thawed(0, MS);
	expect_failure(-ETIMEDOUT,
		       "pid 101 (sim) did not answer the signal within 3 s: thread 101 is stuck");
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

UNIT_TEST(checkpoint_signal_that_fails_ends_it)
{
	set_up(OP_CHECKPOINT, 2);
	w.call_err[1] = -EPERM;
	checkpoint_start(&w.cp);
	expect_failure(-EPERM, "pid 101 can't be signalled");
	leader(0); /* late: is sent back */
	ck_assert_int_eq(w.last[0].params.op, OP_NONE);
}

UNIT_TEST(checkpoint_messages_out_of_place_are_errors)
{
	start(OP_CHECKPOINT, 1);
	leader(0);
	ck_assert_int_eq(barrier(0, PHASE_SNAPSHOT, 0), -EPROTO);
	ck_assert_int_eq(barrier(0, PHASE_RUN, 0), -EPROTO);
	ck_assert_int_eq(done(0, 0), -EPROTO);
	barrier(0, PHASE_FREEZE, 0);
	ck_assert_int_eq(barrier(0, PHASE_FREEZE, 0), -EPROTO);
	barrier(0, PHASE_SNAPSHOT, 0);
	ck_assert_int_eq(done(0, 0), 0);
	ck_assert_int_eq(done(0, 0), -EPROTO);
	ck_assert_int_eq(w.nfinished, 0);
}

UNIT_TEST(checkpoint_progress_is_summed)
{
	union any_msg m = {.progress = {.done = 10, .total = 100}};

	start(OP_CHECKPOINT, 2);
	leader(0);
	leader(1);
	MSG_INIT(&m.progress, MSG_PROGRESS);
	checkpoint_message(&w.members[0], &m);
	checkpoint_message(&w.members[1], &m);
	ck_assert_uint_eq(w.done, 20);
	ck_assert_uint_eq(w.total, 200);
}

UNIT_TEST(checkpoint_kill_ends_all_when_durable)
{
	set_up(OP_CHECKPOINT, 2);
	w.cp.kill = true;
	checkpoint_start(&w.cp);
	for (int i = 0; i < 2; i++) {
		leader(i);
		ck_assert_uint_eq(w.last[i].params.flags, PARAMS_STAY_FROZEN);
	}
	for (int i = 0; i < 2; i++)
		barrier(i, PHASE_FREEZE, 0);
	for (int i = 0; i < 2; i++)
		barrier(i, PHASE_SNAPSHOT, 0);
	done(0, 0);
	ck_assert_int_eq(w.nkilled, 0);
	done(1, 0);
	ck_assert_int_eq(w.nkilled, 2);
	checkpoint_ended(&w.members[0]);
	ck_assert_int_eq(w.nfinished, 0);
	checkpoint_ended(&w.members[1]);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_kill_that_fails_thaws)
{
	set_up(OP_CHECKPOINT, 1);
	w.cp.kill = true;
	checkpoint_start(&w.cp);
	leader(0);
	barrier(0, PHASE_FREEZE, 0);
	barrier(0, PHASE_SNAPSHOT, 0);
	done(0, -ENOSPC);
	expect_release(0, PHASE_THAW, 0);
	ck_assert_int_eq(w.nkilled, 0);
	thawed(0, MS);
	expect_failure(-ENOSPC, "pid 100 (sim): /d: No space left on device");
}

UNIT_TEST(checkpoint_asked_for_by_the_program)
{
	set_up(OP_CHECKPOINT, 1);
	w.members[0].conn = &w;
	w.members[0].wants_result = true;
	checkpoint_start(&w.cp);
	ck_assert_int_eq(w.ncalled, 0);
	ck_assert_int_eq(w.last[0].m.type, MSG_PARAMS);
	barrier(0, PHASE_FREEZE, 0);
	barrier(0, PHASE_SNAPSHOT, 0);
	thawed(0, MS);
	done(0, 0);
	ck_assert_int_eq(w.last[0].m.type, MSG_RESULT);
	ck_assert_int_eq(w.last[0].result.err, 0);
	ck_assert_str_eq(w.last[0].result.image, "/d/sim-a.00001.ckpt");
}
