/*
 * TCP sockets, the half that makes them anew.
 *
 *   restore()	Sockets with their addresses. A pair is connected as the kernel connects any: a listening
 *		socket of our own at the one name, a connect(2) from the other. Ended and reset connections are
 *		made on loopback, and ended or reset again.
 *   fill()	Sockets listen, and what waited at one end of a pair is sent from the other.
 *   attach()	Connections that nobody has accepted yet, options, ends of streams.
 *
 * Many sockets of a job have one port: a server's listening socket and the connections that it
 * has accepted. That is allowed as long as all of them have SO_REUSEADDR and none listens; so all have it until
 * attach().
 *
 * When a job was killed and its connections ended as any do, one end of each stays in state TIME_WAIT for a
 * minute and has its port. No privileges are needed to end that: a connect(2) from the other end's name is
 * answered with an acknowledgement of what was never sent, which the kernel over there resets.
 */
#include "tcp.h"

enum {
	SEND_TRIES = 15000, /* at 1 ms, without any progress: probes of a window come seconds apart */
	ARRIVE_TRIES = 500, ARRIVE_US = 20,
	TCP_LEVEL = IPPROTO_TCP,
	ANY_BACKLOG = 16,
};

static bool state_get(struct plugin_ctx *c, const struct plugin_file *f, struct tcp_state *st)
{
	size_t n;

	return plugin_get(c, f, 0, st, sizeof(*st), &n) &&
	       (st->domain == AF_INET || st->domain == AF_INET6) && st->protocol == IPPROTO_TCP;
}

/* ---- Ports ------------------------------------------------------------------------------- */

/* End what is at the name `to`, by connecting to it from its peer's. */
static void left_end(int family, const union inet_name *from, const union inet_name *to)
{
	int fd = sock_new(family, SOCK_STREAM, 0);

	if (fd < 0)
		return;
	sock_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	sys_fcntl(fd, F_SETFL, O_NONBLOCK);
	if (inet_bind(fd, from) == 0 || tcp_name_choose(fd, from) == 0)
		inet_connect(fd, to);
	sys_close(fd);
}

/*
 * End a TIME_WAIT. If both ends are in this state, one has the port that the other should be ended from; then
 * only that of the two can be used that had been chosen by the kernel.
 */
static void time_wait_end(const struct inet_diag *d)
{
	struct inet_diag other;

	left_end(d->family, &d->remote, &d->local);
	if (inet_diag_find(IPPROTO_TCP, &d->remote, &d->local, &other) == 0 &&
	    other.state == TCPS_TIME_WAIT)
		left_end(other.family, &other.remote, &other.local);
}

/* *arg: is there one that nobody has any more? */
static void left_look(void *arg, const struct inet_diag *d)
{
	*(bool *)arg |= !d->ino;
	if (!d->ino && (d->state == TCPS_TIME_WAIT || d->state == TCPS_FIN_WAIT2))
		time_wait_end(d);
}

/* End what is left of a port. Was there anything? */
static bool left_clear(const union inet_name *name)
{
	bool any = false;

	inet_diag_port(inet_port(name), left_look, &any);
	return any;
}

static int port_fail(struct plugin_ctx *c, const struct plugin_file *f, int err,
		     const union inet_name *name)
{
	char text[INET_NAME_TEXT];

	inet_name_text(name, text);
	if (err == -EADDRINUSE)
		return plugin_fail(c, f, 0, "port %u is taken (%s)", inet_port(name), text);
	return plugin_fail(c, f, err, "can't be bound to %s", text);
}

/* What earlier connections have left behind of the port is ended; of a job just killed, the rest soon goes. */
static int name_bind(struct plugin_ctx *c, const struct plugin_file *f, int fd,
		     const union inet_name *name)
{
	int err, i;

	sock_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	err = inet_bind(fd, name);
	for (i = 0; err == -EADDRINUSE && i < NAME_TRIES; i++) {
		left_clear(name);
		err = inet_bind(fd, name);
		if (err)
			sock_nap(NAME_TRY_US);
	}
	return err ? port_fail(c, f, err, name) : 0;
}

