/* What programs with pseudo terminals of their own share. */
#ifndef CKPT_TEST_PTY_H
#define CKPT_TEST_PTY_H

#include "harness.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

struct pair {
	int m, s;
};

static TEST_UNUSED int master_open(void)
{
	int m = posix_openpt(O_RDWR | O_NOCTTY);

	if (m < 0 || unlockpt(m))
		die("/dev/ptmx");
	return m;
}

static TEST_UNUSED unsigned int number_of(int m)
{
	unsigned int n = ~0u;

	ioctl(m, TIOCGPTN, &n);
	return n;
}

static TEST_UNUSED int slave_open(int m, int flags)
{
	int s = open(ptsname(m), flags | O_NOCTTY);

	if (s < 0)
		die("%s", ptsname(m));
	return s;
}

static TEST_UNUSED struct pair pair_open(void)
{
	int m = master_open();

	return (struct pair){m, slave_open(m, O_RDWR)};
}

/* Settings with some flags more and some less; raw: of cfmakeraw(3). */
static TEST_UNUSED void set_local(int fd, tcflag_t more, tcflag_t less)
{
	struct termios t;

	tcgetattr(fd, &t);
	t.c_lflag = (t.c_lflag | more) & ~less;
	if (tcsetattr(fd, TCSANOW, &t))
		die("tcsetattr");
}

static TEST_UNUSED void set_raw(int fd)
{
	struct termios t;

	tcgetattr(fd, &t);
	cfmakeraw(&t);
	if (tcsetattr(fd, TCSANOW, &t))
		die("tcsetattr");
}

static TEST_UNUSED short poll_fd(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	poll(&p, 1, 0);
	return p.revents;
}

static TEST_UNUSED void put(int fd, const void *p, size_t n)
{
	if (write(fd, p, n) != (ssize_t)n)
		die("write");
	poll_fd(fd, POLLIN);
}

#define PUT(fd, text) put(fd, text, sizeof(text) - 1)

/* One read gives just these bytes. */
static TEST_UNUSED void expect_bytes(int fd, const char *name, const void *p, size_t n)
{
	static char got[1 << 16];
	ssize_t r;

	if (!(poll_fd(fd, POLLIN) & POLLIN)) {
		check(false, "%s: nothing to be read", name);
		return;
	}
	r = read(fd, got, sizeof(got));
	check(r == (ssize_t)n && !memcmp(got, p, n), "%s: read gives %zd bytes, '%.*s'", name, r,
	      r < 0 ? 0 : (int)r, got);
}

#define EXPECT(fd, name, text) expect_bytes(fd, name, text, sizeof(text) - 1)

static TEST_UNUSED void expect_nothing(int fd, const char *name)
{
	check(!(poll_fd(fd, POLLIN) & POLLIN), "%s: there is something to be read", name);
}

#endif
