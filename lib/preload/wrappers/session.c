/*
 * After a restart on a terminal the session's leader is the shell outside, which has no pid in the
 * capsule: the kernel says 0. The program is told the session it was started in.
 */
#define _GNU_SOURCE
#include <unistd.h>
#include "wrap.h"

WRAP(pid_t, getsid, (pid_t pid))
{
	pid_t sid = REAL(getsid)(pid);

	return sid == 0 && preload.active ? preload.sid : sid;
}
