/*
 * TCP sockets, the half that saves.
 *
 * A connection between two sockets of the job is, once nothing is under way any more, nothing but the bytes
 * that wait at either end and who has ended what. Bytes that wait to be received can be read
 * without taking them (MSG_PEEK). Bytes that wait to be sent can't be read by anybody without
 * privileges, so they are let through: the receiving end's buffer is made large enough for all that its peer
 * has written. Nobody runs who could write more. Nothing is taken out of any queue, so there is nothing to
 * undo if the checkpoint fails.
 *
 *   discover()	sends what the kernel keeps back for a fuller packet (Nagle, TCP_CORK)
 *   save()	makes room, waits until what the peer has written is there, and copies it
 *
 * Each process does this for its own ends, and waits for none of another's doing but discover(), which is over
 * everywhere before the first save().
 *
 * Whether all is there is seen by counting (tcp_way_is_clear()). The peer's counts, and which file it is, come
 * from sock_diag(7).
 */
#include "tcp.h"
#include <linux/sockios.h>
#include <sys/ioctl.h>

enum {
	GROW_NS = 2000000, GROW_TIMES = 10, RELIEVE_TIMES = 4,
	/*
	 * The room that is made is filled by the program when it runs on. A connection that nobody reads must
	 * not hold more with each checkpoint.
	 */
	GROW_MAX = 8 << 20,
	TCP_LEVEL = IPPROTO_TCP,
};

#define SETTLE_NS 2000000000ull /* as long may bytes be on their way */

enum peer_where { PEER_OUTSIDE, PEER_FILE, PEER_PENDING, PEER_GONE };

static bool tcp_match(const struct plugin_file *f)
{
	int domain;

	if (!S_ISSOCK(f->mode) || f->flags & O_PATH)
		return false;
	domain = sock_int(f->fd, SOL_SOCKET, SO_DOMAIN, -1);
	return (domain == AF_INET || domain == AF_INET6) &&
	       sock_int(f->fd, SOL_SOCKET, SO_PROTOCOL, -1) == IPPROTO_TCP;
}

/* ---- Both halves ------------------------------------------------------------------------- */

int tcp_unread(int fd)
{
	int inlined = sock_int(fd, SOL_SOCKET, SO_OOBINLINE, 0), n;

	if (inlined)
		return sock_unread(fd);
	sock_set_int(fd, SOL_SOCKET, SO_OOBINLINE, 1);
	n = sock_unread(fd);
	sock_set_int(fd, SOL_SOCKET, SO_OOBINLINE, 0);
	return n;
}

