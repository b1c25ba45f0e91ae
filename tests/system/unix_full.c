/* Unix sockets whose buffers are full: small and large pieces, in order, and room again when they
 * are read. */
#include "unix.h"

static int fill(int fd, size_t piece)
{
	static unsigned char buf[1 << 16];
	static unsigned int n;
	int total = 0;
	ssize_t done;
	size_t i;

	for (;;) {
		for (i = 0; i < piece; i++)
			buf[i] = (n + i) * 7 >> 3;
		done = send(fd, buf, piece, MSG_DONTWAIT);
		if (done <= 0)
			break;
		n += done;
		total += done;
	}
	n = 0;
	return total;
}

static void check_drain(int fd, int total)
{
	static unsigned char buf[1 << 16];
	unsigned int n = 0;
	ssize_t done, i;
	int bad = 0;

	while ((done = recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		for (i = 0; i < done; i++, n++)
			bad += buf[i] != (unsigned char)(n * 7 >> 3);
	check((int)n == total && !bad, "%u bytes, %d of them wrong, were %d", n, bad, total);
}

int main(void)
{
	static const struct {
		int type;
		size_t piece;
	} kinds[] = {{SOCK_STREAM, 1},
		     {SOCK_STREAM, 1000},
		     {SOCK_STREAM, 1 << 16},
		     {SOCK_SEQPACKET, 1000},
		     {SOCK_DGRAM, 1 << 12}};
	enum { N = sizeof(kinds) / sizeof(kinds[0]) };
	int s[N][2], there[N], back[N], i;

	for (i = 0; i < N; i++) {
		if (socketpair(AF_UNIX, kinds[i].type | SOCK_NONBLOCK, 0, s[i]))
			die("socketpair");
		there[i] = fill(s[i][0], kinds[i].piece);
		back[i] = fill(s[i][1], kinds[i].piece);
	}

	ready();

	for (i = 0; i < N; i++) {
		check_drain(s[i][1], there[i]);
		check_drain(s[i][0], back[i]);
		check_talk(s[i][0], s[i][1]);
	}
	return verdict();
}
