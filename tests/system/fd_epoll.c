/*
 * epoll: items with their data, modes, an item that has fired, a nested instance, an item whose
 * number was closed while another descriptor keeps the file open, and one whose number is another
 * file now.
 */
#include "harness.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>

static void add(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = {.events = events, .data.u64 = data};

	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e))
		die("epoll_ctl");
}

/* The events of the item with this data among those that are ready, 0: none. */
static uint32_t ready_events(int ep, uint64_t data)
{
	struct epoll_event e[32];
	int n = epoll_wait(ep, e, 32, 0);

	for (int i = 0; i < n; i++)
		if (e[i].data.u64 == data)
			return e[i].events;
	return 0;
}

int main(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC), inner = epoll_create1(0),
	    fired_ep = epoll_create1(0);
	int a = eventfd(1, 0), b = eventfd(0, 0), fired = eventfd(1, 0), in_nested = eventfd(0, 0);
	int closed = eventfd(0, 0), kept = dup2(closed, 200), moved, reused, p[2];
	struct epoll_event e;
	uint64_t one = 1;

	if (ep < 0 || inner < 0 || kept < 0 || pipe(p))
		die("set-up");
	moved = dup2(eventfd(0, 0), 201);
	reused = dup(moved);
	add(ep, a, EPOLLIN, 0xfeedfacecafebeefull);
	add(ep, b, EPOLLIN | EPOLLET, 2);
	add(inner, in_nested, EPOLLIN, 3);
	add(ep, inner, EPOLLIN, 4);
	add(ep, closed, EPOLLIN, 5);
	close(closed);
	add(ep, reused, EPOLLIN, 6);
	dup2(p[0], reused);
	add(ep, reused, EPOLLIN, 7);
	add(fired_ep, fired, EPOLLIN | EPOLLONESHOT, 8);
	if (epoll_wait(fired_ep, &e, 1, 0) != 1)
		die("epoll_wait");

	ready();

	check(fcntl(ep, F_GETFD) == FD_CLOEXEC, "close-on-exec lost");
	check(ready_events(ep, 0xfeedfacecafebeefull) == EPOLLIN, "the item that is ready");
	check(!ready_events(ep, 2), "an item that is not ready is");
	check(write(b, &one, 8) == 8 && ready_events(ep, 2) == EPOLLIN, "edge triggered: no event");
	check(!ready_events(ep, 2), "edge triggered: the event comes twice");
	check(!ready_events(ep, 4), "the nested instance is ready");
	check(write(in_nested, &one, 8) == 8 && ready_events(ep, 4) == EPOLLIN, "nested: no event");
	check(write(kept, &one, 8) == 8 && ready_events(ep, 5) == EPOLLIN,
	      "closed number: no event");
	check(write(moved, &one, 8) == 8 && ready_events(ep, 6) == EPOLLIN,
	      "reused number: no event");
	check(!ready_events(ep, 7) && write(p[1], "x", 1) == 1 && ready_events(ep, 7) == EPOLLIN,
	      "the pipe under the reused number");
	check(!ready_events(fired_ep, 8), "an item that has fired fires again");
	e = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 9};
	check(epoll_ctl(fired_ep, EPOLL_CTL_MOD, fired, &e) == 0 &&
		      ready_events(fired_ep, 9) == EPOLLIN,
	      "it can't be armed again");
	check(epoll_ctl(ep, EPOLL_CTL_DEL, b, NULL) == 0, "deleting an item: %s", strerror(errno));
	check(epoll_ctl(ep, EPOLL_CTL_DEL, a, NULL) == 0, "deleting an item: %s", strerror(errno));
	return verdict();
}
