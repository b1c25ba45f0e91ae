/*
 * A model of what the kernel does with parents, sessions and groups, and of nodes of a pstree at work in it.
 */
#ifndef CKPT_TEST_KERNEL_MODEL_H
#define CKPT_TEST_KERNEL_MODEL_H

#include <stdbool.h>
#include "pstree.h"

enum {
	TASKS_MAX = 400,
	IMAGE_MAX = 100,
	OUTSIDE = 5000, /* session and group of the model's init: 0 for who looks from inside */
};

struct task {
	int pid, parent, pgid, sid, exit_signal; /* parent: index of a task */
	bool leader, subreaper, ended, reaped;
};

struct kernel {
	struct task tasks[TASKS_MAX]; /* [0]: init */
	int n;
};

void kernel_start(struct kernel *k);
bool pid_in_use(const struct kernel *k, int pid);
int group_session(const struct kernel *k, int pgid);
int k_clone(struct kernel *k, int by, int pid, bool sibling, int exit_signal);
bool k_setsid(struct kernel *k, int i);
bool k_setpgid(struct kernel *k, int i, int pgid);
void k_exit(struct kernel *k, int i);
bool k_reap(struct kernel *k, int by, int i);
int task_of(const struct kernel *k, int pid);

/* A plan and how far its nodes are. */
struct runner {
	struct kernel k;
	const struct pstree *tree;
	int task[TASKS_MAX]; /* of each node; -1: not made yet */
	int step[TASKS_MAX], cursor[TASKS_MAX];
	uint32_t created, grouped;
	int free_pid;
};

/* All nodes at once, in no particular order, until nothing moves. */
void tree_run(struct runner *r, const struct pstree *tree);

/* What the plan makes is what was asked for. */
void tree_is_right(const struct pstree_job *job, const struct pstree *tree);

#endif
