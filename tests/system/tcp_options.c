/*
 * Options of TCP sockets: of listening ones, connected ones and ones that are neither; a filter, urgent
 * data in all places of a queue.
 */
#include "tcp.h"
#include <linux/filter.h>

enum { SOCKETS = 4 };

static const struct {
	int level, name, value;
} options[] = {
	{SOL_SOCKET, SO_REUSEADDR, 1},	    {SOL_SOCKET, SO_KEEPALIVE, 1},
	{SOL_SOCKET, SO_PRIORITY, 3},	    {SOL_SOCKET, SO_SNDBUF, 54321},
	{SOL_SOCKET, SO_RCVBUF, 65432},	    {SOL_SOCKET, SO_RCVLOWAT, 3},
	{SOL_SOCKET, SO_OOBINLINE, 1},	    {SOL_SOCKET, SO_TIMESTAMP, 1},
	{IPPROTO_TCP, TCP_NODELAY, 1},	    {IPPROTO_TCP, TCP_KEEPIDLE, 111},
	{IPPROTO_TCP, TCP_KEEPINTVL, 11},   {IPPROTO_TCP, TCP_KEEPCNT, 4},
	{IPPROTO_TCP, TCP_USER_TIMEOUT, 7000}, {IPPROTO_TCP, TCP_LINGER2, 9},
	{IPPROTO_TCP, TCP_SYNCNT, 3},	    {IPPROTO_TCP, TCP_MAXSEG, 1200},
	{IPPROTO_TCP, TCP_DEFER_ACCEPT, 3}, {IPPROTO_TCP, TCP_NOTSENT_LOWAT, 4096},
	{IPPROTO_IP, IP_TOS, 0x10},	    {IPPROTO_IP, IP_TTL, 33},
	{IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO}, {IPPROTO_IP, IP_RECVERR, 1},
};

enum { OPTIONS = sizeof(options) / sizeof(options[0]) };

static void options_set(int fd)
{
	struct linger linger = {1, 12};
	struct timeval tv = {5, 200000};
	int i;

	for (i = 0; i < OPTIONS; i++)
		set_int(fd, options[i].level, options[i].name, options[i].value);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

static void options_read(int fd, int *values)
{
	int i;

	for (i = 0; i < OPTIONS; i++)
		values[i] = get_int(fd, options[i].level, options[i].name);
}

static void options_check(int fd, const int *before)
{
	struct linger linger = {0, 0};
	struct timeval tv = {0, 0};
	socklen_t n = sizeof(linger);
	char name[16] = "";
	int i, value;

	for (i = 0; i < OPTIONS; i++) {
		value = get_int(fd, options[i].level, options[i].name);
		check(value == before[i], "fd %d: option %d of level %d is %d, was %d", fd,
		      options[i].name, options[i].level, value, before[i]);
	}
	getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &n);
	check(linger.l_onoff == 1 && linger.l_linger == 12, "SO_LINGER of fd %d", fd);
	n = sizeof(tv);
	getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &n);
	check(tv.tv_sec == 5 && tv.tv_usec == 200000, "SO_RCVTIMEO of fd %d", fd);
	n = sizeof(name);
	getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &n);
	check(!strcmp(name, "reno"), "TCP_CONGESTION of fd %d: %s", fd, name);
}

/* Newer kernels let only root filter what TCP receives. */
static bool filter_attach(int fd)
{
	struct sock_filter pass = {BPF_RET | BPF_K, 0, 0, 0xffffffff};
	struct sock_fprog prog = {1, &pass};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) == 0;
}

static void check_filter(int fd)
{
	struct sock_filter got[4] = {{0}};
	socklen_t n = 4;

	check(getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, got, &n) == 0 && n == 1 &&
		      got[0].code == (BPF_RET | BPF_K) && got[0].k == 0xffffffff,
	      "the filter: %u instructions", n);
}

static void check_urgent(int fd, const char *before, const char *behind)
{
	char c = 0;

	check(recv(fd, &c, 1, MSG_OOB) == 1 && c == '!', "urgent: %c, %s", c, strerror(errno));
	if (*before)
		check_get(fd, before);
	check(sockatmark(fd) == 1, "no mark behind \"%s\"", before);
	if (*behind)
		check_get(fd, behind);
	check_empty(fd);
}

int main(void)
{
	int l = socket(AF_INET, SOCK_STREAM, 0), fresh = socket(AF_INET6, SOCK_STREAM, 0);
	int v6 = socket(AF_INET6, SOCK_STREAM, 0), before[SOCKETS][OPTIONS], s[2], u[4][2], i;
	struct name n = loopback(AF_INET);
	int *of[SOCKETS] = {&l, &fresh, &s[0], &s[1]};
	int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
	bool filtered;
	char c;

	options_set(l);
	if (bind(l, (struct sockaddr *)&n.a, n.len) || listen(l, 17))
		die("listen");
	set_int(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0);
	pair_by(l, s);
	set_int(l, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3);
	options_set(s[0]);
	set_int(s[1], SOL_SOCKET, SO_PRIORITY, 5);
	options_set(fresh);
	set_int(v6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	set_int(v6, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 9);
	set_int(v6, IPPROTO_IPV6, IPV6_TCLASS, 0x20);
	filtered = filter_attach(s[0]);
	filter_attach(datagrams);
	for (i = 0; i < 4; i++)
		pair(i % 2 ? AF_INET6 : AF_INET, u[i]);
	put(u[0][0], "!", MSG_OOB);
	put(u[1][0], "before", 0);
	put(u[1][0], "!", MSG_OOB);
	put(u[2][0], "before", 0);
	put(u[2][0], "!", MSG_OOB);
	put(u[2][0], "behind", 0);
	put(u[3][0], "be", 0);
	put(u[3][0], "!", MSG_OOB);
	put(u[3][0], "hind", 0);
	sleep_ms(20);
	if (recv(u[3][1], &c, 1, MSG_OOB) != 1)
		die("MSG_OOB");
	for (i = 0; i < SOCKETS; i++)
		options_read(*of[i], before[i]);

	ready();

	for (i = 0; i < SOCKETS; i++)
		options_check(*of[i], before[i]);
	check(get_int(v6, IPPROTO_IPV6, IPV6_V6ONLY) == 1, "IPV6_V6ONLY");
	check(get_int(v6, IPPROTO_IPV6, IPV6_UNICAST_HOPS) == 9, "IPV6_UNICAST_HOPS");
	check(get_int(v6, IPPROTO_IPV6, IPV6_TCLASS) == 0x20, "IPV6_TCLASS");
	if (filtered)
		check_filter(s[0]);
	check_filter(datagrams);
	check_urgent(u[0][1], "", "");
	check_urgent(u[1][1], "before", "");
	check_urgent(u[2][1], "before", "behind");
	check(recv(u[3][1], &c, 1, MSG_OOB) < 0, "an urgent byte that had been taken");
	check(recv(u[3][1], before, 3, MSG_DONTWAIT) >= 2 && !memcmp(before, "be", 2), "\"be\"");
	return verdict();
}
