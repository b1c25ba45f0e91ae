/*
 * socketpair(2) and other Unix sockets without a name: type, options, shutdown state and the bytes
 * or messages that wait. These are read without taking them (MSG_PEEK, moving on with
 * SO_PEEK_OFF).
 *
 * Only the kernel's unix_diag tells which socket is the peer. A pair is made anew by the first of
 * the two; a socket whose peer is closed comes back as half of a pair whose other half is closed
 * again. A datagram socket connected to a name (/dev/log) is connected to it again.
 */
#include <ckpt/plugin.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

enum {
	CHUNK_BYTES = 1 << 18,
	CHUNKS_MAX = 64,
	LISTENING = 10, /* TCP_LISTEN */
};

struct socket_info {
	bool named, has_peer;
	uint8_t state;
	uint8_t shutdown;  /* as the kernel counts: 1 receiving, 2 sending */
	uint32_t peer_ino; /* 0: the peer is closed */
};

#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD 76
#endif

/* The position in struct socket_state, and so in images. */
static const int int_options[] = {SO_SNDBUF,   SO_RCVBUF,   SO_RCVLOWAT, SO_PRIORITY,
				  SO_PEEK_OFF, SO_PASSCRED, SO_PASSSEC,	 SO_PASSPIDFD};
static const int time_options[] = {SO_RCVTIMEO, SO_SNDTIMEO};

enum {
	NINTS = sizeof(int_options) / sizeof(int_options[0]),
	NTIMES = sizeof(time_options) / sizeof(time_options[0]),
	PEEK_OFF = 4,
	FIRST_PASS = 5, /* from here on: what adds data of the kernel's to messages */
};

/* First record of a socket, and the name it sends to, struct sockaddr_un; the chunks follow. */
struct socket_state {
	int32_t type;
	uint32_t peer;	    /* id of the peer's file, 0: none */
	uint32_t connected; /* it has or had a peer */
	uint32_t shutdown;
	int32_t ints[16];
	int64_t times_us[4];
};

/* Bytes of the queue; a message goes on in the next chunk when there is more. */
struct socket_chunk {
	uint32_t more;
	uint32_t reserved;
};

static bool socketpair_match(const struct plugin_file *f)
{
	return S_ISSOCK(f->mode) && !(f->flags & O_PATH);
}

static int option_get(int fd, int option, void *value, uint32_t n)
{
	return sys_call5(__NR_getsockopt, fd, SOL_SOCKET, option, value, &n);
}

static int option_set(int fd, int option, const void *value, uint32_t n)
{
	return sys_call5(__NR_setsockopt, fd, SOL_SOCKET, option, value, n);
}

static int option_int(int fd, int option)
{
	int value = 0;

	option_get(fd, option, &value, sizeof(value));
	return value;
}

/* ---- Save -------------------------------------------------------------------------------- */

static void diag_parse(const struct nlmsghdr *h, struct socket_info *info)
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	const uint8_t *p = (const uint8_t *)(m + 1);
	const uint8_t *end = (const uint8_t *)h + h->nlmsg_len;
	const struct nlattr *a;

	info->state = m->udiag_state;
	for (; p + sizeof(*a) <= end; p += NLA_ALIGN(a->nla_len)) {
		a = (const struct nlattr *)p;
		if (a->nla_len < sizeof(*a))
			return;
		switch (a->nla_type) {
		case UNIX_DIAG_NAME:
			info->named = true;
			break;
		case UNIX_DIAG_PEER:
			info->has_peer = true;
			info->peer_ino = *(const uint32_t *)(a + 1);
			break;
		case UNIX_DIAG_SHUTDOWN:
			info->shutdown = *(const uint8_t *)(a + 1);
			break;
		}
	}
}

