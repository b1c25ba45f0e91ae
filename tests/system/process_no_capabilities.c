/*
 * test: user
 *
 * An ordinary user's process: same user and groups, and no capability gained by the restart.
 */
#include "harness.h"
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

int main(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2];
	uid_t r, e, s, uid = getuid();
	gid_t rg, eg, sg, gid = getgid();
	struct stat st;

	ready();
	getresuid(&r, &e, &s);
	getresgid(&rg, &eg, &sg);
	check(r == uid && e == uid && s == uid, "user is %d %d %d, was %d", r, e, s, uid);
	check(rg == gid && eg == gid && sg == gid, "group is %d %d %d, was %d", rg, eg, sg, gid);
	memset(d, 0, sizeof(d));
	syscall(SYS_capget, &h, d);
	check(!d[0].effective && !d[0].permitted && !d[1].effective && !d[1].permitted,
	      "capabilities %x %x", d[0].permitted, d[1].permitted);
	check(stat(".", &st) == 0 && st.st_uid == uid, "the directory's owner is %d", st.st_uid);
	check(setuid(0) < 0, "we can become root");
	check(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_CHOWN, 0, 0) < 0, "we can raise a capability");
	return verdict();
}
