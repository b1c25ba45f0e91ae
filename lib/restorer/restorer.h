/*
 * The restorer: turns what ckpt_restart has prepared (namespaces, descriptors, plans) into the processes of
 * the image. It runs in memory that neither ckpt_restart nor any program uses, without libc.
 *
 *   restorer.c	a node's way from clone to the program
 *   nodes.c	making other nodes; sessions, groups; nodes that are no process of the image
 *   tables.c	descriptor tables
 *   memory.c	areas and their content
 *
 * Every process has a copy of this memory, by fork; only struct restart_sync is shared.
 */
#ifndef CKPT_RESTORER_H
#define CKPT_RESTORER_H

#include "core.h"
#include "image.h"
#include "handover.h"

#define HIDDEN __attribute__((visibility("hidden")))

struct clone_args;

/* Say what can't be done, end this process and thereby the whole restart. */
void fail(struct restore_job *job, const char *what, uint64_t addr, long err) HIDDEN
	__attribute__((noreturn));

/* ---- nodes.c ---- */

/* Add one to a number of job->sync. */
void sync_arrive(uint32_t *word) HIDDEN;
/* Wait until it has reached n; ends this process when the restart has failed elsewhere. */
void sync_await(struct restore_job *job, uint32_t *word, uint32_t n) HIDDEN;

/*
 * Session, children and memory of node me, in the order that makes all of them what they were. Returns
 * me, or, in a node that has just been made by this one, that one's index: it has to do the same.
 */
uint32_t node_build(struct restore_job *job, uint32_t me) HIDDEN;
/* When all are in their groups: the foreground group of a session, or none of its terminal. */
void node_terminal(const struct plan_node *n) HIDDEN;
/* A node that is no process of the image: what becomes of it once all are in their groups. */
void node_end(struct restore_job *job, uint32_t me) HIDDEN __attribute__((noreturn));
/* Wait for the children of this one that end as soon as they have made others. */
void nodes_await_makers(struct restore_job *job, uint32_t me) HIDDEN;
/* The same for those that are to be zombies, and for all other helpers. */
void nodes_await_ends(struct restore_job *job, uint32_t me) HIDDEN;

/* ---- tables.c ---- */

/* In a node that has just been made. */
void table_begin(struct restore_job *job, const struct plan_node *n) HIDDEN;
/* When init has made all files: the program's descriptors, and no others but log_fd. */
void table_take(struct restore_job *job, const struct plan_node *n, const struct restore_plan *p) HIDDEN;

/* ---- memory.c ---- */

/* Unmap everything but the restorer; the kernel's areas are moved to staging first, once in a line of forks. */
void memory_clear(struct restore_job *job) HIDDEN;
/* Map the areas and load their content; private ones are still writable. */
void memory_load(struct restore_job *job, const struct restore_plan *p) HIDDEN;
/* Protections, advice, the kernel's areas, brk and so on. */
void memory_finish(struct restore_job *job, const struct restore_plan *p) HIDDEN;

/* ---- entry.S ---- */

/* context_save() returns 1 there. */
void context_resume(const struct context *c) HIDDEN __attribute__((noreturn));
/* clone3(2); the new thread resumes c at once, on the stack that c names. */
long thread_start(struct clone_args *args, size_t size, const struct context *c) HIDDEN;

#endif
