/*
 * Threads open, copy and close descriptors all the time: a checkpoint finds any moment of it, and
 * takes no number away. test: checkpoints 8
 */
#include "harness.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { THREADS = 4 };

static bool stop; /* relaxed: only its own value matters */

static void step(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0600), p[2], s[2], ep = epoll_create1(0),
	    e = eventfd(0, 0), d;
	struct epoll_event ev = {.events = EPOLLIN};
	char byte = 0;

	check(fd >= 0 && ep >= 0 && e >= 0 && pipe(p) == 0, "opening: %s", strerror(errno));
	check(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0, "socketpair: %s", strerror(errno));
	d = dup(p[1]);
	check(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev) == 0, "epoll_ctl: %s", strerror(errno));
	check(write(d, "p", 1) == 1 && read(p[0], &byte, 1) == 1 && byte == 'p', "pipe");
	check(write(s[0], "s", 1) == 1 && read(s[1], &byte, 1) == 1 && byte == 's', "socket pair");
	check(pwrite(fd, "f", 1, 0) == 1 && pread(fd, &byte, 1, 0) == 1 && byte == 'f', "file");
	close(fd);
	close(p[0]);
	close(p[1]);
	close(s[0]);
	close(s[1]);
	close(ep);
	close(e);
	close(d);
}

static void *churn(void *arg)
{
	char path[32];

	snprintf(path, sizeof(path), "churn %d", (int)(intptr_t)arg);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED) && !test_failures)
		step(path);
	return NULL;
}

int main(void)
{
	pthread_t t[THREADS];
	int first, last;

	first = dup(0);
	close(first);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&t[i], NULL, churn, (void *)(intptr_t)i))
			die("pthread_create");

	ready();

	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	last = dup(0);
	check(first == last, "descriptor %d was free, now it is %d", first, last);
	for (int fd = last + 1; fd < 200; fd++)
		check(fcntl(fd, F_GETFD) < 0, "descriptor %d is left", fd);
	return verdict();
}
