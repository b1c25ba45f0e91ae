/*
 * pstree.c: in which order, by whom and with what help processes are made so that each has the pid,
 * parent, process group and session that the image says. It makes nothing itself and asks the kernel
 * nothing: from numbers to a table of nodes.
 */
#ifndef CKPT_PSTREE_H
#define CKPT_PSTREE_H

#include <stdbool.h>
#include "handover.h"

/* A process of the image, as it saw itself. */
struct pstree_process {
	int32_t pid, ppid, pgid, sid; /* a group or session of 0 or 1 is from outside its pid namespace: that of init */
	int32_t parent;		      /* index of its parent, lower than its own; -1: outside, or init */
	int32_t exit_signal;
	bool has_tty; /* then somebody leads its session, who is outside of the job if not in it */
};

/* A child that has ended and not been waited for. */
struct pstree_zombie {
	int32_t pid, pgid, sid;
	int32_t parent; /* index of the process that can wait for it */
	int32_t exit_signal;
	int32_t end_code, end_signal; /* as in struct plan_node */
	char comm[16];
};

struct pstree_job {
	const struct pstree_process *processes; /* [0] is the first of the job */
	uint32_t nprocesses;
	const struct pstree_zombie *zombies;
	uint32_t nzombies;
	const int32_t *tids; /* ids of threads: helpers take others. May be unsorted and have pids in it */
	uint32_t ntids;
	bool first_gone;  /* processes[0] is not the one that the job was started as, but one that is left */
	int32_t terminal_sid; /* a session on the terminal outside, though its leader is in the job; 0: none */
	bool on_terminal; /* who is in a session from outside the job stays in that of init */
	bool no_capsule;  /* init is outside with any pid: nobody has a stand-in */
};

struct pstree {
	struct plan_node *nodes; /* from malloc(3) */
	uint32_t n;
	uint32_t root; /* the node of the first process */
};

/*
 * Plan the tree. A process whose parent is outside of the job gets a stand-in with that parent's pid, or
 * init for 1; so does the leader of a session or process group that the first process has from outside.
 * A leader inside that has ended is a helper that ends again. The memory that siblings share is not known
 * here: shares_memory is 0, and tty_fd -1.
 *
 * The input may be hostile. 0; -EINVAL with why filled, when no order makes that tree; -ENOMEM.
 */
int pstree_build(const struct pstree_job *job, struct pstree *tree, struct text *why);

#endif
