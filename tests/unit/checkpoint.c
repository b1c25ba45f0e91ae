/* The coordinator's state machine: the way through, members that come late or end, and signals. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "fake_world.h"
#include "unit.h"

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

UNIT_TEST(checkpoint_process_may_end_when_it_has_told_of_its_copy)
{
	bring_to(PHASE_SNAPSHOT, 2);
	barrier(1, PHASE_SNAPSHOT, 0);
	ended(1);
	barrier(0, PHASE_SNAPSHOT, 0);
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
