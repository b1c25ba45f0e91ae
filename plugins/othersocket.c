/* Sockets that can't be restored, by the name of their family. */
#include "inet.h"

static bool othersocket_match(const struct plugin_file *f)
{
	return S_ISSOCK(f->mode) && !(f->flags & O_PATH) &&
	       sock_int(f->fd, SOL_SOCKET, SO_DOMAIN, AF_UNIX) != AF_UNIX;
}

static const struct {
	int domain;
	const char *why;
} families[] = {
	{AF_PACKET, "packet sockets can't be restored"},
	{AF_VSOCK, "connections to a virtual machine's host (vsock) can't be restored"},
	{AF_BLUETOOTH, "Bluetooth sockets can't be restored"},
	{AF_ALG, "sockets of the kernel's cryptography (AF_ALG) can't be restored"},
	{AF_XDP, "XDP sockets can't be restored"},
	{AF_CAN, "CAN sockets can't be restored"},
	{AF_KEY, "IPsec key sockets can't be restored"},
	{AF_TIPC, "TIPC sockets can't be restored"},
	{AF_SMC, "SMC sockets can't be restored"},
	{AF_RDS, "RDS sockets can't be restored"},
};

static const char *inet_reason(const struct plugin_file *f)
{
	int type = sock_int(f->fd, SOL_SOCKET, SO_TYPE, 0);
	int protocol = sock_int(f->fd, SOL_SOCKET, SO_PROTOCOL, 0);

	if (type == SOCK_RAW)
		return "raw sockets can't be restored";
	if (protocol == IPPROTO_ICMP || protocol == IPPROTO_ICMPV6)
		return "sockets for ping (ICMP) can't be restored";
	if (protocol == 262 /* IPPROTO_MPTCP */)
		return "Multipath TCP can't be restored";
	if (protocol == IPPROTO_SCTP)
		return "SCTP can't be restored";
	return "of network protocols, only TCP and UDP can be restored";
}

static void othersocket_save(struct plugin_ctx *c, struct plugin_file *f)
{
	int domain = sock_int(f->fd, SOL_SOCKET, SO_DOMAIN, 0);
	const char *why = "sockets of this family can't be restored";
	size_t i;

	if (domain == AF_INET || domain == AF_INET6)
		why = inet_reason(f);
	for (i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		if (families[i].domain == domain)
			why = families[i].why;
	plugin_refuse(c, f, "%s", why);
}

const struct plugin plugin_othersocket = {
	.name = "othersocket",
	.match = othersocket_match,
	.save = othersocket_save,
};
