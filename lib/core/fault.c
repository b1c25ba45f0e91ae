/* Fault points: what CKPT_FAULT says, and having it happen. */
#include "core.h"
#include "fault.h"

#include <signal.h>
#include <sys/prctl.h>

uint32_t fault_armed;

static const char *const points[] = {
#define NAME(name, text) [FAULT_##name] = text,
	FAULT_POINTS(NAME, NAME)
#undef NAME
};

static const char *const actions[] = {
	[FAULT_KILL] = "kill", [FAULT_STOP] = "stop",	  [FAULT_DELAY] = "delay",
	[FAULT_EIO] = "eio",   [FAULT_ENOSPC] = "enospc",
};

/* The word at *p, up to a ':', a '@' or the end: its place in a table, n when it is not there. *p moves behind it. */
static uint32_t word_find(const char **p, const char *const *names, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const char *q = *p;

		if (names[i] && parse_skip(&q, names[i]) && (!*q || *q == ':' || *q == '@')) {
			*p = q;
			return i;
		}
	}
	return n;
}

int fault_parse(const char *s, struct fault *f)
{
	uint32_t point, action = FAULT_KILL;
	struct fault read = {0};

	if (!s || !*s) {
		*f = read;
		return 0;
	}
	point = *s >= '0' && *s <= '9' ? parse_dec(&s) : word_find(&s, points, FAULT_END);
	if (point == FAULT_NONE || point >= FAULT_END)
		return -EINVAL;
	if (parse_skip(&s, ":"))
		action = word_find(&s, actions, ARRAY_SIZE(actions));
	if (action == ARRAY_SIZE(actions))
		return -EINVAL;
	if (parse_skip(&s, "@"))
		read.pid = parse_dec(&s);
	if (*s)
		return -EINVAL;
	read.armed = point | action << 16;
	*f = read;
	return 0;
}

static void pause_for(int64_t seconds, int64_t ns)
{
	const int64_t time[2] = {seconds, ns};

	sys_call2(__NR_nanosleep, time, NULL);
}

/* Process 1 of a namespace can't be killed from inside. */
static void die_now(void)
{
	sys_call2(__NR_kill, sys_getpid(), SIGKILL);
	sys_exit_group(128 + SIGKILL);
}

int fault_happen(void)
{
	switch (fault_armed >> 16) {
	case FAULT_KILL:
		die_now();
		break;
	case FAULT_STOP:
		sys_prctl(PR_SET_NAME, (unsigned long)"ckpt_fault", 0, 0, 0);
		for (;;)
			pause_for(3600, 0);
	case FAULT_DELAY:
		pause_for(0, 300000000);
		break;
	case FAULT_EIO:
		return -EIO;
	case FAULT_ENOSPC:
		return -ENOSPC;
	}
	return 0;
}
