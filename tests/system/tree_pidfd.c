/*
 * pidfds and files of /proc of other processes of the job: of a child, of the parent, of a zombie,
 * of a child that has been waited for; in an epoll set, where the child's end is an event.
 */
#include "tree.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static struct signpost down;

static int pidfd(pid_t pid)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		die("pidfd_open");
	return fd;
}

static bool has_ended(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static int send_null(int fd)
{
	return syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) ? errno : 0;
}

static void child(void *arg)
{
	int parent = pidfd(getppid());

	(void)arg;
	signpost_await(&down, 1);
	check(send_null(parent) == 0, "the parent's pidfd: %s", strerror(send_null(parent)));
	check(!has_ended(parent), "the parent has ended");
	_exit(test_failures ? 1 : 5);
}

static int proc_open(pid_t pid, const char *file)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		die("%s", path);
	return fd;
}

static void check_stat(int fd, pid_t pid, char state)
{
	char text[512] = "", *end;
	int n = pread(fd, text, sizeof(text) - 1, 0);

	end = strrchr(text, ')');
	check(n > 0 && atoi(text) == pid && end && (!state || end[2] == state),
	      "the stat file of %d has \"%s\"", pid, text);
}

int main(void)
{
	pid_t pid, zombie, gone_pid;
	int c, z, g, self = pidfd(getpid()), ep = epoll_create1(0), stat_c, stat_z, dir;
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = 77}, got = {0};
	siginfo_t si = {0};

	down = signpost_make();
	pid = child_start(child, NULL);
	zombie = fork();
	if (!zombie)
		_exit(6);
	gone_pid = fork();
	if (!gone_pid)
		_exit(7);
	c = pidfd(pid);
	z = pidfd(zombie);
	g = pidfd(gone_pid);
	waitpid(gone_pid, NULL, 0);
	waitid(P_PID, zombie, &si, WEXITED | WNOWAIT);
	stat_c = proc_open(pid, "stat");
	stat_z = proc_open(zombie, "stat");
	dir = proc_open(pid, "");
	if (epoll_ctl(ep, EPOLL_CTL_ADD, c, &ev))
		die("epoll_ctl");

	ready();

	check(send_null(self) == 0 && !has_ended(self), "its own pidfd");
	check(send_null(c) == 0 && !has_ended(c), "the child's pidfd");
	check(has_ended(z), "the zombie's pidfd");
	check(send_null(g) == ESRCH, "the pidfd of who is gone: %s", strerror(send_null(g)));
	check_stat(stat_c, pid, 0);
	check_stat(stat_z, zombie, 'Z');
	check(faccessat(dir, "maps", F_OK, 0) == 0, "the directory of the child");
	check(epoll_wait(ep, &got, 1, 0) == 0, "an event too early");
	check(waitid(P_PIDFD, z, &si, WEXITED) == 0 && si.si_pid == zombie && si.si_status == 6,
	      "the zombie's status is %d", si.si_status);
	signpost_tell(&down);
	check(epoll_wait(ep, &got, 1, 10000) == 1 && got.data.u32 == 77, "no event");
	child_end(pid, 5);
	return verdict();
}
