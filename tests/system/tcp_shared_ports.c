/*
 * TCP connections that share a port of their own, as the kernel lets those that it has chosen ports for: accepted,
 * with nobody who listens any more; not accepted yet; not accepted, and the client has sent; not answered. And sockets
 * that listen at one port of two addresses, for each of which clients wait.
 */
#include "tcp.h"

enum { LOCAL_PORT_RANGE = 51, ADDRESSES = 2 };

static struct name address(uint32_t host, uint16_t port)
{
	struct name n = loopback(AF_INET);
	struct sockaddr_in *in4 = (struct sockaddr_in *)&n.a;

	in4->sin_addr.s_addr = htonl(host);
	in4->sin_port = htons(port);
	return n;
}

static uint16_t port_of(struct name n)
{
	return ntohs(((struct sockaddr_in *)&n.a)->sin_port);
}

/* A socket whose connect(2) has no port to choose but this one; 0: any. */
static int client(uint16_t port)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (port && setsockopt(fd, IPPROTO_IP, LOCAL_PORT_RANGE, &(uint32_t){port << 16 | port}, 4)) {
		printf("skip: no IP_LOCAL_PORT_RANGE: %s\n", strerror(errno));
		exit(TEST_SKIPPED);
	}
	return fd;
}

static int connected(uint16_t port, struct name to)
{
	int fd = client(port);

	if (connect(fd, (struct sockaddr *)&to.a, to.len))
		die("connect from port %u", port);
	return fd;
}

static int accepted(int l, int from)
{
	int fd = accept(l, NULL, NULL);

	check(fd >= 0 && same_name(remote_name(fd), local_name(from)), "another than fd %d is accepted", from);
	return fd;
}

int main(void)
{
	int pairs[3][2], waits, waits_at, sent, sent_at, silent, full, twins[ADDRESSES], callers[ADDRESSES], i, l, fd;
	struct name names[3][2], twin;
	uint16_t port = 0;
	char text[16];

	for (i = 0; i < 3; i++) {
		l = listening(loopback(AF_INET), 5);
		pairs[i][0] = connected(port, local_name(l));
		pairs[i][1] = accept(l, NULL, NULL);
		close(l);
		port = port_of(local_name(pairs[i][0]));
		names[i][0] = local_name(pairs[i][0]);
		names[i][1] = local_name(pairs[i][1]);
		put(pairs[i][i % 2], "waiting", 0);
	}
	waits_at = listening(loopback(AF_INET), 5);
	waits = connected(port, local_name(waits_at));
	sent_at = listening(loopback(AF_INET), 5);
	sent = connected(port, local_name(sent_at));
	put(sent, "request", 0);
	full = listening(loopback(AF_INET), 0);
	connected(0, local_name(full));
	silent = client(port);
	fcntl(silent, F_SETFL, O_NONBLOCK);
	twin = local_name(full);
	if (connect(silent, (struct sockaddr *)&twin.a, twin.len) == 0 || errno != EINPROGRESS)
		die("connect to a full queue");
	for (i = 0; i < ADDRESSES; i++) {
		twins[i] = listening(address(INADDR_LOOPBACK + i, i ? port_of(twin) : 0), 5);
		twin = local_name(twins[i]);
		callers[i] = connected(0, twin);
		snprintf(text, sizeof(text), "call %d", i);
		put(callers[i], text, 0);
	}

	ready();

	for (i = 0; i < 3; i++) {
		check(same_name(local_name(pairs[i][0]), names[i][0]), "name of client %d", i);
		check(same_name(local_name(pairs[i][1]), names[i][1]), "name of server %d", i);
		check_get(pairs[i][!(i % 2)], "waiting");
		check_talks(pairs[i][0], pairs[i][1]);
	}
	check(port_of(local_name(waits)) == port && port_of(local_name(sent)) == port, "ports of clients that wait");
	check_talks(waits, accepted(waits_at, waits));
	fd = accepted(sent_at, sent);
	check_get(fd, "request");
	check_talks(sent, fd);
	accept(full, NULL, NULL);
	fd = accepted(full, silent);
	check(port_of(local_name(silent)) == port, "port of a client that is not answered");
	fcntl(silent, F_SETFL, 0);
	check_talks(silent, fd);
	for (i = 0; i < ADDRESSES; i++) {
		fd = accepted(twins[i], callers[i]);
		snprintf(text, sizeof(text), "call %d", i);
		check_get(fd, text);
		check_talks(callers[i], fd);
	}
	return verdict();
}
