/*
 * UDP sockets: names, options, multicast memberships, and the datagrams that wait.
 *
 * A datagram is put back by sending it again from a socket that has its sender's name. While that
 * is done the socket is connected to that name: then the datagram is delivered to no other socket with the
 * same port. Those whose sender was not on this machine can't be; the network loses some as well.
 *
 * All have SO_REUSEADDR until attach(): a sender's name is mostly that of another socket of the job.
 */
#include "inet.h"

enum { DATAGRAM_MAX = 1 << 16, GROUPS_TEXT = 1 << 16, FILTERS_MAX = 64 };

/* First record of a UDP socket; parts (inet.h) follow. */
struct udp_state {
	uint32_t domain;
	uint32_t shut_down; /* for reading (1), for writing (2) */
	union inet_name local, remote;
};
_Static_assert(sizeof(struct udp_state) == 64, "on disk");

static bool udp_match(const struct plugin_file *f)
{
	int domain;

	if (!S_ISSOCK(f->mode) || f->flags & O_PATH)
		return false;
	domain = sock_int(f->fd, SOL_SOCKET, SO_DOMAIN, -1);
	return (domain == AF_INET || domain == AF_INET6) &&
	       sock_int(f->fd, SOL_SOCKET, SO_PROTOCOL, -1) == IPPROTO_UDP;
}

/* ---- Save -------------------------------------------------------------------------------- */

/* From the peek position on, which moves. 0 or -errno. */
static long queue_peek(struct plugin_ctx *c, const struct plugin_file *f, uint8_t *buf)
{
	struct inet_part part = {.kind = PART_MESSAGE};
	struct iovec iov = {buf, DATAGRAM_MAX};
	struct msghdr m;
	long n;

	for (;;) {
		m = (struct msghdr){.msg_name = &part.name,
				    .msg_namelen = sizeof(part.name),
				    .msg_iov = &iov,
				    .msg_iovlen = 1};
		n = sys_call3(__NR_recvmsg, f->fd, &m, MSG_PEEK | MSG_DONTWAIT);
		if (n < 0)
			return n == -EAGAIN ? 0 : n;
		plugin_put(c, f, &part, sizeof(part), buf, n);
	}
}

static void queue_save(struct plugin_ctx *c, const struct plugin_file *f)
{
	int old = sock_int(f->fd, SOL_SOCKET, SO_PEEK_OFF, -1);
	uint8_t *buf = plugin_alloc(c, DATAGRAM_MAX);
	long err;

	if (!buf)
		return;
	sock_set_int(f->fd, SOL_SOCKET, SO_PEEK_OFF, 0);
	err = queue_peek(c, f, buf);
	sock_set_int(f->fd, SOL_SOCKET, SO_PEEK_OFF, old);
	if (err)
		plugin_refuse(c, f, "its queue can't be read: %s", errno_name(err));
}

/* ---- Save: multicast --------------------------------------------------------------------- */

/*
 * The kernel lists the groups of interfaces, and tells of a socket and a group whether the one is member of
 * the other. So every group is asked for.
 */
static void group_save(struct plugin_ctx *c, const struct plugin_file *f, int level,
		       struct group_filter *gf)
{
	struct inet_part part = {.kind = PART_GROUP, .arg = level};
	uint32_t n = GROUP_FILTER_SIZE(FILTERS_MAX);

	gf->gf_numsrc = FILTERS_MAX;
	if (sock_get(f->fd, level, MCAST_MSFILTER, gf, &n))
		return;
	if (gf->gf_numsrc > FILTERS_MAX) {
		plugin_refuse(c, f, "a multicast membership with more than %d sources", FILTERS_MAX);
		return;
	}
	plugin_put(c, f, &part, sizeof(part), gf, GROUP_FILTER_SIZE(gf->gf_numsrc));
}

static uint32_t number_at(const char *line, int base)
{
	while (*line == ' ' || *line == '\t')
		line++;
	return base == 10 ? parse_dec(&line) : parse_hex(&line);
}

/* /proc/net/igmp: a line "INDEX DEVICE ..." and below, one "\t\t\t\tGROUP ..." for each. */
static void groups4_save(struct plugin_ctx *c, const struct plugin_file *f, const char *text,
			 struct group_filter *gf)
{
	struct sockaddr_in *group = (struct sockaddr_in *)&gf->gf_group;
	const char *line;
	uint32_t index = 0;

	for (line = text_next_line(text); *line; line = text_next_line(line)) {
		if (*line != '\t') {
			index = number_at(line, 10);
			continue;
		}
		__builtin_memset(gf, 0, GROUP_FILTER_SIZE(FILTERS_MAX));
		gf->gf_interface = index;
		group->sin_family = AF_INET;
		group->sin_addr.s_addr = number_at(line, 16); /* as it lies in memory */
		group_save(c, f, SOL_IP, gf);
	}
}

