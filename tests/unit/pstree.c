/*
 * Plans of process trees are carried out by a model of the kernel (kernel_model.h): what it makes of them must
 * be what was asked for. Here trees are written down; pstree_lives.c has them come from lives.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "kernel_model.h"
#include "unit.h"

/* Returns how many nodes of the kind there are. */
static int comes_out_right(const struct pstree_job *job, enum node_kind kind)
{
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);
	int n = 0;

	buf[0] = 0;
	ck_assert_msg(pstree_build(job, &tree, &why) == 0, "%s", buf);
	tree_is_right(job, &tree);
	for (uint32_t i = 0; i < tree.n; i++)
		n += tree.nodes[i].kind == kind;
	free(tree.nodes);
	return n;
}

static void refused(const struct pstree_job *job, const char *text)
{
	struct pstree tree = {0};
	char buf[256];
	struct text why = TEXT(buf);

	ck_assert_int_eq(pstree_build(job, &tree, &why), -EINVAL);
	ck_assert_msg(strstr(buf, text), "\"%s\"", buf);
	ck_assert_ptr_null(tree.nodes);
}

/* ---- trees written down ---- */

/* pid, ppid, pgid, sid, index of the parent */
#define P(pid, ppid, pgid, sid, parent) {pid, ppid, pgid, sid, parent, SIGCHLD, false}
#define Z(pid, pgid, sid, parent) {pid, pgid, sid, parent, SIGCHLD, 3, 0, "gone"}

#define JOB(...) \
	((struct pstree_job){ \
		.processes = (const struct pstree_process[]){__VA_ARGS__}, \
		.nprocesses = ARRAY_SIZE(((const struct pstree_process[]){__VA_ARGS__})), \
	})
#define ZOMBIES(job, ...) \
	((job).zombies = (const struct pstree_zombie[]){__VA_ARGS__}, \
	 (job).nzombies = ARRAY_SIZE(((const struct pstree_zombie[]){__VA_ARGS__})))

UNIT_TEST(pstree_of_one_process_has_stand_ins_for_who_was_outside)
{
	struct pstree_job leads = JOB(P(70, 60, 70, 70, -1)), plain = JOB(P(70, 60, 65, 50, -1));
	struct pstree_job child_of_leader = JOB(P(70, 50, 70, 50, -1)), of_init = JOB(P(70, 1, 70, 70, -1));

	ck_assert_int_eq(comes_out_right(&leads, NODE_STANDIN), 1);
	ck_assert_int_eq(comes_out_right(&plain, NODE_STANDIN), 3);
	ck_assert_int_eq(comes_out_right(&child_of_leader, NODE_STANDIN), 1);
	ck_assert_int_eq(comes_out_right(&of_init, NODE_STANDIN), 0);
}

UNIT_TEST(pstree_parent_outside_leads_the_group)
{
	struct pstree_job job = JOB(P(70, 60, 60, 50, -1), P(71, 70, 60, 50, 0));

	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 2);
	job.on_terminal = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 1);
}

UNIT_TEST(pstree_on_a_terminal_has_no_stand_in_for_the_session)
{
	struct pstree_job job = JOB(P(70, 60, 65, 50, -1), P(71, 70, 71, 50, 0), P(72, 70, 72, 72, 0));

	job.on_terminal = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 2);
}

UNIT_TEST(pstree_leader_of_the_terminals_session_leads_none)
{
	struct pstree_job job = JOB(P(70, 60, 70, 70, -1), P(71, 70, 71, 70, 0), P(72, 70, 72, 72, 0));
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);

	job.on_terminal = true;
	job.terminal_sid = 70;
	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 1);
	ck_assert_int_eq(pstree_build(&job, &tree, &why), 0);
	for (uint32_t i = 0; i < tree.n; i++)
		ck_assert_int_eq(tree.nodes[i].setsid, tree.nodes[i].pid == 72);
	free(tree.nodes);
}

