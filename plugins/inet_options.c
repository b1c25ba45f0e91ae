/*
 * Options of sockets. One table of those that getsockopt(2) tells as setsockopt(2) takes them, for all
 * protocols: what a socket does not have fails, and is not noted. At restart what differs from the
 * new socket's is set.
 */
#include "inet.h"
#include <linux/filter.h>

/* Of headers that older systems lack, or that can't be included beside libc's. */
enum { TCP_LEVEL = 6, UDP_LEVEL = 17, NETLINK_LEVEL = 270, BUF_LOCK = 72, CONGESTION = 13 };

enum {
	EARLY = 1,    /* must be set before bind(2) */
	BUFFER = 2,   /* kernel doubles it; its own choice unless the program has chosen (SO_BUF_LOCK) */
	STRING = 4,
	PRESENT = 8,  /* noted, not set */
	DATAGRAM = 16, /* no stream takes it */
};

static const struct known {
	int16_t level, name;
	uint8_t len;
	uint8_t flags;
} table[] = {
	{SOL_SOCKET, BUF_LOCK, 4, PRESENT},
	{SOL_SOCKET, SO_SNDBUF, 4, BUFFER},
	{SOL_SOCKET, SO_RCVBUF, 4, BUFFER},
	{SOL_SOCKET, SO_REUSEPORT, 4, EARLY},
	{SOL_SOCKET, SO_BINDTODEVICE, 16, EARLY | STRING},
	{SOL_SOCKET, SO_REUSEADDR, 4, 0},
	{SOL_SOCKET, SO_DEBUG, 4, 0},
	{SOL_SOCKET, SO_DONTROUTE, 4, 0},
	{SOL_SOCKET, SO_BROADCAST, 4, 0},
	{SOL_SOCKET, SO_KEEPALIVE, 4, 0},
	{SOL_SOCKET, SO_OOBINLINE, 4, 0},
	{SOL_SOCKET, 11 /* SO_NO_CHECK */, 4, 0},
	{SOL_SOCKET, SO_LINGER, 8, 0},
	{SOL_SOCKET, SO_RCVLOWAT, 4, 0},
	{SOL_SOCKET, SO_RCVTIMEO, 16, 0},
	{SOL_SOCKET, SO_SNDTIMEO, 16, 0},
	{SOL_SOCKET, 16 /* SO_PASSCRED */, 4, 0},
	{SOL_SOCKET, 29 /* SO_TIMESTAMP_OLD */, 4, 0},
	{SOL_SOCKET, 35 /* SO_TIMESTAMPNS_OLD */, 4, 0},
	{SOL_SOCKET, 37 /* SO_TIMESTAMPING_OLD */, 4, 0},
	{SOL_SOCKET, 63 /* SO_TIMESTAMP_NEW */, 4, 0},
	{SOL_SOCKET, 64 /* SO_TIMESTAMPNS_NEW */, 4, 0},
	{SOL_SOCKET, SO_MARK, 4, 0},
	{SOL_SOCKET, SO_RXQ_OVFL, 4, 0},
	{SOL_SOCKET, SO_PEEK_OFF, 4, 0},
	{SOL_SOCKET, SO_BUSY_POLL, 4, 0},
	{SOL_SOCKET, SO_MAX_PACING_RATE, 4, 0},
	{SOL_SOCKET, SO_ZEROCOPY, 4, 0},
	{SOL_SOCKET, 61 /* SO_TXTIME */, 8, 0},
	{SOL_SOCKET, 75 /* SO_RCVMARK */, 4, 0},
	{SOL_IP, IP_FREEBIND, 4, EARLY},
	{SOL_IP, IP_TRANSPARENT, 4, EARLY},
	{SOL_IP, IP_BIND_ADDRESS_NO_PORT, 4, 0},
	{SOL_IP, 51 /* IP_LOCAL_PORT_RANGE */, 4, 0},
	{SOL_IP, IP_TOS, 4, 0},
	{SOL_IP, IP_TTL, 4, 0},
	{SOL_IP, IP_PKTINFO, 4, 0},
	{SOL_IP, IP_MTU_DISCOVER, 4, 0},
	{SOL_IP, IP_RECVERR, 4, 0},
	{SOL_IP, IP_RECVTTL, 4, 0},
	{SOL_IP, IP_RECVTOS, 4, 0},
	{SOL_IP, IP_RECVOPTS, 4, 0},
	{SOL_IP, IP_RETOPTS, 4, 0},
	{SOL_IP, IP_PASSSEC, 4, 0},
	{SOL_IP, IP_RECVORIGDSTADDR, 4, 0},
	{SOL_IP, IP_MINTTL, 4, 0},
	{SOL_IP, IP_CHECKSUM, 4, 0},
	{SOL_IP, IP_RECVFRAGSIZE, 4, 0},
	{SOL_IP, 26 /* IP_RECVERR_RFC4884 */, 4, 0},
	{SOL_IP, IP_MULTICAST_IF, 4, DATAGRAM},
	{SOL_IP, IP_MULTICAST_TTL, 4, DATAGRAM},
	{SOL_IP, IP_MULTICAST_LOOP, 4, DATAGRAM},
	{SOL_IP, IP_MULTICAST_ALL, 4, DATAGRAM},
	{SOL_IP, IP_UNICAST_IF, 4, 0},
	{SOL_IPV6, IPV6_V6ONLY, 4, EARLY},
	{SOL_IPV6, IPV6_TRANSPARENT, 4, EARLY},
	{SOL_IPV6, IPV6_FREEBIND, 4, EARLY},
	{SOL_IPV6, 11 /* IPV6_FLOWINFO */, 4, 0},
	{SOL_IPV6, 33 /* IPV6_FLOWINFO_SEND */, 4, 0},
	{SOL_IPV6, IPV6_UNICAST_HOPS, 4, 0},
	{SOL_IPV6, IPV6_MULTICAST_IF, 4, DATAGRAM},
	{SOL_IPV6, IPV6_MULTICAST_HOPS, 4, DATAGRAM},
	{SOL_IPV6, IPV6_MULTICAST_LOOP, 4, DATAGRAM},
	{SOL_IPV6, 29 /* IPV6_MULTICAST_ALL */, 4, DATAGRAM},
	{SOL_IPV6, IPV6_MTU_DISCOVER, 4, 0},
	{SOL_IPV6, IPV6_RECVERR, 4, 0},
	{SOL_IPV6, 31 /* IPV6_RECVERR_RFC4884 */, 4, 0},
	{SOL_IPV6, IPV6_RECVPKTINFO, 4, 0},
	{SOL_IPV6, IPV6_RECVHOPLIMIT, 4, 0},
	{SOL_IPV6, IPV6_RECVHOPOPTS, 4, 0},
	{SOL_IPV6, IPV6_RECVRTHDR, 4, 0},
	{SOL_IPV6, IPV6_RECVDSTOPTS, 4, 0},
	{SOL_IPV6, IPV6_RECVPATHMTU, 4, 0},
	{SOL_IPV6, IPV6_DONTFRAG, 4, 0},
	{SOL_IPV6, IPV6_RECVTCLASS, 4, 0},
	{SOL_IPV6, IPV6_TCLASS, 4, 0},
	{SOL_SOCKET, SO_PRIORITY, 4, 0}, /* which IP_TOS changes */
	{SOL_IPV6, IPV6_AUTOFLOWLABEL, 4, 0},
	{SOL_IPV6, IPV6_ADDR_PREFERENCES, 4, 0},
	{SOL_IPV6, IPV6_MINHOPCOUNT, 4, 0},
	{SOL_IPV6, IPV6_ORIGDSTADDR, 4, 0},
	{SOL_IPV6, IPV6_UNICAST_IF, 4, 0},
	{SOL_IPV6, IPV6_RECVFRAGSIZE, 4, 0},
	{TCP_LEVEL, CONGESTION, 16, STRING},
	{TCP_LEVEL, 1 /* TCP_NODELAY */, 4, 0},
	{TCP_LEVEL, 3 /* TCP_CORK */, 4, 0},
	{TCP_LEVEL, 4 /* TCP_KEEPIDLE */, 4, 0},
	{TCP_LEVEL, 5 /* TCP_KEEPINTVL */, 4, 0},
	{TCP_LEVEL, 6 /* TCP_KEEPCNT */, 4, 0},
	{TCP_LEVEL, 7 /* TCP_SYNCNT */, 4, 0},
	{TCP_LEVEL, 8 /* TCP_LINGER2 */, 4, 0},
	{TCP_LEVEL, 9 /* TCP_DEFER_ACCEPT */, 4, 0},
	{TCP_LEVEL, 16 /* TCP_THIN_LINEAR_TIMEOUTS */, 4, 0},
	{TCP_LEVEL, 18 /* TCP_USER_TIMEOUT */, 4, 0},
	{TCP_LEVEL, 23 /* TCP_FASTOPEN */, 4, 0},
	{TCP_LEVEL, 25 /* TCP_NOTSENT_LOWAT */, 4, 0},
	{TCP_LEVEL, 27 /* TCP_SAVE_SYN */, 4, 0},
	{TCP_LEVEL, 30 /* TCP_FASTOPEN_CONNECT */, 4, 0},
	{TCP_LEVEL, 34 /* TCP_FASTOPEN_NO_COOKIE */, 4, 0},
	{TCP_LEVEL, 36 /* TCP_INQ */, 4, 0},
	{TCP_LEVEL, 37 /* TCP_TX_DELAY */, 4, 0},
	{UDP_LEVEL, 1 /* UDP_CORK */, 4, 0},
	{UDP_LEVEL, 101 /* UDP_NO_CHECK6_TX */, 4, 0},
	{UDP_LEVEL, 102 /* UDP_NO_CHECK6_RX */, 4, 0},
	{UDP_LEVEL, 103 /* UDP_SEGMENT */, 4, 0},
	{UDP_LEVEL, 104 /* UDP_GRO */, 4, 0},
	{NETLINK_LEVEL, 3 /* NETLINK_PKTINFO */, 4, 0},
	{NETLINK_LEVEL, 4 /* NETLINK_BROADCAST_ERROR */, 4, 0},
	{NETLINK_LEVEL, 5 /* NETLINK_NO_ENOBUFS */, 4, 0},
	{NETLINK_LEVEL, 8 /* NETLINK_LISTEN_ALL_NSID */, 4, 0},
	{NETLINK_LEVEL, 10 /* NETLINK_CAP_ACK */, 4, 0},
	{NETLINK_LEVEL, 11 /* NETLINK_EXT_ACK */, 4, 0},
	{NETLINK_LEVEL, 12 /* NETLINK_GET_STRICT_CHK */, 4, 0},
};

