#include "linger.h"
#include "die.h"
#include "job.h"
#include "on_signal.h"
#include "peer.h"

#include <stdlib.h>

enum { DEFAULT_LINGER_S = 10, WAIT_NS = 10000000 };

static struct timer linger;
static uint64_t linger_ns;
static bool quits, leaves;

/* Who has connected meanwhile counts on us. */
static void linger_over(struct timer *t)
{
	if (peers_wait())
		timer_set(t, loop_now() + WAIT_NS);
	else
		loop_stop();
}

static bool checkpoint_runs(void)
{
	for (struct job *j = jobs(); j; j = j->next)
		if (j->run)
			return true;
	return false;
}

void linger_update(void)
{
	if ((quits || (leaves && !on_signal_any())) && !checkpoint_runs())
		timer_set(&linger, loop_now());
	else if (jobs() || peers())
		timer_clear(&linger);
	else if (!linger.due_ns)
		timer_set(&linger, loop_now() + linger_ns);
}

void linger_quit(void)
{
	quits = true;
	linger_update();
}

void linger_leave(void)
{
	leaves = true;
	linger_update();
}

void linger_stay(void)
{
	quits = false;
	linger_update();
}

void linger_init(void)
{
	const char *s = getenv("CKPT_LINGER");
	uint32_t seconds = DEFAULT_LINGER_S;

	if (s && *s && config_parse_seconds(s, &seconds))
		die_status(STATUS_USAGE, "CKPT_LINGER=%s: not a time", s);
	linger_ns = seconds * 1000000000ull;
	linger.fire = linger_over;
}
