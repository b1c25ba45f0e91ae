/*
 * Socket pairs: streams, datagrams and packets with what waits in them, options, shut down and
 * half-closed ones; the checkpoint takes nothing out of them.
 */
#include "harness.h"
#include <signal.h>
#include <sys/socket.h>

static void make(int type, int s[2])
{
	if (socketpair(AF_UNIX, type, 0, s))
		die("socketpair");
}

static void put(int fd, const char *text)
{
	if (send(fd, text, strlen(text), 0) != (ssize_t)strlen(text))
		die("send");
}

static void check_get(int fd, const char *want)
{
	char buf[64] = "";
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);

	check(n == (ssize_t)strlen(want) && !strcmp(buf, want),
	      "fd %d gives %zd: \"%s\", not \"%s\"", fd, n, buf, want);
}

static void check_option(int fd, int option, int want)
{
	int value = -1;
	socklen_t n = sizeof(value);

	getsockopt(fd, SOL_SOCKET, option, &value, &n);
	check(value == want, "option %d of fd %d is %d, was %d", option, fd, value, want);
}

static int option(int fd, int option)
{
	int value = -1;
	socklen_t n = sizeof(value);

	getsockopt(fd, SOL_SOCKET, option, &value, &n);
	return value;
}

int main(void)
{
	int stream[2], dgram[2], packet[2], shut[2], half[2], plain, sndbuf, dup_stream;
	struct timeval tv = {7, 200000}, got = {0, 0};
	static char big[150000], back[150000];
	socklen_t n = sizeof(got);
	int size = 100000, one = 1, peek_off = 3;

	make(SOCK_STREAM | SOCK_CLOEXEC, stream);
	make(SOCK_DGRAM | SOCK_NONBLOCK, dgram);
	make(SOCK_SEQPACKET, packet);
	make(SOCK_STREAM, shut);
	make(SOCK_STREAM, half);
	plain = socket(AF_UNIX, SOCK_DGRAM, 0);
	dup_stream = dup(stream[0]);
	put(stream[0], "to one");
	put(stream[1], "to the ");
	put(stream[1], "other");
	put(dgram[0], "first");
	put(dgram[0], "second");
	memset(big, 'b', sizeof(big));
	if (send(dgram[1], big, sizeof(big), 0) != sizeof(big))
		die("send");
	put(packet[0], "a packet");
	put(packet[0], "another");
	put(shut[0], "before");
	shutdown(shut[0], SHUT_WR);
	put(half[0], "farewell");
	close(half[0]);
	setsockopt(stream[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(stream[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(dgram[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	setsockopt(packet[1], SOL_SOCKET, SO_PEEK_OFF, &peek_off, sizeof(peek_off));
	sndbuf = option(stream[0], SO_SNDBUF);
	signal(SIGPIPE, SIG_IGN);

	ready();

	check_option(packet[1], SO_PEEK_OFF, peek_off);
	check_get(stream[1], "to one");
	check_get(dup_stream, "to the other");
	put(dup_stream, "new");
	check_get(stream[1], "new");
	check(fcntl(stream[0], F_GETFD) == FD_CLOEXEC, "close-on-exec lost");
	check_get(dgram[1], "first");
	check_get(dgram[1], "second");
	check(recv(dgram[0], back, sizeof(back), 0) == sizeof(back) &&
		      !memcmp(back, big, sizeof(big)),
	      "the large datagram");
	check(recv(dgram[0], back, 1, 0) < 0 && errno == EAGAIN, "O_NONBLOCK lost");
	check_get(packet[1], "a packet");
	check_get(packet[1], "another");
	check_get(shut[1], "before");
	check_get(shut[1], "");
	check(send(shut[0], "x", 1, 0) < 0 && errno == EPIPE, "it was shut down, and sends");
	put(shut[1], "back");
	check_get(shut[0], "back");
	check_get(half[1], "farewell");
	check_get(half[1], "");
	check(send(half[1], "x", 1, 0) < 0 && errno == EPIPE, "its peer was closed, and it sends");
	check_option(stream[0], SO_SNDBUF, sndbuf);
	check_option(dgram[1], SO_PASSCRED, 1);
	check_option(plain, SO_TYPE, SOCK_DGRAM);
	getsockopt(stream[1], SOL_SOCKET, SO_RCVTIMEO, &got, &n);
	check(got.tv_sec == 7 && got.tv_usec == 200000, "timeout %ld s", (long)got.tv_sec);
	return verdict();
}
