/*
 * What prctl and personality set for the process: parent death signal, subreaper, no_new_privs, timer
 * slack, THP off, machine check policy, securebits, personality.
 */
#include "harness.h"
#include <sys/personality.h>
#include <sys/prctl.h>

struct state {
	int pdeathsig, subreaper, no_new_privs, slack, thp, mce, securebits, keepcaps, tsc, persona;
	int io_flusher;
};

static void collect(struct state *s)
{
	memset(s, 0, sizeof(*s));
	prctl(PR_GET_PDEATHSIG, &s->pdeathsig);
	prctl(PR_GET_CHILD_SUBREAPER, &s->subreaper);
	s->no_new_privs = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
	s->slack = prctl(PR_GET_TIMERSLACK);
	s->thp = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
	s->mce = prctl(PR_MCE_KILL_GET, 0, 0, 0, 0);
	s->securebits = prctl(PR_GET_SECUREBITS);
	s->keepcaps = prctl(PR_GET_KEEPCAPS);
	prctl(PR_GET_TSC, &s->tsc);
	s->persona = personality(0xffffffff);
}

#define SAME(field) check(after.field == before.field, #field " is %d, was %d", after.field, before.field)

int main(void)
{
	struct state before, after;

	prctl(PR_SET_PDEATHSIG, 12);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_TIMERSLACK, 77777);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0);
	prctl(PR_SET_KEEPCAPS, 1);
	personality(ADDR_NO_RANDOMIZE | SHORT_INODE);
	collect(&before);
	check(before.pdeathsig == 12 && before.subreaper == 1 && before.no_new_privs == 1, "set-up");
	ready();
	collect(&after);
	SAME(pdeathsig);
	SAME(subreaper);
	SAME(no_new_privs);
	SAME(slack);
	SAME(thp);
	SAME(mce);
	SAME(securebits);
	SAME(keepcaps);
	SAME(tsc);
	SAME(persona);
	return verdict();
}
