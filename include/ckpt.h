/*
 * ckpt.h: for programs that know that they may be checkpointed. A program that includes it needs no
 * library: launched by ckpt_launch(1) it finds libckpt already there, and without it every function says
 * so and does nothing. See ckpt_checkpoint(3).
 *
 *	if (ckpt_checkpoint() == CKPT_RESTARTED)
 *		reopen_what_was_outside();
 *
 * Functions may be called from any thread, not from signal handlers.
 */
#ifndef CKPT_H
#define CKPT_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What ckpt_checkpoint() returns besides -1. */
enum {
	CKPT_DONE = 0,	    /* the image is durable, the program goes on */
	CKPT_RESTARTED = 1, /* this is the program restarted from that image */
};

/* What became of a checkpoint. */
struct ckpt_info {
	size_t size;	   /* of this structure as the caller knows it */
	char path[4096];   /* of the image, absolute */
	uint64_t bytes;	   /* of the image; this and what follows: 0 in the restarted program */
	uint64_t pause_ns; /* for which the program stood still */
	uint64_t total_ns; /* until the image was durable */
	char error[1024];  /* why not, when -1 was returned */
};

/* The functions as libckpt has them, NULL without it. */
extern int ckpt_real_checkpoint_info(struct ckpt_info *info) __asm__("ckpt_checkpoint_info")
	__attribute__((weak));
extern int ckpt_real_is_enabled(void) __asm__("ckpt_is_enabled") __attribute__((weak));
extern void ckpt_real_disable(void) __asm__("ckpt_disable") __attribute__((weak));
extern void ckpt_real_enable(void) __asm__("ckpt_enable") __attribute__((weak));

static inline int ckpt_checkpoint_info(struct ckpt_info *info) __asm__("ckpt_inline_checkpoint_info");
static inline int ckpt_checkpoint(void) __asm__("ckpt_inline_checkpoint");
static inline int ckpt_is_enabled(void) __asm__("ckpt_inline_is_enabled");
static inline void ckpt_disable(void) __asm__("ckpt_inline_disable");
static inline void ckpt_enable(void) __asm__("ckpt_inline_enable");

/*
 * Checkpoint the job that this process belongs to, and wait until the image is durable. info, with size
 * set, is filled in; it may be NULL. Returns CKPT_DONE, CKPT_RESTARTED, or -1 with errno: ENOTCONN not
 * launched under ckpt; EBUSY between this thread's ckpt_disable() and ckpt_enable() (those of others are
 * waited for, 10 s at most); ECANCELED refused or failed,
 * info->error says why.
 */
static inline int ckpt_checkpoint_info(struct ckpt_info *info)
{
	if (ckpt_real_checkpoint_info)
		return ckpt_real_checkpoint_info(info);
	errno = ENOTCONN;
	return -1;
}

static inline int ckpt_checkpoint(void)
{
	return ckpt_checkpoint_info(NULL);
}

/* 1 when this process can be checkpointed, 0 when it runs without ckpt. */
static inline int ckpt_is_enabled(void)
{
	return ckpt_real_is_enabled ? ckpt_real_is_enabled() : 0;
}

/*
 * Between ckpt_disable() and the matching ckpt_enable() no checkpoint is taken; one that is asked for
 * meanwhile is taken at the end, or called off by its time limit. Pairs nest, over all threads.
 */
static inline void ckpt_disable(void)
{
	if (ckpt_real_disable)
		ckpt_real_disable();
}

static inline void ckpt_enable(void)
{
	if (ckpt_real_enable)
		ckpt_real_enable();
}

#ifdef __cplusplus
}
#endif
#endif
