/*
 * CKPT_ON_SIGNAL: which signals ask for a checkpoint of the job, and what is to follow it.
 */
#include "protocol.h"

#include <signal.h>

enum { RTMIN = 34, RTMAX = 64 }; /* as libc has them: it keeps two for itself */

static const char *const names[RTMIN] = {
	[SIGHUP] = "HUP",	[SIGINT] = "INT",     [SIGQUIT] = "QUIT", [SIGILL] = "ILL",
	[SIGTRAP] = "TRAP",	[SIGABRT] = "ABRT",   [SIGBUS] = "BUS",	  [SIGFPE] = "FPE",
	[SIGKILL] = "KILL",	[SIGUSR1] = "USR1",   [SIGSEGV] = "SEGV", [SIGUSR2] = "USR2",
	[SIGPIPE] = "PIPE",	[SIGALRM] = "ALRM",   [SIGTERM] = "TERM", [SIGSTKFLT] = "STKFLT",
	[SIGCHLD] = "CHLD",	[SIGCONT] = "CONT",   [SIGSTOP] = "STOP", [SIGTSTP] = "TSTP",
	[SIGTTIN] = "TTIN",	[SIGTTOU] = "TTOU",   [SIGURG] = "URG",	  [SIGXCPU] = "XCPU",
	[SIGXFSZ] = "XFSZ",	[SIGVTALRM] = "VTALRM", [SIGPROF] = "PROF", [SIGWINCH] = "WINCH",
	[SIGIO] = "IO",		[SIGPWR] = "PWR",     [SIGSYS] = "SYS",
};

void signal_put(struct text *t, int sig)
{
	if (sig > 0 && sig < RTMIN && names[sig])
		text_put(t, "%s", names[sig]);
	else if (sig >= RTMIN && sig < RTMAX)
		text_put(t, "RTMIN%s", sig == RTMIN ? "" : "+");
	else
		text_put(t, "%d", sig);
	if (sig > RTMIN && sig < RTMAX)
		text_put(t, "%d", sig - RTMIN);
}

/* Signals that the kernel or libc gives a meaning of its own can't be ours. */
bool signal_is_free(uint64_t n)
{
	static const uint8_t taken[] = {SIGKILL, SIGSTOP, SIGCONT, SIGCHLD, SIGSEGV, SIGBUS,
					SIGFPE,	 SIGILL,  SIGTRAP, SIGSYS,  32,	     33};

	for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
		if (taken[i] == n)
			return false;
	return n > 0 && n <= ON_SIGNAL_MAX;
}

/* A number of at most three digits at *p, which moves behind it; -1: none. */
static int parse_small(const char **p)
{
	const char *digits = *p;
	uint64_t n = parse_dec(p);

	return *p == digits || *p - digits > 3 ? -1 : (int)n;
}

/* RTMIN, RTMIN+n, RTMAX, RTMAX-n, of which the last letter has been read. */
static int parse_real_time(const char **p, bool from_max)
{
	int n = 0;

	if (**p == (from_max ? '-' : '+')) {
		(*p)++;
		n = parse_small(p);
		if (n < 0 || n > RTMAX - RTMIN)
			return -1;
	}
	return from_max ? RTMAX - n : RTMIN + n;
}

/* A signal's name or number at *p, which moves behind it; -1: none. */
static int parse_signal(const char **p)
{
	if (**p >= '0' && **p <= '9')
		return parse_small(p);
	parse_skip(p, "SIG");
	if (parse_skip(p, "RTMIN"))
		return parse_real_time(p, false);
	if (parse_skip(p, "RTMAX"))
		return parse_real_time(p, true);
	for (int sig = 1; sig < RTMIN; sig++) {
		const char *end = *p;

		if (!names[sig] || !parse_skip(&end, names[sig]) || *end != '=')
			continue;
		*p = end;
		return sig;
	}
	return -1;
}

/* An action at *p, which moves behind it; 0: none. */
static uint8_t parse_action(const char **p)
{
	int status;

	if (!parse_skip(p, "checkpoint"))
		return 0;
	if (!parse_skip(p, "+exit"))
		return ON_SIGNAL_CHECKPOINT;
	if (!parse_skip(p, ":"))
		return ON_SIGNAL_STATUS;
	status = parse_small(p);
	return status > 0 && status <= ON_SIGNAL_STATUS_MAX ? status : 0;
}

int on_signal_parse(const char *s, uint8_t action[ON_SIGNAL_MAX])
{
	uint8_t found[ON_SIGNAL_MAX] = {0};

	for (;;) {
		int sig = parse_signal(&s);
		uint8_t a;

		if (sig < 0 || !signal_is_free(sig) || found[sig - 1] || *s++ != '=')
			return -EINVAL;
		a = parse_action(&s);
		if (!a || (*s && *s != ','))
			return -EINVAL;
		found[sig - 1] = a;
		if (!*s++)
			break;
	}
	__builtin_memcpy(action, found, sizeof(found));
	return 0;
}

bool on_signal_valid(const uint8_t action[ON_SIGNAL_MAX])
{
	for (int i = 0; i < ON_SIGNAL_MAX; i++)
		if (action[i] && (action[i] > ON_SIGNAL_CHECKPOINT || !signal_is_free(i + 1) ||
				  (action[i] > ON_SIGNAL_STATUS_MAX && action[i] != ON_SIGNAL_CHECKPOINT)))
			return false;
	return true;
}

uint64_t on_signal_set(const uint8_t action[ON_SIGNAL_MAX])
{
	uint64_t set = 0;

	for (int i = 0; i < ON_SIGNAL_MAX; i++)
		set |= (uint64_t)!!action[i] << i;
	return set;
}

void on_signal_put_action(struct text *t, uint8_t action)
{
	text_put(t, "checkpoint");
	if (action != ON_SIGNAL_CHECKPOINT)
		text_put(t, "+exit:%d", action);
}

void on_signal_put(struct text *t, const uint8_t action[ON_SIGNAL_MAX])
{
	const char *comma = "";

	for (int i = 0; i < ON_SIGNAL_MAX; i++) {
		if (!action[i])
			continue;
		text_put(t, "%s", comma);
		signal_put(t, i + 1);
		text_put(t, "=");
		on_signal_put_action(t, action[i]);
		comma = ",";
	}
}