/* Ask the kernel about the Unix socket with this inode. 0 or -errno. */
static int diag_ask(uint32_t ino, struct socket_info *info)
{
	struct {
		struct nlmsghdr h;
		struct unix_diag_req r;
	} req = {
		.h = {.nlmsg_len = sizeof(req),
		      .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		      .nlmsg_flags = NLM_F_REQUEST},
		.r = {.sdiag_family = AF_UNIX,
		      .udiag_states = ~0u,
		      .udiag_ino = ino,
		      .udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER,
		      .udiag_cookie = {~0u, ~0u}},
	};
	uint64_t reply[128];
	const struct nlmsghdr *h = (const struct nlmsghdr *)reply;
	long n;
	int fd = sys_call3(__NR_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (fd < 0)
		return fd;
	n = sys_write(fd, &req, sizeof(req));
	if (n > 0)
		n = sys_call6(__NR_recvfrom, fd, (long)reply, sizeof(reply), MSG_DONTWAIT, 0, 0);
	sys_close(fd);
	if (n < 0)
		return n;
	if (n < (long)sizeof(*h) || h->nlmsg_len > n)
		return -EPROTO;
	if (h->nlmsg_type == NLMSG_ERROR)
		return *(const int *)NLMSG_DATA(h);
	diag_parse(h, info);
	return 0;
}

static const char *domain_refusal(int domain)
{
	switch (domain) {
	case AF_INET:
	case AF_INET6:
		return "network connections can't be restored";
	case AF_NETLINK:
		return "netlink sockets can't be restored";
	case AF_PACKET:
		return "packet sockets can't be restored";
	default:
		return "sockets of this family can't be restored";
	}
}

static void options_save(int fd, struct socket_state *st)
{
	struct timeval tv;
	int i;

	for (i = 0; i < NINTS; i++)
		st->ints[i] = option_int(fd, int_options[i]);
	for (i = 0; i < NTIMES; i++) {
		tv = (struct timeval){0, 0};
		option_get(fd, time_options[i], &tv, sizeof(tv));
		st->times_us[i] = tv.tv_sec * 1000000ll + tv.tv_usec;
	}
}

/*
 * Append what waits, from the peek position on. There is no room for control messages: when there
 * are any, which are descriptors, they show as cut off. 0, -EXFULL then, or -errno.
 */
static int queue_peek(struct plugin_ctx *c, const struct plugin_file *f, int type, uint8_t *buf)
{
	struct socket_chunk chunk = {0};
	struct iovec iov = {buf, CHUNK_BYTES};
	struct msghdr m;
	long n;

	for (;;) {
		m = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
		n = sys_call3(__NR_recvmsg, f->fd, &m, MSG_PEEK | MSG_DONTWAIT);
		if (n == -EAGAIN || (n == 0 && type != SOCK_DGRAM))
			return 0;
		if (n < 0)
			return n;
		if (m.msg_flags & MSG_CTRUNC)
			return -EXFULL;
		chunk.more = type != SOCK_STREAM && m.msg_flags & MSG_TRUNC;
		plugin_put(c, f, &chunk, sizeof(chunk), buf, n);
	}
}

/* Turn off what the kernel adds to messages, or on again what was on. */
static void pass_set(const struct plugin_file *f, const struct socket_state *st, bool on)
{
	int i, value = on;

	for (i = FIRST_PASS; i < NINTS; i++)
		if (st->ints[i])
			option_set(f->fd, int_options[i], &value, sizeof(value));
}

static void queue_save(struct plugin_ctx *c, const struct plugin_file *f,
		       const struct socket_state *st)
{
	int zero = 0, err = -ENOMEM;
	uint8_t *buf;

	if (option_set(f->fd, SO_PEEK_OFF, &zero, sizeof(zero))) {
		plugin_refuse(c, f, "its queue can't be read without taking from it");
		return;
	}
	pass_set(f, st, false);
	buf = plugin_alloc(c, CHUNK_BYTES);
	if (buf)
		err = queue_peek(c, f, st->type, buf);
	pass_set(f, st, true);
	option_set(f->fd, SO_PEEK_OFF, &st->ints[PEEK_OFF], sizeof(int));
	if (err == -EXFULL)
		plugin_refuse(c, f, "there are descriptors under way in it");
	else if (err)
		plugin_refuse(c, f, "its queue can't be read: %s", errno_name(err));
}

static bool may_have_queue(int fd)
{
	struct {
		int fd;
		short events, revents;
	} p = {.fd = fd, .events = 1 /* POLLIN */};

	return sys_call3(__NR_poll, &p, 1, 0) != 0;
}

/* Length of the name that a datagram socket sends to, 0: none. */
static uint32_t name_of_peer(const struct plugin_file *f, int type, struct sockaddr_un *name)
{
	uint32_t n = sizeof(*name);

	if (type != SOCK_DGRAM || sys_call3(__NR_getpeername, f->fd, name, &n) || n > sizeof(*name))
		return 0;
	return n > sizeof(name->sun_family) ? n : 0;
}

static void unix_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct socket_info info = {0};
	struct socket_state st = {.type = option_int(f->fd, SO_TYPE)};
	struct plugin_file *peer = NULL;
	struct sockaddr_un name;
	uint32_t name_len = name_of_peer(f, st.type, &name);
	int err = diag_ask(f->ino, &info);

	if (err) {
		plugin_refuse(c, f, "the kernel does not tell its peer (unix_diag): %s",
			      errno_name(err));
		return;
	}
	if (info.peer_ino && !name_len)
		peer = plugin_file_by_inode(c, f->dev, info.peer_ino);
	if (info.named || info.state == LISTENING || (info.peer_ino && !name_len && !peer)) {
		plugin_outside(c, f,
			       info.peer_ino ? "its peer is outside the job"
					     : "a socket with a name can't be restored");
		return;
	}
	st.peer = peer ? peer->id : 0;
	st.connected = info.has_peer;
	st.shutdown = info.shutdown;
	options_save(f->fd, &st);
	plugin_put(c, f, &st, sizeof(st), &name, name_len);
	if (may_have_queue(f->fd))
		queue_save(c, f, &st);
}

