/*
 * test: checkpoints 20
 *
 * Signals from another process, which may go on earlier after a freeze or a restart: one that comes while a thread
 * is on its way back to its call ends that call with EINTR, or the thread would wait for ever.
 */
#include "harness.h"
#include <poll.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <ucontext.h>

static int quiet[2];
static sem_t sem;

static int do_read(void)
{
	char byte;

	return (int)read(quiet[0], &byte, 1);
}

static int do_sem_wait(void)
{
	return sem_wait(&sem);
}

static int do_nanosleep(void)
{
	struct timespec t = {1000, 0};

	return nanosleep(&t, NULL);
}

static int do_poll(void)
{
	struct pollfd p = {.fd = quiet[0], .events = POLLIN};

	return poll(&p, 1, -1);
}

static struct way {
	const char *name;
	int (*call)(void);
	pid_t pid;
} ways[] = {
	{"read", do_read, 0},
	{"sem_wait", do_sem_wait, 0},
	{"nanosleep", do_nanosleep, 0},
	{"poll", do_poll, 0},
};
enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

/* How often the call of each way was made and has ended; shared. */
static struct counts {
	long made, ended;
	long handled; /* signals, */
	long in_call; /* of them, those that came upon the call */
} volatile *counts;

static int own;

static void on_usr1(int sig, siginfo_t *info, void *context)
{
	const greg_t *reg = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig;
	(void)info;
	if ((reg[REG_RAX] == -EINTR && !memcmp((void *)(reg[REG_RIP] - 2), "\x0f\x05", 2)) ||
	    !memcmp((void *)reg[REG_RIP], "\x0f\x05", 2))
		counts[own].in_call++;
	counts[own].handled++;
}

static void run(int way)
{
	own = way;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		counts[way].made++;
		if (ways[way].call() != -1 || errno != EINTR)
			_exit(1);
		counts[way].ended++;
	}
}

/* In the call, as far as can be told from outside: its thread sleeps. */
static bool waits(pid_t pid)
{
	char path[64], text[256] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f || fread(text, 1, sizeof(text) - 1, f) == 0)
		text[0] = 0;
	if (f)
		fclose(f);
	return strstr(text, ") S ");
}

/* One that is frozen right before the call sleeps as well, and then the signal is too early: the next one does it. */
static void interrupt(int i)
{
	struct counts before = counts[i];

	while (!waits(ways[i].pid))
		sched_yield();
	kill(ways[i].pid, SIGUSR1);
	for (int n = 0; n < 200000 && counts[i].ended == before.ended; n++) {
		if (counts[i].handled != before.handled && counts[i].in_call == before.in_call)
			return;
		usleep(50);
	}
	check(counts[i].ended != before.ended, "%s: %ld calls made, %ld ended, handler %ld times, %ld in the call",
	      ways[i].name, counts[i].made, counts[i].ended, counts[i].handled, counts[i].in_call);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO};

	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGUSR1, &sa, NULL);
	sem_init(&sem, 0, 0);
	if (pipe(quiet))
		die("pipe");
	for (int i = 0; i < WAYS; i++) {
		ways[i].pid = fork();
		if (ways[i].pid == 0)
			run(i);
	}
	for (int i = 0; i < WAYS; i++)
		while (!counts[i].made || !waits(ways[i].pid))
			sleep_ms(1);
	printf("ready\n");
	fflush(stdout);
	do
		for (int i = 0; i < WAYS && !test_failures; i++)
			interrupt(i);
	while (!gone() && !test_failures);
	for (int i = 0; i < WAYS; i++) {
		kill(ways[i].pid, SIGKILL);
		waitpid(ways[i].pid, NULL, 0);
	}
	return verdict();
}
