/*
 * Packet mode with its status that has not been read, output that is stopped in either way, and a master
 * that signals what comes.
 */
#include "pty.h"
#include <signal.h>

static volatile sig_atomic_t signals;

static void on_io(int sig)
{
	(void)sig;
	signals++;
}

static struct pair packet_open(void)
{
	struct pair p = pair_open();
	int on = 1;

	if (ioctl(p.m, TIOCPKT, &on))
		die("TIOCPKT");
	return p;
}

static void flow(int fd, bool on)
{
	struct termios t;

	tcgetattr(fd, &t);
	t.c_iflag = on ? t.c_iflag | IXON : t.c_iflag & ~(tcflag_t)IXON;
	tcsetattr(fd, TCSANOW, &t);
}

static void expect_status(const struct pair *p, const char *name, int status)
{
	unsigned char got[64] = "";
	ssize_t n;

	check(poll_fd(p->m, POLLPRI) & POLLPRI, "%s: no status", name);
	n = read(p->m, got, sizeof(got));
	check(n == 1 && got[0] == status, "%s: %zd bytes, status %#x, was %#x", name, n, got[0], status);
}

static bool takes(int fd)
{
	return poll_fd(fd, POLLOUT) & POLLOUT;
}

int main(void)
{
	struct pair data = packet_open(), flush = packet_open(), stop = packet_open(), start = packet_open();
	struct pair nostop = packet_open(), told = packet_open(), held = pair_open(), both = packet_open();
	struct pair async = pair_open();
	char byte;

	PUT(data.s, "data");
	tcflush(flush.s, TCIOFLUSH);
	PUT(flush.s, "after");
	tcflow(stop.s, TCOOFF);
	tcflow(start.s, TCOOFF);
	tcflow(start.s, TCOON);
	flow(nostop.s, false);
	PUT(nostop.m, "typed\n");
	PUT(told.m, "\23"); /* ^S */
	if (read(told.m, &byte, 1) != 1)
		die("read");
	tcflow(held.s, TCOOFF);
	PUT(both.s, "out");
	PUT(both.m, "par");
	expect_nothing(both.s, "an unfinished line"); /* it has been echoed now */
	set_local(both.s, 0, ECHO);
	flow(both.s, false);
	signal(SIGIO, on_io);
	fcntl(async.m, F_SETOWN, getpid());
	fcntl(async.m, F_SETFL, O_RDWR | O_ASYNC);
	PUT(async.s, "x");
	while (!signals)
		sleep_ms(1);
	signals = 0;

	ready();

	EXPECT(data.m, "data", "\0data");
	expect_status(&flush, "flush", TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE);
	EXPECT(flush.m, "output behind a flush", "\0after");
	expect_status(&stop, "stop", TIOCPKT_STOP);
	check(!takes(stop.s), "stopped output goes on");
	tcflow(stop.s, TCOON);
	check(takes(stop.s), "output stays stopped");
	expect_status(&start, "start", TIOCPKT_START);
	expect_status(&nostop, "no stop", TIOCPKT_NOSTOP);
	EXPECT(nostop.s, "input", "typed\n");
	check(!(poll_fd(told.m, POLLPRI) & POLLPRI), "a status that was read comes again");
	check(!takes(told.s), "output stopped by ^S goes on");
	PUT(told.m, "\21"); /* ^Q */
	sleep_ms(20);
	check(takes(told.s), "output does not go on by ^Q");
	check(!takes(held.s), "held output goes on");
	PUT(held.m, "\21");
	sleep_ms(20);
	check(!takes(held.s), "held output goes on by ^Q");
	tcflow(held.s, TCOON);
	PUT(held.s, "on\n");
	EXPECT(held.m, "held output", "on\r\n");
	expect_status(&both, "no stop, with bytes in both directions", TIOCPKT_NOSTOP);
	EXPECT(both.m, "output and echo", "\0outpar");
	PUT(both.m, "t\n");
	EXPECT(both.s, "line", "part\n");
	check(signals == 0, "%d signals", signals);
	PUT(async.s, "y");
	sleep_ms(20);
	check(signals > 0, "no signal");
	EXPECT(async.m, "signalled", "xy");
	return verdict();
}