static void socketpair_save(struct plugin_ctx *c, struct plugin_file *f)
{
	int domain = option_int(f->fd, SO_DOMAIN);

	if (domain == AF_UNIX)
		unix_save(c, f);
	else
		plugin_outside(c, f, domain_refusal(domain));
}

/* ---- Restart ----------------------------------------------------------------------------- */

/* Room for anything, for as long as we send; options_restore() sets what it was. */
static void room_make(int fd)
{
	int n = 64 << 20;

	if (option_set(fd, SO_SNDBUFFORCE, &n, sizeof(n)))
		option_set(fd, SO_SNDBUF, &n, sizeof(n));
}

/* Send all chunks of f to it, from its peer's end. */
static int queue_send(struct plugin_ctx *c, const struct plugin_file *f, int from)
{
	struct iovec iov[CHUNKS_MAX];
	struct msghdr m = {.msg_iov = iov};
	struct socket_chunk chunk;
	unsigned int i;
	size_t n;
	long sent;

	room_make(from);
	for (i = 1;; i++) {
		iov[m.msg_iovlen].iov_base = (void *)plugin_get(c, f, i, &chunk, sizeof(chunk), &n);
		if (!iov[m.msg_iovlen].iov_base)
			return 0;
		iov[m.msg_iovlen++].iov_len = n;
		if (chunk.more && m.msg_iovlen < CHUNKS_MAX)
			continue;
		sent = sys_call3(__NR_sendmsg, from, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0)
			return plugin_fail(c, f, sent, "what waited in it can't be put back");
		m.msg_iovlen = 0;
	}
}