static void address_parse(const char *hex, uint8_t *a)
{
	char two[3] = {0};
	const char *p;
	int i;

	for (i = 0; i < 16 && hex[2 * i] && hex[2 * i + 1]; i++) {
		two[0] = hex[2 * i];
		two[1] = hex[2 * i + 1];
		p = two;
		a[i] = parse_hex(&p);
	}
}

/* /proc/net/igmp6: "INDEX DEVICE GROUP ..." */
static void groups6_save(struct plugin_ctx *c, const struct plugin_file *f, const char *text,
			 struct group_filter *gf)
{
	struct sockaddr_in6 *group = (struct sockaddr_in6 *)&gf->gf_group;
	const char *line, *p;

	for (line = text; *line; line = text_next_line(line)) {
		p = line;
		__builtin_memset(gf, 0, GROUP_FILTER_SIZE(FILTERS_MAX));
		gf->gf_interface = number_at(p, 10);
		while (*p == ' ')
			p++;
		while (*p && *p != ' ')
			p++;
		while (*p == ' ')
			p++;
		while (*p && *p != ' ')
			p++;
		while (*p == ' ')
			p++;
		group->sin6_family = AF_INET6;
		address_parse(p, group->sin6_addr.s6_addr);
		group_save(c, f, SOL_IPV6, gf);
	}
}

static bool file_read(const char *path, char *buf, size_t n)
{
	int fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
	size_t at = 0;
	ssize_t got;

	if (fd < 0)
		return false;
	while (at < n - 1 && (got = sys_read(fd, buf + at, n - 1 - at)) > 0)
		at += got;
	sys_close(fd);
	buf[at] = 0;
	return true;
}

static void groups_save(struct plugin_ctx *c, const struct plugin_file *f, int domain)
{
	struct group_filter *gf = plugin_alloc(c, GROUP_FILTER_SIZE(FILTERS_MAX));
	char *text = plugin_alloc(c, GROUPS_TEXT);

	if (!gf || !text)
		return;
	if (file_read("/proc/thread-self/net/igmp", text, GROUPS_TEXT))
		groups4_save(c, f, text, gf);
	if (domain == AF_INET6 && file_read("/proc/thread-self/net/igmp6", text, GROUPS_TEXT))
		groups6_save(c, f, text, gf);
}

static void udp_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct udp_state st = {.domain = sock_int(f->fd, SOL_SOCKET, SO_DOMAIN, 0)};
	struct inet_options *options = plugin_alloc(c, sizeof(*options));
	int events = sock_poll(f->fd, POLLIN | POLLRDHUP);

	if (!options)
		return;
	inet_local(f->fd, &st.local);
	inet_remote(f->fd, &st.remote);
	if (events & POLLRDHUP)
		st.shut_down = events & POLLHUP ? 3 : 1;
	options_read(f->fd, options);
	plugin_put(c, f, &st, sizeof(st), NULL, 0);
	options_put(c, f, options);
	if (inet_port(&st.local))
		groups_save(c, f, st.domain);
	if (events & POLLIN)
		queue_save(c, f);
}

/* ---- Restart ----------------------------------------------------------------------------- */

static bool state_get(struct plugin_ctx *c, const struct plugin_file *f, struct udp_state *st)
{
	size_t n;

	return plugin_get(c, f, 0, st, sizeof(*st), &n) &&
	       (st->domain == AF_INET || st->domain == AF_INET6);
}

/*
 * Have its name again. A connected socket's address was chosen by its peer's, and may be another on another
 * machine.
 */
static int name_bind(struct plugin_ctx *c, const struct plugin_file *f, int fd,
		     const struct udp_state *st)
{
	union inet_name any = {.family = st->local.family};
	char text[INET_NAME_TEXT];
	int err = inet_bind(fd, &st->local), i;

	any.in4.sin_port = st->local.in4.sin_port;
	inet_name_text(&st->local, text);
	if (err == -EADDRNOTAVAIL && st->remote.family) {
		plugin_caution(c, f, "this machine has no address %s; it gets another", text);
		err = inet_bind(fd, &any);
	}
	for (i = 0; err == -EADDRINUSE && i < NAME_TRIES; i++) {
		sock_nap(NAME_TRY_US);
		err = inet_bind(fd, &st->local);
	}
	if (err == -EADDRINUSE)
		return plugin_fail(c, f, 0, "port %u is taken (%s)", inet_port(&st->local), text);
	return err ? plugin_fail(c, f, err, "can't be bound to %s", text) : 0;
}

