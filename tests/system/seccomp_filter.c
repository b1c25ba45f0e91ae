/*
 * A filter of system calls would not be restored, and a strict one might kill the program for what libckpt does.
 *
 * test: refused restricted its system calls (seccomp)
 */
#include "harness.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

int main(void)
{
	struct sock_filter all[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {.len = 1, .filter = all};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		skip("no seccomp: %s", strerror(errno));
	ready();
	check(prctl(PR_GET_SECCOMP) == SECCOMP_MODE_FILTER, "the filter is gone");
	return verdict();
}
