/*
 * A connection in which more is under way than the receiving end has room for, although that has been
 * enlarged. All that waits is read then, until nothing is left at the other end either; it goes into memory that the
 * processes share, and the sending end sends it again in its resume(), before the program runs on. What fitted in
 * before fits in again; if not quite, for packets are others now, the receiver makes more room. So all processes do
 * both at the same time, sending and making room, until all is sent.
 *
 * Clients that wait to be accepted get back what they have sent in the same way (tcp_queue.c).
 */
#include "tcp.h"

enum {
	READ_TRIES = 80000, READ_US = 100,
	RELIEVE_TRIES = 100, /* of these without anything that comes */
	RETRY_MS_MAX = 3000,
	TURNS_US = 50, TURNS_TRIES = 60000, STUCK_TRIES = 200,
	QUIET_US = 200, QUIET_TRIES = 100,
};

static const union inet_name nobody = {.family = AF_UNSPEC};

/* Read from f until the peer has nothing more; no more than n bytes. How many there were, -errno. */
static long bytes_take(struct plugin_ctx *c, const struct plugin_file *f, const struct tcp_state *st, uint8_t *p,
		       size_t n)
{
	struct inet_diag peer = {0};
	size_t at = 0, before = 0;
	int tries, idle = 0, fd = f->fd;
	bool clear;
	long got;

	for (tries = 0; tries < READ_TRIES; tries++) {
		clear = inet_diag_find(IPPROTO_TCP, &st->remote, &st->local, &peer) == 0 &&
			tcp_way_is_clear(fd, &peer);
		do {
			got = at < n ? sys_call6(__NR_recvfrom, fd, (long)(p + at), n - at,
						 MSG_DONTWAIT, 0, 0)
				     : 0;
			at += got > 0 ? got : 0;
		} while (got > 0);
		if (clear && !sock_unread(fd))
			return at;
		if (got < 0 && got != -EAGAIN)
			return got;
		idle = at == before ? idle + 1 : 0;
		before = at;
		if (idle % RELIEVE_TRIES == RELIEVE_TRIES - 1)
			tcp_relieve(c, f, peer.ino);
		sock_nap(READ_US);
	}
	return -ETIMEDOUT;
}

bool tcp_is_drainable(struct plugin_ctx *c, const struct plugin_file *f, const struct inet_diag *peer)
{
	const struct plugin_file *other =
		peer->ino ? plugin_file_by_inode(c, f->dev, peer->ino) : NULL;

	return other && other != f &&
	       (peer->state == TCPS_ESTABLISHED || peer->state == TCPS_CLOSE_WAIT) &&
	       sock_unread(f->fd) == tcp_unread(f->fd);
}

struct tcp_given *tcp_drain(struct plugin_ctx *c, const struct plugin_file *f,
			    const struct tcp_state *st)
{
	struct plugin_file *other = NULL;
	struct tcp_given *g = NULL;
	struct inet_diag peer;
	size_t n = 0, waited = tcp_unread(f->fd);
	long got;

	if (inet_diag_find(IPPROTO_TCP, &st->remote, &st->local, &peer) == 0 &&
	    tcp_is_drainable(c, f, &peer)) {
		other = plugin_file_by_inode(c, f->dev, peer.ino);
		n = tcp_unread(f->fd) + peer.unacked;
	}
	if (other && peer.retry_ms > RETRY_MS_MAX) {
		plugin_refuse(c, f, "what is on its way to it was dropped, and is sent again in %u s; try again then",
			      peer.retry_ms / 1000);
		return NULL;
	}
	if (!tcp_may_refill(f->fd, waited)) {
		plugin_refuse(c, f, "%lu bytes wait in it, more than net.ipv4.tcp_rmem lets it take again; read "
			      "some, and try again", (unsigned long)waited);
		return NULL;
	}
	if (other)
		g = plugin_give(c, other, sizeof(*g) + n);
	if (!g || !tcp_turn_take(c, other)) {
		plugin_refuse(c, f, "more is on its way to it than it has room for; try again");
		return NULL;
	}
	g->locks = tcp_room_keep(f->fd);
	got = bytes_take(c, f, st, (uint8_t *)(g + 1), n);
	if (got >= 0) {
		g->n = got;
		tcp_make_room(f->fd, waited);
		tcp_turn_ready(c, other);
		return g;
	}
	tcp_room_free(f->fd, g->locks);
	/* What has been taken can't be put before what has not: both ends shall know. */
	sys_call3(__NR_connect, f->fd, &nobody, sizeof(nobody));
	plugin_refuse(c, f, "its connection is lost: what was on its way to it does not arrive: %s",
		      errno_name(got));
	return NULL;
}

