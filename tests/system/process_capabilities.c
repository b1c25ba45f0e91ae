/*
 * test: root
 *
 * Capability sets of a root process that gave some up: effective, permitted, inheritable, ambient,
 * bounding.
 */
#include "harness.h"
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

struct sets {
	struct __user_cap_data_struct d[2];
	uint64_t bounding, ambient;
};

static void collect(struct sets *s)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};

	memset(s, 0, sizeof(*s));
	syscall(SYS_capget, &h, s->d);
	for (int c = 0; c < 41; c++) {
		s->bounding |= (uint64_t)(prctl(PR_CAPBSET_READ, c) == 1) << c;
		s->ambient |= (uint64_t)(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) == 1) << c;
	}
}

int main(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct sets before, after;

	collect(&before);
	prctl(PR_CAPBSET_DROP, CAP_SYS_TIME);
	prctl(PR_CAPBSET_DROP, CAP_MKNOD);
	for (int i = 0; i < 2; i++)
		before.d[i].inheritable = before.d[i].permitted & 0x00000420;
	before.d[0].permitted &= ~(1u << CAP_SYS_TIME);
	before.d[0].effective = before.d[0].permitted & ~(1u << CAP_KILL | 1u << CAP_SYS_BOOT);
	if (syscall(SYS_capset, &h, before.d))
		die("capset");
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0);
	collect(&before);
	ready();
	collect(&after);
	for (int i = 0; i < 2; i++) {
		check(after.d[i].effective == before.d[i].effective, "effective is %x, was %x",
		      after.d[i].effective, before.d[i].effective);
		check(after.d[i].permitted == before.d[i].permitted, "permitted is %x, was %x",
		      after.d[i].permitted, before.d[i].permitted);
		check(after.d[i].inheritable == before.d[i].inheritable, "inheritable is %x, was %x",
		      after.d[i].inheritable, before.d[i].inheritable);
	}
	check(after.bounding == before.bounding, "bounding is %lx, was %lx", (long)after.bounding,
	      (long)before.bounding);
	check(after.ambient == before.ambient, "ambient is %lx, was %lx", (long)after.ambient,
	      (long)before.ambient);
	return verdict();
}
