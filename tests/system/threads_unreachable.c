/*
 * A thread blocks every signal, and ptrace(2) is forbidden: it can't be frozen. The checkpoint is
 * refused, and the program runs on.
 * test: refused blocks signal 64
 */
#include "harness.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static volatile bool stop, blocked;

static void *block_all(void *arg)
{
	uint64_t all = ~0ull;

	syscall(SYS_rt_sigprocmask, 2 /* SIG_SETMASK */, &all, NULL, 8);
	blocked = true;
	while (!stop)
		;
	return arg;
}

static void forbid_ptrace(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		skip("seccomp: %s", strerror(errno));
}

int main(void)
{
	pthread_t t;

	forbid_ptrace();
	pthread_create(&t, NULL, block_all, NULL);
	while (!blocked)
		sleep_ms(1);
	ready();
	stop = true;
	pthread_join(t, NULL);
	return verdict();
}
