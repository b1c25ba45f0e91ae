/*
 * One checkpoint of one job, as a state machine: what has come from which process, what to answer,
 * when to call it off. It sees processes as members and reaches the world by way of an operations
 * table only, so that a test can drive it without sockets, signals and /proc.
 *
 *	start -> calling processes -> PHASE_FREEZE barrier, as often as more processes are found ->
 *	PHASE_DRAIN barrier -> copies made, programs running -> image written -> finished
 *	any of them: called off -> the members have left or their time is up -> finished
 *
 * Members are added while there are processes that can still make others, up to the last one that
 * freezes; and one that ends before the processes have begun to tell what they are is dropped. One that
 * can't be checkpointed is told of and dropped, too; a check goes on without it.
 */
#ifndef CKPT_CHECKPOINT_H
#define CKPT_CHECKPOINT_H

#include "fault.h"
#include "protocol.h"

/* How far a member is; the order is the order of events. */
enum member_state {
	MEMBER_CALLED,	   /* is to get the signal, or has it */
	MEMBER_LED,	   /* has its parameters, is freezing */
	MEMBER_FROZEN,	   /* waits at PHASE_FREEZE */
	MEMBER_COLLECTING, /* was let go from PHASE_FREEZE */
	MEMBER_DRAINED,	   /* waits at PHASE_DRAIN */
	MEMBER_COPYING,	   /* was let go from PHASE_DRAIN */
	MEMBER_WRITING,	   /* its copy is made: its writer is at work */
	MEMBER_GONE,	   /* its connection has ended, or it has none to come */
};

/* The system call that the thread to be signalled was in; sp 0: in none. */
struct blocked {
	uint32_t nr;
	uint64_t sp, pc;
};

/* What is counted: how many members a thing holds of. */
enum mark {
	MARK_CALLED, /* has no connection yet */
	MARK_FROZEN,
	MARK_DRAINED,
	MARK_COPIED,
	MARK_WRITTEN,
	MARK_COMPLETE, /* nothing is to come from it any more */
	MARK_LEFT,
	MARK_ENDED,
	MARKS,
};

struct member {
	struct checkpoint *cp;
	void *process; /* the owner's */
	void *conn;    /* the owner's; NULL: not connected */
	int pid;       /* for messages */
	char name[64];
	enum member_state state;
	uint32_t marks;	    /* bits of enum mark, as counted */
	uint32_t place;	    /* in cp->members */
	uint32_t index;	    /* among the job's processes, once all are frozen; parents first */
	struct member *parent; /* then; NULL: outside of the job */
	bool is_first;	    /* then; the job was started as it */
	int tid;	    /* thread that was signalled last, 0: none */
	int last_leader;    /* in the checkpoint before this one, 0: unknown */
	unsigned nsignals;  /* sent to it, since it has a handler */
	unsigned ncalls;    /* the same, and looks that found the last one on its way */
	unsigned nlooks;    /* in a row that it could take none */
	uint64_t called_ns; /* when it was first to get the signal, and when next, if it does not come */
	uint64_t next_call_ns;
	void *tracer;	   /* the owner's, of one that is stopped and runs for us only */
	bool stopped;	   /* it is such a one */
	bool answered;	   /* MSG_DONE has come: it may, before the report of PHASE_SNAPSHOT */
	bool thawed;	   /* MSG_THAWED has come, or never will; a stopped one stands again */
	bool ended;	   /* its process has */
	int err;	   /* of its barrier */
	bool wants_result; /* it asked for the checkpoint itself */
	struct blocked blocked;
	struct msg_thawed figures;
	struct msg_done done;
	uint64_t written, to_write;
};

