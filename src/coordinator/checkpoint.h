/*
 * One checkpoint of one job, as a state machine: what has come from which process, what to answer,
 * when to call it off. It sees processes as members and reaches the world by way of an operations
 * table only, so that a test can drive it without sockets, signals and /proc.
 *
 *	start -> calling processes -> PHASE_FREEZE barrier -> PHASE_SNAPSHOT barrier -> images
 *written -> finished any of them: called off -> the members have left or their time is up ->
 *finished
 */
#ifndef CKPT_CHECKPOINT_H
#define CKPT_CHECKPOINT_H

#include "protocol.h"

/* How far a member is; the order is the order of events. */
enum member_state {
	MEMBER_CALLED,	/* has been sent the signal */
	MEMBER_LED,	/* has its parameters, is freezing */
	MEMBER_FROZEN,	/* waits at PHASE_FREEZE */
	MEMBER_COPYING, /* was let go from PHASE_FREEZE */
	MEMBER_COPIED,	/* waits at PHASE_SNAPSHOT */
	MEMBER_WRITING, /* was let go: its writer is at work */
	MEMBER_DONE,	/* has written everything */
	MEMBER_GONE,	/* its connection has ended, or it has none to come */
};

/* The system call that the thread to be signalled was in; sp 0: in none. */
struct blocked {
	uint32_t nr;
	uint64_t sp, pc;
};

struct member {
	struct checkpoint *cp;
	void *process; /* the owner's */
	void *conn;    /* the owner's; NULL: not connected */
	int pid;       /* for messages */
	char name[64];
	enum member_state state;
	bool answered;	   /* MSG_DONE has come: it may, before the release from PHASE_SNAPSHOT */
	bool thawed;	   /* MSG_THAWED has come, or never will */
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
	/* Signal the member's process, filling in m->blocked. 0, or -errno with why in text. */
	int (*call)(struct member *m, int request, struct text *why);
	void (*send)(struct member *m, const struct msg *msg);
	/* Append what the member's process is doing: which thread, state, wchan. */
	void (*describe)(struct member *m, struct text *t);
	/* End the member's process; checkpoint_ended() is to be called when it has. */
	void (*kill)(struct member *m);
	void (*unlink)(const char *path);
	void (*line)(struct checkpoint *cp, const char *text);
	void (*progress)(struct checkpoint *cp, uint64_t done, uint64_t total);
	/* The last call: cp->result is complete; the owner may free cp. */
	void (*finished)(struct checkpoint *cp);
};

struct checkpoint {
	const struct checkpoint_ops *ops;
	void *owner;
	/* Given by the owner. */
	enum op op;
	bool kill;   /* end the processes when the image is durable */
	int request; /* sival_int of the signal, not 0 */
	uint32_t timeout_ms;
	struct msg_params params; /* the same for all members, but for index and blocked_* */
	struct member *members;
	uint32_t nmembers;
	/* Its own. */
	enum phase phase; /* whose end is waited for: FREEZE, SNAPSHOT, THAW */
	bool called_off, killing, over;
	uint32_t nrefused;
	uint64_t start_ns;
	uint64_t deadline_ns; /* call checkpoint_expire() then; 0: never */
	struct msg_result result;
};

/*
 * Start: call the processes of all members but those that have a connection already (state
 * MEMBER_CALLED, conn set), who get their parameters at once. Like every function below it may
 * finish the checkpoint.
 */
void checkpoint_start(struct checkpoint *cp);
/* The member's leader has connected: m->conn is set. */
void checkpoint_leader(struct member *m);
/* A message from a member. -EPROTO: not what it may send now. */
int checkpoint_message(struct member *m, const union any_msg *msg);
/* The member's connection has ended. */
void checkpoint_closed(struct member *m);
/* The member's process has ended. */
void checkpoint_ended(struct member *m);
/* deadline_ns has come. */
void checkpoint_expire(struct checkpoint *cp);

#endif