enum { NTABLE = sizeof(table) / sizeof(table[0]), FILTER_MAX = 4096 /* BPF_MAXINSNS */ };
_Static_assert((int)NTABLE <= (int)INET_OPTIONS_MAX, "room for all");

/* ---- Save -------------------------------------------------------------------------------- */

static int option_read(int fd, const struct known *k, struct inet_option *o)
{
	uint32_t n = k->len;
	int err;

	*o = (struct inet_option){.level = k->level, .name = k->name};
	err = sock_get(fd, k->level, k->name, o->value, &n);
	o->len = n <= sizeof(o->value) ? n : 0;
	return err;
}

void options_read(int fd, struct inet_options *o)
{
	int i;

	o->n = 0;
	for (i = 0; i < NTABLE; i++)
		if (option_read(fd, &table[i], &o->list[o->n]) == 0 && o->list[o->n].len)
			o->n++;
}

/* The kernel counts instructions here, not bytes; and only of classic filters. */
static void filter_put(struct plugin_ctx *c, const struct plugin_file *f)
{
	struct inet_part part = {.kind = PART_FILTER};
	struct sock_filter *insns;
	uint32_t n = 0;
	int err = sock_get(f->fd, SOL_SOCKET, SO_ATTACH_FILTER, NULL, &n);

	if (err == -EACCES) {
		plugin_refuse(c, f, "a BPF program that filters it can't be restored");
		return;
	}
	if (err || !n)
		return;
	insns = plugin_alloc(c, n * sizeof(*insns));
	if (!insns)
		return;
	err = sock_get(f->fd, SOL_SOCKET, SO_ATTACH_FILTER, insns, &n);
	if (err)
		plugin_refuse(c, f, "its filter can't be read: %s", errno_name(err));
	part.arg = sock_int(f->fd, SOL_SOCKET, SO_LOCK_FILTER, 0);
	plugin_put(c, f, &part, sizeof(part), insns, n * sizeof(*insns));
}

