/*
 * An epoll set that processes share by fork: items that one added under numbers that the other does
 * not have; eventfd, timerfd and signalfd that they share, once each.
 */
#include "tree.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static int ep, outer, shared_event, timer, sfd, far_pipe[2];
static struct signpost up, down;

static void add(int set, int fd, uint32_t events, uint32_t data)
{
	struct epoll_event ev = {.events = events, .data.u32 = data};

	if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl %d", fd);
}

static bool next_is(int set, uint32_t data)
{
	struct epoll_event ev = {0};

	return epoll_wait(set, &ev, 1, 5000) == 1 && ev.data.u32 == data;
}

static uint64_t take(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void give(int fd, uint64_t n)
{
	if (write(fd, &n, sizeof(n)) != sizeof(n))
		die("write");
}

static void child(void *arg)
{
	int own = dup2(eventfd(0, EFD_NONBLOCK), 50);
	struct signalfd_siginfo si;

	(void)arg;
	close(far_pipe[1]);
	add(ep, own, EPOLLIN, 1);
	add(ep, far_pipe[0], EPOLLIN | EPOLLET, 2);
	signpost_tell(&up);
	signpost_await(&down, 1);
	check(take(shared_event) == 3, "the shared count");
	give(own, 1);
	check(next_is(ep, 1), "the child's item");
	check(take(own) == 1, "its count");
	raise(SIGUSR1);
	check(read(sfd, &si, sizeof(si)) == sizeof(si) && si.ssi_pid == (uint32_t)getpid(),
	      "a signal of %d", (int)si.ssi_pid);
	give(shared_event, 8);
	signpost_tell(&up);
	signpost_await(&down, 1);
	give(own, 1);
	sleep_ms(50);
}

int main(void)
{
	struct itimerspec its = {.it_value.tv_sec = 1000, .it_interval.tv_sec = 3};
	sigset_t set;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	up = signpost_make();
	down = signpost_make();
	ep = epoll_create1(0);
	outer = epoll_create1(0);
	shared_event = eventfd(3, 0);
	timer = timerfd_create(CLOCK_MONOTONIC, 0);
	timerfd_settime(timer, 0, &its, NULL);
	sfd = signalfd(-1, &set, 0);
	if (pipe(far_pipe))
		die("pipe");
	add(outer, ep, EPOLLIN, 9);
	add(ep, timer, EPOLLIN, 4);
	pid = child_start(child, NULL);
	close(far_pipe[0]);
	signpost_await(&up, 1);

	ready();

	signpost_tell(&down);
	signpost_await(&up, 1);
	check(take(shared_event) == 8, "the count that the child gave");
	if (write(far_pipe[1], "x", 1) != 1)
		die("write");
	check(next_is(outer, 9), "the set in the set");
	check(next_is(ep, 2), "the pipe that only the child has");
	signpost_tell(&down);
	check(next_is(ep, 1), "the eventfd that only the child has");
	timerfd_gettime(timer, &its);
	check(its.it_value.tv_sec > 900 && its.it_interval.tv_sec == 3, "the timer has %ld s",
	      (long)its.it_value.tv_sec);
	its = (struct itimerspec){.it_value.tv_nsec = 1000};
	timerfd_settime(timer, 0, &its, NULL);
	child_end(pid, 0);
	check(next_is(ep, 4), "the timer");
	return verdict();
}
