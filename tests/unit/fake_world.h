/*
 * The coordinator's state machine with a world of its own, without sockets, signals and /proc, which notes
 * what it does.
 */
#ifndef CKPT_TEST_FAKE_WORLD_H
#define CKPT_TEST_FAKE_WORLD_H

#include "checkpoint.h"

enum { NMEMBERS = 8, MS = 1000000, SHARED_FD = 77 };

extern struct world {
	struct checkpoint cp;
	struct member *members[NMEMBERS]; /* as they were added; NULL: dropped */
	int nmembers;
	uint64_t now;
	int call_err[NMEMBERS];	 /* of the signal */
	int discover_err;	 /* of the next search */
	int hidden;		 /* processes that it finds */
	int ncalled, nkilled, nlines, nfinished, ndiscovered, nshared, nstood;
	int aborted;		 /* with which error, 1: with none */
	union any_msg last[NMEMBERS]; /* sent to each, and how many */
	int passed[NMEMBERS];	 /* the descriptor with it */
	int nsent[NMEMBERS];
	char removed[CKPT_PATH_MAX + 8];
	uint64_t done, total;
} w;

/* A member more, from 100 on. */
void add(void);
void set_up(enum op op, int n);
void start(enum op op, int n);
void leader(int i);
int barrier(int i, enum phase phase, int err);
int thawed(int i, uint64_t pause_ns);
int done(int i, int err);
int send_refusal(int i);
int send_refusal_for_now(int i);
/* Time goes on until the state machine wants to look at something. */
void poll_next(void);
void closed(int i);
void ended(int i);
/* What the member was last sent is a release with this answer. */
void expect_release(int i, enum phase phase, int go);
void expect_failure(int err, const char *text);
/* All members from one barrier to the next. */
void all_lead(void);
void all_reach(enum phase phase);
void all_thaw_and_are_done(void);
void bring_to(enum phase phase, int n);

#endif
