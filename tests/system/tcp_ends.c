/*
 * TCP connections in part or wholly at their end: shut down at either end or both, closed with and
 * without bytes left, reset; with the error that waits, and what poll(2) says of all.
 */
#include "tcp.h"

enum { COUNT = 8 };

static int events(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLRDHUP, 0};

	poll(&p, 1, 0);
	return p.revents;
}

static void reset(int fd)
{
	struct linger at_once = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

static void check_broken(int fd)
{
	check(send(fd, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE, "it was shut down, and sends");
}

int main(void)
{
	static char big[3 << 20], back[3 << 20];
	int shut[2], both[2], crossed[2], closed[2], big_closed[2], rst[2], rst_bytes[2], shut_read[2];
	int *watched[COUNT] = {shut, both, crossed, closed, big_closed, rst, rst_bytes, shut_read};
	int before[COUNT][2], i, e;
	size_t at, crossing[2] = {0, 0};
	ssize_t n;

	for (i = 0; i < COUNT; i++)
		pair(i % 2 ? AF_INET6 : AF_INET, watched[i]);
	memset(big, 'b', sizeof(big));
	big[1234567] = 'X';

	put(shut[0], "before", 0);
	shutdown(shut[0], SHUT_WR);
	put(shut[1], "answer", 0);
	put(both[0], "from 0", 0);
	shutdown(both[0], SHUT_WR);
	put(both[1], "from 1", 0);
	shutdown(both[1], SHUT_WR);
	/* both ends full, both shut down: neither end of the stream gets through */
	for (e = 0; e < 2; e++) {
		set_int(crossed[e], SOL_SOCKET, SO_RCVBUF, 30000);
		set_int(crossed[e], SOL_SOCKET, SO_SNDBUF, 100000);
	}
	for (e = 0; e < 2; e++)
		while ((n = send(crossed[e], big, 10000, MSG_DONTWAIT)) > 0)
			crossing[e] += n;
	shutdown(crossed[0], SHUT_WR);
	shutdown(crossed[1], SHUT_WR);
	put(closed[0], "farewell", 0);
	close(closed[0]);
	if (send(big_closed[0], big, sizeof(big), 0) != sizeof(big))
		die("send");
	close(big_closed[0]);
	reset(rst[0]);
	put(rst_bytes[0], "rest", 0);
	reset(rst_bytes[0]);
	shutdown(shut_read[1], SHUT_RD);
	sleep_ms(50);
	for (i = 0; i < COUNT; i++)
		for (e = 0; e < 2; e++)
			before[i][e] = watched[i] == crossed || watched[i] == big_closed
					       ? 0
					       : events(watched[i][e]);

	ready();

	for (i = 0; i < COUNT; i++)
		for (e = 0; e < 2; e++)
			check(!before[i][e] || events(watched[i][e]) == before[i][e],
			      "poll of connection %d, end %d: 0x%x, was 0x%x", i, e,
			      events(watched[i][e]), before[i][e]);
	check_get(shut[1], "before");
	check_get(shut[1], "");
	check_get(shut[0], "answer");
	check_broken(shut[0]);
	put(shut[1], "more", 0);
	check(readable(shut[0], 2000), "half a connection does not go on");
	check_get(shut[0], "more");
	check_empty(shut[0]);
	for (e = 0; e < 2; e++) {
		check_get(both[e], e ? "from 0" : "from 1");
		check_get(both[e], "");
		check_broken(both[e]);
		for (at = 0; (n = recv(crossed[e], back, sizeof(back), MSG_DONTWAIT)) > 0; at += n)
			check(!memcmp(back, big, n), "crossed: content");
		check(n == 0 && at == crossing[!e], "crossed: %zu of %zu bytes, then %zd", at,
		      crossing[!e], n);
	}
	check_get(closed[1], "farewell");
	check_get(closed[1], "");
	for (at = 0; at < sizeof(back); at += n) {
		n = recv(big_closed[1], back + at, sizeof(back) - at, 0);
		if (n <= 0)
			break;
	}
	check(at == sizeof(big) && !memcmp(back, big, at), "%zu bytes of a closed peer", at);
	check_get(big_closed[1], "");
	check_error(rst[1], ECONNRESET);
	check_get(rst[1], "");
	check_get(rst_bytes[1], "rest");
	check_error(rst_bytes[1], ECONNRESET);
	check_get(shut_read[1], "");
	return verdict();
}
