/*
 * Netlink sockets: bound ones with their groups and port id, requests after a restart, and the answer that
 * waited, or ENOBUFS.
 */
#include "tcp.h"
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

static int opened(int protocol, uint32_t groups)
{
	struct sockaddr_nl n = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0 || bind(fd, (struct sockaddr *)&n, sizeof(n)))
		die("netlink %d", protocol);
	return fd;
}

static void links_ask(int fd)
{
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
	} q = {.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(q.g)),
		     .nlmsg_type = RTM_GETLINK,
		     .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		     .nlmsg_seq = 7}};

	if (send(fd, &q, q.h.nlmsg_len, 0) < 0)
		die("send");
}

/* The first message that answers request 7. */
static int links_type(int fd)
{
	static char buf[65536];
	struct nlmsghdr *h = (struct nlmsghdr *)buf;
	ssize_t n;

	do
		n = recv(fd, buf, sizeof(buf), 0);
	while (n > 0 && h->nlmsg_seq != 7);
	return n > 0 ? h->nlmsg_type : -errno;
}

int main(void)
{
	int plain = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_ROUTE);
	int route = opened(NETLINK_ROUTE, RTMGRP_LINK | RTMGRP_IPV4_IFADDR);
	int asked = opened(NETLINK_ROUTE, 0), uevent = opened(NETLINK_KOBJECT_UEVENT, 1);
	struct name names[3] = {local_name(route), local_name(asked), local_name(uevent)};
	int type;

	set_int(asked, SOL_NETLINK, NETLINK_EXT_ACK, 1);
	set_int(asked, SOL_SOCKET, SO_RCVBUF, 100000);
	links_ask(asked);

	ready();

	check(same_name(local_name(route), names[0]), "name of the first");
	check(same_name(local_name(asked), names[1]), "name of the second");
	check(same_name(local_name(uevent), names[2]), "name of the third");
	check(get_int(asked, SOL_NETLINK, NETLINK_EXT_ACK) == 1, "NETLINK_EXT_ACK");
	check(get_int(asked, SOL_SOCKET, SO_RCVBUF) == 200000, "SO_RCVBUF");
	type = links_type(asked);
	if (type == -ENOBUFS) { /* not in the original that runs on */
		links_ask(asked);
		type = links_type(asked);
	}
	check(type == RTM_NEWLINK, "no answer to a request");
	check_empty(route);
	links_ask(route);
	check(links_type(route) == RTM_NEWLINK, "no answer to a request");
	check_empty(uevent);
	links_ask(plain);
	check(links_type(plain) == RTM_NEWLINK, "no answer to a request");
	return verdict();
}