UNIT_TEST(pstree_without_capsule_has_no_stand_ins)
{
	struct pstree_job job = JOB(P(70, 60, 65, 50, -1), P(71, 70, 65, 50, 0), P(72, 70, 72, 50, 0),
				    P(73, 72, 73, 73, 2));

	job.no_capsule = true;
	comes_out_right(&job, NODE_STANDIN);
}

UNIT_TEST(pstree_of_generations)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(71, 70, 70, 50, 0), P(72, 71, 70, 50, 1),
				    P(60, 70, 70, 50, 0), P(59, 60, 70, 50, 3));

	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 1);
}

UNIT_TEST(pstree_of_a_shell_with_job_control)
{
	/* 80 | 81 in the foreground, 90 & whose leader has ended, 95 whose leader is a zombie */
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(80, 70, 80, 50, 0), P(81, 70, 80, 50, 0),
				    P(91, 70, 90, 50, 0), P(96, 70, 95, 50, 0));

	ZOMBIES(job, Z(95, 95, 50, 0));
	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
	job.on_terminal = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
}

UNIT_TEST(pstree_child_made_before_setsid)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(71, 70, 71, 71, 0), P(72, 71, 70, 50, 1),
				    P(73, 71, 71, 71, 1));
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);

	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 0);
	ck_assert_int_eq(pstree_build(&job, &tree, &why), 0);
	for (uint32_t i = 0; i < tree.n; i++)
		ck_assert_int_eq(tree.nodes[i].before_setsid, tree.nodes[i].pid == 72);
	free(tree.nodes);
}

UNIT_TEST(pstree_first_process_has_made_a_session_after_its_child)
{
	struct pstree_job job = JOB(P(70, 60, 70, 70, -1), P(71, 70, 71, 50, 0));
	struct pstree_job of_leader = JOB(P(70, 50, 70, 70, -1), P(71, 70, 50, 50, 0));

	comes_out_right(&job, NODE_HELPER);
	ck_assert_int_eq(comes_out_right(&of_leader, NODE_HELPER), 0);
	of_leader.on_terminal = true;
	comes_out_right(&of_leader, NODE_HELPER);
	of_leader.no_capsule = true;
	comes_out_right(&of_leader, NODE_HELPER);
}

UNIT_TEST(pstree_chain_of_sessions_with_children_from_before)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(71, 70, 71, 71, 0), P(72, 71, 72, 72, 1),
				    P(73, 72, 73, 73, 2), P(74, 73, 70, 50, 3));

	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 0);
}

UNIT_TEST(pstree_daemon_is_the_child_of_init)
{
	/* made by two forks with a setsid between them */
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(72, 1, 71, 71, -1));

	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
	job.on_terminal = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
	job.no_capsule = true;
	comes_out_right(&job, NODE_HELPER);
}

UNIT_TEST(pstree_daemon_is_the_child_of_a_subreaper)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(75, 70, 75, 75, 0), P(72, 75, 71, 71, 1),
				    P(74, 75, 73, 71, 1));

	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 2);
}

UNIT_TEST(pstree_daemon_is_the_child_of_a_subreaper_outside)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(72, 40, 71, 71, -1));

	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 2);
}

UNIT_TEST(pstree_daemon_that_is_left_alone_is_not_on_the_terminal)
{
	struct pstree_job job = JOB(P(72, 1, 71, 71, -1), P(73, 72, 73, 71, 0));

	job.first_gone = job.on_terminal = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 0);
	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
}

UNIT_TEST(pstree_who_has_a_terminal_is_in_a_session_from_outside)
{
	struct pstree_process p[] = {P(72, 1, 70, 50, -1), P(73, 1, 70, 50, -1)};
	struct pstree_job job = {.processes = p, .nprocesses = 2, .first_gone = true};

	p[1].has_tty = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 1);
	job.on_terminal = true;
	ck_assert_int_eq(comes_out_right(&job, NODE_STANDIN), 0);
	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
}

