/* What the tests of Unix sockets have in common. */
#ifndef CKPT_TEST_UNIX_H
#define CKPT_TEST_UNIX_H

#include "harness.h"
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/* An address: a path, or after @ an abstract name; its length. */
static TEST_UNUSED socklen_t address(struct sockaddr_un *a, const char *name)
{
	size_t n = strlen(name);

	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(a->sun_path, name, n);
	if (name[0] == '@')
		a->sun_path[0] = 0;
	return offsetof(struct sockaddr_un, sun_path) + n + (name[0] != '@');
}

/* A name that no other run of the test has. */
static TEST_UNUSED const char *own_name(char *buf, size_t n, const char *what)
{
	snprintf(buf, n, "%s-%d-%lx", what, (int)getpid(), (unsigned long)time(NULL));
	return buf;
}

static TEST_UNUSED int bound(int type, const char *name)
{
	struct sockaddr_un a;
	socklen_t n = address(&a, name);
	int fd = socket(AF_UNIX, type, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, n))
		die("bind %s", name);
	return fd;
}

static TEST_UNUSED int listening(int type, const char *name, int backlog)
{
	int fd = bound(type, name);

	if (listen(fd, backlog))
		die("listen");
	return fd;
}

static TEST_UNUSED int connect_fd(int fd, const char *name)
{
	struct sockaddr_un a;
	socklen_t n = address(&a, name);

	return connect(fd, (struct sockaddr *)&a, n);
}

static TEST_UNUSED int connected(int type, const char *name)
{
	int fd = socket(AF_UNIX, type, 0);

	if (fd < 0 || connect_fd(fd, name))
		die("connect %s", name);
	return fd;
}

static TEST_UNUSED int accepted(int fd)
{
	int s = accept(fd, NULL, NULL);

	if (s < 0)
		die("accept");
	return s;
}

static TEST_UNUSED void put(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		die("send");
}

static TEST_UNUSED void check_get(int fd, const char *want)
{
	char buf[64] = "";
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	check(n == (ssize_t)strlen(want) && !strcmp(buf, want),
	      "fd %d gives %zd: \"%s\", not \"%s\"", fd, n, buf, want);
}

static TEST_UNUSED void check_empty(int fd)
{
	char byte;

	check(recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN, "fd %d is not empty", fd);
}

/* Do both ends still talk to each other? */
static TEST_UNUSED void check_talk(int a, int b)
{
	put(a, "there");
	check_get(b, "there");
	put(b, "and back");
	check_get(a, "and back");
}

/* Is this the name of fd, or of its peer? "": none. */
static TEST_UNUSED void check_name(int fd, bool peer, const char *want)
{
	struct sockaddr_un a, w;
	socklen_t n = sizeof(a), m = address(&w, want);
	int err = peer ? getpeername(fd, (struct sockaddr *)&a, &n)
		       : getsockname(fd, (struct sockaddr *)&a, &n);

	if (!*want)
		m = sizeof(a.sun_family);
	check(!err && n == m && !memcmp(&a, &w, n), "fd %d has not the name \"%s\" (%d of %d)", fd,
	      want, (int)n, (int)m);
}

#endif
