/* The coordinator's state machine: refusals, checks, calling off, --kill. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "fake_world.h"
#include "unit.h"

/* ---- refusals and checks ---- */

UNIT_TEST(checkpoint_refusals_are_told_by_all)
{
	bring_to(PHASE_DRAIN, 2);
	send_refusal(0);
	send_refusal(0);
	barrier(0, PHASE_DRAIN, -EOPNOTSUPP);
	expect_release(1, PHASE_FREEZE, 1); /* it may have more to tell */
	send_refusal(1);
	barrier(1, PHASE_DRAIN, -EOPNOTSUPP);
	expect_release(0, PHASE_DRAIN, 0);
	expect_release(1, PHASE_DRAIN, 0);
	thawed(0, MS);
	thawed(1, MS);
	ck_assert_int_eq(w.nlines, 3);
	expect_failure(-EOPNOTSUPP, "pid 100 (sim): fd 7: io_uring can't be restored");
}

UNIT_TEST(checkpoint_refused_for_now_tells_nobody_yet)
{
	bring_to(PHASE_DRAIN, 2);
	send_refusal_for_now(0);
	barrier(0, PHASE_DRAIN, -EOPNOTSUPP);
	barrier(1, PHASE_DRAIN, 0);
	thawed(0, MS);
	thawed(1, MS);
	expect_failure(RESULT_FOR_NOW, "pid 100 (sim): fd 8: not now");
	ck_assert_int_eq(w.nlines, 0);
	checkpoint_tell(&w.cp);
	ck_assert_int_eq(w.nlines, 1);
}

UNIT_TEST(checkpoint_refused_for_good_tells_of_the_moment_too)
{
	bring_to(PHASE_DRAIN, 2);
	send_refusal_for_now(0);
	barrier(0, PHASE_DRAIN, -EOPNOTSUPP);
	send_refusal(1);
	barrier(1, PHASE_DRAIN, -EOPNOTSUPP);
	thawed(0, MS);
	thawed(1, MS);
	expect_failure(-EOPNOTSUPP, "pid 100 (sim): fd 8: not now");
	ck_assert_int_eq(w.nlines, 2);
}

UNIT_TEST(checkpoint_process_that_can_not_freeze_ends_it)
{
	start(OP_CHECKPOINT, 2);
	all_lead();
	send_refusal(1);
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
	send_refusal(1);
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

/* Its writer waits until it has told that the copy is made. */
UNIT_TEST(checkpoint_program_that_ends_before_it_tells_of_its_copy_is_a_failure)
{
	bring_to(PHASE_SNAPSHOT, 1);
	ended(0);
	expect_failure(-ESRCH, "pid 100 (sim) ended while being copied");
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
	all_reach(PHASE_FREEZE);
	all_reach(PHASE_DRAIN);
	for (int i = 0; i < n; i++)
		ck_assert_uint_eq(w.last[i].release.flags, RELEASE_STAY);
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

static void start_exit(int n)
{
	set_up(OP_CHECKPOINT, n);
	w.cp.kill = true;
	w.cp.exit_status = 85;
	checkpoint_start(&w.cp);
	all_lead();
	for (int i = 0; i < n; i++)
		w.members[i]->index = i;
	all_reach(PHASE_FREEZE);
	all_reach(PHASE_DRAIN);
	all_reach(PHASE_SNAPSHOT);
}

UNIT_TEST(checkpoint_exit_ends_the_first_behind_the_others)
{
	start_exit(3);
	done(0, 0);
	done(1, 0);
	ck_assert_int_eq(w.nkilled, 0);
	done(2, 0);
	ck_assert_int_eq(w.nkilled, 2);
	expect_release(0, PHASE_SNAPSHOT, 1);
	ended(1);
	expect_release(0, PHASE_SNAPSHOT, 1);
	ended(2);
	ck_assert_int_eq(w.last[0].release.phase, PHASE_THAW);
	ck_assert_int_eq(w.last[0].release.exit_status, 85);
	ck_assert_int_eq(w.nfinished, 0);
	ended(0);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.nkilled, 2);
	ck_assert_int_eq(w.cp.result.err, 0);
}

UNIT_TEST(checkpoint_exit_kills_a_first_that_has_gone_on)
{
	start_exit(2);
	done(0, 0);
	done(1, 0);
	ck_assert_int_eq(w.nkilled, 1);
	closed(0);
	ended(1);
	ck_assert_int_eq(w.nkilled, 2);
	ended(0);
	ck_assert_int_eq(w.nfinished, 1);
}

UNIT_TEST(checkpoint_exit_that_fails_thaws)
{
	start_exit(2);
	done(0, 0);
	done(1, -ENOSPC);
	expect_release(0, PHASE_THAW, 0);
	ck_assert_int_eq(w.last[0].release.exit_status, 0);
	expect_release(1, PHASE_THAW, 0);
	thawed(0, MS);
	thawed(1, MS);
	expect_failure(-ENOSPC, "pid 101 (sim): /d: No space left on device");
	ck_assert_int_eq(w.nkilled, 0);
}

UNIT_TEST(checkpoint_may_become_the_last_until_copies_are_made)
{
	start(OP_CHECKPOINT, 1);
	leader(0);
	barrier(0, PHASE_FREEZE, 0);
	ck_assert(checkpoint_is_early(&w.cp));
	ck_assert(checkpoint_end_with(&w.cp, 85));
	barrier(0, PHASE_DRAIN, 0);
	ck_assert_uint_eq(w.last[0].release.flags, RELEASE_STAY);
	barrier(0, PHASE_SNAPSHOT, 0);
	done(0, 0);
	ck_assert_int_eq(w.last[0].release.exit_status, 85);
	ended(0);
	ck_assert_int_eq(w.nfinished, 1);
}

UNIT_TEST(checkpoint_that_lets_the_programs_run_stays_so)
{
	start(OP_CHECKPOINT, 1);
	leader(0);
	barrier(0, PHASE_FREEZE, 0);
	barrier(0, PHASE_DRAIN, 0);
	ck_assert(!checkpoint_is_early(&w.cp));
	ck_assert(!checkpoint_end_with(&w.cp, 85));
	barrier(0, PHASE_SNAPSHOT, 0);
	thawed(0, MS);
	done(0, 0);
	ck_assert_int_eq(w.nfinished, 1);
	ck_assert_int_eq(w.nkilled, 0);
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
