/*
 * Inside of pstree.c and its parts, pstree_sessions.c and pstree_groups.c: the tables that they fill one after the
 * other. Functions that fail have said why.
 */
#ifndef CKPT_PSTREE_PARTS_H
#define CKPT_PSTREE_PARTS_H

#include <errno.h>
#include <stdlib.h>
#include "pstree.h"

enum {
	PID_END = 1 << 22, /* PID_MAX_LIMIT of the kernel */
	PID_FREE = 300,	   /* where the search for the pid of a helper begins, as the kernel's does */
	NO_NODE = -2,
	OUTSIDE = -3, /* no node, but an id from outside of the job */
	ANY = -1, /* as session: whichever */
};

/* Numbers to numbers; never full. */
struct map {
	struct slot {
		int32_t key, value; /* key 0: free */
	} *slots;
	uint32_t mask;
};

/* A process group that the image's processes are in. */
struct group {
	int32_t id, sid;
	uint32_t late;	/* those who join it late */
	bool lasting;	/* has a member that stays in it from the start */
	bool left;	/* it is outside: its members stay where they are made, or lead */
};

struct builder {
	const struct pstree_job *job;
	struct plan_node *nodes;
	int32_t *birth; /* the session each node is made in, or ANY */
	uint32_t n;
	uint32_t nimage; /* processes and zombies, the first ones */
	struct map pids; /* to node; or NO_NODE or OUTSIDE when something else has that number */
	struct map group_ids;
	struct group *groups;
	uint32_t ngroups;
	int32_t free_pid;
	struct text *why;
};

/* ---- pstree.c ---- */

/* -EINVAL */
int refuse(struct builder *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The slot of the key, or the free one where it would be. */
struct slot *map_slot(const struct map *m, int32_t key);
void map_put(struct map *m, int32_t key, int32_t value);
/* The node with this pid, NO_NODE. */
int32_t node_of(const struct builder *b, int32_t pid);
int32_t node_add(struct builder *b, enum node_kind kind, int32_t pid, int32_t exit_signal);
int32_t session_of(const struct builder *b, int32_t node);
int32_t leader_of(const struct builder *b, int32_t sid);
/* Is a (a node or init) above node x in the tree as it will be? */
bool is_above(const struct builder *b, int32_t a, int32_t x);

/* ---- pstree_sessions.c ---- */

/* A stand-in for each parent outside of the job: children of 1 are init's. */
int parents_make(struct builder *b);
/* Somebody leads each session. */
int sessions_make(struct builder *b);
/* Who makes whom, and when. */
int creators_find(struct builder *b);
/* The kernel gives an orphan to the nearest that adopts any: is this the parent it is to have? */
int adoptions_check(struct builder *b);

/* ---- pstree_groups.c ---- */

/* Somebody leads each process group. */
int groups_make(struct builder *b);
/* Late joiners take turns: each leaves the group that it leads when somebody is in it. */
int late_order(struct builder *b, int32_t *queue);

#endif