struct checkpoint_ops {
	uint64_t (*now)(void);
	uint64_t (*spent)(void); /* CPU time of ours, ns */
	/*
	 * Signal the member's process, filling in m->blocked, unless the last signal is still on its way.
	 * 0; -ESRCH when it is about to end; -EAGAIN when it can't take the signal at this moment (exec),
	 * or the -errno for which it never will; both with why in text.
	 */
	int (*call)(struct member *m, int request, struct text *why);
	/*
	 * All members stand still: look for processes of the job that are none, and add them
	 * (checkpoint_add()). How many; -EAGAIN: look again in a moment; or -errno with why in text.
	 */
	int (*discover)(struct checkpoint *cp, struct text *why);
	/* A member that was stopped is done with; checkpoint_stands() is to be called when it is as before. */
	void (*stand)(struct member *m);
	/*
	 * Nobody is missing: give every member its index and parent, and make the memory that they share; its
	 * descriptor, or -errno. The owner closes it when all is over.
	 */
	int (*share)(struct checkpoint *cp);
	/* Tell those who wait in the shared memory that nothing comes of it. */
	void (*abort)(struct checkpoint *cp, int err);
	/* The member is not part of the checkpoint any more, and is freed. */
	void (*drop)(struct member *m);
	/* pass: a descriptor to go with it, -1: none. */
	void (*send)(struct member *m, const struct msg *msg, int pass);
	/* Append what the member's process is doing: which thread, state, wchan. */
	void (*describe)(struct member *m, struct text *t);
	/*
	 * The image is durable, the job is to end with an exit status and stands still until checkpoint_committed()
	 * is called, which may be at once.
	 */
	void (*commit)(struct checkpoint *cp);
	/* End the member's process; checkpoint_ended() is to be called when it has. */
	void (*kill)(struct member *m);
	void (*unlink)(const char *path);
	void (*line)(struct checkpoint *cp, const char *text);
	void (*progress)(struct checkpoint *cp, uint64_t done, uint64_t total);
	/*
	 * The last call: cp->result is complete; the owner may free cp, and cp->for_now. err RESULT_FOR_NOW: nothing
	 * was refused but for this moment, and nobody has been told yet (checkpoint_tell()).
	 */
	void (*finished)(struct checkpoint *cp);
};

struct checkpoint {
	const struct checkpoint_ops *ops;
	void *owner;
	/* Given by the owner. */
	enum op op;
	bool kill;   /* end the processes when the image is durable, */
	int exit_status; /* the first of them with this status; 0: by a signal */
	uint64_t served; /* signals that need not ask for a checkpoint any more */
	int request; /* sival_int of the signal, not 0 */
	uint32_t timeout_ms;
	struct fault fault;	  /* for tests: what the processes are armed with */
	struct msg_params params; /* the same for all members, but for index and blocked_* */
	struct member **members; /* each from malloc(3) */
	uint32_t nmembers, cap;
	/* Its own. */
	uint32_t count[MARKS];
	uint32_t cursor; /* place of the member to be looked at next */
	uint64_t written, to_write;
	enum phase phase; /* whose end is waited for: FREEZE, DRAIN, SNAPSHOT, THAW */
	bool called_off, killing, over;
	bool committed;	 /* checkpoint_committed() was called, or is to be */
	bool exit_told;	 /* the first process knows its exit status */
	bool cancelled; /* a writer has given up because of another one */
	uint32_t nrefused;
	uint32_t nfor_now;   /* of these, things that are refused at this moment only, */
	struct blob for_now; /* and what is to be said of them, terminated, when it is not tried again */
	uint64_t start_ns, spent_ns; /* and CPU time spent by then */
	uint64_t deadline_ns; /* call checkpoint_expire() then; 0: never */
	uint64_t poll_ns;     /* call checkpoint_poll() then; 0: never */
	struct msg_result result;
};

/*
 * A member more, to be filled in by the owner: before the start, or while checkpoint_is_open(). It is called
 * by checkpoint_poll(), which is due then. NULL: no memory.
 */
struct member *checkpoint_add(struct checkpoint *cp);
/* May there be more members? */
bool checkpoint_is_open(const struct checkpoint *cp);

/*
 * Start: call the processes of all members but those that have a connection already (state
 * MEMBER_CALLED, conn set), who get their parameters at once. Like every function below it may
 * finish the checkpoint.
 */
void checkpoint_start(struct checkpoint *cp);
/* Is what the processes have done up to now going to be in the image? */
bool checkpoint_is_early(const struct checkpoint *cp);
/*
 * The job is to end with it, by a signal (0) or an exit status. False: it is too late for that. One that is to end by a
 * signal gets a status as long as it has not ended.
 */
bool checkpoint_end_with(struct checkpoint *cp, int exit_status);
/* What was to be done between the image and the end of the job is done. */
void checkpoint_committed(struct checkpoint *cp);
/* The member's leader has connected: m->conn is set. */
void checkpoint_leader(struct member *m);
/* A message from a member. -EPROTO: not what it may send now. */
int checkpoint_message(struct member *m, const union any_msg *msg);
/* The member's connection has ended. */
void checkpoint_closed(struct member *m);
/* The member's process has ended, and what it has sent was taken. */
void checkpoint_ended(struct member *m);
/* A member that was stopped stands as it did before. */
void checkpoint_stands(struct member *m);
/* poll_ns has come: signal those again that have not answered, look for others again. */
void checkpoint_poll(struct checkpoint *cp);
/* Tell what was refused for the moment only: it is not going to be tried again. */
void checkpoint_tell(struct checkpoint *cp);
/* deadline_ns has come. */
void checkpoint_expire(struct checkpoint *cp);

#endif
