/*
 * test: root
 *
 * A process that root started and that gave up being root: real, effective and saved ids, groups.
 */
#include "harness.h"
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

int main(void)
{
	gid_t groups[4] = {1001, 1002, 50}, is[16];
	uid_t r, e, s;
	int n;

	if (setgroups(3, groups) || setresgid(1001, 1002, 1003) || setresuid(1001, 1002, 1003))
		die("setres*id");
	prctl(PR_SET_DUMPABLE, 1);
	ready();
	getresuid(&r, &e, &s);
	check(r == 1001 && e == 1002 && s == 1003, "user ids are %d %d %d", r, e, s);
	getresgid(&r, &e, &s);
	check(r == 1001 && e == 1002 && s == 1003, "group ids are %d %d %d", r, e, s);
	check(setfsuid(-1) == 1002, "fsuid is %d", setfsuid(-1));
	n = getgroups(16, is);
	check(n == 3, "%d groups", n);
	for (int i = 0; i < 3; i++) {
		bool found = false;

		for (int k = 0; k < n; k++)
			found |= is[k] == groups[i];
		check(found, "not in group %d", groups[i]);
	}
	check(setuid(0) < 0, "we can become root");
	return verdict();
}
