/*
 * Fault points: at each step of a checkpoint and of a restart a test can have something go wrong.
 *
 *	CKPT_FAULT=POINT[:ACTION][@PID]
 *
 * POINT is a name or a number of the table. Without an action the process is killed. PID: only in the process
 * with that id, as the coordinator sees it for steps of a checkpoint, as it is in the image for steps of
 * a restart. Each program of ours reads its own environment: ckpt_restart for a restart; the coordinator for its
 * own steps, and it tells processes and their writers with the parameters of the checkpoint. A program that
 * runs under ckpt has no part in it, and no point lies on its way.
 *
 * Unset, a point costs a comparison of a word with a constant.
 */
#ifndef CKPT_FAULT_H
#define CKPT_FAULT_H

#include <stdint.h>

/* P(NAME, "name"): a step; E: one that can fail, and is asked whether it did. In the order in which they come. */
#define FAULT_POINTS(P, E)                                                                         \
	/* the coordinator */                                                                      \
	P(COORDINATOR_BEGIN, "coordinator-begin")	  /* before anybody is called */           \
	P(COORDINATOR_TAKE, "coordinator-take")		  /* before a process gets its parameters */ \
	P(COORDINATOR_FROZEN, "coordinator-frozen")	  /* all known ones are frozen */          \
	E(COORDINATOR_SHARE, "coordinator-share")	  /* making memory for all */              \
	P(COORDINATOR_DRAINED, "coordinator-drained")	  /* all have collected */                 \
	P(COORDINATOR_COPIED, "coordinator-copied")	  /* all copies are made */                \
	P(COORDINATOR_WRITTEN, "coordinator-written")	  /* all writers have answered */          \
	P(COORDINATOR_FINISH, "coordinator-finish")	  /* before the answer */                  \
	/* libckpt, in each process */                                                             \
	P(LEADER_BEGIN, "leader-begin")			  /* told what to do, not frozen yet */    \
	P(LEADER_FROZEN, "leader-frozen")		  /* all threads stand still */            \
	E(COLLECT_SHARED, "collect-shared")		  /* mapping the memory for all */         \
	E(COLLECT_LISTS, "collect-lists")		  /* what is open and mapped */            \
	E(COLLECT_PROCESS, "collect-process")		  /* process and threads */                \
	E(COLLECT_STATE, "collect-state")		  /* and descriptors */                    \
	E(COLLECT_CONTENTS, "collect-contents")		  /* content of a large file */            \
	E(COLLECT_MEMORY, "collect-memory")		  /* what the copy would not have */       \
	P(LEADER_DRAINED, "leader-drained")		  /* told to copy itself */                \
	E(SNAPSHOT_FORK, "snapshot-fork")		  /* in the intermediate: making the copy */ \
	P(SNAPSHOT_FORKED, "snapshot-forked")		  /* there is one, and waits for all others */ \
	P(SNAPSHOT_DONE, "snapshot-done")		  /* the copy is made */                   \
	P(LEADER_THAW, "leader-thaw")			  /* before the threads are woken */       \
	/* the writer, in each process's copy */                                                   \
	P(WRITER_BEGIN, "writer-begin")                                                            \
	E(WRITER_OPEN, "writer-open")                                                              \
	E(WRITER_HEADER, "writer-header")                                                          \
	E(WRITER_PLAN, "writer-plan")                                                              \
	E(WRITER_CHUNK, "writer-chunk")                                                            \
	E(WRITER_SECTIONS, "writer-sections")                                                      \
	E(WRITER_CONTENTS, "writer-contents")		  /* making content of files durable */    \
	P(WRITER_WRITTEN, "writer-written")		  /* its part is in the file */            \
	E(WRITER_FOOTER, "writer-footer")                                                          \
	E(WRITER_SYNC, "writer-sync")                                                              \
	E(WRITER_RENAME_FILES, "writer-rename-files")	  /* the directory beside the image */     \
	E(WRITER_RENAME, "writer-rename")                                                          \
	E(WRITER_SYNC_DIR, "writer-sync-dir")                                                      \
	P(WRITER_LINK, "writer-link")                                                              \
	P(WRITER_ANSWER, "writer-answer")                                                          \
	P(WRITER_PRUNE, "writer-prune")                                                            \
	/* ckpt_restart, outside of the capsule */                                                 \
	E(RESTART_CHOOSE, "restart-choose")		  /* reading an image */                   \
	P(RESTART_STATE, "restart-state")		  /* the image is read and checked */      \
	P(RESTART_NAMESPACES, "restart-namespaces")                                                \
	P(RESTART_FORKED, "restart-forked")		  /* init is there */                      \
	/* init of the capsule */                                                                  \
	P(INIT_BEGIN, "init-begin")			  /* before it is tied to its parent */    \
	P(INIT_MOUNTS, "init-mounts")                                                              \
	E(INIT_FILES, "init-files")                                                                \
	E(INIT_CONTENTS, "init-contents")		  /* putting content of a file back */     \
	E(INIT_PLAN, "init-plan")                                                                  \
	E(INIT_PROCESSES, "init-processes")		  /* making the first process */           \
	/* the restorer, in each process */                                                        \
	P(RESTORER_BEGIN, "restorer-begin")                                                        \
	E(RESTORER_LOAD, "restorer-load")                                                          \
	P(RESTORER_MEET, "restorer-meet")                                                          \
	E(RESTORER_FINISH, "restorer-finish")		  /* protections, brk, descriptors */      \
	P(INIT_GROUPED, "init-grouped")			  /* all are in their groups */            \
	P(INIT_GIVEN, "init-given")			  /* all descriptors are there */          \
	P(RESTORER_RESUME, "restorer-resume")		  /* before threads are made */            \
	/* libckpt in the restored process */                                                      \
	P(RETURN_BEGIN, "return-begin")                                                            \
	P(RETURN_STATE, "return-state")			  /* what is the process's is put back */  \
	P(RETURN_MEET, "return-meet")			  /* nothing of any program has run */     \
	P(RETURN_THAW, "return-thaw")			  /* all are restored */                   \
	P(INIT_STARTED, "init-started")			  /* all run, ckpt_restart is not told yet */ \
	P(RESTART_STARTED, "restart-started")		  /* it is */

