/*
 * Threads that block every signal by raw system calls: one of pthread_create's in sigtimedwait, in a
 * read, in a loop; one made by a raw clone, on the thread pointer of its maker. All are frozen and go
 * on, and no call fails.
 * test: checkpoints 3
 */
#include "harness.h"
#include <linux/rseq.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { STACK = 64 << 10 };

static volatile bool stop;
static volatile long turns, raw_turns;
static volatile int raw_tid;
static int fds[2];

static void block_all(void)
{
	uint64_t all = ~0ull;

	if (syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8))
		die("rt_sigprocmask");
}

static void *wait_signal(void *arg)
{
	uint64_t set = 1 << (SIGUSR1 - 1);
	siginfo_t info;
	long sig;

	block_all();
	sig = syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8);
	check(sig == SIGUSR1, "sigtimedwait gives %ld: %s", sig, strerror(errno));
	return arg;
}

static void *read_byte(void *arg)
{
	char byte = 0;
	ssize_t n;

	block_all();
	n = read(fds[0], &byte, 1);
	check(n == 1 && byte == 'x', "read gives %zd: %s", n, strerror(errno));
	return arg;
}

static void *spin(void *arg)
{
	block_all();
	while (!stop)
		turns++;
	return arg;
}

/* Without libc: this thread shares its maker's thread pointer. */
static int raw_thread(void *arg)
{
	(void)arg;
	while (!stop)
		raw_turns++;
	return 0;
}

static void raw_start(void)
{
	char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t all = ~0ull, old;

	if (stack == MAP_FAILED)
		die("mmap");
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &old, 8);
	if (clone(raw_thread, stack + STACK,
		  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
			  CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID,
		  NULL, (int *)&raw_tid, NULL, (int *)&raw_tid) < 0)
		die("clone");
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, 8);
}

int main(void)
{
	pthread_t t[3];
	long before;

	if (pipe(fds))
		die("pipe");
	pthread_create(&t[0], NULL, wait_signal, NULL);
	pthread_create(&t[1], NULL, read_byte, NULL);
	pthread_create(&t[2], NULL, spin, NULL);
	raw_start();
	while (!turns || !raw_turns)
		sleep_ms(1);
	ready();
	before = raw_turns;
	for (int k = 0; k < 5000 && raw_turns == before; k++)
		sleep_ms(1);
	check(raw_turns != before, "the raw thread stands still");
	check((unsigned)sched_getcpu() < 4096, "this thread runs on processor %d", sched_getcpu());
	pthread_kill(t[0], SIGUSR1);
	if (write(fds[1], "x", 1) != 1)
		die("write");
	stop = true;
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	while (raw_tid)
		sleep_ms(1);
	return verdict();
}