UNIT_TEST(pstree_first_process_that_leads_the_session_of_the_terminal)
{
	struct pstree_process p[] = {P(70, 60, 70, 70, -1), P(71, 70, 71, 70, 0), P(72, 70, 72, 72, 0)};
	struct pstree_job job = {.processes = p, .nprocesses = 3};
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);

	p[0].has_tty = p[1].has_tty = true;
	comes_out_right(&job, NODE_STANDIN);
	job.terminal_sid = 70;
	job.on_terminal = true;
	ck_assert_int_eq(pstree_build(&job, &tree, &why), 0);
	for (uint32_t i = 0; i < tree.n; i++)
		ck_assert_int_eq(tree.nodes[i].setsid, tree.nodes[i].pid == 72);
	free(tree.nodes);
	comes_out_right(&job, NODE_STANDIN);
}

UNIT_TEST(pstree_orphan_of_a_session_whose_leader_lives)
{
	/* 80 leads below 71 and 70; 81, of its session, was adopted by 70, and 82 by init */
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(71, 70, 70, 50, 0), P(80, 71, 80, 80, 1),
				    P(81, 70, 80, 80, 0));
	struct pstree_job of_init = JOB(P(70, 50, 70, 50, -1), P(71, 70, 70, 50, 0),
					P(80, 71, 80, 80, 1), P(82, 1, 82, 80, -1));

	ck_assert_int_eq(comes_out_right(&job, NODE_HELPER), 1);
	ck_assert_int_eq(comes_out_right(&of_init, NODE_HELPER), 1);
}

UNIT_TEST(pstree_orphans_of_a_dead_leader_with_two_parents)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(72, 1, 71, 71, -1), P(73, 70, 71, 71, 0),
				    P(74, 73, 74, 71, 2));

	comes_out_right(&job, NODE_HELPER);
}

UNIT_TEST(pstree_zombie_that_led_a_session)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(72, 70, 71, 71, 0), P(73, 1, 73, 71, -1));

	ZOMBIES(job, Z(71, 71, 71, 0));
	comes_out_right(&job, NODE_HELPER);
}

UNIT_TEST(pstree_zombies_keep_what_they_were)
{
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1));
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);

	ZOMBIES(job, Z(71, 70, 50, 0), {72, 70, 50, 0, SIGUSR1, 0, SIGKILL, "killed"});
	ck_assert_int_eq(comes_out_right(&job, NODE_ZOMBIE), 2);
	ck_assert_int_eq(pstree_build(&job, &tree, &why), 0);
	ck_assert_int_eq(tree.nodes[tree.n - 2].end_code, 3);
	ck_assert_int_eq(tree.nodes[tree.n - 1].end_signal, SIGKILL);
	ck_assert_int_eq(tree.nodes[tree.n - 1].exit_signal, SIGUSR1);
	ck_assert_str_eq(tree.nodes[tree.n - 1].comm, "killed");
	free(tree.nodes);
}

UNIT_TEST(pstree_leader_that_has_gone_to_another_group)
{
	/* 71's group has 72 in it; 71 is in 73's group, which 73 has left for that of 70 */
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(71, 70, 73, 50, 0), P(72, 70, 71, 50, 0),
				    P(73, 70, 70, 50, 0));
	struct pstree_job round = JOB(P(70, 50, 70, 50, -1), P(71, 70, 73, 50, 0), P(73, 70, 71, 50, 0));

	comes_out_right(&job, NODE_HELPER);
	refused(&round, "process 71 can't go to group 73");
}

UNIT_TEST(pstree_of_unknown_sessions_and_groups)
{
	struct pstree_job job = JOB(P(70, 50, 0, 0, -1), P(71, 70, 71, 1, 0), P(72, 71, 1, 0, 1),
				    P(73, 72, 73, 73, 2), P(74, 73, 0, 0, 3), P(75, 73, 75, 0, 3));
	struct pstree_job mixed = JOB(P(70, 50, 0, 0, -1), P(73, 70, 73, 73, 0), P(74, 73, 73, 0, 1));

	comes_out_right(&job, NODE_HELPER);
	job.on_terminal = true;
	comes_out_right(&job, NODE_HELPER);
	refused(&mixed, "process 74: its group 73 is in another session");
}

