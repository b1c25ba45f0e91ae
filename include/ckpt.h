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

/* What is to differ from the job's other checkpoints; zeros: nothing. */
struct ckpt_options {
	size_t size;	    /* of this structure as the caller knows it */
	const char *path;   /* of the image, absolute: it is no generation, and replaces a file there; NULL: it is one */
	unsigned int keep;  /* with CKPT_KEEP: generations to keep, 0: all */
	unsigned int flags; /* CKPT_* */
};
enum {
	CKPT_KEEP = 1,
	CKPT_NO_WAIT = 2, /* return when the program goes on, while the image is written */
};

/* The functions as libckpt has them, NULL without it. */
extern int ckpt_real_checkpoint_info(struct ckpt_info *info) __asm__("ckpt_checkpoint_info")
	__attribute__((weak));
extern int ckpt_real_checkpoint_with(const struct ckpt_options *opt, struct ckpt_info *info)
	__asm__("ckpt_checkpoint_with") __attribute__((weak));
extern unsigned long ckpt_real_generation(void) __asm__("ckpt_generation") __attribute__((weak));
extern unsigned int ckpt_real_restarts(void) __asm__("ckpt_restarts") __attribute__((weak));
extern int ckpt_real_interval(unsigned int seconds) __asm__("ckpt_interval") __attribute__((weak));
extern int ckpt_real_announce(int signo) __asm__("ckpt_announce") __attribute__((weak));
extern int ckpt_real_announced(void) __asm__("ckpt_announced") __attribute__((weak));
extern int ckpt_real_proceed(void) __asm__("ckpt_proceed") __attribute__((weak));
extern int ckpt_real_become(const char *image) __asm__("ckpt_become") __attribute__((weak));
extern int ckpt_real_is_enabled(void) __asm__("ckpt_is_enabled") __attribute__((weak));
extern void ckpt_real_disable(void) __asm__("ckpt_disable") __attribute__((weak));
extern void ckpt_real_enable(void) __asm__("ckpt_enable") __attribute__((weak));

static inline int ckpt_checkpoint_info(struct ckpt_info *info) __asm__("ckpt_inline_checkpoint_info");
static inline int ckpt_checkpoint(void) __asm__("ckpt_inline_checkpoint");
static inline int ckpt_checkpoint_with(const struct ckpt_options *opt, struct ckpt_info *info)
	__asm__("ckpt_inline_checkpoint_with");
static inline unsigned long ckpt_generation(void) __asm__("ckpt_inline_generation");
static inline unsigned int ckpt_restarts(void) __asm__("ckpt_inline_restarts");
static inline int ckpt_interval(unsigned int seconds) __asm__("ckpt_inline_interval");
static inline int ckpt_announce(int signo) __asm__("ckpt_inline_announce");
static inline int ckpt_announced(void) __asm__("ckpt_inline_announced");
static inline int ckpt_proceed(void) __asm__("ckpt_inline_proceed");
static inline int ckpt_become(const char *image) __asm__("ckpt_inline_become");
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

/*
 * The same with options, which may be NULL. With CKPT_NO_WAIT info->bytes and info->total_ns are 0, and a failure
 * while the image is written is not told. Also EINVAL: path is not absolute; ENAMETOOLONG.
 */
static inline int ckpt_checkpoint_with(const struct ckpt_options *opt, struct ckpt_info *info)
{
	if (ckpt_real_checkpoint_with)
		return ckpt_real_checkpoint_with(opt, info);
	errno = ENOTCONN;
	return -1;
}

/* The generation that this memory was restarted from, or that was begun last; 0: none yet. */
static inline unsigned long ckpt_generation(void)
{
	return ckpt_real_generation ? ckpt_real_generation() : 0;
}

/* How often this process has been restarted. */
static inline unsigned int ckpt_restarts(void)
{
	return ckpt_real_restarts ? ckpt_real_restarts() : 0;
}

/* A checkpoint of the job every so many seconds from now on, 0: none. 0; -1: ENOTCONN, ECANCELED. */
static inline int ckpt_interval(unsigned int seconds)
{
	if (ckpt_real_interval)
		return ckpt_real_interval(seconds);
	errno = ENOTCONN;
	return -1;
}

/*
 * From now on the main thread is sent the signal signo (0: no more) when somebody else asks for a checkpoint, and
 * that waits for ckpt_announced(), half of the job's time limit at most. The signal's handler must be there, without
 * SA_RESTART, and do no more than note it. Forked children inherit this. The milliseconds that it waits; -1: ENOTCONN.
 */
static inline int ckpt_announce(int signo)
{
	if (ckpt_real_announce)
		return ckpt_real_announce(signo);
	errno = ENOTCONN;
	return -1;
}

/*
 * Is there a checkpoint that was announced? 1: it waits, now until ckpt_proceed(); 0: no; -1: it was made already,
 * for the time was over.
 */
static inline int ckpt_announced(void)
{
	return ckpt_real_announced ? ckpt_real_announced() : 0;
}

/*
 * Let that checkpoint be made, now, and return when the program goes on. CKPT_DONE, which does not tell whether it
 * succeeded; CKPT_RESTARTED; -1: EBUSY between this thread's ckpt_disable() and ckpt_enable(), ENOTCONN.
 */
static inline int ckpt_proceed(void)
{
	if (ckpt_real_proceed)
		return ckpt_real_proceed();
	errno = ENOTCONN;
	return -1;
}

/*
 * End this job, and go on with what is in the image, an absolute path, on the same terminal and as the same process
 * for whoever has started it. For the job's first process, which is to have verified the image. Returns only when it
 * fails, -1: ENOTCONN, EINVAL, ENAMETOOLONG; EPERM: not the first process; or another error.
 */
static inline int ckpt_become(const char *image)
{
	if (ckpt_real_become)
		return ckpt_real_become(image);
	errno = ENOTCONN;
	return -1;
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
