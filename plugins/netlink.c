/*
 * Netlink sockets: protocol, port id, groups and options.
 *
 * Messages that wait in one can't be read without taking them, but for the first. A program of
 * netlink's must be prepared to lose some, and is told so: the kernel gives ENOBUFS when the socket had no
 * room for a message. So a socket with messages in it comes back with this error, and with the
 * acknowledgements of requests that do nothing which it takes to bring it about.
 */
#include "inet.h"
#include <linux/netlink.h>

enum { GROUPS_MAX = 1024, OVERRUN_TRIES = 256 };

/* First record; the numbers of the groups follow (uint32_t). */
struct netlink_state {
	uint32_t type, protocol;
	uint32_t port_id; /* 0: not bound */
	uint32_t had_messages;
	uint32_t peer_port_id, peer_groups; /* connect(2) */
};

static bool netlink_match(const struct plugin_file *f)
{
	return S_ISSOCK(f->mode) && !(f->flags & O_PATH) &&
	       sock_int(f->fd, SOL_SOCKET, SO_DOMAIN, -1) == AF_NETLINK;
}

/* ---- Save -------------------------------------------------------------------------------- */

static bool is_restorable(int protocol)
{
	return protocol == NETLINK_ROUTE || protocol == NETLINK_KOBJECT_UEVENT ||
	       protocol == NETLINK_GENERIC || protocol == NETLINK_SOCK_DIAG ||
	       protocol == NETLINK_USERSOCK || protocol == NETLINK_NETFILTER ||
	       protocol == NETLINK_CONNECTOR;
}

/* The bits of NETLINK_LIST_MEMBERSHIPS as numbers of groups; how many there are. */
static uint32_t groups_read(int fd, uint32_t *groups)
{
	uint32_t bits[GROUPS_MAX / 32] = {0}, len = sizeof(bits), n = 0, i;

	if (sock_get(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, bits, &len))
		return 0;
	for (i = 0; i < GROUPS_MAX; i++)
		if (bits[i / 32] >> i % 32 & 1)
			groups[n++] = i + 1;
	return n;
}

static void netlink_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct netlink_state st = {
		.type = sock_int(f->fd, SOL_SOCKET, SO_TYPE, 0),
		.protocol = sock_int(f->fd, SOL_SOCKET, SO_PROTOCOL, 0),
		.had_messages = (sock_poll(f->fd, POLLIN) & (POLLIN | POLLERR)) != 0,
	};
	struct inet_options *options = plugin_alloc(c, sizeof(*options));
	struct sockaddr_nl name = {0};
	uint32_t groups[GROUPS_MAX], len = sizeof(name);

	if (!is_restorable(st.protocol)) {
		plugin_refuse(c, f, "netlink sockets of protocol %u can't be restored", st.protocol);
		return;
	}
	if (!options)
		return;
	if (sys_call3(__NR_getsockname, f->fd, &name, &len) == 0)
		st.port_id = name.nl_pid;
	len = sizeof(name);
	if (sys_call3(__NR_getpeername, f->fd, &name, &len) == 0) {
		st.peer_port_id = name.nl_pid;
		st.peer_groups = name.nl_groups;
	}
	options_read(f->fd, options);
	plugin_put(c, f, &st, sizeof(st), groups, groups_read(f->fd, groups) * sizeof(groups[0]));
	options_put(c, f, options);
}

/* ---- Restart ----------------------------------------------------------------------------- */

/* A port id is one process's pid, mostly; another process may have the same outside. */
static int port_id_take(struct plugin_ctx *c, const struct plugin_file *f, int fd, uint32_t id)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK, .nl_pid = id};
	uint32_t len = sizeof(name);
	int err = sys_call3(__NR_bind, fd, &name, sizeof(name));

	if (err != -EADDRINUSE)
		return err;
	name.nl_pid = 0;
	err = sys_call3(__NR_bind, fd, &name, sizeof(name));
	sys_call3(__NR_getsockname, fd, &name, &len);
	plugin_caution(c, f, "its port id %u is taken; it has %u now", id, name.nl_pid);
	return err;
}

static int netlink_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	struct netlink_state st;
	const uint32_t *groups;
	size_t n, i;
	int fd, err;

	groups = plugin_get(c, f, 0, &st, sizeof(st), &n);
	if (!groups)
		return plugin_fail(c, f, 0, "its record is missing");
	fd = sock_new(AF_NETLINK, st.type, st.protocol);
	if (fd < 0)
		return plugin_fail(c, f, fd, "socket");
	err = st.port_id ? port_id_take(c, f, fd, st.port_id) : 0;
	for (i = 0; !err && i < n / sizeof(*groups); i++)
		err = sock_set_int(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, groups[i]);
	if (!err)
		return fd;
	sys_close(fd);
	return plugin_fail(c, f, err, "it can't be bound");
}

static void peer_restore(const struct plugin_file *f, const struct netlink_state *st)
{
	struct sockaddr_nl name = {.nl_family = AF_NETLINK,
				   .nl_pid = st->peer_port_id,
				   .nl_groups = st->peer_groups};

	if (st->peer_port_id || st->peer_groups)
		sys_call3(__NR_connect, f->fd, &name, sizeof(name));
}

/* Ask for acknowledgements until there is no room for one. */
static void overrun(int fd)
{
	struct nlmsghdr ask = {.nlmsg_len = sizeof(ask),
			       .nlmsg_type = NLMSG_NOOP,
			       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	int i;

	sock_set_int(fd, SOL_SOCKET, SO_RCVBUF, 0);
	for (i = 0; i < OVERRUN_TRIES && !(sock_poll(fd, 0) & POLLERR); i++)
		sys_call6(__NR_sendto, fd, (long)&ask, sizeof(ask), MSG_DONTWAIT, (long)&kernel,
			  sizeof(kernel));
}

static int netlink_attach(struct plugin_ctx *c, struct plugin_file *f)
{
	int size = sock_int(f->fd, SOL_SOCKET, SO_RCVBUF, 0);
	struct netlink_state st;
	size_t n;

	if (!plugin_get(c, f, 0, &st, sizeof(st), &n))
		return 0;
	if (st.had_messages) {
		overrun(f->fd);
		sock_set_int(f->fd, SOL_SOCKET, SO_RCVBUF, size / 2);
		sock_set_int(f->fd, SOL_SOCKET, 72 /* SO_BUF_LOCK */, 0);
	}
	peer_restore(f, &st);
	options_restore(c, f, f->fd, false);
	return 0;
}

const struct plugin plugin_netlink = {
	.name = "netlink",
	.match = netlink_match,
	.save = netlink_save,
	.restore = netlink_restore,
	.attach = netlink_attach,
};
