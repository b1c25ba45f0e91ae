/*
 * UDP sockets, IPv4, IPv6 and v4-mapped: bound, connected, with datagrams that wait and their senders'
 * names, a port that several share, options, and multicast memberships.
 */
#include "tcp.h"
#include <net/if.h>

static int bound(struct name n)
{
	int fd = socket(n.a.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&n.a, n.len))
		die("bind");
	return fd;
}

static void connect_back(int fd, int to)
{
	struct name n = local_name(to);

	if (connect(fd, (struct sockaddr *)&n.a, n.len))
		die("connect");
}

static void send_to(int fd, int to, const char *text)
{
	struct name n = local_name(to);

	if (sendto(fd, text, strlen(text), 0, (struct sockaddr *)&n.a, n.len) < 0)
		die("sendto");
}

static void check_from(int fd, const char *want, struct name sender)
{
	struct name from = {.len = sizeof(from.a)};
	char buf[100] = "";
	ssize_t n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from.a, &from.len);

	check(n == (ssize_t)strlen(want) && !strcmp(buf, want), "\"%s\" (%zd), not \"%s\"", buf, n, want);
	check(same_name(from, sender), "\"%s\" from another sender", want);
}

static void join(int fd, const char *group, bool exclude)
{
	struct ip_mreq m = {.imr_interface.s_addr = htonl(INADDR_LOOPBACK)};
	struct ip_mreq_source s = {.imr_interface.s_addr = htonl(INADDR_LOOPBACK)};

	inet_pton(AF_INET, group, &m.imr_multiaddr);
	s.imr_multiaddr = m.imr_multiaddr;
	s.imr_sourceaddr.s_addr = htonl(INADDR_LOOPBACK);
	if (exclude && setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)))
		die("join");
	if (!exclude && setsockopt(fd, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &s, sizeof(s)))
		die("join source");
}

static void join6(int fd, const char *group)
{
	struct ipv6_mreq m = {.ipv6mr_interface = if_nametoindex("lo")};

	inet_pton(AF_INET6, group, &m.ipv6mr_multiaddr);
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_JOIN_GROUP, &m, sizeof(m)))
		die("join6");
}

static void check_group(int fd, const char *group)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct in_addr lo = {htonl(INADDR_LOOPBACK)};
	struct name n = local_name(fd);
	int from = bound(loopback(AF_INET));

	to.sin_port = ((struct sockaddr_in *)&n.a)->sin_port;
	inet_pton(AF_INET, group, &to.sin_addr);
	setsockopt(from, IPPROTO_IP, IP_MULTICAST_IF, &lo, sizeof(lo));
	sendto(from, group, strlen(group), 0, (struct sockaddr *)&to, sizeof(to));
	check(readable(fd, 2000), "nothing comes from group %s", group);
	check_get(fd, group);
	close(from);
}

/* Loopback has no route for these. */
static void check_group6(int fd, const char *group)
{
	struct group_filter gf = {.gf_interface = if_nametoindex("lo")};
	struct sockaddr_in6 *name = (struct sockaddr_in6 *)&gf.gf_group;
	socklen_t n = sizeof(gf);

	name->sin6_family = AF_INET6;
	inet_pton(AF_INET6, group, &name->sin6_addr);
	check(getsockopt(fd, IPPROTO_IPV6, MCAST_MSFILTER, &gf, &n) == 0, "no member of %s: %s", group,
	      strerror(errno));
}