UNIT_TEST(pstree_helpers_take_no_pid_that_means_something)
{
	const int32_t tids[] = {300, 70, 302, 300};
	struct pstree_job job = JOB(P(70, 50, 70, 50, -1), P(301, 70, 70, 50, 0), P(80, 301, 80, 80, 1),
				    P(81, 70, 80, 80, 0));
	struct pstree tree;
	char buf[256];
	struct text why = TEXT(buf);

	job.tids = tids;
	job.ntids = ARRAY_SIZE(tids);
	ck_assert_int_eq(pstree_build(&job, &tree, &why), 0);
	for (uint32_t i = 0; i < tree.n; i++)
		if (tree.nodes[i].kind == NODE_HELPER)
			ck_assert_int_eq(tree.nodes[i].pid, 303);
	free(tree.nodes);
}

UNIT_TEST(pstree_refuses_what_no_tree_is)
{
	struct pstree_job none = {0}, init = JOB(P(70, 50, 70, 50, -1), P(1, 70, 70, 50, 0));
	struct pstree_job twice = JOB(P(70, 50, 70, 50, -1), P(70, 70, 70, 50, 0));
	struct pstree_job later = JOB(P(70, 50, 70, 50, 1), P(50, 1, 70, 50, -1));
	struct pstree_job own = JOB(P(70, 70, 70, 50, 0)), far = JOB(P(70, 50, 70, 50, 7));
	struct pstree_job wrong = JOB(P(70, 50, 70, 50, -1), P(71, 72, 70, 50, 0));
	struct pstree_job large = JOB(P(70, 50, 1 << 30, 50, -1)), negative = JOB(P(-70, 50, 70, 50, -1));
	struct pstree_job inside = JOB(P(70, 50, 70, 50, -1), P(71, 70, 70, 50, -1));
	struct pstree_job stray = JOB(P(70, 50, 70, 50, -1));

	refused(&none, "no processes");
	refused(&init, "process 1: its pid");
	refused(&twice, "two processes have pid 70");
	refused(&later, "process 70 has no such parent");
	refused(&own, "process 70 has no such parent");
	refused(&far, "process 70 has no such parent");
	refused(&wrong, "process 71: process 70 is not its parent");
	refused(&large, "no such ids");
	refused(&negative, "no such ids");
	refused(&inside, "process 71: its parent 70 is not where");
	ZOMBIES(stray, Z(71, 70, 50, 1));
	refused(&stray, "process 71, which has ended, has no such parent");
}

UNIT_TEST(pstree_refuses_sessions_and_groups_that_can_not_be)
{
	struct pstree_job leader = JOB(P(70, 50, 70, 50, -1), P(71, 70, 70, 70, 0));
	struct pstree_job group = JOB(P(70, 50, 70, 50, -1), P(71, 70, 70, 71, 0));
	struct pstree_job two = JOB(P(70, 50, 70, 50, -1), P(71, 70, 71, 71, 0), P(72, 71, 70, 71, 1));
	struct pstree_job other = JOB(P(70, 50, 70, 50, -1), P(71, 70, 71, 71, 0), P(72, 70, 71, 50, 0));
	/* 72 is in the session of its grandchild */
	struct pstree_job knot = JOB(P(70, 50, 70, 50, -1), P(72, 70, 74, 74, 0), P(73, 72, 74, 74, 1),
				     P(74, 73, 74, 74, 2));

	refused(&leader, "process 71 is in session 70, which process 70 does not lead");
	refused(&group, "process 71 leads a session, but is in group 70");
	refused(&two, "process 72: its group 70 is in another session");
	refused(&other, "group 71 is in");
	refused(&knot, "process 72");
}