void options_put(struct plugin_ctx *c, const struct plugin_file *f, const struct inet_options *o)
{
	struct inet_part part = {.kind = PART_OPTIONS};

	plugin_put(c, f, &part, sizeof(part), o->list, o->n * sizeof(o->list[0]));
	filter_put(c, f);
}

/* ---- Restart ----------------------------------------------------------------------------- */

static const struct known *option_known(const struct inet_option *o)
{
	int i;

	for (i = 0; i < NTABLE; i++)
		if (table[i].level == o->level && table[i].name == o->name)
			return o->len && o->len <= table[i].len ? &table[i] : NULL;
	return NULL;
}

static int value_of(const struct inet_option *o)
{
	int v;

	__builtin_memcpy(&v, o->value, sizeof(v));
	return v;
}

/* Did the program choose this buffer's size? A kernel before 5.14 does not tell. */
static bool buffer_chosen(const struct inet_option *list, size_t n, const struct inet_option *o,
			  int fd)
{
	int bit = o->name == SO_SNDBUF ? 1 : 2;
	size_t i;

	for (i = 0; i < n; i++)
		if (list[i].level == SOL_SOCKET && list[i].name == BUF_LOCK)
			return value_of(&list[i]) & bit;
	return sock_int(fd, SOL_SOCKET, SO_TYPE, 0) != SOCK_STREAM;
}