int tcp_name_choose(int fd, const union inet_name *name)
{
	uint32_t port = inet_port(name), range = port << 16 | port;
	union inet_name address = *name;
	int err = sock_set_int(fd, SOL_IP, TCP_PORT_RANGE, range);

	address.in4.sin_port = 0;
	if (!err)
		err = sock_set_int(fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	return err ? err : inet_bind(fd, &address);
}

/* ---- What is under way ------------------------------------------------------------------- */

int tcp_info_read(int fd, struct tcp_info *info)
{
	uint32_t n = sizeof(*info);

	__builtin_memset(info, 0, sizeof(*info));
	return sock_get(fd, TCP_LEVEL, TCP_INFO, info, &n);
}

/* Send what is kept back for a fuller packet: setting TCP_NODELAY does so, even of a corked socket. */
static void tcp_discover(struct plugin_ctx *c, struct plugin_file *f)
{
	int unsent = 0, nodelay;

	(void)c;
	if (sys_ioctl(f->fd, SIOCOUTQNSD, &unsent) || !unsent)
		return;
	nodelay = sock_int(f->fd, TCP_LEVEL, TCP_NODELAY, 0);
	sock_set_int(f->fd, TCP_LEVEL, TCP_NODELAY, 1);
	if (!nodelay)
		sock_set_int(f->fd, TCP_LEVEL, TCP_NODELAY, 0);
}

/*
 * Has all that the peer has written arrived? Its counts have been taken before ours are.
 *
 * What it has written (acked + unacked) less what we have received is what is missing, and one more if it was
 * the one that connected, for then its SYN counts. Which end that was nobody tells. But of the other way we know
 * the same, and only one of the two connected: when nothing is over there, one over here is the SYN.
 */
bool tcp_way_is_clear(int fd, const struct inet_diag *peer)
{
	struct tcp_info own;
	int unacked = 0;
	int64_t here, there;

	if (!peer->unacked)
		return true;
	if (sys_ioctl(fd, SIOCOUTQ, &unacked) || tcp_info_read(fd, &own))
		return false;
	here = peer->acked + peer->unacked - own.tcpi_bytes_received;
	there = own.tcpi_bytes_acked + unacked - peer->received;
	return here == 0 || (here == 1 && there == 0);
}

static bool is_connected(int state)
{
	return state != TCPS_CLOSE && state != TCPS_LISTEN && state != TCPS_SYN_SENT &&
	       state != TCPS_SYN_RECV;
}

/* Room for what the peer keeps, and a bit more each time: how much a packet takes is the kernel's business. */
static void room_grow(int fd, uint32_t missing, int times)
{
	uint64_t all = (uint64_t)missing + tcp_unread(fd);

	tcp_make_room(fd, missing + 4096 + (all / 8 + 16384) * times);
}

int tcp_settle(struct plugin_ctx *c, const struct plugin_file *f, int fd, const struct tcp_state *st,
	       bool may_drain)
{
	uint64_t now = sys_clock_ns(CLOCK_MONOTONIC), end = now + SETTLE_NS, next = now + GROW_NS;
	int times = 0, before = -1, unread;
	struct inet_diag peer;

	for (; now < end; now = sys_clock_ns(CLOCK_MONOTONIC)) {
		if (inet_diag_find(IPPROTO_TCP, &st->remote, &st->local, &peer) ||
		    !is_connected(peer.state) || tcp_way_is_clear(fd, &peer))
			return 0;
		/* What was sent and is not there may have been dropped, for want of room. */
		if ((peer.unsent && !times) || now > next) {
			if (may_drain &&
			    (times == GROW_TIMES || (uint64_t)peer.unacked + tcp_unread(fd) > GROW_MAX))
				return -ENOBUFS;
			room_grow(fd, peer.unacked, times++);
			if (times > RELIEVE_TIMES)
				tcp_relieve(c, f, peer.ino);
			next = now + GROW_NS;
		}
		tcp_tell_room(fd);
		sock_nap(20);
		unread = tcp_unread(fd);
		if (unread != before)
			next = sys_clock_ns(CLOCK_MONOTONIC) + GROW_NS;
		before = unread;
	}
	plugin_refuse(c, f, "%u bytes on their way to it do not arrive; try again", peer.unacked);
	return -ETIMEDOUT;
}

/* ---- What waits to be read --------------------------------------------------------------- */

/*
 * Look at n bytes from at on. Looking stops at an urgent byte and begins at the queue's front; SO_PEEK_OFF, since
 * Linux 6.10, leads on.
 */
static long bytes_look(int fd, uint32_t at, uint8_t *buf, uint32_t n)
{
	if (at && sock_set_int(fd, SOL_SOCKET, SO_PEEK_OFF, at))
		return -EOPNOTSUPP;
	return sys_call6(__NR_recvfrom, fd, (long)buf, n, MSG_PEEK | MSG_DONTWAIT, 0, 0);
}

static void bytes_put(struct plugin_ctx *c, const struct plugin_file *f, const uint8_t *p,
		      uint32_t n, bool urgent)
{
	struct inet_part part = {.kind = PART_BYTES, .arg = urgent};
	uint32_t len;

	for (; n; p += len, n -= len) {
		len = n < TCP_BYTES_MAX ? n : TCP_BYTES_MAX;
		plugin_put(c, f, &part, sizeof(part), p, len);
	}
}

/* An urgent byte that the program has not taken yet: it is not in the stream then. */
static bool has_urgent(int fd)
{
	char byte;

	return sys_call6(__NR_recvfrom, fd, (long)&byte, 1, MSG_OOB | MSG_PEEK | MSG_DONTWAIT, 0,
			 0) == 1;
}

/* All n bytes, of which the one at mark (n: none) is urgent: 0 or -errno. */
static long queue_copy(struct plugin_ctx *c, const struct plugin_file *f, uint8_t *buf, uint32_t n,
		       uint32_t mark)
{
	uint32_t at = 0;
	long got;

	while (at < n) {
		got = bytes_look(f->fd, at, buf + at, n - at);
		if (got <= 0)
			return got ? got : -EIO;
		at += got;
	}
	bytes_put(c, f, buf, mark, false);
	if (mark < n) {
		bytes_put(c, f, buf + mark, 1, true);
		bytes_put(c, f, buf + mark + 1, n - mark - 1, false);
	}
	return 0;
}

static void queue_save(struct plugin_ctx *c, const struct plugin_file *f)
{
	int inlined = sock_int(f->fd, SOL_SOCKET, SO_OOBINLINE, 0);
	int peek_off = sock_int(f->fd, SOL_SOCKET, SO_PEEK_OFF, -1);
	uint32_t n = tcp_unread(f->fd), mark = n;
	bool urgent = false;
	uint8_t *buf;
	long err = 0;

	if (!n)
		return;
	sock_set_int(f->fd, SOL_SOCKET, SO_OOBINLINE, 0);
	mark = sock_unread(f->fd);
	if (mark < n) {
		urgent = inlined || has_urgent(f->fd);
		if (!urgent)
			mark = --n; /* it has been taken, and is left out when looking */
	}
	sock_set_int(f->fd, SOL_SOCKET, SO_OOBINLINE, urgent);
	sock_set_int(f->fd, SOL_SOCKET, SO_PEEK_OFF, -1);
	buf = n ? plugin_alloc(c, n) : NULL;
	if (buf)
		err = queue_copy(c, f, buf, n, mark);
	sock_set_int(f->fd, SOL_SOCKET, SO_PEEK_OFF, peek_off);
	sock_set_int(f->fd, SOL_SOCKET, SO_OOBINLINE, inlined);
	if (err == -EOPNOTSUPP)
		plugin_refuse(c, f, "urgent data waits in it behind other data, which takes Linux 6.10");
	else if (err)
		plugin_refuse(c, f, "its queue can't be read: %s", errno_name(err));
}

/* ---- Kinds ------------------------------------------------------------------------------- */

/* Is there a file of the job for the socket with this inode number? */
static bool in_job(struct plugin_ctx *c, const struct plugin_file *f, uint32_t ino)
{
	return ino && plugin_file_by_inode(c, f->dev, ino);
}

/* The socket that listens at this name: its inode number, 0: none. */
static uint32_t listener_of(const union inet_name *name)
{
	union inet_name nobody = *name;
	struct inet_diag d;

	nobody.in4.sin_port = 0;
	if (inet_diag_find(IPPROTO_TCP, name, &nobody, &d) || d.state != TCPS_LISTEN)
		return 0;
	return d.ino;
}

static bool is_waiting(int state)
{
	return state == TCPS_ESTABLISHED || state == TCPS_CLOSE_WAIT || state == TCPS_SYN_RECV ||
	       state == TCPS_NEW_SYN_RECV;
}

static enum peer_where peer_find(struct plugin_ctx *c, const struct plugin_file *f,
				 const struct tcp_state *st, struct inet_diag *peer)
{
	if (inet_diag_find(IPPROTO_TCP, &st->remote, &st->local, peer) ||
	    peer->state == TCPS_LISTEN)
		return PEER_OUTSIDE;
	if (in_job(c, f, peer->ino))
		return PEER_FILE;
	/* One that is not in the job has perhaps been accepted just now (tcp_queue.c). */
	if (in_job(c, f, listener_of(&st->remote)) && is_waiting(peer->state))
		return PEER_PENDING;
	if (peer->ino)
		return PEER_OUTSIDE;
	return is_waiting(peer->state) ? PEER_OUTSIDE : PEER_GONE;
}
static bool got_end(int state)
{
	return state == TCPS_CLOSE_WAIT || state == TCPS_LAST_ACK || state == TCPS_CLOSING ||
	       state == TCPS_TIME_WAIT || state == TCPS_CLOSE;
}

static bool sent_end(int state)
{
	return state == TCPS_FIN_WAIT1 || state == TCPS_FIN_WAIT2 || state == TCPS_LAST_ACK ||
	       state == TCPS_CLOSING || state == TCPS_TIME_WAIT || state == TCPS_CLOSE;
}

/* A connection that is over, or never was. An error that waits is not asked for: that takes it. */
static uint32_t closed_kind(int fd, const struct tcp_info *info)
{
	int events = sock_poll(fd, POLLRDHUP);
	bool answered_once = info->tcpi_segs_in <= 1;

	if (events & POLLERR)
		return answered_once ? TCP_REFUSED : TCP_RESET;
	if (!(events & POLLRDHUP))
		return TCP_UNUSED;
	return answered_once && !sock_unread(fd) ? TCP_REFUSED_TOLD : TCP_ENDED;
}

static void outside_save(struct plugin_ctx *c, struct plugin_file *f, struct tcp_state *st)
{
	char name[INET_NAME_TEXT];

	inet_name_text(&st->remote, name);
	if (plugin_tcp_refuse(c))
		plugin_refuse(c, f, "a connection to %s, outside the job", name);
	else
		plugin_warn(c, f, "its connection to %s, outside the job, will have been reset",
			    name);
}

/*
 * Has its peer connected to it? The peer's SYN counts as sent, but not as received (tcp_way_is_clear()). As long as
 * something is on its way only a socket that listens there tells.
 */
static bool was_connected_to(const struct plugin_file *f, const struct tcp_state *st)
{
	struct inet_diag peer;
	struct tcp_info own;
	int unacked = 0;
	int64_t here, there;

	if (inet_diag_find(IPPROTO_TCP, &st->remote, &st->local, &peer) || tcp_info_read(f->fd, &own) ||
	    sys_ioctl(f->fd, SIOCOUTQ, &unacked))
		return false;
	here = peer.acked + peer.unacked - own.tcpi_bytes_received;
	there = own.tcpi_bytes_acked + unacked - peer.received;
	if (here + there == 1 && (here == 0 || there == 0))
		return here == 1;
	return listener_of(&st->local) != 0;
}

static void connected_save(struct plugin_ctx *c, struct plugin_file *f, struct tcp_state *st,
			   struct tcp_info *info)
{
	struct inet_diag peer;
	enum peer_where where;
	int err = 0;

	inet_remote(f->fd, &st->remote);
	where = peer_find(c, f, st, &peer);
	if (where == PEER_FILE || where == PEER_GONE)
		err = tcp_settle(c, f, f->fd, st,
				 where == PEER_FILE && tcp_is_drainable(c, f, &peer));
	if (err == -ENOBUFS)
		f->data = tcp_drain(c, f, st);
	tcp_info_read(f->fd, info);
	st->sent_end = sent_end(info->tcpi_state);
	st->shut_read = !got_end(info->tcpi_state) && sock_poll(f->fd, POLLRDHUP) & POLLRDHUP;
	if (where == PEER_OUTSIDE)
		outside_save(c, f, st);
	if (info->tcpi_state == TCPS_CLOSE)
		st->kind = closed_kind(f->fd, info);
	else if (got_end(info->tcpi_state) && sent_end(info->tcpi_state))
		st->kind = TCP_ENDED;
	else if (where == PEER_FILE)
		st->kind = TCP_PAIR;
	else if (where == PEER_PENDING)
		st->kind = TCP_PENDING;
	else
		st->kind = got_end(info->tcpi_state) ? TCP_HALF : TCP_RESET;
	if (st->kind == TCP_PAIR) {
		st->peer_ino = peer.ino;
		st->served = was_connected_to(f, st);
	}
	if (st->kind == TCP_PENDING)
		st->peer_ino = listener_of(&st->remote);
}

/* A maximum that the program has set; on loopback the kernel's own is larger than can be set. */
static uint32_t mss_chosen(int fd, const struct tcp_info *info)
{
	enum { UNSET = 536, MSS_MIN = 88, MSS_MAX = 32767, TIMESTAMP = 12 };
	uint32_t mss = info->tcpi_advmss;

	if (info->tcpi_options & TCPI_OPT_TIMESTAMPS)
		mss += TIMESTAMP;
	if (info->tcpi_state == TCPS_CLOSE || info->tcpi_state == TCPS_LISTEN) {
		mss = sock_int(fd, TCP_LEVEL, TCP_MAXSEG, 0);
		if (mss == UNSET)
			return 0;
	}
	return mss >= MSS_MIN && mss <= MSS_MAX ? mss : 0;
}

/* getpeername(2) does not tell where a socket is connecting to. */
struct connecting {
	uint32_t ino;
	union inet_name remote;
};

static void connecting_look(void *arg, const struct inet_diag *d)
{
	struct connecting *w = arg;

	if (d->ino == w->ino)
		w->remote = d->remote;
}

static void connecting_save(struct plugin_ctx *c, struct plugin_file *f, struct tcp_state *st)
{
	struct connecting w = {.ino = f->ino};
	int err = inet_diag_port(inet_port(&st->local), connecting_look, &w);

	st->kind = TCP_CONNECTING;
	st->remote = w.remote;
	if (err || !w.remote.family)
		plugin_refuse(c, f, "the kernel does not tell where it is connecting to (inet_diag): %s",
			      errno_name(err ? err : -ENOENT));
}

static bool has_protocol_above(int fd)
{
	char name[16];
	uint32_t n = sizeof(name);

	return sock_get(fd, TCP_LEVEL, 31 /* TCP_ULP */, name, &n) == 0 && n;
}

/* What waits in it, of whatever kind it is. */
static void content_save(struct plugin_ctx *c, struct plugin_file *f, const struct tcp_state *st)
{
	const struct tcp_given *g = f->data;

	if (g)
		bytes_put(c, f, (const uint8_t *)(g + 1), g->n, false);
	else if (st->kind == TCP_LISTENING)
		tcp_queue_save(c, f);
	else if (st->kind != TCP_UNUSED && st->kind != TCP_PENDING)
		queue_save(c, f);
}

static void state_save(struct plugin_ctx *c, struct plugin_file *f, struct tcp_info *info,
		       struct inet_options *options)
{
	struct tcp_state st = {
		.domain = sock_int(f->fd, SOL_SOCKET, SO_DOMAIN, 0),
		.protocol = IPPROTO_TCP,
		.mss = mss_chosen(f->fd, info),
	};
	int rcvbuf = sock_int(f->fd, SOL_SOCKET, SO_RCVBUF, 0);

	inet_local(f->fd, &st.local);
	if (info->tcpi_state == TCPS_LISTEN) {
		st.kind = TCP_LISTENING;
		st.backlog = info->tcpi_sacked;
	} else if (info->tcpi_state == TCPS_CLOSE) {
		st.kind = closed_kind(f->fd, info);
	} else if (!is_connected(info->tcpi_state)) {
		connecting_save(c, f, &st);
	} else {
		connected_save(c, f, &st, info);
	}
	plugin_put(c, f, &st, sizeof(st), NULL, 0);
	options_put(c, f, options);
	content_save(c, f, &st);
	if (f->data && st.kind != TCP_LISTENING) /* what was taken out needs the room again */
		((struct tcp_given *)f->data)->room = rcvbuf;
	else
		tcp_room_return(f->fd, rcvbuf);
}

static void tcp_save(struct plugin_ctx *c, struct plugin_file *f)
{
	struct inet_options *options = plugin_alloc(c, sizeof(*options));
	struct tcp_info info;
	int err = tcp_info_read(f->fd, &info);

	if (err || !options) {
		plugin_refuse(c, f, "the kernel does not tell its state: %s", errno_name(err));
		return;
	}
	if (has_protocol_above(f->fd)) {
		plugin_refuse(c, f, "encryption in the kernel (TCP_ULP) can't be restored");
		return;
	}
	tcp_relieve_end(f);
	options_read(f->fd, options);
	tcp_turn_grant(c, f);
	state_save(c, f, &info, options);
}

static void tcp_resume(struct plugin_ctx *c, struct plugin_file *f)
{
	if (sock_int(f->fd, SOL_SOCKET, SO_ACCEPTCONN, 0))
		tcp_queue_release(f);
	else
		tcp_turns_run(c, f);
}

const struct plugin plugin_tcp = {
	.name = "tcp",
	.match = tcp_match,
	.discover = tcp_discover,
	.save = tcp_save,
	.resume = tcp_resume,
	.restore = tcp_restore,
	.fill = tcp_fill,
	.attach = tcp_attach,
};