/*
 * The name of a socket that will connect. Its port may be one that connections of others have as well, to other
 * places: then none can be bound to it, but connect(2) takes it.
 */
static void name_claim(int fd, const union inet_name *name)
{
	int err, i;

	sock_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	err = inet_bind(fd, name);
	for (i = 0; err == -EADDRINUSE && left_clear(name) && i < NAME_TRIES; i++) {
		sock_nap(NAME_TRY_US);
		err = inet_bind(fd, name);
	}
	if (err == -EADDRINUSE && inet_bind(fd, name))
		tcp_name_choose(fd, name);
}

/* When others of the job have been bound to that port meanwhile, connect(2) does not choose it any more. */
static void name_claim_again(int fd, const union inet_name *name)
{
	union inet_name now;

	inet_local(fd, &now);
	if (!inet_port(&now))
		inet_bind(fd, name);
}

static bool is_to_connect(uint32_t kind)
{
	return kind == TCP_CONNECTING || kind == TCP_PENDING;
}

/* ---- Sockets ----------------------------------------------------------------------------- */

static int socket_make(struct plugin_ctx *c, const struct plugin_file *f, const struct tcp_state *st)
{
	int fd = sock_new(st->domain, SOCK_STREAM, 0);

	if (fd < 0)
		return plugin_fail(c, f, fd, "socket");
	options_restore(c, f, fd, true);
	if (st->mss)
		sock_set_int(fd, TCP_LEVEL, TCP_MAXSEG, st->mss);
	return fd;
}

/* One with a name of its own, but without a peer. */
static int single_restore(struct plugin_ctx *c, struct plugin_file *f, const struct tcp_state *st)
{
	int fd = socket_make(c, f, st), err = 0;

	if (fd < 0 || !st->local.family || !inet_port(&st->local))
		return fd;
	if (is_to_connect(st->kind))
		name_claim(fd, &st->local);
	else
		err = name_bind(c, f, fd, &st->local);
	if (!err)
		return fd;
	sys_close(fd);
	return err;
}

/* ---- Connections ------------------------------------------------------------------------- */

