/* The urgent byte of a stream: where it stands among the others, taken separately or in line. */
#include "unix.h"
#include <sys/ioctl.h>

#ifndef SIOCATMARK
#define SIOCATMARK 0x8905
#endif

static void make(int s[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		die("socketpair");
}

static void check_urgent(int fd, char want)
{
	char byte = 0;

	check(recv(fd, &byte, 1, MSG_OOB | MSG_DONTWAIT) == 1 && byte == want, "'%c' is urgent",
	      byte);
}

static int at_mark(int fd)
{
	int mark = 0;

	ioctl(fd, SIOCATMARK, &mark);
	return mark;
}

int main(void)
{
	int a[2], b[2], c[2], one = 1;

	make(a);
	make(b);
	make(c);
	put(a[0], "before");
	if (send(a[0], "xyU", 3, MSG_OOB) != 3) {
		printf("no urgent bytes in Unix sockets\n");
		return TEST_SKIPPED;
	}
	put(a[0], "after");
	send(b[0], "F", 1, MSG_OOB);
	put(b[0], "behind");
	setsockopt(c[1], SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
	put(c[0], "in");
	send(c[0], "L", 1, MSG_OOB);
	put(c[0], "ine");

	ready();

	check_urgent(a[1], 'U');
	check_get(a[1], "beforexy");
	check(at_mark(a[1]), "the mark is elsewhere");
	check_get(a[1], "after");
	check(at_mark(b[1]), "the mark is not first");
	check_urgent(b[1], 'F');
	check_get(b[1], "behind");
	check_get(c[1], "in");
	check(at_mark(c[1]), "the mark in line is elsewhere");
	check_get(c[1], "Line");
	return verdict();
}