int main(void)
{
	enum { FAMILIES = 3 };
	static const int families[FAMILIES] = {AF_INET, AF_INET6, 'm'};
	static char big[60000], back[60001];
	struct name wild_name, any = {.len = sizeof(struct sockaddr_in)}, any6 = {.len = sizeof(struct sockaddr_in6)};
	struct name names[FAMILIES][3];
	int s[FAMILIES][3], wild, unbound, shared[2], multi, multi6, i, j, tos;
	struct name shared_name;

	any.a.ss_family = AF_INET;
	any6.a.ss_family = AF_INET6;
	for (i = 0; i < FAMILIES; i++) {
		for (j = 0; j < 3; j++)
			s[i][j] = bound(loopback(families[i]));
		connect_back(s[i][0], s[i][1]);
		connect_back(s[i][1], s[i][0]);
		put(s[i][0], "connected", 0);
		send_to(s[i][1], s[i][2], "one");
		send_to(s[i][0], s[i][2], "two");
		send_to(s[i][1], s[i][2], "");
		send_to(s[i][1], s[i][2], "three");
		for (j = 0; j < 3; j++)
			names[i][j] = local_name(s[i][j]);
	}
	memset(big, 'b', sizeof(big));
	wild = bound(any);
	wild_name = local_name(wild);
	if (sendto(s[0][2], big, sizeof(big), 0, (struct sockaddr *)&wild_name.a, wild_name.len) < 0)
		die("sendto"); /* the wildcard as destination is this machine */
	unbound = socket(AF_INET, SOCK_DGRAM, 0);
	set_int(unbound, SOL_SOCKET, SO_BROADCAST, 1);
	set_int(unbound, IPPROTO_IP, IP_TOS, 0x10);
	tos = get_int(unbound, IPPROTO_IP, IP_TOS);
	shared[0] = socket(AF_INET, SOCK_DGRAM, 0);
	shared[1] = socket(AF_INET, SOCK_DGRAM, 0);
	shared_name = loopback(AF_INET);
	for (i = 0; i < 2; i++) {
		set_int(shared[i], SOL_SOCKET, SO_REUSEPORT, 1);
		if (bind(shared[i], (struct sockaddr *)&shared_name.a, shared_name.len))
			die("bind shared");
		shared_name = local_name(shared[i]);
	}
	connect_back(shared[0], s[0][2]);
	connect_back(shared[1], s[0][1]);
	multi = bound(any);
	join(multi, "239.1.2.3", true);
	join(multi, "232.1.2.4", false);
	multi6 = bound(any6);
	join6(multi6, "ff15::1234");

	ready();

	for (i = 0; i < FAMILIES; i++) {
		check_from(s[i][1], "connected", names[i][0]);
		check_from(s[i][2], "one", names[i][1]);
		check_from(s[i][2], "two", names[i][0]);
		check_from(s[i][2], "", names[i][1]);
		check_from(s[i][2], "three", names[i][1]);
		check_empty(s[i][2]);
		for (j = 0; j < 3; j++)
			check(same_name(local_name(s[i][j]), names[i][j]), "the name of fd %d", s[i][j]);
		check(same_name(remote_name(s[i][0]), names[i][1]), "the peer of fd %d", s[i][0]);
		check(!remote_name(s[i][2]).len, "fd %d has a peer", s[i][2]);
		check_talks(s[i][0], s[i][1]);
		check(get_int(s[i][0], SOL_SOCKET, SO_REUSEADDR) == 0, "SO_REUSEADDR");
	}
	check(recv(wild, back, sizeof(back), MSG_DONTWAIT) == sizeof(big) && !memcmp(big, back, sizeof(big)),
	      "the large datagram");
	check(same_name(local_name(wild), wild_name), "the wildcard's name");
	check(get_int(unbound, SOL_SOCKET, SO_BROADCAST) == 1, "SO_BROADCAST");
	check(get_int(unbound, IPPROTO_IP, IP_TOS) == tos, "IP_TOS");
	for (i = 0; i < 2; i++) {
		check(same_name(local_name(shared[i]), shared_name), "a shared port");
		check(get_int(shared[i], SOL_SOCKET, SO_REUSEPORT) == 1, "SO_REUSEPORT");
	}
	check_group(multi, "239.1.2.3");
	check_group(multi, "232.1.2.4");
	check_group6(multi6, "ff15::1234");
	return verdict();
}