/* Accept the connection from this name, and no other's. */
static int accept_from(int listening, const union inet_name *name)
{
	union inet_name from;
	int fd;

	for (;;) {
		fd = sys_call4(__NR_accept4, listening, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			return fd;
		inet_remote(fd, &from);
		if (inet_port(&from) == inet_port(name))
			return fd;
		sys_close(fd);
	}
}

static int bound_make(struct plugin_ctx *c, const struct plugin_file *f, const struct tcp_state *st)
{
	int fd = socket_make(c, f, st), err;

	if (fd < 0)
		return fd;
	err = name_bind(c, f, fd, &st->local);
	if (!err)
		return fd;
	sys_close(fd);
	return err;
}

/* For accept_from(). fd is closed if that is impossible. */
static int listen_begin(struct plugin_ctx *c, const struct plugin_file *f, int fd, const union inet_name *name)
{
	const struct timeval limit = {.tv_sec = 2};
	int err = sys_call2(__NR_listen, fd, ANY_BACKLOG);

	sock_set(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (!err)
		return 0;
	port_fail(c, f, err, name);
	sys_close(fd);
	return err;
}

/* Is the way from this name to its peer blocked by a connection of before? Tries to end it. */
static bool way_is_blocked(const struct tcp_state *st)
{
	struct inet_diag left;

	if (inet_diag_find(IPPROTO_TCP, &st->local, &st->remote, &left) || left.state == TCPS_LISTEN)
		return false;
	if (!left.ino && (left.state == TCPS_TIME_WAIT || left.state == TCPS_FIN_WAIT2))
		time_wait_end(&left);
	return true; /* or the processes of a job just killed are still about to end it */
}

static void way_clear(const struct tcp_state *st)
{
	for (int i = 0; i < NAME_TRIES && way_is_blocked(st); i++)
		sock_nap(NAME_TRY_US);
}

static int connect_when_free(int fd, const struct tcp_state *st)
{
	int err = inet_connect(fd, &st->remote), i;

	for (i = 0; err == -EADDRNOTAVAIL && i < NAME_TRIES && way_is_blocked(st); i++) {
		sock_nap(NAME_TRY_US);
		err = inet_connect(fd, &st->remote);
	}
	return err;
}

static int socket_connect(int fd, const struct tcp_state *st)
{
	const struct timeval limit = {.tv_sec = 2}, none = {0};
	int err;

	sock_set(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	err = connect_when_free(fd, st);
	sock_set(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	return err;
}

/* A socket connected from its port as one that was chosen for it: a descriptor or -errno. */
static int chosen_connect(struct plugin_ctx *c, const struct plugin_file *f, const struct tcp_state *st)
{
	union inet_name name;
	int err, fd = socket_make(c, f, st);

	if (fd < 0)
		return fd;
	sock_set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	err = tcp_name_choose(fd, &st->local);
	if (!err)
		err = socket_connect(fd, st);
	inet_local(fd, &name);
	if (!err && inet_port(&name) == inet_port(&st->local))
		return fd;
	sys_close(fd);
	return err ? err : -EADDRNOTAVAIL;
}

/* A socket connected from its name to its peer's, where one listens. */
static int connected_make(struct plugin_ctx *c, const struct plugin_file *f, const struct tcp_state *st)
{
	char text[INET_NAME_TEXT];
	int err, fd = chosen_connect(c, f, st);

	if (fd >= 0)
		return fd;
	fd = socket_make(c, f, st);
	if (fd < 0)
		return fd;
	err = name_bind(c, f, fd, &st->local);
	if (!err) {
		err = socket_connect(fd, st);
		if (err)
			plugin_fail(c, f, err, "can't be connected to %s again",
				    inet_name_text(&st->remote, text));
	}
	if (!err)
		return fd;
	sys_close(fd);
	return err;
}

static void quick(int fd)
{
	sock_set_int(fd, TCP_LEVEL, TCP_NODELAY, 1);
}

/*
 * Connect b to a listening socket in place of its peer a: fds[0] is a's. What is left of b is ended from a's name:
 * when others have left that, and before one listens there.
 */
static int pair_make(struct plugin_ctx *c, struct plugin_file *a, const struct tcp_state *sa,
		     struct plugin_file *b, const struct tcp_state *sb, int fds[2])
{
	int listening, err;

	listening = bound_make(c, a, sa);
	if (listening < 0)
		return listening;
	way_clear(sb);
	err = listen_begin(c, a, listening, &sa->local);
	if (err)
		return err;
	fds[1] = connected_make(c, b, sb);
	fds[0] = fds[1] < 0 ? fds[1] : accept_from(listening, &sb->local);
	sys_close(listening);
	if (fds[1] < 0)
		return fds[1];
	quick(fds[1]);
	if (fds[0] >= 0) {
		quick(fds[0]);
		return 0;
	}
	sys_close(fds[1]);
	return plugin_fail(c, a, fds[0], "its connection can't be made again");
}

/* The other end, or the socket itself, which can be connected to itself. */
static struct plugin_file *peer_of(struct plugin_ctx *c, struct plugin_file *f,
				   const struct tcp_state *st)
{
	struct plugin_file *peer = plugin_file_by_inode(c, f->dev, st->peer_ino);

	return peer && peer->plugin == f->plugin ? peer : NULL;
}

static int pair_restore(struct plugin_ctx *c, struct plugin_file *f, const struct tcp_state *st)
{
	struct plugin_file *peer = peer_of(c, f, st);
	struct tcp_state ps;
	int fds[2], err;
	bool swap;

	if (peer == f)
		return connected_make(c, f, st);
	if (!peer || !state_get(c, peer, &ps) || ps.kind != TCP_PAIR || ps.peer_ino != f->ino ||
	    peer->fd >= 0)
		return plugin_fail(c, f, 0, "its record names a wrong peer");
	swap = ps.served && !st->served;
	err = swap ? pair_make(c, peer, &ps, f, st, fds) : pair_make(c, f, st, peer, &ps, fds);
	if (err)
		return err;
	peer->fd = fds[!swap];
	return fds[swap];
}

/* ---- Content ----------------------------------------------------------------------------- */

/* Send p[0..n) from one end although nobody reads at the other. */
static int bytes_send(int from, int to, const uint8_t *p, size_t n, int flags)
{
	struct pollfd writable = {.fd = from, .events = POLLOUT};
	int tries = 0;
	long sent;

	while (n) {
		sent = sys_call6(__NR_sendto, from, (long)p, n,
				 flags | MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
		if (sent > 0) {
			p += sent;
			n -= sent;
			tries = 0;
			continue;
		}
		if (sent != -EAGAIN || tries++ == SEND_TRIES)
			return sent ? sent : -EIO;
		if (tries > 2 && tcp_is_full(to))
			tcp_make_room(to, n + tries * (1 << 16));
		tcp_tell_room(to);
		sys_call3(__NR_poll, &writable, 1, 1);
	}
	return 0;
}

/* Send what waited in f; *total is how much. */
static int queue_send(struct plugin_ctx *c, const struct plugin_file *f, int from, int to,
		      uint64_t *total)
{
	struct inet_part part;
	unsigned int index = 1;
	const uint8_t *p;
	size_t n;
	int err;

	*total = 0;
	while ((p = inet_part_next(c, f, PART_BYTES, &index, &part, &n))) {
		err = bytes_send(from, to, p, n, part.arg ? MSG_OOB : 0);
		if (err)
			return plugin_fail(c, f, err, "what waited in it can't be put back");
		*total += n;
	}
	return 0;
}

static uint64_t queue_size(struct plugin_ctx *c, const struct plugin_file *f)
{
	struct inet_part part;
	unsigned int index = 1;
	uint64_t total = 0;
	size_t n;

	while (inet_part_next(c, f, PART_BYTES, &index, &part, &n))
		total += n;
	return total;
}

/*
 * Room for what the other end can't keep. As long as nothing has come the kernel takes half of a buffer to be
 * overhead: what it makes of a request then is twice as large, up to net.ipv4.tcp_rmem, of which a queue that was read
 * fast once can be full. But no more than that: what room is left the program fills, at each restart.
 */
static void room_make_first(struct plugin_ctx *c, const struct plugin_file *f, int from)
{
	uint64_t total = queue_size(c, f), kept = sock_int(from, SOL_SOCKET, SO_SNDBUF, 0);

	if (total > kept)
		tcp_make_room(f->fd, (total - kept) / 2);
}

/*
 * Wait until all that was sent is there, for the program may look at once; or the kernel finds it enough,
 * and keeps the rest at the other end as it did before.
 */
static void queue_await(int fd, uint64_t total)
{
	uint64_t have = tcp_unread(fd), before;
	int idle = 0;

	while (have < total && idle < ARRIVE_TRIES) {
		tcp_tell_room(fd);
		sock_nap(ARRIVE_US);
		before = have;
		have = tcp_unread(fd);
		idle = have == before ? idle + 1 : 0;
	}
}

/* ---- Connections that are over ----------------------------------------------------------- */

/* Does a socket of the image have this port? */
static bool port_is_wanted(struct plugin_ctx *c, const struct plugin_file *f, uint16_t port)
{
	static uint8_t wanted[1 << 13];
	static bool known;
	struct tcp_state st;

	for (struct plugin_file *g = NULL; !known && (g = plugin_file_next(c, g));)
		if (g->plugin == f->plugin && state_get(c, g, &st))
			wanted[inet_port(&st.local) / 8] |= 1 << inet_port(&st.local) % 8;
	known = true;
	return wanted[port / 8] & 1 << port % 8;
}

/* A socket on loopback at a port that nobody has or will want. */
static int anywhere_make(struct plugin_ctx *c, struct plugin_file *f, const struct tcp_state *st, union inet_name *name)
{
	int fd, err;

	do {
		fd = socket_make(c, f, st);
		if (fd < 0)
			return fd;
		inet_loopback(st->domain, name);
		err = inet_bind(fd, name);
		inet_local(fd, name);
		if (!err && !port_is_wanted(c, f, inet_port(name)))
			return fd;
		sys_close(fd);
	} while (!err);
	return plugin_fail(c, f, err, "no port on loopback");
}

/* A connection on loopback with names of no meaning: fds[0] of f's kind, fds[1] its peer. */
static int loopback_make(struct plugin_ctx *c, struct plugin_file *f, const struct tcp_state *st,
			 int fds[2])
{
	struct tcp_state there = {.domain = st->domain}, here = {0};
	int listening = anywhere_make(c, f, &there, &here.remote), err;

	if (listening < 0)
		return listening;
	err = listen_begin(c, f, listening, &here.remote);
	if (err)
		return err;
	fds[0] = anywhere_make(c, f, st, &here.local);
	err = fds[0] < 0 ? fds[0] : socket_connect(fds[0], &here);
	if (!err) {
		fds[1] = accept_from(listening, &here.local);
		err = fds[1] < 0 ? fds[1] : 0;
	}
	sys_close(listening);
	if (err && fds[0] >= 0)
		sys_close(fds[0]);
	return err ? plugin_fail(c, f, err, "no connection on loopback can be made") : 0;
}

static int over_restore(struct plugin_ctx *c, struct plugin_file *f, const struct tcp_state *st)
{
	const struct linger at_once = {.l_onoff = 1};
	int fds[2] = {-1, -1}, err;
	uint64_t total;

	err = loopback_make(c, f, st, fds);
	if (err)
		return err;
	quick(fds[1]);
	err = queue_send(c, f, fds[1], fds[0], &total);
	if (!err) {
		tcp_make_room(fds[0], total);
		queue_await(fds[0], total);
	}
	if (st->kind == TCP_RESET)
		sock_set(fds[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	sys_close(fds[1]);
	if (st->kind == TCP_ENDED)
		sys_call2(__NR_shutdown, fds[0], SHUT_WR);
	if (!err)
		return fds[0];
	sys_close(fds[0]);
	return err;
}

/* Connect to a port where nobody listens. */
static int refused_restore(struct plugin_ctx *c, struct plugin_file *f, const struct tcp_state *st)
{
	const struct tcp_state plain = {.domain = st->domain};
	union inet_name name, own;
	int silent = anywhere_make(c, f, &plain, &name), fd;

	if (silent < 0)
		return silent;
	fd = anywhere_make(c, f, st, &own);
	if (fd >= 0) {
		sys_fcntl(fd, F_SETFL, O_NONBLOCK);
		inet_connect(fd, &name);
		if (st->kind == TCP_REFUSED_TOLD)
			sock_int(fd, SOL_SOCKET, SO_ERROR, 0);
	}
	sys_close(silent);
	return fd;
}

/* ---- Hooks ------------------------------------------------------------------------------- */

static bool is_over(uint32_t kind)
{
	return kind == TCP_HALF || kind == TCP_ENDED || kind == TCP_RESET;
}

int tcp_restore(struct plugin_ctx *c, struct plugin_file *f)
{
	char name[INET_NAME_TEXT];
	struct tcp_state st;

	if (!state_get(c, f, &st))
		return plugin_fail(c, f, 0, "its record is missing");
	if (st.kind == TCP_RESET && plugin_tcp_refuse(c) && st.remote.family)
		return plugin_fail(c, f, 0, "it was connected to %s, outside the job (--tcp=reset "
				   "goes on with it)", inet_name_text(&st.remote, name));
	if (st.kind == TCP_PAIR)
		return pair_restore(c, f, &st);
	if (is_over(st.kind))
		return over_restore(c, f, &st);
	if (st.kind == TCP_REFUSED || st.kind == TCP_REFUSED_TOLD)
		return refused_restore(c, f, &st);
	return single_restore(c, f, &st);
}

int tcp_fill(struct plugin_ctx *c, struct plugin_file *f)
{
	struct plugin_file *peer;
	struct tcp_state st;
	uint64_t total;
	int err;

	if (!state_get(c, f, &st))
		return 0;
	if (is_to_connect(st.kind))
		name_claim_again(f->fd, &st.local);
	if (st.kind == TCP_LISTENING) {
		err = sys_call2(__NR_listen, f->fd, st.backlog);
		return err ? port_fail(c, f, err, &st.local) : 0;
	}
	peer = st.kind == TCP_PAIR ? peer_of(c, f, &st) : NULL;
	if (!peer)
		return 0;
	room_make_first(c, f, peer->fd);
	return queue_send(c, f, peer->fd, f->fd, &total);
}

/* Send what it had sent before it was accepted: a part of the listening socket's. */
static void pending_send(struct plugin_ctx *c, struct plugin_file *f, const struct tcp_state *st)
{
	struct plugin_file *listening = peer_of(c, f, st);
	struct inet_part part;
	unsigned int index = 1;
	const void *p;
	size_t n;
	long sent;

	while (listening && (p = inet_part_next(c, listening, PART_QUEUED, &index, &part, &n))) {
		if (inet_port(&part.name) != inet_port(&st->local) || !n)
			continue;
		sent = sys_call6(__NR_sendto, f->fd, (long)p, n, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
		if (sent != (long)n)
			plugin_caution(c, f, "what it had sent before it was accepted is lost");
	}
}

/* A connection in a queue of a socket that listens again. It may be full, or not there any more. */
static void pending_connect(struct plugin_ctx *c, struct plugin_file *f, const struct tcp_state *st)
{
	const struct timeval limit = {.tv_sec = 1}, none = {0};
	char name[INET_NAME_TEXT];
	union inet_name now;
	int err;

	if (st->kind == TCP_PENDING)
		sock_set(f->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	else
		sys_fcntl(f->fd, F_SETFL, O_NONBLOCK);
	err = connect_when_free(f->fd, st);
	sock_set(f->fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof(none));
	if (err && err != -EINPROGRESS)
		plugin_caution(c, f, "can't be connected to %s again: %s",
			       inet_name_text(&st->remote, name), errno_name(err));
	inet_local(f->fd, &now);
	if (inet_port(&now) != inet_port(&st->local))
		plugin_caution(c, f, "its port is %u now: %u is taken", inet_port(&now), inet_port(&st->local));
}

int tcp_attach(struct plugin_ctx *c, struct plugin_file *f)
{
	struct tcp_state st;

	if (!state_get(c, f, &st))
		return 0;
	if (is_to_connect(st.kind))
		pending_connect(c, f, &st);
	if (st.kind == TCP_PENDING)
		pending_send(c, f, &st);
	if (st.kind == TCP_PAIR)
		queue_await(f->fd, queue_size(c, f));
	options_restore(c, f, f->fd, false);
	if (st.shut_read)
		sys_call2(__NR_shutdown, f->fd, SHUT_RD);
	if (st.sent_end && (st.kind == TCP_PAIR || st.kind == TCP_PENDING))
		sys_call2(__NR_shutdown, f->fd, SHUT_WR);
	return 0;
}
