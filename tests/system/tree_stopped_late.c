/*
 * A signal for an earlier checkpoint waits for a child that is stopped: it came too late. The next checkpoint does not
 * have the child run for it.
 *
 * test: checkpoints 3
 */
#include "tree.h"
#include <sys/mman.h>
#include <sys/syscall.h>

enum { RESERVED = 64, NO_REQUEST = 12345678 };

static volatile int *count;

static void counts(void *arg)
{
	(void)arg;
	for (;;) {
		++*count;
		sleep_ms(1);
	}
}

static void queue_late(pid_t pid)
{
	siginfo_t si = {.si_signo = RESERVED, .si_code = SI_QUEUE};

	si.si_pid = getpid();
	si.si_value.sival_int = NO_REQUEST;
	if (syscall(SYS_rt_tgsigqueueinfo, pid, pid, RESERVED, &si))
		die("rt_tgsigqueueinfo");
}

int main(void)
{
	int before, status;
	pid_t pid;

	count = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = child_start(counts, NULL);
	while (!*count)
		sleep_ms(1);
	kill(pid, SIGSTOP);
	if (waitpid(pid, &status, WUNTRACED) != pid)
		die("waitpid");
	before = *count;
	if (getenv("CKPT_TEST_GO"))
		queue_late(pid);
	ready();
	sleep_ms(50);
	check(*count == before, "it has run %d times", *count - before);
	kill(pid, SIGCONT);
	while (*count == before)
		sleep_ms(1);
	kill(pid, SIGKILL);
	check(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "status %x", status);
	return verdict();
}