/* A socket that is not connected, or to a name. */
static int single_restore(struct plugin_ctx *c, struct plugin_file *f,
			  const struct socket_state *st, const void *name, size_t name_len)
{
	int fd = sys_call3(__NR_socket, AF_UNIX, st->type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return plugin_fail(c, f, fd, "socket");
	if (name_len && sys_call3(__NR_connect, fd, name, name_len))
		plugin_caution(c, f, "nobody listens at what it was connected to");
	return fd;
}

/* Half of a pair, of which the other half has been closed. */
static int half_restore(struct plugin_ctx *c, struct plugin_file *f, const struct socket_state *st)
{
	int fds[2], err;

	err = sys_call4(__NR_socketpair, AF_UNIX, st->type | SOCK_CLOEXEC, 0, fds);
	if (err)
		return plugin_fail(c, f, err, "socketpair");
	err = queue_send(c, f, fds[1]);
	sys_close(fds[1]);
	return err ? err : fds[0];
}

static int socketpair_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	struct plugin_file *peer;
	struct socket_state st;
	const void *name;
	int fds[2], err;
	size_t n;

	name = plugin_get(c, f, 0, &st, sizeof(st), &n);
	if (!name)
		return plugin_fail(c, f, 0, "its record is missing");
	if (n || !st.connected)
		return single_restore(c, f, &st, name, n);
	if (!st.peer)
		return half_restore(c, f, &st);
	peer = plugin_file_by_id(c, st.peer);
	if (!peer || peer->plugin != f->plugin || peer->fd >= 0)
		return plugin_fail(c, f, 0, "its record names a wrong peer");
	err = sys_call4(__NR_socketpair, AF_UNIX, st.type | SOCK_CLOEXEC, 0, fds);
	if (err)
		return plugin_fail(c, f, err, "socketpair");
	peer->fd = fds[1];
	return fds[0];
}

static int socketpair_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	const struct plugin_file *peer;
	struct socket_state st;
	size_t n;

	if (!plugin_get(c, f, 0, &st, sizeof(st), &n) || !st.peer)
		return 0;
	peer = plugin_file_by_id(c, st.peer);
	return peer && peer->fd >= 0 ? queue_send(c, f, peer->fd) : 0;
}

/* The kernel doubles the sizes that it is given. */
static int option_value(int option, int value)
{
	return option == SO_SNDBUF || option == SO_RCVBUF ? value / 2 : value;
}

static void option_restore(struct plugin_ctx *c, const struct plugin_file *f, int option, int want)
{
	int force = option == SO_SNDBUF ? SO_SNDBUFFORCE : SO_RCVBUFFORCE;
	int value = option_value(option, want);

	if (option_int(f->fd, option) == want)
		return;
	if (value != want && option_set(f->fd, force, &value, sizeof(value)) == 0)
		return;
	option_set(f->fd, option, &value, sizeof(value));
	if (option_int(f->fd, option) != want)
		plugin_caution(c, f, "socket option %d can't be set to %d", option, want);
}

/* Options and shutdown last: what has been sent before would not get through. */
static int socketpair_attach(struct plugin_ctx *c, struct plugin_file *f)
{
	struct socket_state st;
	struct timeval tv;
	size_t n;
	int i;

	if (!plugin_get(c, f, 0, &st, sizeof(st), &n))
		return 0;
	for (i = 0; i < NINTS; i++)
		option_restore(c, f, int_options[i], st.ints[i]);
	for (i = 0; i < NTIMES; i++) {
		tv = (struct timeval){st.times_us[i] / 1000000, st.times_us[i] % 1000000};
		option_set(f->fd, time_options[i], &tv, sizeof(tv));
	}
	if (st.shutdown & 3 && st.peer)
		sys_call2(__NR_shutdown, f->fd, (st.shutdown & 3) - 1);
	return 0;
}

const struct plugin plugin_socketpair = {
	.name = "socketpair",
	.match = socketpair_match,
	.save = socketpair_save,
	.restore = socketpair_restore,
	.fill = socketpair_fill,
	.attach = socketpair_attach,
};
