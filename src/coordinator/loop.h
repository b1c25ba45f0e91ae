/*
 * The coordinator's only thread waits here: for descriptors and for points in time. One event is
 * taken at a time, so whoever handles it may end and free any watch.
 */
#ifndef CKPT_LOOP_H
#define CKPT_LOOP_H

#include <stdint.h>

struct watch {
	int fd;
	void (*ready)(struct watch *w, uint32_t events); /* EPOLL* */
};

/* Unset when due_ns is 0. */
struct timer {
	struct timer *next;
	uint64_t due_ns;	       /* on loop_now()'s clock */
	void (*fire)(struct timer *t); /* the timer is unset when called */
};

#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* 0 or -errno. */
int loop_init(void);
int loop_add(struct watch *w, uint32_t events);
void loop_change(struct watch *w, uint32_t events);
/* Stop watching; the descriptor stays the caller's. */
void loop_remove(struct watch *w);

void timer_set(struct timer *t, uint64_t due_ns);
void timer_clear(struct timer *t);

/* CLOCK_MONOTONIC in ns. */
uint64_t loop_now(void);
void loop_run(void);
void loop_stop(void);

#endif