/* ---- Before the program runs on ---------------------------------------------------------- */

/* Bind it again, for the moment as one that shares its port with those who do so, too; or connect from there. */
static long connect_from(const struct plugin_file *f, const union inet_name *local, const union inet_name *to)
{
	int reuse = sock_int(f->fd, SOL_SOCKET, SO_REUSEADDR, 0);
	int range = sock_int(f->fd, SOL_IP, TCP_PORT_RANGE, 0);
	int late = sock_int(f->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 0);
	long err;

	sock_set_int(f->fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (inet_bind(f->fd, local) == -EADDRINUSE)
		tcp_name_choose(f->fd, local);
	sock_set_int(f->fd, SOL_SOCKET, SO_REUSEADDR, reuse);
	err = inet_connect(f->fd, to);
	sock_set_int(f->fd, SOL_IP, TCP_PORT_RANGE, range);
	sock_set_int(f->fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, late);
	return err;
}

/* The name that it has from getsockname(2) stays. When the program had bound it, it is still. */
static long connect_again(const struct plugin_file *f, const union inet_name *to)
{
	union inet_name local;
	long err;

	inet_local(f->fd, &local);
	sys_call3(__NR_connect, f->fd, &nobody, sizeof(nobody));
	sys_fcntl(f->fd, F_SETFL, f->flags & ~O_NONBLOCK);
	err = connect_from(f, &local, to);
	sys_fcntl(f->fd, F_SETFL, f->flags);
	return err;
}

/* A socket that has something to send, or from which has been taken what another sends. */
struct turn {
	struct turn *next;
	const struct plugin_file *f;
	const struct plugin_file *other; /* taken from f: who sends it; else NULL */
	const struct tcp_given *g;
	uint64_t at; /* sent; taken: bytes that have come when it was looked at last */
	int idle, grown;
	bool over;
};

static void turn_end(struct plugin_ctx *c, struct turn *t, long err)
{
	t->over = true;
	if (!err && t->g->sent_end)
		sys_call2(__NR_shutdown, t->f->fd, SHUT_WR);
	tcp_turn_done(c, t->f);
	if (!err)
		return;
	/* Both ends shall know. */
	sys_call3(__NR_connect, t->f->fd, &nobody, sizeof(nobody));
	plugin_refuse(c, t->f, "its connection is lost: what was on its way can't be sent again: %s",
		      errno_name(err));
}

static void turn_send(struct plugin_ctx *c, struct turn *t)
{
	const uint8_t *p = (const uint8_t *)(t->g + 1);
	long sent = 0;

	while (t->at < t->g->n && sent >= 0) {
		sent = sys_call6(__NR_sendto, t->f->fd, (long)(p + t->at), t->g->n - t->at,
				 MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
		t->at += sent > 0 ? sent : 0;
	}
	if (t->at == t->g->n)
		turn_end(c, t, 0);
	else if (sent != -EAGAIN)
		turn_end(c, t, sent);
}

/* Tell of the room there is; make more when nothing comes any more, and its sender is not ready. */
static void turn_receive(struct plugin_ctx *c, struct turn *t)
{
	uint64_t have = tcp_unread(t->f->fd);

	t->over = tcp_turn_is_done(c, t->other);
	tcp_tell_room(t->f->fd);
	t->idle = have == t->at ? t->idle + 1 : 0;
	t->at = have;
	if (t->over || t->idle < STUCK_TRIES || !tcp_is_full(t->f->fd))
		return;
	t->idle = 0;
	tcp_make_room(t->f->fd, (t->g->n / 256 + 4096) * ++t->grown);
	tcp_relieve(c, t->f, t->other->ino);
}

static struct turn *turn_new(struct plugin_ctx *c, const struct plugin_file *f,
			     const struct tcp_given *g, struct turn *list)
{
	struct turn *t = plugin_alloc(c, sizeof(*t));

	if (!t)
		return list;
	*t = (struct turn){.next = list, .f = f, .g = g};
	return t;
}

static struct turn *sender_add(struct plugin_ctx *c, const struct plugin_file *f, struct turn *list)
{
	const struct tcp_given *g;
	struct turn *t;
	size_t n;
	long err;

	g = tcp_turn_has(c, f) ? plugin_given(c, f, &n) : NULL;
	if (!g || n < sizeof(*g) || n - sizeof(*g) < g->n)
		return list;
	t = turn_new(c, f, g, list);
	err = g->reconnect ? connect_again(f, &g->name) : 0;
	if (err)
		turn_end(c, t, err);
	return t;
}

/* Who sends what was taken from f. */
static const struct plugin_file *sender_of(struct plugin_ctx *c, const struct plugin_file *f)
{
	const struct plugin_file *other = NULL;
	union inet_name local, remote;
	struct inet_diag peer;

	inet_local(f->fd, &local);
	inet_remote(f->fd, &remote);
	if (inet_diag_find(IPPROTO_TCP, &remote, &local, &peer) == 0 && peer.ino)
		other = plugin_file_by_inode(c, f->dev, peer.ino);
	return other;
}

static struct turn *receiver_add(struct plugin_ctx *c, struct plugin_file *f, struct turn *list)
{
	const struct plugin_file *other;
	struct turn *t = list;

	tcp_relieve_end(f);
	other = f->data ? sender_of(c, f) : NULL;
	if (other) {
		t = turn_new(c, f, f->data, list);
		t->other = other;
	} else if (f->data) {
		tcp_room_free(f->fd, ((const struct tcp_given *)f->data)->locks);
	}
	f->data = NULL;
	return t;
}

/* Listening sockets have their own use for data. */
static bool is_end(const struct plugin_file *f, const struct plugin_file *g)
{
	return g->mine && g->plugin == f->plugin &&
	       !sock_int(g->fd, SOL_SOCKET, SO_ACCEPTCONN, 0);
}

static bool turns_step(struct plugin_ctx *c, struct turn *list)
{
	struct turn *t;
	bool more = false;

	for (t = list; t; t = t->next) {
		if (!t->over && t->other)
			turn_receive(c, t);
		else if (!t->over)
			turn_send(c, t);
		more |= !t->over;
	}
	return more;
}

/*
 * Room that the peer knows of can't be taken back: what it sends into that would be dropped. So as much of what it
 * still has as goes into it does so first.
 */
static void room_use_up(int fd, int size)
{
	int tries, before = -1, unread = tcp_unread(fd);

	if (sock_int(fd, SOL_SOCKET, SO_RCVBUF, 0) == size)
		return;
	for (tries = 0; tries < QUIET_TRIES && unread != before; tries++) {
		sock_nap(QUIET_US);
		before = unread;
		unread = tcp_unread(fd);
	}
}

void tcp_turns_run(struct plugin_ctx *c, struct plugin_file *f)
{
	struct turn *list = NULL, *t;
	struct plugin_file *g;
	int tries = 0;

	if (tcp_turn_is_done(c, f) && !f->data)
		return;
	for (g = plugin_file_next(c, NULL); g; g = plugin_file_next(c, g)) {
		if (is_end(f, g)) {
			list = sender_add(c, g, list);
			list = receiver_add(c, g, list);
		}
	}
	while (turns_step(c, list) && tries++ < TURNS_TRIES)
		sock_nap(TURNS_US);
	for (g = plugin_file_next(c, NULL); g; g = plugin_file_next(c, g))
		if (is_end(f, g))
			tcp_relieve_end(g);
	for (t = list; t; t = t->next) {
		if (t->other) {
			room_use_up(t->f->fd, t->g->room);
			tcp_room_return(t->f->fd, t->g->room);
			tcp_room_free(t->f->fd, t->g->locks);
		} else if (!t->over) {
			turn_end(c, t, -EAGAIN);
		}
	}
}