#define FAULT_ENUM(name, text) FAULT_##name,
enum fault_point { FAULT_NONE, FAULT_POINTS(FAULT_ENUM, FAULT_ENUM) FAULT_END };
#undef FAULT_ENUM

enum fault_action {
	FAULT_KILL,   /* the process */
	FAULT_STOP,   /* it goes no further, and is called ckpt_fault: whoever waits for that kills all */
	FAULT_DELAY,  /* it goes on after a moment */
	FAULT_EIO,    /* the step fails */
	FAULT_ENOSPC,
};

struct fault {
	uint32_t armed; /* enum fault_point, and enum fault_action << 16; 0: nothing is to happen */
	int32_t pid;	/* 0: everywhere */
};

/* Read what CKPT_FAULT says. 0, or -EINVAL; NULL is nothing. */
int fault_parse(const char *s, struct fault *f);
/* What the process pid is to be armed with. */
static inline uint32_t fault_for(const struct fault *f, int32_t pid)
{
	return !f->pid || f->pid == pid ? f->armed : 0;
}

/* What this process is armed with. */
extern uint32_t fault_armed __attribute__((visibility("hidden")));
/* Have it happen: 0, or -errno for the step to fail with. Frozen-safe. */
int fault_happen(void) __attribute__((cold, visibility("hidden")));

/* The step comes now. 0, or -errno: it fails. */
static inline int fault(enum fault_point point)
{
	return __builtin_expect((fault_armed & 0xffff) == point, 0) ? fault_happen() : 0;
}

#endif
