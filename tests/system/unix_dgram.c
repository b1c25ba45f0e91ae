/*
 * Datagrams of several senders wait in one socket: their order, their senders' names, those of
 * senders that are gone, empty ones, large ones; connected senders and receivers.
 */
#include "unix.h"

static char big[100000], back[100000];

static void check_from(int fd, const char *want, const char *sender)
{
	struct sockaddr_un a, w;
	socklen_t n = sizeof(a), m = address(&w, sender);
	char buf[64] = "";
	ssize_t len = recvfrom(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT, (struct sockaddr *)&a, &n);

	if (!*sender)
		m = 0;
	check(len == (ssize_t)strlen(want) && !strcmp(buf, want), "%zd: \"%s\", not \"%s\"", len,
	      buf, want);
	check(n == m && !memcmp(&a, &w, n), "\"%s\" does not come from \"%s\"", want, sender);
}

static void put_to(int fd, const char *text, size_t n, const char *name)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, name);

	if (sendto(fd, text, n, 0, (struct sockaddr *)&a, len) != (ssize_t)n)
		die("sendto %s", name);
}

int main(void)
{
	char server[64], one[64], two[64], gone[64], service[64], far[64], near[64];
	int s, a, b, unnamed, x, lone, both[2], pair[2], i, full = 8;

	own_name(server, sizeof(server), "/tmp/unix-server");
	own_name(one, sizeof(one), "@unix-one");
	own_name(two, sizeof(two), "/tmp/unix-two");
	own_name(gone, sizeof(gone), "/tmp/unix-sender-gone");
	own_name(service, sizeof(service), "@unix-service");
	s = bound(SOCK_DGRAM, server);
	a = bound(SOCK_DGRAM, one);
	b = bound(SOCK_DGRAM, two);
	x = bound(SOCK_DGRAM, gone);
	unnamed = connected(SOCK_DGRAM, server);
	memset(big, 'b', sizeof(big));
	put_to(a, "a1", 2, server);
	put_to(b, "b1", 2, server);
	put(unnamed, "u1");
	put_to(x, "x1", 2, server);
	put_to(b, "", 0, server);
	put_to(a, big, sizeof(big), server);
	put_to(a, "a2", 2, server);
	close(x);
	unlink(gone);
	/* Connected with each other, both by name; more than the queue takes of strangers. */
	both[0] = bound(SOCK_DGRAM, service);
	both[1] = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (bind(both[1], (struct sockaddr *)&(sa_family_t){AF_UNIX}, sizeof(sa_family_t)) ||
	    connect_fd(both[1], service))
		die("connect");
	for (i = 0; i < 8; i++)
		put(both[1], "full");
	own_name(far, sizeof(far), "@unix-far");
	own_name(near, sizeof(near), "/tmp/unix-near");
	pair[0] = bound(SOCK_DGRAM, far);
	pair[1] = bound(SOCK_DGRAM, near);
	if (connect_fd(pair[0], near) || connect_fd(pair[1], far))
		die("connect");
	for (i = 0; i < 30; i++)
		put(pair[i % 3 == 0], i % 2 ? "odd" : "even");
	lone = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	connect_fd(lone, service);
	while (send(lone, "full", 4, 0) == 4)
		full++;

	ready();

	check_from(s, "a1", one);
	check_from(s, "b1", two);
	check_from(s, "u1", "");
	check_from(s, "x1", gone);
	check_from(s, "", two);
	check(recv(s, back, sizeof(back), MSG_DONTWAIT) == sizeof(back) &&
		      !memcmp(big, back, sizeof(big)),
	      "the large one");
	check_from(s, "a2", one);
	check_empty(s);
	put(unnamed, "u2");
	check_from(s, "u2", "");
	put_to(s, "answer", 6, one);
	check_from(a, "answer", server);
	check_name(both[1], true, service);
	check(send(lone, "full", 4, 0) < 0 && errno == EAGAIN, "the queue is not full");
	for (i = 0; i < full; i++)
		check_get(both[0], "full");
	check_empty(both[0]);
	for (i = 0; i < 30; i++)
		check_from(pair[i % 3 != 0], i % 2 ? "odd" : "even", i % 3 ? far : near);
	check_talk(pair[0], pair[1]);
	unlink(near);
	put(both[1], "again");
	check_get(both[0], "again");
	unlink(server);
	unlink(two);
	return verdict();
}