static int udp_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	struct udp_state st;
	int fd, err = 0;

	if (!state_get(c, f, &st))
		return plugin_fail(c, f, 0, "its record is missing");
	fd = sock_new(st.domain, SOCK_DGRAM, IPPROTO_UDP);
	if (fd < 0)
		return plugin_fail(c, f, fd, "socket");
	options_restore(c, f, fd, true);
	sock_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (st.local.family && inet_port(&st.local))
		err = name_bind(c, f, fd, &st);
	if (!err)
		return fd;
	sys_close(fd);
	return err;
}

/* A socket with the name that datagrams came from; -errno when this machine has it not. */
static int sender_make(int domain, const union inet_name *name)
{
	int fd = sock_new(domain, SOCK_DGRAM, IPPROTO_UDP), err;

	if (fd < 0)
		return fd;
	sock_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	sock_set_int(fd, SOL_SOCKET, SO_BROADCAST, 1);
	err = inet_bind(fd, name);
	if (!err)
		return fd;
	sys_close(fd);
	return err;
}

/* Send one datagram to fd, which is bound, from its sender's name. */
static int message_send(int fd, const struct udp_state *st, const struct inet_part *part,
			const void *p, size_t n)
{
	int from = sender_make(st->domain, &part->name);
	union inet_name to;
	long err;

	if (from < 0)
		return from;
	err = inet_connect(fd, &part->name);
	inet_local(fd, &to);
	if (!err)
		err = sys_call6(__NR_sendto, from, (long)p, n, 0, (long)&to, inet_name_len(&to));
	sys_close(from);
	return err < 0 ? err : 0;
}

/* Back to no peer, or its own. */
static int peer_restore(struct plugin_ctx *c, const struct plugin_file *f,
			const struct udp_state *st, bool was_connected)
{
	const union inet_name none = {.family = AF_UNSPEC};
	char text[INET_NAME_TEXT];
	int err = 0;

	if (was_connected)
		sys_call3(__NR_connect, f->fd, &none, sizeof(none));
	if (st->remote.family)
		err = inet_connect(f->fd, &st->remote);
	return err ? plugin_fail(c, f, err, "can't be connected to %s",
				 inet_name_text(&st->remote, text))
		   : 0;
}

/* Make room, or go back to `size`: 0 is as much as one can get. Returns what it was. */
static int room_set(int fd, int size)
{
	const int most = 64 << 20;
	int before = sock_int(fd, SOL_SOCKET, SO_RCVBUF, 0), want = size ? size / 2 : most;

	if (sock_set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, want))
		sock_set_int(fd, SOL_SOCKET, SO_RCVBUF, want);
	sock_set_int(fd, SOL_SOCKET, 72 /* SO_BUF_LOCK */, 0);
	return before;
}

static int udp_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	struct inet_part part;
	struct udp_state st;
	unsigned int index = 1, lost = 0, sent = 0;
	const void *p;
	size_t n;
	int size;

	if (!state_get(c, f, &st))
		return 0;
	size = room_set(f->fd, 0);
	while ((p = inet_part_next(c, f, PART_MESSAGE, &index, &part, &n))) {
		if (message_send(f->fd, &st, &part, p, n))
			lost++;
		else
			sent++;
	}
	room_set(f->fd, size);
	if (lost)
		plugin_caution(c, f, "%u datagrams that waited in it are lost: their senders are not here",
			       lost);
	return peer_restore(c, f, &st, sent + lost);
}

static void groups_restore(struct plugin_ctx *c, const struct plugin_file *f)
{
	const struct group_filter *gf;
	struct group_req join;
	struct inet_part part;
	unsigned int index = 1;
	size_t n;
	int err;

	while ((gf = inet_part_next(c, f, PART_GROUP, &index, &part, &n))) {
		if (n < GROUP_FILTER_SIZE(0) || n < GROUP_FILTER_SIZE((size_t)gf->gf_numsrc))
			return;
		join = (struct group_req){gf->gf_interface, gf->gf_group};
		err = sock_set(f->fd, part.arg, MCAST_JOIN_GROUP, &join, sizeof(join));
		if (!err && (gf->gf_fmode != MCAST_EXCLUDE || gf->gf_numsrc))
			err = sock_set(f->fd, part.arg, MCAST_MSFILTER, gf, n);
		if (err)
			plugin_caution(c, f, "can't join a multicast group on interface %u: %s",
				       gf->gf_interface, errno_name(err));
	}
}

static int udp_attach(struct plugin_ctx *c, struct plugin_file *f)
{
	struct udp_state st;

	if (!state_get(c, f, &st))
		return 0;
	groups_restore(c, f);
	options_restore(c, f, f->fd, false);
	if (st.shut_down & 3)
		sys_call2(__NR_shutdown, f->fd, (st.shut_down & 3) - 1);
	return 0;
}

const struct plugin plugin_udp = {
	.name = "udp",
	.match = udp_match,
	.save = udp_save,
	.restore = udp_restore,
	.fill = udp_fill,
	.attach = udp_attach,
};
