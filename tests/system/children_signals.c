/*
 * Children that have ended and were not waited for: their signals, those that the program has had and those
 * that it blocks, are as many as they were. One child's signal is another than SIGCHLD.
 */
#include "harness.h"
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static volatile int seen_chld, seen_usr1, seen_pid;

static void on_signal(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	if (sig == SIGCHLD)
		seen_chld++;
	else
		seen_usr1++;
	seen_pid = si->si_pid;
}

static pid_t child(int signal, int status)
{
	pid_t p = syscall(SYS_clone, signal, NULL, NULL, NULL, NULL);

	if (p < 0)
		die("clone");
	if (p == 0)
		_exit(status);
	return p;
}

static void await_zombie(pid_t p)
{
	siginfo_t si;

	if (waitid(P_PID, p, &si, WEXITED | WNOWAIT | __WALL))
		die("waitid");
}

static void check_zombie(pid_t p, int status)
{
	siginfo_t si = {0};

	check(waitid(P_PID, p, &si, WEXITED | __WALL) == 0, "child %d: %s", p, strerror(errno));
	check(si.si_code == CLD_EXITED && si.si_status == status, "child %d: code %d status %d", p, si.si_code,
	      si.si_status);
	check(si.si_uid == getuid(), "child %d: uid %d", p, si.si_uid);
}

int main(void)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigset_t chld, pending;
	pid_t seen, usr1, blocked;

	sigaction(SIGCHLD, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	seen = child(SIGCHLD, 1);
	await_zombie(seen);
	usr1 = child(SIGUSR1, 2);
	await_zombie(usr1);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	blocked = child(SIGCHLD, 3);
	await_zombie(blocked);
	while (!seen_chld || !seen_usr1)
		sleep_ms(1);
	ready();
	check(seen_chld == 1 && seen_usr1 == 1, "%d and %d signals", seen_chld, seen_usr1);
	sigpending(&pending);
	check(sigismember(&pending, SIGCHLD), "SIGCHLD is no longer pending");
	sigprocmask(SIG_UNBLOCK, &chld, NULL);
	check(seen_chld == 2 && seen_pid == blocked, "%d signals, the last of %d", seen_chld, seen_pid);
	check_zombie(usr1, 2);
	check_zombie(blocked, 3);
	check_zombie(seen, 1);
	check(waitpid(-1, NULL, __WALL | WNOHANG) < 0 && errno == ECHILD, "there are more children");
	return verdict();
}