static int buffer_set(int fd, const struct inet_option *o)
{
	int force = o->name == SO_SNDBUF ? SO_SNDBUFFORCE : SO_RCVBUFFORCE;
	int half = value_of(o) / 2;

	if (sock_set_int(fd, SOL_SOCKET, force, half) == 0)
		return 0;
	sock_set_int(fd, SOL_SOCKET, o->name, half);
	return sock_int(fd, SOL_SOCKET, o->name, 0) == value_of(o) ? 0 : -EPERM;
}

static int option_set(int fd, const struct known *k, const struct inet_option *o)
{
	if (k->flags & BUFFER)
		return buffer_set(fd, o);
	return sock_set(fd, o->level, o->name, o->value, o->len);
}

static void option_restore(struct plugin_ctx *c, const struct plugin_file *f, int fd,
			   const struct known *k, const struct inet_option *o)
{
	struct inet_option now;
	int err;

	if (option_read(fd, k, &now) == 0 && now.len == o->len &&
	    !__builtin_memcmp(now.value, o->value, o->len))
		return;
	err = option_set(fd, k, o);
	if (err)
		plugin_caution(c, f, "socket option %d of level %d can't be set to %d: %s", o->name,
			       o->level, value_of(o), errno_name(err));
}

static void filter_restore(struct plugin_ctx *c, const struct plugin_file *f, int fd)
{
	struct inet_part part;
	struct sock_fprog prog;
	unsigned int index = 1;
	size_t n;
	const void *p = inet_part_next(c, f, PART_FILTER, &index, &part, &n);
	int err;

	if (!p || n / sizeof(struct sock_filter) > FILTER_MAX)
		return;
	prog = (struct sock_fprog){n / sizeof(struct sock_filter), (struct sock_filter *)p};
	err = sock_set(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
	if (err)
		plugin_caution(c, f, "its filter can't be attached: %s", errno_name(err));
	if (part.arg)
		sock_set_int(fd, SOL_SOCKET, SO_LOCK_FILTER, 1);
}

void options_restore(struct plugin_ctx *c, const struct plugin_file *f, int fd, bool early)
{
	struct inet_part part;
	unsigned int index = 1;
	int skip = PRESENT;
	size_t n = 0, i;
	const struct inet_option *list = inet_part_next(c, f, PART_OPTIONS, &index, &part, &n);
	const struct known *k;

	if (sock_int(fd, SOL_SOCKET, SO_TYPE, 0) == SOCK_STREAM)
		skip |= DATAGRAM;
	n = list ? n / sizeof(*list) : 0;
	for (i = 0; i < n; i++) {
		k = option_known(&list[i]);
		if (!k || k->flags & skip || !(k->flags & EARLY) == early)
			continue;
		if (!(k->flags & BUFFER) || buffer_chosen(list, n, &list[i], fd))
			option_restore(c, f, fd, k, &list[i]);
	}
	if (!early)
		filter_restore(c, f, fd);
}
