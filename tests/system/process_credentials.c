/*
 * test: root
 * test: refused a change of user can't be restored
 *
 * A process that root started and that gave up being root: refused by name, and it runs on.
 */
#include "harness.h"
#include <grp.h>
#include <sys/prctl.h>

int main(void)
{
	gid_t groups[4] = {1001, 1002, 50};
	uid_t r, e, s;

	if (setgroups(3, groups) || setresgid(1001, 1002, 1003) || setresuid(1001, 1002, 1003))
		die("setres*id");
	prctl(PR_SET_DUMPABLE, 1);
	ready();
	getresuid(&r, &e, &s);
	check(r == 1001 && e == 1002 && s == 1003, "user ids are %d %d %d", r, e, s);
	check(setuid(0) < 0, "we can become root");
	return verdict();
}
