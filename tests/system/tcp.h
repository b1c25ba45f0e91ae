/* What the tests of TCP share: connections on loopback, and looking at what comes out of them. */
#ifndef CKPT_TEST_TCP_H
#define CKPT_TEST_TCP_H

#include "harness.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

struct name {
	socklen_t len;
	struct sockaddr_storage a;
};

/* Loopback of a family, 'm' for v4-mapped. */
static TEST_UNUSED struct name loopback(int family)
{
	struct name n = {.len = sizeof(struct sockaddr_in)};
	struct sockaddr_in *in4 = (struct sockaddr_in *)&n.a;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&n.a;

	if (family == AF_INET) {
		in4->sin_family = AF_INET;
		in4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return n;
	}
	n.len = sizeof(*in6);
	in6->sin6_family = AF_INET6;
	if (family == 'm')
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6->sin6_addr);
	else
		in6->sin6_addr = in6addr_loopback;
	return n;
}

static TEST_UNUSED struct name local_name(int fd)
{
	struct name n = {.len = sizeof(n.a)};

	if (getsockname(fd, (struct sockaddr *)&n.a, &n.len))
		n.len = 0;
	return n;
}

static TEST_UNUSED struct name remote_name(int fd)
{
	struct name n = {.len = sizeof(n.a)};

	if (getpeername(fd, (struct sockaddr *)&n.a, &n.len))
		n.len = 0;
	return n;
}

static TEST_UNUSED bool same_name(struct name a, struct name b)
{
	return a.len == b.len && !memcmp(&a.a, &b.a, a.len);
}

static TEST_UNUSED int listening(struct name n, int backlog)
{
	int fd = socket(n.a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&n.a, n.len) || listen(fd, backlog))
		die("listening socket");
	return fd;
}

static TEST_UNUSED int connect_to(struct name n)
{
	int fd = socket(n.a.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (struct sockaddr *)&n.a, n.len))
		die("connect");
	return fd;
}

/* s[0] has connected to s[1]. */
static TEST_UNUSED void pair_by(int l, int s[2])
{
	s[0] = connect_to(local_name(l));
	s[1] = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	if (s[1] < 0)
		die("accept");
}

static TEST_UNUSED void pair(int family, int s[2])
{
	int l = listening(loopback(family), 5);

	pair_by(l, s);
	close(l);
}

static TEST_UNUSED void put(int fd, const char *text, int flags)
{
	if (send(fd, text, strlen(text), flags) != (ssize_t)strlen(text))
		die("send");
}

/* What is there now, no more and no less. */
static TEST_UNUSED void check_get(int fd, const char *want)
{
	char buf[64] = "";
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	check(n == (ssize_t)strlen(want) && !strcmp(buf, want),
	      "fd %d gives %zd: \"%s\" (%s), not \"%s\"", fd, n, buf, n < 0 ? strerror(errno) : "",
	      want);
}

static TEST_UNUSED void check_empty(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

	check(n < 0 && errno == EAGAIN, "fd %d is not empty: %zd, %s", fd, n,
	      n < 0 ? strerror(errno) : "");
}

static TEST_UNUSED void check_error(int fd, int want)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_DONTWAIT);

	check(n < 0 && errno == want, "fd %d gives %zd (%s), not %s", fd, n,
	      n < 0 ? strerror(errno) : "", strerror(want));
}

/* Is the connection alive, both ways? */
static TEST_UNUSED void check_talks(int a, int b)
{
	struct pollfd p[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};

	check(send(a, "ping", 4, MSG_NOSIGNAL) == 4, "send: %s", strerror(errno));
	poll(&p[1], 1, 2000);
	check_get(b, "ping");
	check(send(b, "pong", 4, MSG_NOSIGNAL) == 4, "send: %s", strerror(errno));
	poll(&p[0], 1, 2000);
	check_get(a, "pong");
}

static TEST_UNUSED int get_int(int fd, int level, int name)
{
	int value = -1;
	socklen_t n = sizeof(value);

	getsockopt(fd, level, name, &value, &n);
	return value;
}

static TEST_UNUSED void set_int(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		die("option %d of level %d", name, level);
}

static TEST_UNUSED bool readable(int fd, int ms)
{
	struct pollfd p = {fd, POLLIN, 0};

	return poll(&p, 1, ms) == 1 && p.revents & POLLIN;
}

#endif
