#include "loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static int loop_fd = -1;
static bool loop_ends;
static struct timer *timers; /* soonest first */

int loop_init(void)
{
	loop_fd = epoll_create1(EPOLL_CLOEXEC);
	return loop_fd < 0 ? -errno : 0;
}

int loop_add(struct watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	return epoll_ctl(loop_fd, EPOLL_CTL_ADD, w->fd, &e) ? -errno : 0;
}

void loop_change(struct watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	epoll_ctl(loop_fd, EPOLL_CTL_MOD, w->fd, &e);
}

void loop_remove(struct watch *w)
{
	epoll_ctl(loop_fd, EPOLL_CTL_DEL, w->fd, NULL);
}

uint64_t loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void timer_clear(struct timer *t)
{
	struct timer **at = &timers;

	t->due_ns = 0;
	while (*at && *at != t)
		at = &(*at)->next;
	if (*at)
		*at = t->next;
}

void timer_set(struct timer *t, uint64_t due_ns)
{
	struct timer **at = &timers;

	timer_clear(t);
	t->due_ns = due_ns;
	while (*at && (*at)->due_ns <= due_ns)
		at = &(*at)->next;
	t->next = *at;
	*at = t;
}

/* Fire what is due; returns the milliseconds until the next is, -1 when there is none. */
static int timers_run(void)
{
	uint64_t now = loop_now(), wait;
	struct timer *t;

	while ((t = timers) && t->due_ns <= now) {
		timer_clear(t);
		t->fire(t);
	}
	if (!t)
		return -1;
	now = loop_now();
	if (t->due_ns <= now)
		return 0;
	wait = (t->due_ns - now + 999999) / 1000000;
	return wait < 60000 ? (int)wait : 60000;
}

/* Wait for one event, and handle it. False: there was none in time. */
static bool event_run(int wait)
{
	struct epoll_event e;
	struct watch *w;

	if (epoll_wait(loop_fd, &e, 1, wait) != 1)
		return false;
	w = e.data.ptr;
	w->ready(w, e.events);
	return true;
}

/* Work that a timer spreads over time has to leave some for those who wait for us. */
void loop_run(void)
{
	enum { EVENTS_MAX = 256 };

	while (!loop_ends) {
		int wait = timers_run();

		for (int i = 0; i < EVENTS_MAX && !loop_ends && event_run(i ? 0 : wait); i++)
			;
	}
}

void loop_stop(void)
{
	loop_ends = true;
}
