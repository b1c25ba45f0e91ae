/*
 * What the parts of a checkpoint share: checkpoint.c goes through the phases, checkpoint_call.c calls
 * members, checkpoint_events.c takes what comes from them.
 */
#ifndef CKPT_CHECKPOINT_PARTS_H
#define CKPT_CHECKPOINT_PARTS_H

#include "checkpoint.h"

#define NS_PER_MS 1000000ull
/* Until one that is about to take signals, or to appear, is looked at again. */
#define CALL_LATER_NS (1 * NS_PER_MS)

/* Until a phase that does not get on is given up. */
uint64_t checkpoint_phase_limit_ns(const struct checkpoint *cp);
/* Do as many members have the mark as there are? */
bool checkpoint_all(const struct checkpoint *cp, enum mark mark);
/* Record why the checkpoint fails and call it off; a reason that is there already stays. */
void checkpoint_fail(struct checkpoint *cp, int err, const char *why);
/* The room for the reason. */
struct text checkpoint_result_text(struct checkpoint *cp);
/* True when a member came to the barrier with an error; the checkpoint is then called off. */
bool checkpoint_barrier_failed(struct checkpoint *cp);
/* Let the members go when the last has reached the barrier. */
void checkpoint_barrier_pass(struct checkpoint *cp);
/* Have checkpoint_poll() called, and keep the time if it is earlier. */
void checkpoint_poll_at(struct checkpoint *cp, uint64_t ns);
/* See whether that was the last event to wait for; nothing may touch cp behind this. */
void checkpoint_settle(struct checkpoint *cp);
/* Tell of something that can't be checkpointed; for_now: later, if at all. */
void checkpoint_refuse(struct checkpoint *cp, const char *text, bool for_now);

/* To be called after whatever changes a member. */
void member_changed(struct member *m);
void member_uncount(struct member *m);
bool member_is_called(const struct member *m);
/* It is no part of the checkpoint any more. */
void member_drop(struct member *m);
/* The same as checkpoint_fail(), about a member; what begins with a space or a colon. */
void member_fail(struct member *m, int err, const char *what);
/* Give a member that has connected its parameters, or send it back. */
void member_take_leader(struct member *m);
void member_send_release(struct member *m, enum phase phase, int go);

#endif
